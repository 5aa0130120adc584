"""Promise: whoever swaps files under a write of entrykit's makes it write nowhere else.

Another user owns the directory that is written into, and swaps it and what is in it meanwhile.
`ENTRYKIT_RACES` says how many times each is written, 50 if not given.
"""

import argparse
import contextlib
import json
import mmap
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from entrykit.commands import htpasswd as htpasswd_command
from entrykit.commands import render
from entrykit.settings import configuration, record
from entrykit.steps import climbing, command, discover, journal, kinds, search
from entrykit.steps.changes import Directories
from entrykit.steps.configure import Settings
from entrykit.steps.inherited import Environment, Inherited
from entrykit.steps.python_hook import HookStart
from entrykit.steps.state import Start
from entrykit.stock import htpasswd, templates
from entrykit.system import ownership, runtime, users, writing
from entrykit.system.errors import StartError

from .starts import PATIENCE_SECONDS

pytestmark = pytest.mark.root

ROUNDS = int(os.environ.get("ENTRYKIT_RACES", "50"))
UID = 1500
OLD = time.time() - 86400
# As a killed start leaves it beside a file.
LEFTOVER = ".page.0123456789abcdef"

# Contested path, what is put there, and where that leads.
Swaps = list[tuple[str, str, str]]


class Arena:
    """A directory that another user owns, and one that is root's: nothing in it may change."""

    def __init__(self, place: Path) -> None:
        # Where that user can come to.
        place.chmod(0o755)
        self.protected = place / "protected"
        (self.protected / "sub" / "deep").mkdir(parents=True)
        for name in ("page", "htpasswd", ".htpasswd.entrykit", "x.journal", "x.lock", "sub/page"):
            (self.protected / name).write_text("kept")
            (self.protected / name).chmod(0o600)
        (self.protected / LEFTOVER).write_text("kept")
        os.utime(self.protected / LEFTOVER, (OLD, OLD))
        self.before = self.state()
        self.theirs = place / "theirs"
        self.target = self.theirs / "target"
        self.target.mkdir(parents=True)
        self.pool = self.theirs / "aside-pool"
        self.pool.mkdir()
        for number in range(200):
            (self.pool / str(number)).hardlink_to(self.protected / "page")
        for path in (self.theirs, self.target, self.pool):
            os.chown(path, UID, UID)

    def state(self) -> dict[str, tuple[int, int, int, bytes]]:
        """Return all that is protected: mode, owner and content, by path."""
        found = {}
        for path in (self.protected, *self.protected.rglob("*")):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, content)
        return found

    def check(self) -> None:
        """Assert that nothing outside has changed."""
        assert self.state() == self.before

    def in_target(self, *names: str) -> Swaps:
        """Return the swaps of the directory itself, and of each name in it for all there is."""
        swaps = [(str(self.target), "link", str(self.protected))]
        for name in names:
            path = str(self.target / name)
            swaps += [
                (path, "link", str(self.protected / "page")),
                (path, "link", str(self.protected / "sub")),
                (path, "fifo", ""),
                (path, "hard", str(self.pool)),
                (path, "directory", ""),
            ]
        return swaps


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    """Return a place to which another user can come; pytest's own are for root alone."""
    place = Path("/var/tmp") / f"entrykit-race-{os.getpid()}-{tmp_path.name}"  # noqa: S108 - as said
    place.mkdir()
    try:
        yield Arena(place)
    finally:
        shutil.rmtree(place)


class Swapping:
    """Another user that swaps things; `count` says how often it has."""

    def __init__(self, arena: Arena, swaps: Swaps) -> None:
        script = Path(__file__).with_name("swapping.py")
        words = [sys.executable, "-IS", str(script), str(UID), json.dumps(swaps)]
        with (arena.theirs.parent / "count").open("w+b") as file:
            file.write(bytes(8))
            file.flush()
            self._count = mmap.mmap(file.fileno(), 8)
            self.process = subprocess.Popen(words, stdout=file)

    @property
    def count(self) -> int:
        """How many swaps there were so far; it goes on."""
        assert self.process.poll() is None
        return int.from_bytes(self._count[:], sys.byteorder)

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self._count.close()


