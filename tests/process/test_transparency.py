"""Invisible: a command cannot tell a start through entrykit from a direct one.

Each test starts the same probe twice, in the same circumstances, and compares all that the kernel
shows of the two: not only what the test is about.
"""

import os
import pty
import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from .probe import Probe, Shown, variables
from .starts import SEARCH_PATH, Entrypoint, Given, given_environment

PATH = b"PATH=" + SEARCH_PATH.encode()
ALL_BYTES = bytes(range(1, 256)).replace(b"=", b"")
HOOKS = {
    "10-a.sh": "#!/bin/sh\ncd /tmp; umask 077; ulimit -c 0; exec 5>/dev/null\n",
    "20-b.envsh": "cd /tmp; umask 077; trap '' HUP; set -u\n",
    "30-c.py": "import os, signal\nos.umask(0)\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n",
}


@pytest.fixture(params=["without hooks", "with hooks"])
def start(request: pytest.FixtureRequest, entrypoint: Entrypoint) -> Entrypoint:
    """Start without and with hooks, of each kind, that change what is theirs alone."""
    if request.param == "with hooks":
        for name, content in HOOKS.items():
            entrypoint.hooks.add(name, content)
    return entrypoint


def assert_same(start: Entrypoint, probe: Probe, given: Given, *arguments: bytes) -> Shown:
    """Run the probe directly and through entrykit; what both show is returned."""
    expected = probe.run(start, *arguments, given=given, directly=True)
    assert probe.run(start, *arguments, given=given) == expected
    return expected


def test_a_plain_command_cannot_tell(start: Entrypoint, probe: Probe) -> None:
    shown = assert_same(start, probe, Given())
    # 32 and 33 are the C library's: what posix_spawn(3) starts, make too, ignores them.
    assert int(str(shown["SigIgn"]), 16) & ~(0b11 << 31) == 0
    assert shown["group"] == "another" or shown["group"] == "the tests'"


def test_two_thousand_variables_keep_their_order(start: Entrypoint, probe: Probe) -> None:
    many = [b"NAME_%d=%d" % (number * 7919 % 2000, number) for number in range(2000)]
    shown = assert_same(start, probe, given_environment(*many))
    assert variables(shown) == [PATH, *many]


@pytest.mark.parametrize(
    "entry",
    [
        b"LINES=one\ntwo\n\n",
        b"BYTES=" + ALL_BYTES,
        b"BAD\xff\xfeNAME=\xc3\x28",
        b"EMPTY=",
        b"EQUAL===",
        b"no-name.at all=1",
        b"LARGE=" + b"x" * 100 * 1024,
        b"BLANK= ",
        b"LC_CTYPE=C.UTF-8",
        b"LC_CTYPE=",
        b"LC_ALL=C",
        b"LC_ALL=POSIX",
        b"LANG=de_DE.UTF-8",
    ],
    ids=lambda entry: repr(entry[:20])[2:-1],
)
def test_a_variable_keeps_its_bytes(start: Entrypoint, probe: Probe, entry: bytes) -> None:
    shown = assert_same(start, probe, given_environment(b"BEFORE=1", entry, b"AFTER=1"))
    assert variables(shown) == [PATH, b"BEFORE=1", entry, b"AFTER=1"]


@pytest.mark.parametrize(
    "entries",
    [
        [b"TWICE=1", b"BETWEEN=1", b"TWICE=2"],
        [b"TWICE=1", b"TWICE=1"],
        [b"TWICE=", b"TWICE=2", b"TWICE="],
        [b"no equals sign"],
        [b"", b"X=1", b""],
        [b"=no name"],
        [b"=", b"A=1", b"="],
        [b"A=1", b"B", b"LC_CTYPE=C", b"A=2", b"C=\xff", b"B"],
        [b"LC_CTYPE=C.UTF-8", b"LC_CTYPE=C", b"odd"],
        [b"odd", b"LC_ALL=C"],
    ],
    ids=repr,
)
def test_doubled_and_malformed_entries_pass(
    start: Entrypoint, probe: Probe, entries: list[bytes]
) -> None:
    shown = assert_same(start, probe, given_environment(*entries))
    assert variables(shown) == [PATH, *entries]


def test_an_empty_environment_stays_empty(entrypoint: Entrypoint, probe: Probe) -> None:
    shown = assert_same(entrypoint, probe, Given(environment=[]))
    assert shown["environ"] == b""


def test_no_locale_variable_appears_where_none_is_set(start: Entrypoint, probe: Probe) -> None:
    shown = assert_same(start, probe, given_environment(b"A=1"))
    assert variables(shown) == [PATH, b"A=1"]


