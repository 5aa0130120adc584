"""Promise: `entrykit htpasswd` asks at a terminal, which is left as it was found."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

from .starts import PATIENCE_SECONDS, Entrypoint, Given

READY = "eve:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"
PAGE = (Path(__file__).parents[2] / "docs/htpasswd.md").read_text(encoding="utf-8")


def test_the_command_does_what_is_shown(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "password").write_text("hush\n")
    script = f'entrykit() {{ "{sys.executable}" -m entrykit "$@"; }}\n'
    for line in shown.splitlines():
        if line.startswith("$ "):
            script += f"cat <<'end'\n{line}\nend\n{line[2:]}\n"
    ended = subprocess.run(
        ["sh", "-c", f"exec 2>&1\n{script}"],
        check=False, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.stdout == shown


class Terminal:
    """A terminal with `entrykit htpasswd` at it."""

    def __init__(self, command: Entrypoint, *words: str) -> None:
        self.master, self.slave = pty.openpty()
        self.shown = b""
        self.at_first = termios.tcgetattr(self.slave)
        given = Given(terminal=os.ttyname(self.slave))
        self.running = command.start("htpasswd", *words, given=given)

    def wait_for(self, text: bytes) -> None:
        """Wait until the terminal shows a text, after what was waited for before."""
        while text not in self.shown:
            readable, _, _ = select.select([self.master], [], [], PATIENCE_SECONDS)
            assert readable, self.shown
            self.shown += os.read(self.master, 4096)
        self.shown = self.shown.partition(text)[2]

    def echoes(self) -> bool:
        """Tell whether what is typed is shown."""
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def type(self, text: bytes) -> None:
        """Type a text."""
        os.write(self.master, text)

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        status = self.running.end().status
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 4096)
        return status


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Entrypoint]:
    """Return what runs `entrykit` with words."""
    command = Entrypoint([sys.executable, "-m", "entrykit"], tmp_path, is_pid1=False)
    yield command
    command.close()


@pytest.fixture
def terminal(command: Entrypoint, tmp_path: Path) -> Iterator[Terminal]:
    """Return a terminal where a new file's password is asked for."""
    terminal = Terminal(command, "create", str(tmp_path / "users"), "ann", "--cost", "4")
    terminal.wait_for(b"Password of ann: ")
    yield terminal
    os.close(terminal.master)
    os.close(terminal.slave)


@pytest.mark.parametrize("password", ["hush", "é ü"])
def test_a_password_is_asked_for_twice_without_echo(
    terminal: Terminal, tmp_path: Path, password: str
) -> None:
    assert not terminal.echoes()
    terminal.type(f"{password}\n".encode())
    terminal.wait_for(b"Again: ")
    assert not terminal.echoes()
    terminal.type(f"{password}\n".encode())
    terminal.wait_for(b"made, with ann\r\n")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.slave) == terminal.at_first
    assert password.encode() not in terminal.shown
    assert HtpasswdFile(str(tmp_path / "users")).check_password("ann", password)


def test_two_passwords_that_differ_make_nothing(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type(b"hush\n")
    terminal.wait_for(b"Again: ")
    terminal.type(b"hash\n")
    terminal.wait_for(b"entrykit: the two passwords differ\r\n")
    assert terminal.end() == 78
    assert not (tmp_path / "users").exists()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (b"\x04", b"entrykit: no password was given\r\n"),
        (b"hu\xffsh\n", b"entrykit: the password is not utf-8, the encoding of this locale ("),
    ],
)
def test_what_is_no_password_is_told(
    terminal: Terminal, tmp_path: Path, typed: bytes, told: bytes
) -> None:
    terminal.type(typed)
    terminal.wait_for(told)
    assert terminal.end() == 78
    assert termios.tcgetattr(terminal.slave) == terminal.at_first
    assert not (tmp_path / "users").exists()


@pytest.mark.parametrize("prompts", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_prompt_restores_the_terminal(
    terminal: Terminal, tmp_path: Path, number: signal.Signals, prompts: int
) -> None:
    if prompts == 2:
        terminal.type(b"hush\n")
        terminal.wait_for(b"Again: ")
    if number == signal.SIGINT:
        terminal.type(b"\x03")
    else:
        terminal.running.signal(number)
    assert terminal.end() == 128 + number
    assert termios.tcgetattr(terminal.slave) == terminal.at_first
    assert b"Traceback" not in terminal.shown
    assert not (tmp_path / "users").exists()


def test_verify_asks_once(command: Entrypoint, tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"{READY}\n")
    for typed, status in ((b"myPassword\n", 0), (b"wrong\n", 1)):
        terminal = Terminal(command, "verify", str(file), "eve")
        terminal.wait_for(b"Password of eve: ")
        terminal.type(typed)
        assert terminal.end() == status
        os.close(terminal.master)
        os.close(terminal.slave)
