"""Init: PID 1 forwards, reaps, and ends as the command did; the same tests for each init."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from .inits import INITS, WITNESS, Make, children, parameter, ways
from .starts import Entrypoint, Given, Running

pytestmark = pytest.mark.namespace

FAULTS = (
    signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS,
    signal.SIGTRAP,
)  # fmt: skip
STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
# KILL and STOP cannot be taken, 32 and 33 are the C library's, and TERM ends the witness.
STANDARD = sorted(
    set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, 15} - {*FAULTS, *STOPS}
)
REALTIME = list(range(34, 65))
# Those whose default ends a process.
FATAL = sorted(
    {*STANDARD, *FAULTS, signal.SIGKILL, signal.SIGTERM, signal.SIGRTMIN, signal.SIGRTMAX}
    - {signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
)
STATUSES = (0, 1, 2, 77, 126, 127, 128, 129, 137, 143, 254, 255)
AT_ONCE = 4
# Of the processes that wait.
NAMES = ("entrykit", "tini", "dumb-init", "catatonit")
ORPHANS = """\
import os
reading, writing = os.pipe()
child = os.fork()
if not child:
    middle = os.getpid()
    if not os.fork():
        while os.getppid() == middle:
            os.sched_yield()
        os.write(writing, b"%d" % os.getppid())
    os._exit(0)
os.waitpid(child, 0)
assert int(os.read(reading, 20)) == os.getppid(), "the init is not an orphan's parent"
for _ in range(1000):
    child = os.fork()
    if not child:
        os.fork()
        os._exit(0)
    os.waitpid(child, 0)
init, own = os.getppid(), str(os.getpid())
while open(f"/proc/{init}/task/{init}/children").read().split() != [own]:
    os.sched_yield()
"""
TAKES_ONE = """\
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
print("child ready", file=sys.stderr, flush=True)
print("child", int(signal.sigwait({signal.SIGUSR1, signal.SIGTERM})), file=sys.stderr)
"""
# Leaves a child that gets TERM, cleans up for a while, and says so.
LEAVES = """\
import os, signal, sys, time
reading, writing = os.pipe()
if not os.fork():
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.write(writing, b"x")
    signal.sigwait({signal.SIGTERM})
    print("told", file=sys.stderr, flush=True)
    time.sleep(float(sys.argv[1]))
    print("clean", file=sys.stderr, flush=True)
    os._exit(0)