@pytest.mark.parametrize(
    "arguments",
    [
        [b"", b"two  blanks", b"", b"\n", b""],
        [b"\xff\xfe", b"\xc3\x28", "ä€😀".encode()],
        [b"--", b"-x", b"--help", b"--skip", b"y"],
        [b"x" * 100 * 1024],
        [b"%d" % number for number in range(2000)],
        [ALL_BYTES],
    ],
    ids=["empty", "not UTF-8", "options", "large", "many", "all bytes"],
)
def test_arguments_keep_their_bytes(
    start: Entrypoint, probe: Probe, arguments: list[bytes]
) -> None:
    shown = assert_same(start, probe, Given(), *arguments)
    assert shown["cmdline"] == b"".join(
        word + b"\0" for word in (*map(os.fsencode, probe.words), *arguments)
    )


def test_inherited_descriptors_stay_open(start: Entrypoint, probe: Probe, tmp_path: Path) -> None:
    opened = {}
    for number in range(3, 21):
        opened[number] = tmp_path / f"file-{number}"
        opened[number].touch()
    shown = assert_same(start, probe, Given(descriptors=opened))
    descriptors = shown["descriptors"]
    assert isinstance(descriptors, dict)
    assert {number: Path(descriptors[number][0]) for number in opened} == opened


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]], ids=repr)
def test_closed_streams_stay_closed(start: Entrypoint, probe: Probe, closed: list[int]) -> None:
    assert_same(start, probe, Given(closed=closed))


IGNORABLE = sorted(
    set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}
)


@pytest.mark.parametrize(
    "ignored",
    [
        [signal.SIGHUP],
        [signal.SIGINT, signal.SIGQUIT],
        [signal.SIGTERM],
        [signal.SIGCHLD],
        [signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP],
        [signal.SIGRTMIN, signal.SIGRTMAX],
        IGNORABLE,
    ],
    ids=["HUP", "INT QUIT", "TERM", "CHLD", "TTIN TTOU TSTP", "real time", "all"],
)
def test_ignored_signals_stay_ignored(start: Entrypoint, probe: Probe, ignored: list[int]) -> None:
    assert_same(start, probe, Given(ignored=ignored))


@pytest.mark.parametrize("hidden", [signal.SIGPIPE, signal.SIGXFSZ])
def test_what_python_hides_is_set_to_its_default(
    start: Entrypoint, probe: Probe, hidden: int
) -> None:
    shown = probe.run(start, given=Given(ignored=[hidden]))
    assert shown == probe.run(start, given=Given(), directly=True)


@pytest.mark.parametrize(
    "blocked",
    [[signal.SIGHUP, signal.SIGUSR1], [signal.SIGTERM], [signal.SIGCHLD], IGNORABLE],
    ids=["HUP USR1", "TERM", "CHLD", "all"],
)
def test_blocked_signals_stay_blocked(start: Entrypoint, probe: Probe, blocked: list[int]) -> None:
    assert_same(start, probe, Given(blocked=blocked))


@pytest.mark.parametrize("umask", [0, 0o002, 0o077, 0o777])
def test_the_umask_stays(start: Entrypoint, probe: Probe, umask: int) -> None:
    assert assert_same(start, probe, Given(umask=umask))["Umask"] == f"{umask:04o}"


def test_the_working_directory_stays(start: Entrypoint, probe: Probe, tmp_path: Path) -> None:
    odd = tmp_path / "with blank\nand newline"
    odd.mkdir()
    assert assert_same(start, probe, Given(directory=odd))["cwd"] == odd


def test_limits_stay(start: Entrypoint, probe: Probe) -> None:
    limits = {
        resource.RLIMIT_CORE: 4096,
        resource.RLIMIT_FSIZE: 1 << 20,
        resource.RLIMIT_NOFILE: 99,
        resource.RLIMIT_STACK: 4 << 20,
    }
    assert_same(start, probe, Given(limits=limits))


def test_the_controlling_terminal_and_its_foreground_group_stay(
    start: Entrypoint, probe: Probe
) -> None:
    shown = []
    for directly in (True, False):
        master, terminal = pty.openpty()
        try:
            given = Given(terminal=os.ttyname(terminal))
            shown.append(probe.run(start, given=given, directly=directly))
        finally:
            os.close(master)
            os.close(terminal)
    assert shown[1] == shown[0]
    assert shown[0]["has a terminal"]
    assert shown[0]["foreground"] == shown[0]["group"] == shown[0]["session"]