def race(
    arena: Arena,
    swaps: Swaps,
    act: Callable[[], object],
    errors: type[Exception] = StartError,
) -> None:
    """Act so many times, against as many swaps: each succeeds or is an error, and none hangs.

    One in four succeeds, or it goes on: what always fails writes nothing anywhere.
    """

    def hang(_: int, __: FrameType | None) -> None:
        message = "it hangs"
        raise AssertionError(message)

    before = signal.signal(signal.SIGALRM, hang)
    swapping = Swapping(arena, swaps)
    try:
        rounds = done = 0
        while min(rounds, 4 * done, swapping.count // 10) < ROUNDS:
            signal.alarm(PATIENCE_SECONDS)
            rounds += 1
            with contextlib.suppress(errors):
                act()
                done += 1
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        swapping.end()
    arena.check()


def theirs(path: str) -> bytes:
    """Return what a file holds, nothing where it is not of the other user's own."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        is_theirs = stat.S_ISREG(status.st_mode) and status.st_uid == UID
        return file.read() if is_theirs else b""


def hook_start(toml: str, name: str, place: Path) -> HookStart:
    """Return what the stock hook of a section is given."""
    settings = Settings({}, configuration.parse(toml.encode(), "e.toml"))
    inherited = object.__new__(Inherited)
    inherited.environment = Environment([])
    start = Start(inherited, settings, command.complete([b"true"], []))
    start.directories = Directories()
    hook = discover.Hook(name.encode(), b"/hooks", kinds.PYTHON, [])
    hook.section = name.partition("-")[2].partition(".")[0]
    return HookStart(hook, start, os.fsencode(place))


def test_a_file_is_written_nowhere_else(arena: Arena) -> None:
    path = os.fsencode(arena.target / "page")
    swaps = [*arena.in_target("page"), *arena.in_target("*")[1:]]
    race(arena, swaps, lambda: writing.write(path, b"new", 0o644, UID, UID, is_durable=True))


def test_a_file_is_removed_nowhere_else(arena: Arena) -> None:
    path = os.fsencode(arena.target / "page")
    swaps = [*arena.in_target(), (str(arena.target / "page"), "file", "")]
    race(arena, swaps, lambda: writing.remove(path))


def test_the_htpasswd_hook_writes_and_removes_nowhere_else(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = f'[htpasswd]\nentries = "ENTRIES"\nfile = "{arena.target}/htpasswd"\n'
    turn = 0

    def act() -> None:
        nonlocal turn
        turn += 1
        hashed = f"$2y$10${turn:053d}"
        monkeypatch.setenv("ENTRIES", f"admin:{hashed}" if turn % 3 else "")
        htpasswd.set_up(hook_start(toml, "30-htpasswd.py", tmp_path))

    race(arena, arena.in_target("htpasswd", ".htpasswd.entrykit"), act)


def test_the_htpasswd_command_writes_nowhere_else_and_shows_nothing(
    arena: Arena, tmp_path: Path
) -> None:
    """What it keeps of a file is that file's, and goes to whose that is."""
    (tmp_path / "password").write_text("secret")
    parser = argparse.ArgumentParser()
    htpasswd_command.add_arguments(parser)
    turn = 0

    def act() -> None:
        nonlocal turn
        turn += 1
        words = [str(arena.target / "page"), f"user{turn % 9}"]
        more = ["--password-file", str(tmp_path / "password"), "--cost", "4"]
        htpasswd_command.execute(parser.parse_args(["add", *words, *more]))
        for name in os.listdir(arena.target):
            with contextlib.suppress(OSError):
                assert b"kept" not in theirs(f"{arena.target}/{name}")

    (arena.target / "page").touch()
    os.chown(arena.target / "page", UID, UID)
    race(arena, [*arena.in_target("page"), (str(arena.target / "page"), "file", "")], act)


def test_the_templates_hook_writes_and_makes_nothing_elsewhere(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    for name in ("page", "sub/page", "sub/deep/page"):
        (source / f"{name}.template").write_text("${TURN}\n")
    # So that the other user may swap what is in them, too.
    (arena.target / "to").mkdir()
    for path in (arena.target / "to", source / "sub", source / "sub" / "deep"):
        os.chown(path, UID, UID)
    toml = f'[templates]\nfrom = "{source}"\nto = "{arena.target}/to"\n'
    turn = 0

    def act() -> None:
        nonlocal turn
        turn += 1
        monkeypatch.setenv("TURN", str(turn))
        templates.set_up(hook_start(toml, "40-templates.py", tmp_path))

    swaps = [
        *arena.in_target("to"),
        *((str(arena.target / "to" / path), kind, target) for path, kind, target in (
            ("sub", "link", str(arena.protected / "sub")),
            ("sub", "directory", ""),
            ("sub", "fifo", ""),
            ("page", "link", str(arena.protected / "page")),
            ("page", "fifo", ""),
            ("page", "hard", str(arena.pool)),
            ("sub/deep", "link", str(arena.protected / "sub" / "deep")),
        )),
    ]  # fmt: skip
    race(arena, swaps, act)


def test_owners_are_changed_nowhere_else(arena: Arena) -> None:
    for name in ("page", "sub/page", "sub/deep/page"):
        path = arena.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        os.chown(path.parent, UID, UID)
    turn = 0

    def act() -> None:
        nonlocal turn
        turn += 1
        owner = (UID, 1600 + turn % 2)
        ownership.give(os.fsencode(arena.target), owner, lambda _: None, with_links=False)

    swaps = [*arena.in_target("page", "sub", "sub/deep"), (str(arena.target), "directory", "")]
    race(arena, swaps, act)


def test_a_directory_is_emptied_and_none_elsewhere(arena: Arena) -> None:
    place = arena.target / "data"
    place.mkdir()
    os.chown(place, UID, UID)
    swaps = [
        (str(place / "one"), "directory", ""),
        *arena.in_target("data")[:2],
        (str(place / "one"), "directory", ""),
        (str(place / "one"), "link", str(arena.protected)),
        (str(place / "one"), "directory", ""),
        (str(place / "one" / "inner"), "link", str(arena.protected / "sub")),
        (str(place / "*"), "link", str(arena.protected)),
    ]

    # Its callers report it, with the path.
    race(arena, swaps, lambda: writing.clear(os.fsencode(place)), OSError)


def test_a_journal_and_its_lock_are_written_nowhere_else(arena: Arena) -> None:
    settings = Settings(
        {}, configuration.parse(f'[once]\njournal = "{arena.target}/once"\n'.encode(), "e.toml")
    )
    inherited = object.__new__(Inherited)
    inherited.environment = Environment([])
    start = Start(inherited, settings, command.complete([b"true"], []))
    hook = discover.Hook(b"10-x.sh", b"/hooks", kinds.PROGRAM, [])
    hook.once, hook.redoes = "x", True

    once = str(arena.target / "once")

    def act() -> None:
        writing.remove(os.fsencode(f"{once}/x.journal"))
        one = journal.Journal(hook, start, "0")
        try:
            if one.enter() is None:
                one.finish()
        finally:
            one.leave(is_done=True)

    swaps = [
        *arena.in_target("once"),
        (once, "directory", ""),
        *((f"{once}/{name}", kind, target) for name in ("x.journal", "x.lock") for kind, target in (
            ("link", str(arena.protected / "page")),
            ("fifo", ""),
            ("hard", str(arena.pool)),
            ("file", ""),
        )),
    ]  # fmt: skip
    race(arena, swaps, act)


def test_the_runtime_directory_is_made_and_emptied_nowhere_else(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As /tmp is: what is root's in it cannot be moved, and its name can be taken before.
    sticky = arena.theirs.parent / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    first = sticky / "entrykit"
    monkeypatch.setattr(runtime, "_FIRST_CHOICE", os.fsencode(first))
    monkeypatch.setattr(runtime, "_OTHER_PARENTS", (os.fsencode(sticky),))
    swaps: Swaps = [
        (str(first), "link", str(arena.protected)),
        (str(first), "directory", ""),
        (str(first), "fifo", ""),
    ]

    def act() -> None:
        claimed = runtime.claim()
        assert claimed
        status = os.lstat(claimed)
        assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o711)
        writing.write(claimed + b"/page", b"new", 0o600)
        runtime.remove(claimed)

    race(arena, swaps, act)


def test_what_is_swapped_is_never_taken_for_what_only_root_can_write(arena: Arena) -> None:
    hooks = arena.target / "hooks"
    hooks.mkdir()
    (arena.protected / "hooks").mkdir()
    for directory in (hooks, arena.protected / "hooks"):
        (directory / "10-a.sh").write_text("#!/bin/sh\n")
        (directory / "10-a.sh").chmod(0o755)
    arena.before = arena.state()
    settings = Settings({"hooks": os.fsencode(hooks)}, record.empty(), b"/missing")
    listings = search.search(settings)
    found = discover.discover(settings, listings, b"/bin")
    assert found.hooks
    identity = users.identity(f"{UID}:{UID}")

    def act() -> None:
        assert climbing.problems(settings, identity, found)

    swaps = [
        *arena.in_target("hooks"),
        (str(arena.theirs / "target"), "file", ""),
        (str(arena.theirs), "file", ""),
        (str(hooks), "link", str(arena.protected / "hooks")),
    ]
    race(arena, swaps, act)


def test_a_rendered_file_is_written_nowhere_else(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "page.template"
    template.write_text("${TURN}\n")
    parser = argparse.ArgumentParser()
    render.add_arguments(parser)
    arguments = parser.parse_args([str(template), "-o", str(arena.target / "page")])
    turn = 0

    def act() -> None:
        nonlocal turn
        turn += 1
        monkeypatch.setenv("TURN", str(turn))
        render.execute(arguments)

    race(arena, arena.in_target("page"), act)
