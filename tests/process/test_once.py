"""Once: what a hook makes is made once for a volume, whole, or the start refuses.

Starts are killed with KILL, all of them as an engine would: PID 1 of a namespace.
"""

import contextlib
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from .starts import Entrypoint, Running

ROOT = Path(__file__).parents[2]
JOURNAL_LINE = "state: done"
PARTS = 12


class Volume:
    """A directory that outlives starts, and a hook that makes something in it."""

    def __init__(self, entrypoint: Entrypoint, path: Path) -> None:
        self.entrypoint = entrypoint
        self.path = path
        self.made = path / "made"
        self.runs = path / "runs"
        self.journal = path / "once" / "make.journal"
        path.mkdir()
        entrypoint.configure("[once]", f'journal = "{self.journal.parent}"')

    def hook(self, *lines: str, settings: str = "", name: str = "20-make.sh") -> None:
        """Write the hook: it notes that it runs, then makes what `lines` say."""
        self.entrypoint.hooks.shell(
            name,
            f"# entrykit: once=make makes={self.made} {settings}",
            "set -e",
            f"echo run >>'{self.runs}'",
            f"mkdir -p '{self.made}'",
            *lines,
        )

    def makes_parts(self, settings: str = "") -> None:
        """Let the hook make a file after the other, each of which must be new."""
        self.hook(
            "set -C",
            f"for n in $(seq {PARTS}); do echo $n >'{self.made}'/$n; sleep 0.01; done",
            settings=settings,
        )

    def number_of_runs(self) -> int:
        """Return how often the hook was begun."""
        return len(self.runs.read_text().split()) if self.runs.exists() else 0

    def parts(self) -> int:
        """Return how many files there are."""
        return len(list(self.made.iterdir())) if self.made.exists() else 0


@pytest.fixture
def volume(entrypoint: Entrypoint, tmp_path: Path) -> Volume:
    """Return a volume for starts of each way."""
    return Volume(entrypoint, tmp_path / "volume")


@pytest.fixture
def killed_volume(pid1: Entrypoint, tmp_path: Path) -> Volume:
    """Return a volume for starts that end whole, as containers do."""
    return Volume(pid1, tmp_path / "volume")


def kill_whole(running: Running) -> None:
    """Kill a start and all that it has started, and wait until they are gone."""
    running.signal(signal.SIGKILL)
    running.end()


def test_a_hook_runs_once(volume: Volume) -> None:
    volume.makes_parts()
    first = volume.entrypoint.run("echo", "command")
    assert (first.status, first.stdout) == (0, b"command\n")
    second = volume.entrypoint.run("echo", "command")
    assert (second.status, second.stdout) == (0, b"command\n")
    (line,) = second.lines
    assert re.fullmatch(r"entrykit: 20-make.sh: was done on [0-9TZ:-]+: not run", line)
    assert (volume.number_of_runs(), volume.parts()) == (1, PARTS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("20-make.envsh", "# entrykit: once=make\necho run >>'{}'\n"),
        ("20-make.py", "# entrykit: once=make\nprint('run', file=open('{}', 'a'))\n"),
    ],
)
def test_each_kind_of_hook_runs_once(volume: Volume, name: str, content: str) -> None:
    volume.entrypoint.hooks.add(name, content.format(volume.runs))
    for _ in range(2):
        assert volume.entrypoint.run("true").status == 0
    assert volume.number_of_runs() == 1


def test_a_failed_run_is_not_taken_for_done(volume: Volume) -> None:
    volume.hook(f"echo half >'{volume.made}'/part; exit 3")
    assert volume.entrypoint.run("echo", "command").status == 3
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert "20-make.sh: was interrupted in its run of " in ended.last_line
    assert f"echo 'state: done' >{volume.journal}" in ended.last_line
    assert " after " not in ended.last_line
    assert volume.number_of_runs() == 1


def test_an_interrupted_run_is_cleaned_and_redone_where_the_hook_says_so(volume: Volume) -> None:
    volume.hook(f"mkdir '{volume.made}'/deep; : >'{volume.made}'/deep/x; exit 3")
    assert volume.entrypoint.run("true").status == 3
    volume.makes_parts("on-interrupted=redo")
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert f"entrykit: 20-make.sh: emptied {volume.made}" in ended.lines
    assert (volume.number_of_runs(), volume.parts()) == (2, PARTS)
    assert volume.journal.read_text().endswith(f"{JOURNAL_LINE}\n")


