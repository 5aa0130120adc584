"""Init and a terminal: the command has it, as if it were started without an init."""

import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .inits import INITS, WITNESS, Make, parameter, ways
from .starts import Given, Running

pytestmark = pytest.mark.namespace

BASH = ("bash", "--norc", "--noprofile", "-i")
CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x1a", "\x1c"


class Terminal:
    """A terminal: what is typed at it, and what it has shown."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        self.given = Given(terminal=os.ttyname(self._slave))
        self.patience_seconds = 10.0
        self._shown = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> str:
        """Wait until something new is shown; return what came before it."""
        deadline = time.monotonic() + self.patience_seconds
        while text not in self._shown:
            remaining = max(deadline - time.monotonic(), 0)
            readable, _, _ = select.select([self._master], [], [], remaining)
            assert readable, f"no {text!r} in {self._shown!r}"
            self._shown += os.read(self._master, 65536).decode()
        before, _, self._shown = self._shown.partition(text)
        return before

    def change_size(self) -> None:
        """Be another number of lines and columns."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))

    def foreground(self) -> int:
        """Return the process group in the foreground."""
        return os.tcgetpgrp(self._master)

    def close(self) -> None:
        """Hang up."""
        os.close(self._slave)
        os.close(self._master)


@pytest.fixture(params=[parameter(one) for one in INITS])
def through(request: pytest.FixtureRequest, tmp_path: Path, launcher: Path) -> Iterator[Make]:
    """Start by each init."""
    yield from ways(request, tmp_path, launcher)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Return a terminal of the test's own."""
    terminal = Terminal()
    yield terminal
    terminal.close()


def shell_line(through: Make, terminal: Terminal, *command: str) -> "tuple[Running, str]":
    """Start an interactive bash at the terminal; return it, and a line that starts by the init."""
    entrypoint = through("subreaper", is_pid1=False)
    terminal.patience_seconds = min(terminal.patience_seconds, entrypoint.patience_seconds)
    running = entrypoint.start(*BASH, given=terminal.given, directly=True)
    terminal.type("PS1='pro''mpt'\n")
    terminal.wait_for("prompt")
    words = shlex.join([*entrypoint.words, *command])
    return running, f"ENTRYKIT_INIT=1 ENTRYKIT_LOG=quiet {words}"


def test_an_interactive_shell_has_job_control(through: Make, terminal: Terminal) -> None:
    running = through().start(*BASH, given=terminal.given)
    terminal.type("PS1='pro''mpt'\n")
    terminal.wait_for("prompt")
    terminal.type("echo fla''gs=$-; sh -c 'echo be''gun; exec cat'\n")
    assert "m" in terminal.wait_for("begun").partition("flags=")[2].split()[0]
    terminal.type("one\n")
    terminal.wait_for("one\r\none")
    terminal.type(CTRL_Z)
    terminal.wait_for("Stopped")
    terminal.type("echo sh''ell; fg\n")
    terminal.wait_for("shell")
    terminal.wait_for("cat")
    terminal.type("to and fro\n")
    terminal.wait_for("to and fro\r\nto and fro")
    terminal.type(CTRL_C)
    terminal.wait_for("prompt")
    terminal.type("echo sta''tus=$?\n")
    terminal.wait_for("status=130")
    terminal.type("exit 7\n")
    assert running.end_promptly().status == 7


def test_what_a_terminal_sends_arrives_once(through: Make, terminal: Terminal) -> None:
    running = through().start(*WITNESS, given=terminal.given)
    terminal.wait_for("ready")
    shown = ""
    for key, number in ((CTRL_C, 2), (CTRL_BACKSLASH, 3), (CTRL_Z, 20)):
        terminal.type(key)
        shown += terminal.wait_for(f"{number}\r\n")
    terminal.change_size()
    shown += terminal.wait_for("28\r\n")
    running.signal(signal.SIGTERM)
    shown += terminal.wait_for("15\r\n")
    running.signal(signal.SIGTERM)
    assert [word for word in shown.split() if word.isdigit()] == []
    assert running.end_promptly().status == 0


