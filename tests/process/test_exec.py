"""Promise: `entrykit exec` becomes a command, and nothing else changes than what was asked for."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .peers import OWN, ROOT, Users
from .probe import Probe
from .starts import PATIENCE_SECONDS, SEARCH_PATH, Entrypoint, Given, given_environment

WORDS = [sys.executable, "-m", "entrykit", "exec"]
# The right to look into any process is none of a container's root.
IN_CONTAINER = ("setpriv", "--bounding-set=-all,+setuid,+setgid")


@pytest.fixture
def entrypoint(tmp_path: Path) -> Iterator[Entrypoint]:
    """Start by `entrykit exec`."""
    entrypoint = Entrypoint([*WORDS, "--"], tmp_path, is_pid1=False)
    yield entrypoint
    entrypoint.close()


def call(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Call it with words; the environment is what is given, and what finds it."""
    return subprocess.run(
        [*WORDS, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env={"PATH": SEARCH_PATH, "PYTHONPATH": os.fspath(ROOT), **environment},
    )


@pytest.mark.parametrize(
    "given",
    [
        Given(),
        given_environment(b"A=1", b"A=2", b"no equal", b"=x", b"B=\xff", b"ENTRYKIT_ENV=/x"),
        Given(ignored=[signal.SIGINT, signal.SIGHUP, signal.SIGCHLD], blocked=[signal.SIGTERM]),
        Given(blocked=[signal.SIGUSR1], pending=[signal.SIGUSR1], umask=0o027),
        Given(descriptors={3: Path("/dev/null"), 7: Path("/dev/zero")}, closed=[0]),
    ],
    ids=["plain", "environment", "signals", "pending", "descriptors"],
)
def test_a_command_cannot_tell_it_from_a_direct_exec(
    entrypoint: Entrypoint, tmp_path: Path, given: Given
) -> None:
    probe = Probe(tmp_path)
    expected = probe.run(entrypoint, given=given, directly=True)
    assert probe.run(entrypoint, given=given) == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "there is no command"),
        (["--"], "there is no command"),
        (["--user", "root"], "there is no command"),
        (["--user"], "option --user needs a value"),
        (["--usr", "root", "true"], "unknown option --usr"),
        (["-x"], "unknown option -x"),
        (["--env-of", "one", "true"], "--env-of: one is not the number of a process"),
        (["--env-of=-1", "true"], "--env-of: -1 is not the number of a process"),
        (["--env-of=", "true"], "--env-of:  is not the number of a process"),
    ],
)
def test_wrong_usage_is_said(words: list[str], says: str) -> None:
    ended = call(*words)
    assert ended.returncode == 2
    assert ended.stderr == f"entrykit: {says} (see `entrykit exec --help`)\n"


def test_its_help_names_its_options() -> None:
    ended = call("--help")
    assert ended.returncode == 0
    assert "--user USER" in ended.stdout
    assert "--env-of PID" in ended.stdout


@pytest.mark.parametrize(
    ("word", "status", "says"),
    [
        ("no-such-program", 127, "cannot find the command no-such-program in PATH"),
        ("/", 126, "cannot run /: it is a directory"),
        ("/dev/null", 126, "cannot run /dev/null: permission denied"),
    ],
)
def test_a_command_that_cannot_run_is_named(word: str, status: int, says: str) -> None:
    ended = call("--", word)
    assert ended.returncode == status
    assert says in ended.stderr


