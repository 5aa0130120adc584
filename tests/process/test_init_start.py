"""Init and the start: what entrykit's own init promises beyond what its peers do."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from .inits import WITNESS, Make, children
from .starts import SEARCH_PATH, Given, Running, given_environment, own_environment
from .test_init import (
    FAULTS,
    LEAVES,
    REALTIME,
    STANDARD,
    STOPS,
    python,
    said,
    wait_for_state,
    wait_until_idle,
)
from .test_signals import Gate

pytestmark = pytest.mark.namespace

SECRET = b"TOKEN=hush-hush-hush"
AT_ONCE = 4
# One TERM does not end it.
HOLDS_OUT = LEAVES.replace("time.sleep(float(sys.argv[1]))", "signal.pause()")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Return a gate of the test's own."""
    return Gate(tmp_path / "gate")


def statuses(launcher: Path, scripts: Sequence[str]) -> list[int]:
    """Return the statuses that a launcher with an init ends with."""
    found = []
    for first in range(0, len(scripts), AT_ONCE):
        started = [
            subprocess.Popen(
                [launcher, "sh", "-c", script],
                env={"PATH": SEARCH_PATH, "ENTRYKIT_INIT": "1", "ENTRYKIT_LOG": "quiet"},
                stdin=subprocess.DEVNULL,
            )
            for script in scripts[first : first + AT_ONCE]
        ]
        found += [process.wait() for process in started]
    return found


def test_each_status_is_the_commands(launcher: Path) -> None:
    assert statuses(launcher, [f"exit {status}" for status in range(256)]) == list(range(256))


def test_death_by_each_signal_is_128_and_its_number(launcher: Path) -> None:
    lethal = {*STANDARD, *REALTIME, *FAULTS, signal.SIGKILL, signal.SIGTERM}
    numbers = sorted(lethal - {signal.SIGCONT, signal.SIGURG, signal.SIGWINCH})
    found = statuses(launcher, [f"ulimit -c 0; kill -{int(number)} $$" for number in numbers])
    assert found == [128 + number for number in numbers]


@pytest.mark.parametrize("delay", range(0, 60, 12))
def test_a_signal_during_the_start_reaches_the_command_once(own: Make, delay: int) -> None:
    """All are blocked from the first moment, so that what comes in the start can be seen."""
    everything = [*STANDARD, *REALTIME, *STOPS, signal.SIGTERM]
    running = own().start(*WITNESS, given=Given(blocked=everything))
    wait_until_the_start_began(running)
    for _ in range(delay):
        os.sched_yield()
        Path(f"/proc/{running.pid}/stat").read_bytes()
    for number in (signal.SIGHUP, signal.SIGTSTP, signal.SIGUSR1, 50):
        running.signal(number)
    for number in (1, 20, 10, 50):
        running.wait_for(str(number))
    running.signal(signal.SIGTERM)
    running.wait_for("15")
    running.signal(signal.SIGTERM)
    assert sorted(said(running.end_promptly().lines)) == sorted([1, 20, 10, 50, 15, 15])


def wait_until_the_start_began(running: Running) -> None:
    """Wait until the process is entrykit, no longer what arranges its surroundings."""
    deadline = time.monotonic() + running.patience_seconds
    while time.monotonic() < deadline:
        if children(running.process.pid):
            words = Path(f"/proc/{running.pid}/cmdline").read_bytes()
            if words and b"setting.py" not in words and b"unshare" not in words:
                return
        os.sched_yield()
    raise AssertionError(running.pid)


def test_what_holds_out_is_killed_after_the_grace_time(own: Make) -> None:
    entrypoint = own()
    entrypoint.configure("init = true", 'grace = "200ms"')
    ended = entrypoint.start(*python(HOLDS_OUT)).end_promptly()
    assert ended.status == 3
    assert ended.last_line == "told"


def test_a_second_stop_signal_kills_what_holds_out(own: Make) -> None:
    entrypoint = own()
    entrypoint.configure("init = true", 'grace = "300s"')
    running = entrypoint.start(*python(HOLDS_OUT))
    running.wait_for("told")
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 3


