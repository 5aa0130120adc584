"""What a hook leaves running is named in the log, in one line, once."""

import re
from pathlib import Path

import pytest

from .inits import Make
from .starts import Entrypoint, Running

# In a shell: until what was put into the background last is the program that it is to be.
IS_CAT = "until grep -qx cat /proc/$!/comm; do :; done"
# In Python: start cat, here or in a daemon, and wait until it is there, which closes its pipe.
FORKS = """\
import os
ready, kept = os.pipe()
if not os.fork():
    {inner}
    os.execv("/bin/cat", ["cat", {fifo!r}])
os.close(kept)
os.read(ready, 1)
"""
# Each leaves a process that waits for the FIFO whose path stands in its place.
LEAVES = {
    "10-background.sh": f"#!/bin/sh\ncat {{fifo}} &\n{IS_CAT}\n",
    "10-sourced.envsh": f"cat {{fifo}} &\n{IS_CAT}\n",
    "10-python.py": "import subprocess\nsubprocess.Popen(['cat', {fifo!r}])\n",
    "10-fork.py": FORKS.replace("{inner}", "pass"),
}
FAR_AWAY = {
    "10-daemon.py": FORKS.replace("{inner}", "os.setsid()\n    if os.fork():\n        os._exit(0)"),
    "10-group.sh": f"#!/bin/bash\nset -m\ncat {{fifo}} &\n{IS_CAT}\ndisown\n",
}
LINE = re.compile(r"entrykit: ([^:]+): leaves running: (.*)$")


class Fifo:
    """What a left-over process waits for."""

    def __init__(self, start: Entrypoint, name: str = "fifo") -> None:
        self.path = start.scratch / name
        start.hooks.shell(f"01-{name}.sh", f"mkfifo '{self.path}'")

    def ends(self) -> str:
        """Return the command that lets it end, and so ends too."""
        return f": >'{self.path}'"