def test_the_status_is_the_commands() -> None:
    assert call("sh", "-c", "exit 7").returncode == 7
    assert call("sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM


def test_options_end_at_the_first_word_that_is_none() -> None:
    assert call("echo", "--user", "x").stdout == "--user x\n"
    assert call("--", "echo", "--", "x").stdout == "-- x\n"


def test_it_loads_little() -> None:
    code = (
        "import sys\n"
        "from entrykit.steps import handoff\n"
        "def execute(environment, path, argv):\n"
        "    print(*sorted(sys.modules), flush=True)\n"
        "    raise SystemExit\n"
        "handoff.execute = execute\n"
        "from entrykit import __main__\n"
        "sys.argv = ['entrykit', 'exec', '--user', sys.argv[1], 'true']\n"
        "__main__.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code, f"{os.geteuid()}:{os.getegid()}"],
        check=False, capture_output=True, text=True,
        env={"PATH": SEARCH_PATH, "PYTHONPATH": os.fspath(ROOT)},
    )  # fmt: skip
    loaded = set(ended.stdout.split())
    assert "entrykit.commands.exec" in loaded, ended.stderr
    assert not loaded & {
        "argparse", "re", "enum", "typing", "ctypes", "pwd", "grp", "contextlib", "importlib.util",
        "subprocess", "signal", "entrykit.boot", "entrykit.settings",
        "entrykit.system.process_environment",
    }  # fmt: skip


class Sleeper:
    """A process that waits, with an environment and ids of its own."""

    def __init__(self, *before: str, name: str = "", **environment: str) -> None:
        # It says that it is there: until then its environment is that of what comes before it.
        code = "import sys; sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read()"
        self.process = subprocess.Popen(
            [*before, "/usr/bin/python3", "-IS", "-c", code, *([name] if name else ())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    @property
    def pid(self) -> str:
        """Its number."""
        return str(self.process.pid)

    def end(self) -> None:
        """Let it end."""
        self.process.communicate(b"")


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """Return a process of the same user."""
    one = Sleeper(A="1", HOME="/theirs", PATH="/bin", B="two\nlines")
    yield one
    one.end()


@pytest.fixture
def games() -> Iterator[Sleeper]:
    """Return a process of games (5:60)."""
    before = ("setpriv", "--reuid=5", "--regid=60", "--clear-groups")
    one = Sleeper(*before, A="1", HOME="/theirs", PATH=SEARCH_PATH)
    yield one
    one.end()


def test_an_environment_is_taken_whole(sleeper: Sleeper) -> None:
    ended = call(f"--env-of={sleeper.pid}", "env", "-0", OWN="mine", HOME="/mine")
    assert ended.stdout.split("\0")[:-1] == ["A=1", "HOME=/theirs", "PATH=/bin", "B=two\nlines"]


def test_a_program_is_looked_up_in_the_path_that_was_taken() -> None:
    one = Sleeper(PATH="/nowhere")
    assert call("--env-of", one.pid, "env").returncode == 127
    one.end()


def test_a_process_without_an_environment_gives_none() -> None:
    one = Sleeper()
    assert call("--env-of", one.pid, "/usr/bin/env").stdout == ""
    one.end()


def test_a_process_that_is_not_there_is_named() -> None:
    ended = call("--env-of=4194304", "true")
    assert ended.returncode == 78
    assert ended.stderr == "entrykit: there is no process 4194304 (see the numbers in /proc)\n"


def test_a_process_that_has_ended_and_is_not_reaped_is_none() -> None:
    one = Sleeper(A="1")
    assert one.process.stdin is not None
    one.process.stdin.close()
    os.waitid(os.P_PID, one.process.pid, os.WEXITED | os.WNOWAIT)
    assert f"there is no process {one.pid}" in call("--env-of", one.pid, "true").stderr
    assert one.process.stdout is not None
    one.process.stdout.close()
    one.process.wait()


@pytest.mark.root
@pytest.mark.parametrize("ids", [("--reuid=5", "--regid=60"), ("--regid=60",)], ids=str)
def test_root_without_the_right_to_look_into_others_reads_as_their_user(
    ids: tuple[str, ...],
) -> None:
    before = (*IN_CONTAINER, "setpriv", *ids, "--clear-groups")
    one = Sleeper(*before, A="1", PATH=SEARCH_PATH)
    found = look_into(one, *IN_CONTAINER, command=("sh", "-c", "echo $A; id -u; id -g"))
    one.end()
    assert (found.stdout, found.stderr) == ("1\n0\n0\n", "")


@pytest.mark.root
def test_what_nobody_of_its_user_may_read_is_said() -> None:
    """Its ids are no mend: they were tried."""
    ambient = (
        "--reuid=5",
        "--regid=60",
        "--clear-groups",
        "--inh-caps=+kill",
        "--ambient-caps=+kill",
    )
    one = Sleeper("setpriv", *ambient, A="1")
    found = look_into(one, *IN_CONTAINER)
    one.end()
    assert found.returncode == 78
    assert found.stderr == (
        f"entrykit: cannot read the environment of process {one.pid}: permission denied (that"
        " process has more capabilities, lets nobody look into it, or is a start that is still"
        " going on)\n"
    )


def look_into(
    process: Sleeper, *before: str, command: tuple[str, ...] = ("true",)
) -> "subprocess.CompletedProcess[str]":
    """Run a command with the environment of a process; `before` stands before entrykit's words."""
    return subprocess.run(
        [*before, *WORDS, "--env-of", process.pid, "--", *command],
        check=False, capture_output=True, text=True, env={"PYTHONPATH": os.fspath(ROOT)},
    )  # fmt: skip


@pytest.mark.root
def test_what_may_not_be_read_is_said(games: Sleeper) -> None:
    found = look_into(games, "setpriv", "--bounding-set=-all")
    assert found.returncode == 78
    assert found.stderr == (
        f"entrykit: cannot read the environment of process {games.pid}: permission denied (run it"
        " as the user of that process, 5:60)\n"
    )


@pytest.mark.root
@pytest.mark.namespace
@pytest.mark.parametrize(
    ("spec", "home"), [("games", "/theirs"), ("app", "/srv/app"), ("root", "/root")]
)
def test_home_is_kept_from_a_process_of_the_same_user_alone(
    games: Sleeper, tmp_path: Path, spec: str, home: str
) -> None:
    """What a hook made of it stays; another user's own is no place for this one's files."""
    words = OWN["exec"](spec)
    found = Users(tmp_path).become(
        [*words[:-1], f"--env-of={games.pid}", "--"], before=IN_CONTAINER
    )
    assert found.home == home, found.said


def test_of_an_init_it_is_the_commands_environment(tmp_path: Path) -> None:
    """The init's own is empty: it is told apart by its last word, and the command is its first."""
    code = (
        "import posix, sys\n"
        "environment = {b'WHOSE': b'the command'}\n"
        "reading, writing = posix.pipe()\n"
        "posix.set_inheritable(reading, True)\n"
        "words = [b'sh', b'-c', b'echo ready; read _ <&%d' % reading]\n"
        "child = posix.posix_spawn('/bin/sh', words, environment)\n"
        "sys.stdin.read()\n"
        "posix.close(writing)\n"
        "posix.waitpid(child, 0)\n"
    )
    init = subprocess.Popen(
        ["/usr/bin/python3", "-IS", "-c", code, "entrykit-init"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"WHOSE": "the init"}, cwd=tmp_path,
    )  # fmt: skip
    assert init.stdout is not None
    assert init.stdout.readline() == b"ready\n"
    found = call(f"--env-of={init.pid}", "/usr/bin/env").stdout
    init.communicate(b"")
    assert "WHOSE=the command\n" in found


def test_a_start_that_still_goes_on_is_told_from_its_command() -> None:
    """It wipes its environment as soon as it has read it."""
    code = (
        "import sys\n"
        "place = open('/proc/self/stat', 'rb').read().rpartition(b')')[2].split()\n"
        "start, end = int(place[47]), int(place[48])\n"
        "memory = open('/proc/self/mem', 'r+b', 0)\n"
        "memory.seek(start); memory.write(bytes(end - start))\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    start = subprocess.Popen(
        ["/usr/bin/python3", "-IS", "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"A": "1"},
    )  # fmt: skip
    assert start.stdout is not None
    assert start.stdout.readline() == b"ready\n"
    ended = call(f"--env-of={start.pid}", "true")
    start.communicate(b"")
    assert ended.returncode == 78
    assert "is a start that is still going on (try again when the command runs)" in ended.stderr
