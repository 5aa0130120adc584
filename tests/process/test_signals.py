"""Prompt: a stop signal ends the start at once, and no signal is lost between two steps.

Hooks write `ready` when they are where the test wants them. A start has ended when all that hold
its standard error are gone: what a hook leaves behind would hold it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .probe import Probe
from .starts import SEARCH_PATH, Entrypoint, Given

STOPS = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGQUIT, 131)]
SLEEPS = ("echo ready", "sleep 300")
# A shell runs no trap while it waits for a program, but does where it was told to `wait`. The
# program says itself that it is there: before its exec, a signal finds the shell's trap, and is
# lost with it.
PAUSES = 'import signal; print("ready", flush=True); signal.pause()'
WAITS = (f"{sys.executable} -ISc '{PAUSES}' &", "wait")
NO_GRACE = 'grace = "300s"'


class Gate:
    """A FIFO at which hooks wait until the test lets them go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self.wait = f"read go <'{path}'"

    def open(self) -> None:
        """Let one reader go on."""
        with self.path.open("wb") as fifo:
            fifo.write(b"go\n")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Return a gate of the test's own."""
    return Gate(tmp_path / "gate")


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_a_stop_signal_ends_a_sleeping_hook_at_once(
    entrypoint: Entrypoint, number: int, status: int
) -> None:
    entrypoint.configure(NO_GRACE)
    entrypoint.hooks.shell("10-sleeps.sh", "sleep 300 &", *SLEEPS)
    running = entrypoint.start("echo", "command")
    running.wait_for("ready")
    running.signal(number)
    ended = running.end_promptly()
    assert (ended.status, ended.stdout) == (status, b"")
    assert ended.last_line == (
        f"entrykit: stopped by {signal.Signals(number).name} during 10-sleeps.sh;"
        " the command was not started"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("10-sourced.envsh", "echo ready >&2\nsleep 300\n"),
        ("10-python.py", "import sys, time\nprint('ready', file=sys.stderr)\ntime.sleep(300)\n"),
        (
            "10-python.py",
            "import subprocess\nprint('ready', flush=True)\nsubprocess.run(['sleep', '300'])\n",
        ),
        ("10-pipe.sh", "#!/bin/sh\n(echo ready; sleep 300) | cat\n"),
    ],
    ids=["sourced", "python", "python's child", "pipeline"],
)
def test_a_stop_signal_ends_each_kind_of_hook(
    entrypoint: Entrypoint, name: str, content: str
) -> None:
    entrypoint.configure(NO_GRACE)
    entrypoint.hooks.add(name, content)
    running = entrypoint.start("echo", "command")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    ended = running.end_promptly()
    assert (ended.status, ended.stdout) == (143, b"")
    assert "Traceback" not in ended.stderr.decode()


def test_a_stopped_hook_is_ended_though_it_is_suspended(entrypoint: Entrypoint) -> None:
    entrypoint.configure(NO_GRACE)
    watch = "until grep -q 'State:.T' /proc/$$/status; do :; done; echo suspended"
    entrypoint.hooks.shell("10-stops.sh", f"({watch}) &", "kill -STOP $$")
    running = entrypoint.start("true")
    running.wait_for("suspended")
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 143


def test_a_hook_gets_its_time_to_clean_up(entrypoint: Entrypoint, gate: Gate) -> None:
    entrypoint.configure(NO_GRACE)
    entrypoint.hooks.shell(
        "10-cleans.sh",
        f"trap 'echo cleaning; {gate.wait}; echo clean; exit 0' TERM",
        *WAITS,
    )
    running = entrypoint.start("echo", "command")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("cleaning")
    gate.open()
    ended = running.end_promptly()
    assert (ended.status, ended.stdout) == (143, b"")
    assert "clean" in ended.lines


def test_a_second_signal_kills_at_once(entrypoint: Entrypoint) -> None:
    entrypoint.configure(NO_GRACE)
    entrypoint.hooks.shell("10-holds-out.sh", "trap 'echo not yet' TERM", *WAITS, "sleep 300")
    running = entrypoint.start("true")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("not yet")
    running.signal(signal.SIGINT)
    ended = running.end_promptly()
    assert ended.status in (130, 143)
    assert "stopped by SIG" in ended.last_line


def test_a_hook_that_ignores_the_signal_is_killed_after_the_grace_time(
    entrypoint: Entrypoint,
) -> None:
    entrypoint.configure('grace = "200ms"')
    entrypoint.hooks.shell("10-ignores.sh", "trap '' TERM", "sleep 300 &", *SLEEPS)
    running = entrypoint.start("true")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 143


def test_what_a_hook_has_started_gets_the_grace_time_too(
    entrypoint: Entrypoint, gate: Gate, tmp_path: Path
) -> None:
    """The hook itself ends at once; its child is still about to clean up."""
    entrypoint.configure(NO_GRACE)
    child = tmp_path / "child"
    lines = [f"trap 'echo cleaning; {gate.wait}; echo clean; exit' TERM", *WAITS]
    child.write_text("\n".join(lines), encoding="utf-8")
    entrypoint.hooks.shell("10-parent.sh", f"sh '{child}' &", "wait")
    running = entrypoint.start("true")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("cleaning")
    gate.open()
    ended = running.end_promptly()
    assert ended.status == 143
    assert "clean" in ended.lines


def test_other_signals_are_dropped(entrypoint: Entrypoint, gate: Gate, tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    entrypoint.hooks.shell("10-waits.sh", "echo ready", gate.wait, "echo went on")
    running = entrypoint.start(*probe.words)
    running.wait_for("ready")
    others = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGALRM]
    for number in [*others, signal.SIGTSTP, signal.SIGPIPE, signal.SIGRTMIN + 3]:
        running.signal(number)
    gate.open()
    with probe.waiting(running):
        status = Path(f"/proc/{running.pid}/status").read_text(encoding="utf-8")
    ended = running.end()
    assert ended.status == 0
    assert "went on" in ended.lines
    assert "SigPnd:\t0000000000000000" in status
    assert "ShdPnd:\t0000000000000000" in status