os.read(reading, 1)
sys.exit(3)
"""


@pytest.fixture(params=[parameter(one) for one in INITS])
def through(request: pytest.FixtureRequest, tmp_path: Path, launcher: Path) -> Iterator[Make]:
    """Start by each init."""
    yield from ways(request, tmp_path, launcher)


def python(code: str, *words: str) -> list[str]:
    """Return a command that runs code."""
    return [sys.executable, "-IS", "-c", code, *words]


def said(lines: Sequence[str]) -> list[int]:
    """Return the signals that the witness has taken, in order."""
    return [int(line) for line in lines if line.isdigit()]


def assert_arrive(entrypoint: Entrypoint, numbers: Sequence[int]) -> None:
    """Send signals, each when the one before has arrived; all arrive once, and no other."""
    running = entrypoint.start(*WITNESS)
    running.wait_for("ready")
    for number in numbers:
        running.signal(number)
        running.wait_for(str(int(number)))
    running.signal(signal.SIGTERM)
    running.wait_for("15")
    running.signal(signal.SIGTERM)
    ended = running.end_promptly()
    assert said(ended.lines) == [*numbers, 15, 15]
    assert ended.status == 0


def statuses(entrypoint: Entrypoint, commands: Sequence[Sequence[str]]) -> list[int]:
    """Return the statuses that commands end with, through an init; some run at a time."""
    found = []
    for first in range(0, len(commands), AT_ONCE):
        started = [entrypoint.start(*words) for words in commands[first : first + AT_ONCE]]
        found += [running.end().status for running in started]
    return found


def test_standard_signals_arrive_exactly_once(through: Make) -> None:
    assert_arrive(through(), STANDARD)


def test_realtime_signals_arrive_exactly_once(through: Make) -> None:
    assert_arrive(through(), REALTIME)


def test_stop_signals_arrive_at_a_command_that_takes_them(through: Make) -> None:
    assert_arrive(through(), STOPS)


def test_a_fault_that_was_sent_arrives(through: Make) -> None:
    assert_arrive(through(), sorted(FAULTS))


def test_sigchld_that_was_sent_arrives(through: Make) -> None:
    assert_arrive(through(), [signal.SIGCHLD])


def test_it_keeps_no_directory_busy(through: Make, tmp_path: Path) -> None:
    """The command stays where it was started; the init does not."""
    given = Given(directory=tmp_path)
    running = through().start("sh", "-c", "pwd >&2; exec sleep 300", given=given)
    running.wait_for(str(tmp_path))
    wait_until_idle(running)
    assert Path(f"/proc/{running.pid}/cwd").readlink() == Path("/")
    running.signal(signal.SIGKILL)


def test_many_signals_at_once_arrive(through: Make) -> None:
    """Each as often as it was sent, where the kernel keeps them all."""
    running = through().start(*WITNESS)
    running.wait_for("ready")
    for _ in range(100):
        running.signal(signal.SIGRTMIN)
    running.signal(signal.SIGRTMAX)
    running.wait_for("64")
    running.signal(signal.SIGTERM)
    running.wait_for("15")
    running.signal(signal.SIGTERM)
    assert said(running.end_promptly().lines) == [*[34] * 100, 64, 15, 15]


def test_a_signal_goes_to_the_command_alone(through: Make) -> None:
    script = 'trap "echo got >&2; exit 4" USR1; "$@" & wait'
    running = through("child").start("sh", "-c", script, "sh", *python(TAKES_ONE))
    running.wait_for("child ready")
    running.signal(signal.SIGUSR1)
    ended = running.end_promptly()
    assert ended.status == 4
    assert "got" in ended.lines
    assert "child 10" not in ended.lines


def test_a_signal_goes_to_the_whole_group_where_asked(through: Make) -> None:
    script = 'trap : USR1 TERM; "$@" first & "$@" second; wait; wait'
    running = through("group").start("sh", "-c", script, "sh", *WITNESS)
    running.wait_for("first ready")
    running.wait_for("second ready")
    running.signal(signal.SIGUSR1)
    running.wait_for("first 10")
    running.wait_for("second 10")
    running.signal(signal.SIGTERM)
    running.wait_for("first 15")
    running.wait_for("second 15")
    running.signal(signal.SIGTERM)
    running.end_promptly()


def test_a_signal_is_rewritten_or_dropped_as_told(through: Make) -> None:
    running = through("rewrites").start(*WITNESS)
    running.wait_for("ready")
    running.signal(signal.SIGUSR1)
    running.signal(signal.SIGHUP)
    running.wait_for("12")
    running.signal(signal.SIGTERM)
    running.wait_for("3")
    running.signal(signal.SIGKILL)
    assert said(running.end().lines) == [12, 3]


def test_the_status_is_the_commands(through: Make) -> None:
    commands = [["sh", "-c", f"exit {status}"] for status in STATUSES]
    assert statuses(through(), commands) == list(STATUSES)


def test_death_by_a_signal_is_128_and_its_number(through: Make) -> None:
    commands = [["sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"] for number in FATAL]
    assert statuses(through(), commands) == [128 + number for number in FATAL]


def test_statuses_that_are_as_good_as_0_are_0(through: Make) -> None:
    commands = [["sh", "-c", script] for script in ("exit 7", "kill $$", "exit 143", "exit 8")]
    assert statuses(through("ok"), commands) == [0, 0, 0, 8]


@pytest.mark.parametrize(("command", "status"), [("/no/such", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_run_has_the_status_of_a_shell(
    through: Make, command: str, status: int
) -> None:
    ended = through("ok").run(command)
    assert ended.status == status
    assert command in ended.last_line


def test_a_thousand_orphans_are_reaped(through: Make) -> None:
    assert through().run(*python(ORPHANS)).status == 0


def test_orphans_are_reaped_by_one_that_is_not_pid1(through: Make) -> None:
    assert through("subreaper", is_pid1=False).run(*python(ORPHANS)).status == 0


def test_it_ends_promptly_though_orphans_remain(through: Make) -> None:
    script = "sleep 300 & (setsid sleep 300 &); exit 5"
    assert through().start("sh", "-c", script).end_promptly().status == 5


def test_what_is_left_gets_term_and_the_time_to_clean_up(through: Make) -> None:
    ended = through().start(*python(LEAVES, "0.2")).end_promptly()
    assert ended.status == 3
    assert ended.lines[-2:] == ["told", "clean"]


def test_a_closed_stdin_does_not_matter(through: Make) -> None:
    assert through().run("sh", "-c", "exit 6", given=Given(closed=[0, 1])).status == 6


def test_sigchld_that_was_inherited_ignored_does_not_matter(through: Make) -> None:
    given = Given(ignored=[signal.SIGCHLD])
    assert through().start("sh", "-c", "exit 6", given=given).end_promptly().status == 6


def test_the_command_gets_the_mask_and_the_ignored_signals_that_were_given(through: Make) -> None:
    ignored = {signal.SIGHUP, signal.SIGINT, signal.SIGTTOU, signal.SIGUSR2}
    blocked = {signal.SIGUSR1, signal.SIGTTIN, signal.SIGTERM}
    ended = through().run("cat", "/proc/self/status", given=Given(ignored=ignored, blocked=blocked))
    shown = dict(line.split(":\t", 1) for line in ended.stdout.decode().splitlines())
    assert numbers(shown["SigBlk"]) == blocked
    assert numbers(shown["SigIgn"]) - {32, 33} == ignored
    assert numbers(shown["SigCgt"]) == set()


def numbers(mask: str) -> set[int]:
    """Return the signals of a mask as /proc shows it."""
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}


def test_the_command_starts_with_no_signal_blocked(through: Make) -> None:
    ended = through().run("grep", "SigBlk", "/proc/self/status")
    assert ended.stdout.split()[-1].strip(b"0") == b""


def test_a_signal_that_waits_already_reaches_the_command(through: Make) -> None:
    given = Given(blocked=[signal.SIGUSR1], pending=[signal.SIGUSR1])
    running = through().start(*WITNESS, given=given)
    running.wait_for("10")
    running.signal(signal.SIGTERM)
    running.wait_for("15")
    running.signal(signal.SIGTERM)
    assert said(running.end_promptly().lines) == [10, 15, 15]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_before_the_commands_exec_is_not_lost(through: Make, number: int) -> None:
    """Whenever it comes, it ends the command, or what is about to become it."""
    entrypoint = through("subreaper", is_pid1=False)
    for delay_ms in range(0, 120, 6):
        running = entrypoint.start("sleep", "300")
        time.sleep(delay_ms / 1000)
        running.signal(number)
        assert running.end_promptly().status == 128 + number


def test_it_does_not_wake_up_while_it_waits(through: Make) -> None:
    entrypoint = through()
    running = entrypoint.start(*WITNESS)
    running.wait_for("ready")
    before = wait_until_idle(running)
    time.sleep(min(10, entrypoint.patience_seconds))
    assert wait_until_idle(running) == before
    running.signal(signal.SIGKILL)


def wait_until_idle(running: Running) -> tuple[str, str]:
    """Wait until the init sleeps as an init; return how often it has been switched to."""
    place = Path(f"/proc/{running.pid}")
    deadline = time.monotonic() + running.patience_seconds
    while time.monotonic() < deadline:
        shown = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines())
        if shown["State"][0] == "S" and shown["Name"] in NAMES:
            return shown["voluntary_ctxt_switches"], shown["nonvoluntary_ctxt_switches"]
        os.sched_yield()
    raise AssertionError(shown)


def test_it_suspends_itself_with_the_command_and_goes_on_with_it(through: Make) -> None:
    running = through("subreaper", is_pid1=False).start(
        "sh", "-c", "echo ready >&2; exec sleep 300"
    )
    running.wait_for("ready")
    (command,) = children(running.pid)
    running.signal(signal.SIGTSTP)
    wait_for_state(command, "T", running)
    wait_for_state(running.pid, "T", running)
    running.signal(signal.SIGCONT)
    wait_for_state(running.pid, "S", running)
    wait_for_state(command, "S", running)
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 143


def wait_for_state(pid: int, state: str, running: Running) -> None:
    """Wait until a process is in a state (proc(5), stat)."""
    deadline = time.monotonic() + running.patience_seconds
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != state:
        assert time.monotonic() < deadline, f"{pid} is never in state {state}"
        os.sched_yield()


def test_its_parents_end_sends_the_signal_that_was_asked_for(through: Make) -> None:
    inner = through("death signal", "subreaper", is_pid1=False)
    script = 'trap "echo got >&2; exit" USR1; echo ready >&2; while :; do sleep 0.05; done'
    parent = ["/bin/sh", "-c", '"$@" & read line', "sh"]
    inner.words = [*parent, *inner.words]
    running = inner.start("sh", "-c", script, stdin=subprocess.PIPE)
    running.wait_for("ready")
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.stdin = None
    running.wait_for("got")
    running.end_promptly()