def test_as_a_subreaper_it_ends_what_descends_from_it_and_nothing_else(own: Make) -> None:
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        ended = own(is_pid1=False).start(*python(LEAVES, "0.1")).end_promptly()
        assert ended.status == 3
        assert ended.lines[-2:] == ["told", "clean"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_that_it_is_not_pid1_is_said_in_one_line(own: Make) -> None:
    running = own(is_pid1=False).start("true")
    pid = running.pid
    line = f"entrykit: as process {pid}, not PID 1, init reaps orphans as a subreaper"
    assert running.end().lines == [line]
    assert own().run("true").lines == []


def test_the_waiting_init_holds_nothing_of_the_start(own: Make) -> None:
    """Neither the environment nor the command's words, in its memory or anywhere else."""
    entrypoint = own()
    given = given_environment(SECRET)
    running = entrypoint.start(*WITNESS, "hush-hush-word", given=given)
    running.wait_for("hush-hush-word ready")
    wait_until_idle(running)
    place = Path(f"/proc/{running.pid}")
    assert (place / "environ").read_bytes() == b""
    assert (place / "comm").read_text() == "entrykit\n"
    assert (place / "cmdline").read_bytes().split(b"\0")[-2] == b"entrykit-init"
    assert b"hush" not in memory(running.pid)
    links = {link.name: os.readlink(link) for link in (place / "fd").iterdir()}
    assert links.keys() == {"0", "1", "2"}
    assert links["0"] == links["1"] == "/dev/null"
    (command,) = children(running.pid)
    assert SECRET in Path(f"/proc/{command}/environ").read_bytes().split(b"\0")
    running.signal(signal.SIGKILL)


def memory(pid: int) -> bytes:
    """Return what is in a process's own writable memory."""
    found = b""
    with open(f"/proc/{pid}/mem", "rb", 0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line):
                begin, end = (int(one, 16) for one in match.groups())
                file.seek(begin)
                found += file.read(end - begin)
    return found


def test_its_private_memory_is_that_of_a_bare_interpreter(own: Make, python: str) -> None:
    """Two of each wait: what they share of a file is not private."""
    entrypoint = own()
    interpreter = sys.executable if sys.executable in entrypoint.words else python
    code = "import _signal; print(flush=True); _signal.sigwait([15])"
    words = [interpreter, "-IS", "-c", code]
    with (
        subprocess.Popen(words, env={}, stdout=subprocess.PIPE) as bare,
        subprocess.Popen(words, env={}, stdout=subprocess.PIPE) as another,
    ):
        try:
            for process in (bare, another):
                assert process.stdout is not None
                process.stdout.readline()
            inits = [entrypoint.start(*WITNESS) for _ in range(2)]
            for running in inits:
                running.wait_for("ready")
                wait_until_idle(running)
            assert private_kib(inits[0].pid) <= 1.2 * private_kib(bare.pid)
        finally:
            bare.kill()
            another.kill()


def private_kib(pid: int) -> int:
    """Return a process's private memory (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


@pytest.mark.root
def test_it_takes_the_ids_of_the_command_and_still_forwards(own: Make, python: str) -> None:
    """Without CAP_KILL root may not signal the command, and as PID 1 it would be root for ever."""
    entrypoint = own("user")
    entrypoint.words = ["setpriv", "--bounding-set", "-kill", *entrypoint.words]
    # Their directories may be closed to the command's user.
    running = entrypoint.start(python, "-IS", "-c", Path(WITNESS[-1]).read_text())
    running.wait_for("ready")
    wait_until_idle(running)
    for pid in (running.pid, *children(running.pid)):
        status = Path(f"/proc/{pid}/status").read_text()
        shown = dict(line.split(":\t", 1) for line in status.splitlines())
        assert set(shown["Uid"].split()) == {"65534"}
        assert set(shown["Gid"].split()) == {"65533"}
        assert shown["Groups"].split() == ["65533"]
        assert int(shown["CapPrm"], 16) == 0
    running.signal(signal.SIGUSR1)
    running.wait_for("10")
    running.signal(signal.SIGTERM)
    running.wait_for("15")
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 0


@pytest.mark.root
def test_the_parents_end_is_told_to_a_command_of_another_user(own: Make, python: str) -> None:
    """The kernel forgets what was asked for when the ids change."""
    entrypoint = own("death signal", "user", is_pid1=False)
    parent = ["/bin/sh", "-c", '"$@" & read line', "sh"]
    entrypoint.words = [*parent, *entrypoint.words]
    running = entrypoint.start(
        python, "-IS", "-c", Path(WITNESS[-1]).read_text(), stdin=subprocess.PIPE
    )
    running.wait_for("ready")
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.stdin = None
    running.wait_for("10")


@pytest.mark.root
def test_what_it_may_not_signal_is_not_waited_for(own: Make) -> None:
    """A root hook's, where the command has another user: it ends with PID 1, by the kernel."""
    entrypoint = own("user")
    entrypoint.hooks.shell("10-leaves.sh", "sleep 300 &")
    script = "(trap 'echo told >&2; exit' TERM; echo ready >&2; while :; do sleep 0.05; done) &"
    running = entrypoint.start("sh", "-c", f"{script} read line; exit 3", stdin=subprocess.PIPE)
    running.wait_for("ready")
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.stdin = None
    ended = running.end_promptly()
    assert (ended.status, ended.last_line) == (3, "told")


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("mount -t tmpfs none /proc", id="none"),
        # The one below is the machine's, whose ids are others.
        pytest.param("umount -l /proc", id="another namespace's"),
    ],
)
def test_it_needs_no_proc(own: Make, before: str) -> None:
    entrypoint = own()
    entrypoint.words = ["/bin/sh", "-c", f'{before} && exec "$@"', "sh", *entrypoint.words]
    ended = entrypoint.start(*python(LEAVES, "0.5")).end_promptly()
    assert (ended.status, ended.lines[-2:]) == (3, ["told", "clean"])