def test_a_signal_that_arrives_while_a_hook_ends_is_not_lost(
    entrypoint: Entrypoint, tmp_path: Path
) -> None:
    entrypoint.hooks.shell("10-stops.sh", "kill -TERM $PPID")
    entrypoint.hooks.shell("20-next.sh", f"touch '{tmp_path}/next'")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (143, b"")
    assert not (tmp_path / "next").exists()


def test_a_signal_just_before_the_command_is_not_lost(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("99-stops.sh", "kill -INT $PPID")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (130, b"")


def test_a_signal_between_hooks_is_not_lost(entrypoint: Entrypoint) -> None:
    """What the first hook leaves behind sends it at some time after the first hook's end."""
    entrypoint.configure(NO_GRACE)
    entrypoint.hooks.shell(
        "10-leaves.sh",
        "start=$PPID hook=$$",
        '(while [ -e "/proc/$hook/cwd" ]; do :; done; kill -TERM $start) >/dev/null 2>&1 &',
    )
    for number in range(20, 30):
        entrypoint.hooks.shell(f"{number}-quick.sh", ":")
    entrypoint.hooks.shell("99-long.sh", "sleep 300")
    ended = entrypoint.start("echo", "command").end()
    assert (ended.status, ended.stdout) == (143, b"")
    assert "stopped by SIGTERM" in ended.last_line


@pytest.mark.parametrize("has_hooks", [False, True])
def test_a_signal_from_before_the_start_is_obeyed(
    entrypoint: Entrypoint, *, has_hooks: bool
) -> None:
    if has_hooks:
        entrypoint.hooks.shell("10-runs.sh", "echo ran")
    given = Given(blocked=[signal.SIGTERM], pending=[signal.SIGTERM])
    ended = entrypoint.run("echo", "command", given=given)
    assert (ended.status, ended.stdout) == (143, b"")
    assert "ran" not in ended.lines
    assert ended.last_line == "entrykit: stopped by SIGTERM; the command was not started"


@pytest.mark.parametrize(
    ("written", "number", "shown"),
    [
        ("SIGUSR1", signal.SIGUSR1, "SIGUSR1"),
        ("RTMIN+3", signal.SIGRTMIN + 3, f"signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_stop_signals_adds_one(
    entrypoint: Entrypoint, written: str, number: int, shown: str
) -> None:
    entrypoint.configure(f'stop-signals = ["{written}"]', NO_GRACE)
    entrypoint.hooks.shell("10-sleeps.sh", *SLEEPS)
    running = entrypoint.start("true")
    running.wait_for("ready")
    running.signal(number)
    ended = running.end_promptly()
    assert ended.status == 128 + number
    assert f"stopped by {shown} during 10-sleeps.sh" in ended.last_line


def test_an_ignored_stop_signal_stays_ignored(entrypoint: Entrypoint, gate: Gate) -> None:
    entrypoint.hooks.shell("10-waits.sh", "echo ready", gate.wait)
    running = entrypoint.start("echo", "command", given=Given(ignored=[signal.SIGINT]))
    running.wait_for("ready")
    running.signal(signal.SIGINT)
    gate.open()
    ended = running.end()
    assert (ended.status, ended.stdout) == (0, b"command\n")


def test_hooks_get_default_dispositions_and_an_empty_mask(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("10-shows.sh", "#!/bin/cat /proc/self/status\n")
    entrypoint.hooks.add("20-shows.py", "print(open('/proc/self/status').read())\n")
    given = Given(ignored=[signal.SIGHUP, signal.SIGCHLD], blocked=[signal.SIGUSR1])
    ended = entrypoint.run("true", given=given)
    assert ended.status == 0
    for key in ("SigBlk", "SigIgn"):
        masks = [int(line.split()[1], 16) for line in ended.lines if line.startswith(f"{key}:")]
        # 32 and 33 are the C library's own, which its posix_spawn sets to be ignored.
        assert [mask & ~(3 << 31) for mask in masks] == [0, 0]


def test_orphans_are_reaped_as_pid_1(pid1: Entrypoint) -> None:
    """An orphan that nobody reaps stays under /proc, and the hook would wait for its end."""
    pid1.configure('timeout = "20s"')
    pid1.hooks.shell(
        "10-orphan.sh",
        'orphan=$(sh -c "sh -c : >/dev/null & echo \\$!")',
        'while [ -d "/proc/$orphan" ]; do :; done',
        "echo reaped",
    )
    ended = pid1.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert "reaped" in ended.lines


def test_the_status_of_an_orphan_is_not_taken_for_the_hooks(pid1: Entrypoint) -> None:
    pid1.hooks.shell("10-orphan.sh", "sh -c '(exit 7) & exit 0'", "sh -c '(exit 9) &'", "exit 0")
    assert pid1.run("true").status == 0


INTERRUPTED = """
import os, signal
from entrykit import boot

def execute(environment, path, argv):
    os.kill(os.getpid(), signal.SIGINT)
    raise FileNotFoundError(2, "no such file or directory")

raise SystemExit(boot.run([b"true"], execute=execute))
"""


def test_an_interrupt_at_the_handoff_is_no_traceback() -> None:
    words = [sys.executable, "-c", INTERRUPTED]
    ended = subprocess.run(words, check=False, capture_output=True, env={"PATH": SEARCH_PATH})
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")