def test_a_mend_by_hand_is_believed(volume: Volume) -> None:
    volume.hook(f"echo whole >'{volume.made}'/part; exit 3")
    assert volume.entrypoint.run("true").status == 3
    volume.journal.write_text(f"{JOURNAL_LINE}\n")
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert ended.lines == ["entrykit: 20-make.sh: was done, says its journal: not run"]


@pytest.mark.parametrize("settings", ["on-interrupted=redo", "on-interrupted=fail"])
def test_a_start_killed_at_any_moment_is_completed_or_refused_by_the_next(
    killed_volume: Volume, settings: str
) -> None:
    volume = killed_volume
    volume.makes_parts(settings)
    moments = random.Random(1)  # noqa: S311
    began = time.monotonic()
    assert volume.entrypoint.run("true").status == 0
    took = time.monotonic() - began
    for _ in range(10):
        for path in (*volume.made.iterdir(), volume.journal):
            path.unlink(missing_ok=True)
        running = volume.entrypoint.start("true")
        time.sleep(moments.uniform(0, took))
        with contextlib.suppress(AssertionError, FileNotFoundError, ProcessLookupError):
            running.signal(signal.SIGKILL)
        running.end()  # by itself, where it was killed before or after its life as PID 1
        ended = volume.entrypoint.run("echo", "command")
        if ended.status:
            assert (ended.status, ended.stdout) == (78, b"")
            assert settings == "on-interrupted=fail"
            assert "was interrupted" in ended.last_line
        else:
            assert ended.stdout == b"command\n"
            assert volume.parts() == PARTS


def test_of_two_starts_at_once_one_runs_the_hook(volume: Volume, tmp_path: Path) -> None:
    gate = _gate(volume, tmp_path)
    first = volume.entrypoint.start("echo", "first")
    first.wait_for("ready")
    second = volume.entrypoint.start("echo", "second")
    second.wait_for(_waits(volume))
    gate.write_text("go\n")
    ended = first.end(), second.end()
    assert [(one.status, one.stdout) for one in ended] == [(0, b"first\n"), (0, b"second\n")]
    assert volume.number_of_runs() == 1
    assert ": not run" in ended[1].last_line


def test_a_stop_signal_ends_a_start_that_waits(volume: Volume, tmp_path: Path) -> None:
    gate = _gate(volume, tmp_path)
    first = volume.entrypoint.start("true")
    first.wait_for("ready")
    second = volume.entrypoint.start("echo", "second")
    second.wait_for(_waits(volume))
    second.signal(signal.SIGTERM)
    ended = second.end_promptly()
    assert (ended.status, ended.stdout) == (143, b"")
    assert "stopped by SIGTERM during 20-make.sh" in ended.last_line
    gate.write_text("go\n")
    assert first.end().status == 0


def test_where_the_holder_is_killed_the_one_that_waits_takes_over(
    killed_volume: Volume, tmp_path: Path
) -> None:
    volume = killed_volume
    gate = _gate(volume, tmp_path, "on-interrupted=redo")
    first = volume.entrypoint.start("true")
    first.wait_for("ready")
    second = volume.entrypoint.start("echo", "second")
    second.wait_for(_waits(volume))
    kill_whole(first)
    second.wait_for("ready")
    gate.write_text("go\n")
    ended = second.end()
    assert (ended.status, ended.stdout) == (0, b"second\n")
    assert volume.number_of_runs() == 2


@pytest.mark.parametrize("entrypoint", ["run", "baked"], indirect=True)
def test_what_a_killed_start_leaves_running_has_the_lock_until_it_ends(
    volume: Volume, tmp_path: Path
) -> None:
    """The start is killed alone; the kernel closes PID 1's descriptors before it ends the rest."""
    gate = _gate(volume, tmp_path, "on-interrupted=redo")
    first = volume.entrypoint.start("true")
    first.wait_for("ready")
    os.kill(first.pid, signal.SIGKILL)
    second = volume.entrypoint.start("echo", "second")
    second.wait_for(_waits(volume))
    # For each of the two runs.
    gate.write_text("go\n")
    second.wait_for("ready")
    assert volume.parts() == 0
    gate.write_text("go\n")
    ended = second.end()
    assert (ended.status, ended.stdout) == (0, b"second\n")
    assert volume.number_of_runs() == 2