def named(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Return hooks and the names of what they left."""
    found = [match.groups() for line in lines if (match := LINE.match(line))]
    return [(hook, re.findall(r"\d+ \(([^)]*)\)", rest)) for hook, rest in found]


@pytest.mark.parametrize("name", LEAVES)
def test_what_a_hook_leaves_is_named_with_the_hook(entrypoint: Entrypoint, name: str) -> None:
    fifo = Fifo(entrypoint)
    entrypoint.hooks.add(name, LEAVES[name].format(fifo=str(fifo.path)))
    entrypoint.hooks.shell("20-next.sh", "echo next")
    entrypoint.hooks.add("30-next.py", "print('next')\n")
    ended = entrypoint.run("sh", "-c", fifo.ends())
    assert named(ended.lines) == [(name, ["cat"])]


@pytest.mark.parametrize("name", FAR_AWAY)
@pytest.mark.parametrize("place", ["pid1", "subreaper"])
@pytest.mark.namespace
def test_behind_an_init_it_is_seen_too(own: Make, name: str, place: str) -> None:
    start = own(is_pid1=place == "pid1")
    fifo = Fifo(start)
    start.hooks.add(name, FAR_AWAY[name].format(fifo=str(fifo.path)))
    start.hooks.shell("20-next.sh", "echo next")
    start.hooks.add("30-next.py", "print('next')\n")
    assert named(start.run("sh", "-c", fifo.ends()).lines) == [(name, ["cat"])]


@pytest.mark.parametrize("name", FAR_AWAY)
def test_pid_1_sees_also_what_has_left_its_group_and_session(pid1: Entrypoint, name: str) -> None:
    fifo = Fifo(pid1)
    pid1.hooks.add(name, FAR_AWAY[name].format(fifo=str(fifo.path)))
    pid1.hooks.shell("20-next.sh", "echo next")
    assert named(pid1.run("sh", "-c", fifo.ends()).lines) == [(name, ["cat"])]


def test_the_number_is_the_processs_own(entrypoint: Entrypoint) -> None:
    fifo = Fifo(entrypoint)
    entrypoint.hooks.shell("10-a.sh", f"cat '{fifo.path}' &", IS_CAT, 'echo "it is $!"')
    ended = entrypoint.run("sh", "-c", fifo.ends())
    (said,) = [line.removeprefix("it is ") for line in ended.lines if line.startswith("it is")]
    assert f"entrykit: 10-a.sh: leaves running: {said} (cat)" in ended.lines


def test_each_is_named_once_and_by_the_hook_that_left_it(entrypoint: Entrypoint) -> None:
    """What the first one's loop starts while the second runs is not the second's."""
    go, on, first, second = (Fifo(entrypoint, name) for name in ("go", "on", "first", "second"))
    loop = f"(read line <'{go.path}'; cat '{first.path}' & echo >'{on.path}'; wait) &"
    entrypoint.hooks.shell("10-loop.sh", loop)
    goes_on = (f"echo >'{go.path}'", f"read line <'{on.path}'")
    entrypoint.hooks.shell("20-b.sh", *goes_on, f"cat '{second.path}' &", IS_CAT)
    entrypoint.hooks.shell("30-c.sh", "echo c")
    ended = entrypoint.run("sh", "-c", f"{first.ends()}; {second.ends()}")
    assert named(ended.lines) == [("10-loop.sh", ["10-loop.sh"]), ("20-b.sh", ["cat"])]


def test_what_outlives_the_left_process_that_started_it_is_not_the_next_hooks(
    pid1: Entrypoint,
) -> None:
    """Its line of ancestors is lost with that one; its session is not."""
    go, on, fifo = (Fifo(pid1, name) for name in ("go", "on", "fifo"))
    starts = f"(read line <'{go.path}'; cat '{fifo.path}' & echo $! >'{on.path}') &"
    pid1.hooks.shell("10-starts.sh", starts)
    is_orphan = "until grep -q '^PPid:.1$' /proc/$cat/status; do :; done"
    pid1.hooks.shell("20-b.sh", f"echo >'{go.path}'", f"read cat <'{on.path}'", is_orphan)
    ended = pid1.run("sh", "-c", fifo.ends())
    assert named(ended.lines) == [("10-starts.sh", ["10-starts.sh"])]


def test_a_failing_hook_that_the_start_goes_on_from_is_no_exception(
    entrypoint: Entrypoint,
) -> None:
    fifo = Fifo(entrypoint)
    entrypoint.hooks.shell(
        "10-fails.sh", "# entrykit: on-error=continue", f"cat '{fifo.path}' &", IS_CAT, "exit 3"
    )
    ended = entrypoint.run("sh", "-c", fifo.ends())
    assert named(ended.lines) == [("10-fails.sh", ["cat"])]


def test_hooks_that_leave_nothing_are_not_asked(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", "sleep 0 &", "wait")
    entrypoint.hooks.add("20-b.envsh", "true | cat\n")
    assert named(entrypoint.run("true").lines) == []


def test_the_dead_are_not_named(entrypoint: Entrypoint) -> None:
    """Where nobody reaps orphans they stay, as zombies; PID 1 reaps them."""
    entrypoint.hooks.add(
        "10-a.py",
        "import os\nif not os.fork():\n    os._exit(0)\n"
        "while open(f'/proc/self/task/{os.getpid()}/children').read():\n"
        "    kid = open(f'/proc/self/task/{os.getpid()}/children').read().split()[0]\n"
        "    if ') Z ' in open(f'/proc/{kid}/stat').read():\n        break\n",
    )
    assert named(entrypoint.run("true").lines) == []


def test_many_are_counted(entrypoint: Entrypoint) -> None:
    fifo = Fifo(entrypoint)
    entrypoint.hooks.shell(
        "10-many.sh", "i=0", f"while [ $((i += 1)) -le 13 ]; do cat '{fifo.path}' & {IS_CAT}; done"
    )
    ended = entrypoint.run("sh", "-c", fifo.ends())
    (line,) = [line for line in ended.lines if "leaves running" in line]
    assert line.count("(cat)") == 10
    assert line.endswith(", 3 more")


def test_a_name_is_one_line(entrypoint: Entrypoint) -> None:
    """A process names itself as it likes (prctl(2), PR_SET_NAME)."""
    fifo = Fifo(entrypoint)
    entrypoint.hooks.add(
        "10-odd.py",
        "import os\nif not os.fork():\n"
        "    open('/proc/self/comm', 'w').write(') Z 1\\n1 (\\x1b')\n"
        f"    open({str(fifo.path)!r}).read()\n    os._exit(0)\n"
        "while True:\n"
        "    kid = open(f'/proc/self/task/{os.getpid()}/children').read().split()[0]\n"
        "    if 'Z 1' in open(f'/proc/{kid}/comm').read():\n        break\n",
    )
    ended = entrypoint.run("sh", "-c", fifo.ends())
    (line,) = [line for line in ended.lines if "leaves running" in line]
    assert line.endswith(r"() Z 1\n1 (\x1b)")


def test_what_was_there_before_the_start_is_no_hooks(pid1: Entrypoint, tmp_path: Path) -> None:
    """A shell that became entrykit has left its children to it."""
    fifo = Fifo(pid1)
    early = tmp_path / "early"
    words = f"mkfifo '{early}'; cat '{early}' & exec \"$@\""
    pid1.words = ["/bin/sh", "-c", words, "sh", *pid1.words]
    pid1.hooks.shell("10-a.sh", "echo a")
    pid1.hooks.shell("20-b.sh", f"cat '{fifo.path}' &", IS_CAT)
    running: Running = pid1.start("sh", "-c", f": >'{early}'; {fifo.ends()}")
    assert named(running.end().lines) == [("20-b.sh", ["cat"])]


@pytest.mark.root
def test_where_there_is_no_proc_it_is_said_without_names(pid1: Entrypoint) -> None:
    fifo = Fifo(pid1)
    pid1.hooks.shell("10-a.sh", f"cat '{fifo.path}' &")
    without = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc; exec "$@"', "sh")
    pid1.words = [*without, *pid1.words]
    ended = pid1.run("sh", "-c", fifo.ends())
    assert "entrykit: 10-a.sh: leaves processes running, which have no names without /proc" in (
        ended.lines
    )