def test_the_command_has_the_streams_alone(own: Make) -> None:
    """What the command closes is closed: whoever reads its output learns it."""
    running = own(is_pid1=False).start("sh", "-c", "exec >&-; echo closed >&2; exec sleep 300")
    running.wait_for("closed")
    wait_until_idle(running)
    assert running.process.stdout is not None
    assert running.process.stdout.read() == b""
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 143


def test_a_limit_of_file_sizes_does_not_matter(own: Make) -> None:
    """The kernel sends XFSZ to who would write more, which is not the command.

    The init stays in the interpreter of the start then, and soon shows its environment no more.
    """
    base = Given(limits={resource.RLIMIT_FSIZE: 0})
    given = given_environment(SECRET, base=base)
    script = "while grep -q hush /proc/$PPID/environ; do sleep 0.02; done; exit 6"
    assert own().run("sh", "-c", script, given=given).status == 6


def test_sockets_that_it_was_given_are_the_commands(own: Make) -> None:
    """LISTEN_PID says whose they are (sd_listen_fds(3)); another process's it stays."""
    script = 'test "$LISTEN_PID" = $$ && test "$LISTEN_FDS" = 1 && test -e /proc/self/fd/3'
    given = Given(descriptors={3: Path("/dev/null")})
    for pid, status in ((b"1", 0), (b"2000000", 1)):
        entries = (b"LISTEN_FDS=1", b"LISTEN_PID=" + pid)
        ended = own().run("sh", "-c", script, given=given_environment(*entries, base=given))
        assert ended.status == status


def test_the_command_gets_no_descriptor_of_the_inits(own: Make) -> None:
    assert own().run("ls", "/proc/self/fd").stdout.split() == [b"0", b"1", b"2", b"3"]


def test_a_failed_hooks_status_is_its_own(own: Make) -> None:
    entrypoint = own("ok")
    entrypoint.hooks.shell("10-fails.sh", "exit 7")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (7, b"")