def test_a_stopped_run_is_not_taken_for_done(volume: Volume) -> None:
    volume.hook("echo ready", "sleep 300")
    running = volume.entrypoint.start("true")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 143
    assert volume.entrypoint.run("true").status == 78


def test_another_content_of_a_hook_that_is_done_is_said_and_not_run(volume: Volume) -> None:
    volume.makes_parts()
    assert volume.entrypoint.run("true").status == 0
    volume.hook("exit 3")
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert ", when its content was another: not run (once=make stands" in ended.last_line


@pytest.mark.parametrize(
    "content", ["", "done", "state: done", "state: don\n", "state: done\n\0", "\n", "\xff\n"]
)
def test_a_journal_that_is_not_whole_is_never_taken_for_done(
    entrypoint: Entrypoint, tmp_path: Path, content: str
) -> None:
    volume = Volume(entrypoint, tmp_path / "volume")
    volume.makes_parts("on-interrupted=redo")
    volume.journal.parent.mkdir()
    volume.journal.write_text(content, encoding="latin-1")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert f"cannot tell whether it was done from {volume.journal}: " in ended.last_line
    assert volume.number_of_runs() == 0


@pytest.mark.parametrize("made", ["", "makes: /elsewhere\n"])
def test_a_redo_empties_nothing_that_the_interrupted_run_did_not_name(
    volume: Volume, made: str
) -> None:
    volume.makes_parts("on-interrupted=redo")
    volume.journal.parent.mkdir()
    volume.journal.write_text(f"name: make\n{made}state: started\n")
    volume.made.mkdir()
    (volume.made / "theirs").touch()
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert "which is not what makes names now" in ended.last_line
    assert (volume.number_of_runs(), volume.parts()) == (0, 1)


def test_a_journal_directory_that_leads_nowhere_is_told_and_not_waited_for(volume: Volume) -> None:
    volume.makes_parts()
    volume.journal.parent.symlink_to(volume.path / "nowhere")
    ended = volume.entrypoint.start("echo", "command").end_promptly()
    assert (ended.status, ended.stdout) == (78, b"")
    lock = volume.journal.with_name("make.lock")
    assert f"cannot lock {lock}: no such file or directory" in ended.last_line


def test_what_is_there_without_a_journal_is_left_alone(volume: Volume) -> None:
    volume.made.mkdir()
    (volume.made / "theirs").touch()
    volume.makes_parts("on-interrupted=redo")
    for _ in range(2):
        ended = volume.entrypoint.run("echo", "command")
        assert (ended.status, ended.stdout) == (78, b"")
        assert f"{volume.made} is not empty, and no {volume.journal} says" in ended.last_line
    assert volume.parts() == 1


def test_done_without_what_was_made_is_no_done(volume: Volume) -> None:
    volume.makes_parts()
    assert volume.entrypoint.run("true").status == 0
    for path in volume.made.iterdir():
        path.unlink()
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert f"but {volume.made} is not there" in ended.last_line


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("20-make.sh", '#!/bin/sh\n# entrykit: once=make\necho 1 >"$ENTRYKIT_ENV/READY"\n'),
        ("20-make.envsh", "# entrykit: once=make\nexport READY=1\n"),
        ("20-make.py", "# entrykit: once=make\ndef hook(start): start.args.append('x')\n"),
    ],
)
def test_a_hook_that_runs_once_cannot_ask_for_changes(
    volume: Volume, name: str, content: str
) -> None:
    volume.entrypoint.hooks.add(name, content)
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert "asks for changes, but runs once" in ended.last_line


def test_what_the_hook_leaves_running_does_not_hold_the_lock(volume: Volume) -> None:
    volume.entrypoint.hooks.add(
        "20-make.py",
        "# entrykit: once=make\nimport os, time\nif not os.fork():\n"
        "    os.close(1); os.close(2)\n    time.sleep(20)\n    os._exit(0)\n",
    )
    assert volume.entrypoint.run("true").status == 0
    (volume.journal).unlink()
    assert volume.entrypoint.start("true").end_promptly().status == 0


@pytest.mark.parametrize("line", ["rmdir '{}'", ":"])
def test_a_hook_that_does_not_make_what_it_says_is_not_done(volume: Volume, line: str) -> None:
    volume.hook(line.format(volume.made))
    ended = volume.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert f"did not make {volume.made}, as makes says" in ended.last_line
    assert volume.journal.read_text().endswith("state: started\n")


