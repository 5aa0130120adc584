"""Promise: an htpasswd file is as the environment says, and what is right in it stays.

And of the command: a password is asked for at a terminal, which is left as it was found.
"""

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

from .conftest import bake
from .starts import PATIENCE_SECONDS, Ended, Entrypoint, Given, program


@pytest.fixture(params=["run", "baked"])
def start(request: pytest.FixtureRequest, tmp_path: Path, package: Path) -> Iterator[Entrypoint]:
    """Start in each way, by this interpreter: Debian's has no bcrypt here."""
    words = [sys.executable, "-m", "entrykit", "run", "--"]
    if request.param == "baked":
        launcher = tmp_path / "entrypoint"
        baked = bake(sys.executable, package, "--output", str(launcher))
        assert baked.returncode == 0, baked.stderr
        words = [str(launcher)]
    start = Entrypoint(words, tmp_path, is_pid1=False)
    yield start
    start.close()


@pytest.fixture
def file(start: Entrypoint) -> Path:
    """Return the file that a start makes, in a directory that outlives it."""
    folder = start.scratch / "volume"
    folder.mkdir()
    start.configure(
        f'program = "{program("echo")}"',
        "[htpasswd]",
        'username = "LOGIN"',
        'password = "PASSWORD"',
        'users = "USERS"',
        'entries = "ENTRIES"',
        f'file = "{folder}/users"',
        'option = "-htpasswd"',
    )
    return folder / "users"


def run(start: Entrypoint, **variables: str) -> Ended:
    """Start with these variables alone."""
    start.environment = {"PATH": os.environ["PATH"], **variables}
    return start.run("-own")


def lines(file: Path) -> dict[str, str]:
    """Return the line of each user."""
    return {line.partition(":")[0]: line for line in file.read_text().splitlines()}


READY = "eve:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"
USERS = {"LOGIN": "admin", "PASSWORD": "hush", "USERS": "ann:a\nbob:b\n", "ENTRIES": READY}


def test_all_users_are_let_in_and_the_command_sees_no_password(
    start: Entrypoint, file: Path
) -> None:
    ended = run(start, **USERS)
    assert ended.stdout.decode() == f"-htpasswd {file} -own\n"
    judge = HtpasswdFile(str(file))
    passwords = {"admin": "hush", "ann": "a", "bob": "b", "eve": "myPassword"}
    assert {name: judge.check_password(name, word) for name, word in passwords.items()} == (
        dict.fromkeys(passwords, True)
    )
    assert list(lines(file)) == list(passwords)
    assert len(ended.lines) == 1
    assert ended.last_line.startswith(f"entrykit: 30-htpasswd.py: 4 users in {file} (")


def test_secrets_come_from_files_and_reach_no_command(start: Entrypoint, file: Path) -> None:
    given = {}
    for name in ("USERS", "ENTRIES"):
        path = start.scratch / name
        path.write_text(f"# {name}\r\n{USERS[name]}\r\n")
        given[f"{name}_FILE"] = str(path)
    toml = start.scratch / "entrykit.toml"
    toml.write_text(toml.read_text().replace(program("echo"), program("printenv")))
    ended = run(start, ENTRYKIT_LOG="info", **given)
    assert list(lines(file)) == ["ann", "bob", "eve"]
    assert "USERS" not in ended.stdout.decode()
    assert "ENTRIES" not in ended.stdout.decode()


def test_a_restart_keeps_the_file_and_each_line_that_is_right(
    start: Entrypoint, file: Path
) -> None:
    run(start, **USERS)
    first, status = lines(file), file.stat()
    ended = run(start, **USERS)
    assert f"4 users in {file}, unchanged (" in ended.last_line
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    ended = run(start, **{**USERS, "USERS": "ann:changed\nbob:b\nzoe:z"})
    assert f"5 users in {file}, 3 of them unchanged (" in ended.last_line
    second = lines(file)
    assert [name for name in second if first.get(name) == second[name]] == ["admin", "bob", "eve"]
    assert HtpasswdFile(str(file)).check_password("ann", "changed")


def test_all_mistakes_are_told_at_once_without_any_secret(start: Entrypoint, file: Path) -> None:
    ended = run(start, USERS="ann:a\nSeCrEt\n\nbob:", ENTRIES=f"{READY}\nann:SeCrEt\neve:SeCrEt")
    assert ended.status == 78
    assert b"SeCrEt" not in ended.stderr
    no_hash = "after the name stands no hash of a known scheme"
    assert [line.partition("; ")[0] for line in ended.lines] == [
        "entrykit: 30-htpasswd.py: USERS, line 2: it has no colon",
        "entrykit: 30-htpasswd.py: USERS, line 4: the password is empty",
        f"entrykit: 30-htpasswd.py: ENTRIES, line 2: {no_hash}",
        f"entrykit: 30-htpasswd.py: ENTRIES, line 3: {no_hash}",
    ]
    assert os.listdir(file.parent) == []


def test_without_users_an_old_file_goes(start: Entrypoint, file: Path) -> None:
    run(start, **USERS)
    ended = run(start, USERS="# nobody")
    assert ended.stdout == b"-own\n"
    assert os.listdir(file.parent) == []
    assert "USERS holds no user" in ended.last_line
    assert "no htpasswd file, the old one is removed (" in ended.last_line


PAGE = (Path(__file__).parents[2] / "docs/htpasswd.md").read_text(encoding="utf-8")


def test_the_messages_are_as_shown(start: Entrypoint) -> None:
    (toml,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    start.configure(toml)
    ended = run(start, APP_USERS="ann:a\nSeCrEt\n\nbob:\nann:b", APP_HTPASSWD="eve:SeCrEt")

    def without_time_and_place(lines: str) -> str:
        return re.sub(r"after \d+ ms, in \S+;", "after 1 ms, in HOOKS;", lines)

    assert ended.status == 78
    assert without_time_and_place(ended.stderr.decode()) == without_time_and_place(shown)


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