def test_a_stop_during_a_hook_ends_the_start_as_ever(own: Make) -> None:
    entrypoint = own("ok")
    entrypoint.hooks.shell("10-sleeps.sh", "echo ready", "sleep 300")
    running = entrypoint.start("echo", "command")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    ended = running.end_promptly()
    assert (ended.status, ended.stdout) == (143, b"")
    assert ended.last_line.startswith("entrykit: stopped by SIGTERM during 10-sleeps.sh;")


def test_what_stands_for_a_stop_signal_ends_the_start_too(own: Make) -> None:
    entrypoint = own()
    entrypoint.configure("init = true", 'rewrite = ["TERM=WINCH"]')
    entrypoint.hooks.shell("10-sleeps.sh", "echo ready", "sleep 300")
    running = entrypoint.start("echo", "command")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    assert running.end_promptly().last_line.startswith("entrykit: stopped by SIGWINCH during")


def test_a_reload_during_the_hooks_means_nothing(own: Make, gate: Gate) -> None:
    entrypoint = own()
    entrypoint.hooks.shell("10-waits.sh", "echo waits", gate.wait)
    running = entrypoint.start(*WITNESS)
    running.wait_for("waits")
    wait_until_idle(running)
    running.signal(signal.SIGHUP)
    running.signal(signal.SIGUSR1)
    wait_until_idle(running)
    gate.open()
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("15")
    running.signal(signal.SIGTERM)
    assert said(running.end_promptly().lines) == [15, 15]


def test_what_a_hook_left_is_reaped_and_ended_with_the_command(own: Make) -> None:
    entrypoint = own()
    entrypoint.hooks.shell("10-leaves.sh", "sleep 300 &", "(sleep 0 &)")
    script = (
        "import os\nwhile True:\n init = os.getppid()\n"
        ' states = [open(f"/proc/{one}/stat").read() for one in'
        ' open(f"/proc/{init}/task/{init}/children").read().split()]\n'
        ' if sum("(sleep)" in one for one in states) == 1: break\n'
    )
    assert entrypoint.start(*python(script)).end_promptly().status == 0


def test_a_python_hook_gets_no_descriptor_of_the_inits(own: Make) -> None:
    entrypoint = own()
    entrypoint.hooks.add(
        "10-a.py", "import os, sys\nprint(sorted(os.listdir('/proc/self/fd')), file=sys.stderr)\n"
    )
    through_init = entrypoint.run("true").lines
    direct = own()
    direct.words = [word for word in direct.words if word != "--init"]
    direct.configure("init = false")
    assert through_init[0] == direct.run("true").lines[0]


def test_one_that_goes_on_again_does_not_stop_itself(own: Make, gate: Gate) -> None:
    """The command stops, and before the init has seen it, somebody lets both go on."""
    script = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})\n"
        "say = lambda line: os.write(2, line)\n"
        "say(b'ready\\n')\nsignal.sigwait({signal.SIGTSTP})\nsay(b'told\\n')\n"
        "open(sys.argv[1]).readline()\n"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})\n"
        "os.kill(os.getpid(), signal.SIGTSTP)\nsay(b'goes on\\n')\nsignal.pause()\n"
    )
    running = own(is_pid1=False).start(*python(script, str(gate.path)))
    running.wait_for("ready")
    wait_until_idle(running)
    (command,) = children(running.pid)
    running.signal(signal.SIGTSTP)
    running.wait_for("told")
    running.signal(signal.SIGSTOP)
    wait_for_state(running.pid, "T", running)
    gate.open()
    wait_for_state(command, "T", running)
    running.signal(signal.SIGCONT)
    running.wait_for("goes on")
    wait_for_state(running.pid, "S", running)
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 143


def test_an_option_without_an_init_is_said_to_do_nothing() -> None:
    words = [sys.executable, "-m", "entrykit", "run", "--ok-status", "7", "--", "true"]
    ended = subprocess.run(words, check=True, capture_output=True, text=True, env=own_environment())
    message = "entrykit: there is no init, to which --ok-status would say something (--init)\n"
    assert ended.stderr == message