def test_many_things_at_once_stay(start: Entrypoint, probe: Probe, tmp_path: Path) -> None:
    given = given_environment(
        b"A=1", b"A=2", b"odd", b"\xff=\xff", b"LC_CTYPE=C.UTF-8",
        base=Given(
            descriptors={7: Path("/dev/null")},
            closed=[0],
            ignored=[signal.SIGHUP, signal.SIGCHLD, signal.SIGINT],
            blocked=[signal.SIGUSR2, signal.SIGTERM],
            umask=0o027,
            directory=tmp_path,
            limits={resource.RLIMIT_NOFILE: 64},
        ),
    )  # fmt: skip
    assert_same(start, probe, given, b"", b"\xff")


@pytest.mark.parametrize("odd", [[], [b"odd", b"A=2"]], ids=["plain", "odd"])
def test_nothing_changes_but_what_a_hook_asks_for(
    entrypoint: Entrypoint, probe: Probe, odd: list[bytes]
) -> None:
    entrypoint.hooks.shell("10-set.sh", 'echo new >"$ENTRYKIT_ENV/B"', ': >"$ENTRYKIT_UNSET/D"')
    entrypoint.hooks.add("20-set.envsh", "export E=e\n")
    before = [b"A=1", b"B=\xff", b"C=\n", b"D=4", *odd, b"F=6"]
    after = [b"A=1", b"B=new", b"C=\n", *odd, b"F=6", b"E=e"]
    shown = probe.run(entrypoint, given=given_environment(*before))
    assert shown == probe.run(entrypoint, given=given_environment(*after), directly=True)


def test_a_doubled_variable_that_a_hook_sets_is_there_once(
    entrypoint: Entrypoint, probe: Probe
) -> None:
    entrypoint.hooks.add("10-set.py", "def hook(start):\n    start.env['A'] = 'new'\n")
    # In its environment the new value stands before the double.
    entrypoint.hooks.add("20-look.py", "import os\nassert os.environ['A'] == 'new'\n")
    entrypoint.hooks.shell("30-same.sh", 'echo 1 >"$ENTRYKIT_ENV/B"')
    given = given_environment(b"A=1", b"A=2", b"B=1", b"B=2")
    shown = probe.run(entrypoint, given=given)
    assert sorted(variables(shown)) == sorted([PATH, b"A=new", b"B=1"])


def test_a_change_that_is_undone_is_none(entrypoint: Entrypoint, probe: Probe) -> None:
    entrypoint.configure("[env.TOKEN]", "secret = true", "expose = true")
    entrypoint.hooks.shell("10-unset.sh", ': >"$ENTRYKIT_UNSET/A"')
    entrypoint.hooks.add("20-look.py", "import os\nos.environ['B'] = 'mine'\n")
    entrypoint.hooks.shell("30-set.sh", 'echo 1 >"$ENTRYKIT_ENV/A"')
    given = given_environment(b"odd", b"B=2", b"TOKEN=t", b"A=1")
    assert sorted(variables(probe.run(entrypoint, given=given))) == sorted(
        [PATH, b"odd", b"B=2", b"TOKEN=t", b"A=1"]
    )


def test_no_variable_of_entrykit_reaches_the_command(entrypoint: Entrypoint, probe: Probe) -> None:
    entrypoint.configure("[env.PASSWORD]\nsecret = true\n[env.TOKEN]\nsecret = true\nexpose = true")
    own = [b"ENTRYKIT_LOG=quiet", b"ENTRYKIT_SKIP=x", b"ENTRYKIT_OTHER=1", b"ENTRYKIT_=1"]
    secrets = [b"PASSWORD=geheim", b"PASSWORD_FILE=", b"TOKEN=shown"]
    given = given_environment(b"A=1", *own, *secrets, b"B=2")
    assert variables(probe.run(entrypoint, given=given)) == [PATH, b"A=1", b"TOKEN=shown", b"B=2"]


def test_the_configured_umask_is_the_commands(entrypoint: Entrypoint, probe: Probe) -> None:
    entrypoint.configure('umask = "027"')
    shown = probe.run(entrypoint, given=Given())
    assert shown == probe.run(entrypoint, given=Given(umask=0o027), directly=True)


def test_descriptors_that_are_not_inherited_by_an_exec_are_none(
    start: Entrypoint, probe: Probe
) -> None:
    """What entrykit opens itself must not be there: only what was given is."""
    shown = probe.run(start, given=replace(Given(), descriptors={9: Path("/dev/null")}))
    descriptors = shown["descriptors"]
    assert isinstance(descriptors, dict)
    assert sorted(descriptors) == [0, 1, 2, 3, 9]
    assert descriptors[3][0] == probe.words[1]