def test_a_link_on_the_way_is_not_followed(volume: Volume, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    (other / "data" / "precious").touch()
    settings = "# entrykit: once=make on-interrupted=redo"
    link = volume.path / "link"
    volume.entrypoint.hooks.shell("20-make.sh", f"{settings} makes={link}/data", "exit 3")
    assert volume.entrypoint.run("true").status == 3
    link.symlink_to(other)
    ended = volume.entrypoint.run("true")
    assert ended.status == 78
    assert f"cannot empty {link}/data" in ended.last_line
    assert "(no link is followed: let makes name the place that it leads to)" in ended.last_line
    assert (other / "data" / "precious").exists()


@pytest.mark.parametrize(
    ("settings", "configuration", "message"),
    [
        ("once=make", "", "has no place to remember"),
        ("once=make on-error=continue", '[once]\njournal="/j"', "exclude each other"),
        ("once=make makes=/data", '[once]\njournal="/data/once"', "/data holds the journal"),
        ("once=make makes=/data", '[once]\ndatabase="URL"', "makes needs a journal"),
        ("makes=/data", '[once]\njournal="/j"', "are for a hook that has once=NAME"),
    ],
)
def test_what_cannot_hold_is_found_before_any_hook_runs(
    entrypoint: Entrypoint, settings: str, configuration: str, message: str
) -> None:
    entrypoint.configure(configuration)
    entrypoint.hooks.shell("10-first.sh", "echo first")
    entrypoint.hooks.shell("20-make.sh", f"# entrykit: {settings}", "echo make")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    (line,) = ended.lines
    assert message in line


def test_a_name_is_one_hooks(volume: Volume) -> None:
    volume.makes_parts()
    volume.hook(name="30-other.sh")
    ended = volume.entrypoint.run("echo", "command")
    assert ended.status == 78
    assert ended.lines[0].startswith("entrykit: 30-other.sh: once=make is 20-make.sh's already")


def test_the_log_of_the_guide_is_what_is_said(volume: Volume, tmp_path: Path) -> None:
    text = (ROOT / "docs/once.md").read_text(encoding="utf-8")
    shown = re.findall(r"^entrykit: .*$", text, re.MULTILINE)
    said: list[str] = []

    def start() -> None:
        said.extend(volume.entrypoint.run("true").lines)

    settings = "once=initdb makes="
    fails = ("set -e", f"mkdir -p '{volume.made}'", f": >'{volume.made}'/part", "exit 3")
    volume.entrypoint.hooks.shell("20-initdb.sh", f"# entrykit: {settings}{volume.made}", *fails)
    for _ in range(2):
        start()
    journal = volume.journal.with_name("initdb.journal")
    journal.unlink()
    start()
    journal.write_text(f"makes: {volume.made}\nstarted: 2026-11-25T01:04:44Z\nstate: started\n")
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    volume.entrypoint.hooks.shell(
        "20-initdb.sh", f"# entrykit: on-interrupted=redo {settings}{volume.made}", *fails[:-1],
        "echo ready", f"read go <'{gate}'",
    )  # fmt: skip
    first = volume.entrypoint.start("true")
    first.wait_for("ready")
    second = volume.entrypoint.start("true")
    second.wait_for(_waits(volume, "initdb"))
    gate.write_text("go\n")
    said += first.end().lines + second.end().lines
    assert {_plain(line, volume) for line in shown} <= {_plain(line, volume) for line in said}


def _plain(line: str, volume: Volume) -> str:
    """Return a line without what differs from run to run."""
    line = line.replace(str(volume.made), "/data/pg").replace(str(volume.path), "/data")
    line = line.replace(str(volume.entrypoint.hooks.path), "/docker-entrypoint.d")
    return re.sub(
        r" on [\w.-]+: what", " on HOST: what", re.sub(r"[0-9-]{10}T[0-9:]{8}Z", "DATE", line)
    )


def _gate(volume: Volume, tmp_path: Path, settings: str = "") -> Path:
    """Let the hook say `ready`, and go on when something is written into a FIFO."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    volume.hook("echo ready", f"read go <'{gate}'", f": >'{volume.made}'/part", settings=settings)
    return gate


def _waits(volume: Volume, name: str = "make") -> str:
    lock = volume.journal.with_name(f"{name}.lock")
    return f"entrykit: 20-{name}.sh: waits for another start that runs it and holds {lock}"