def test_the_command_is_in_the_foreground_and_reads_the_terminal(
    through: Make, terminal: Terminal
) -> None:
    running = through().start("sh", "-c", "echo rea''dy; read x; echo got $x", given=terminal.given)
    terminal.wait_for("ready")
    terminal.type("a line\n")
    terminal.wait_for("got a line")
    assert running.end_promptly().status == 0


def test_ctrl_z_does_not_stop_a_container_for_ever(through: Make, terminal: Terminal) -> None:
    """There is no shell that could let it go on: a direct start takes no notice of it."""
    entrypoint = through()
    terminal.patience_seconds = min(terminal.patience_seconds, entrypoint.patience_seconds)
    running = entrypoint.start("sh", "-c", "cat; exit 4", given=terminal.given)
    # A shell that is about to start a program stands still in vfork(2), whatever it is under.
    terminal.type("one\n")
    terminal.wait_for("one\r\none")
    terminal.type(CTRL_Z)
    terminal.type("a line\n")
    terminal.wait_for("a line\r\na line")
    terminal.type(CTRL_D)
    assert running.end_promptly().status == 4


def test_a_shell_suspends_it_and_lets_it_go_on(through: Make, terminal: Terminal) -> None:
    running, line = shell_line(through, terminal, "sh", "-c", "echo rea''dy; exec cat")
    terminal.type(f"{line}\n")
    terminal.wait_for("ready")
    terminal.type(CTRL_Z)
    terminal.wait_for("Stopped")
    terminal.type("echo sh''ell; fg\n")
    terminal.wait_for("shell")
    terminal.wait_for("cat")
    terminal.type("a line\n")
    terminal.wait_for("a line\r\na line")
    terminal.type(CTRL_C)
    terminal.wait_for("prompt")
    terminal.type("echo sta''tus=$?\n")
    terminal.wait_for("status=130")
    terminal.type("exit\n")
    running.end_promptly()


def test_in_the_background_it_leaves_the_terminal_to_the_shell(
    through: Make, terminal: Terminal
) -> None:
    running, line = shell_line(through, terminal, "sh", "-c", "echo rea''dy; exec sleep 300")
    terminal.type(f"{line} &\n")
    terminal.wait_for("ready")
    # The shell may have begun to read the first line before.
    for word in ("one", "two", "three"):
        terminal.type(f"echo li''ne {word}\n")
        terminal.wait_for(f"line {word}")
    terminal.type("kill %1; wait %1; echo sta''tus=$?\n")
    terminal.wait_for("status=143")
    terminal.type("exit\n")
    running.end_promptly()


def test_one_in_the_background_that_reads_waits_for_the_foreground(
    through: Make, terminal: Terminal
) -> None:
    running, line = shell_line(through, terminal, "cat")
    terminal.type(f"{line} &\n")
    terminal.type("while ! jobs | grep -q Stopped; do :; done; echo st''opped\n")
    terminal.wait_for("stopped")
    terminal.type("fg\n")
    terminal.wait_for("cat")
    terminal.type("a line\n")
    terminal.wait_for("a line\r\na line")
    terminal.type(CTRL_D)
    terminal.type("exit\n")
    running.end_promptly()


def test_a_script_behind_it_has_the_terminal_again(through: Make, terminal: Terminal) -> None:
    """Ctrl-C ends the command; the script goes on, and reads what is typed."""
    entrypoint = through("subreaper", is_pid1=False)
    terminal.patience_seconds = min(terminal.patience_seconds, entrypoint.patience_seconds)
    words = shlex.join([*entrypoint.words, "sh", "-c", "echo rea''dy; exec sleep 300"])
    script = f"ENTRYKIT_INIT=1 {words}; echo sta''tus=$?; read x; echo got $x"
    running = entrypoint.start("bash", "-c", script, given=terminal.given, directly=True)
    terminal.wait_for("ready")
    terminal.type(CTRL_C)
    terminal.wait_for("status=130")
    terminal.type("a line\n")
    terminal.wait_for("got a line")
    assert running.end_promptly().status == 0
