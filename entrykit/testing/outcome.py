"""What a start came to, as a test sees it."""

import fnmatch
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn

from entrykit.testing import files, tree
from entrykit.testing.files import File, Files, Mode

# pytest leaves the frames of this module out of what it shows of a failure.
__tracebackhide__ = True

Change = tuple[str, "tree.Entry | None", "tree.Entry | None"]
_OWN_LINE = re.compile(r"entrykit: (?:(?P<where>[^\s:]+): )?(?P<message>.*)")
# As entrykit.system.writing names a file before it takes its place, and steps.changes directories.
_TEMPORARY = re.compile(
    r".*/\.[^/]+\.[0-9a-f]{16}|/run/entrykit(/\.[a-z]+-[0-9]+(/.*)?)?", re.DOTALL
)
# The mark of who holds the runtime directory, and what stands in for programs.
_NOT_SHOWN = re.compile(r"/run/entrykit/\.held-by|/run/entrykit-stubs(/.*)?")


class Environment(dict[str, str]):
    """The environment of a command; what it lacks, it says with what there is."""

    def __missing__(self, name: str) -> str:
        message = f"the command has no variable {name}; it has these: {', '.join(self) or 'none'}"
        raise AssertionError(message)


@dataclass(frozen=True)
class Event:
    """A line of entrykit's own: what it is about ("" for the start itself), and what it says."""

    where: str
    message: str


@dataclass(frozen=True)
class Log:
    """What stood on standard error, the hooks' output too."""

    text: str

    @property
    def lines(self) -> list[str]:
        """The lines."""
        return self.text.splitlines()

    @property
    def events(self) -> list[Event]:
        """The lines of entrykit's own."""
        found = [_OWN_LINE.fullmatch(line) for line in self.lines]
        return [Event(one["where"] or "", one["message"]) for one in found if one]


@dataclass(frozen=True)
class HookRun:
    """One hook that was run. `status` is None where it was not: done before, or the start ended.

    `environment` are the variables that it set, None for unset ones; `argv` is the command that it
    made, None where it left that as it was.
    """

    name: str
    directory: str
    status: int | None
    seconds: float
    environment: dict[str, str | None] = field(default_factory=dict)
    argv: list[str] | None = None


@dataclass(frozen=True)
class Signals:
    """What a command inherits: the numbers of the signals that are ignored, and blocked."""

    ignored: frozenset[int]
    blocked: frozenset[int]


class Outcome:
    """What one start came to. What was handed over is there where the start got so far.

    `exit_status` is 0 where the handoff was recorded, else the process's own; `was_ended` tells
    that the test has killed it: by the end of a block, or since it went on for too long.
    """

    def __init__(self, raw: dict[str, Any], backend: str) -> None:
        self.backend = backend
        self.exit_status: int = raw["exit_status"]
        self.duration: float = raw["seconds"]
        self.stdout: bytes = raw["stdout"]
        self.log = Log(raw["stderr"].decode("utf-8", "backslashreplace"))
        self.hooks = [_hook(one) for one in raw["hooks"]]
        self.was_ended = False
        self._handoff: dict[str, Any] | None = raw["handoff"]
        self._changes: list[Change] | None = raw["changes"]
        # What it used up more of than it may; "" where it was not killed for that.
        self.killed_for: str = raw.get("killed_for", "")

    def __repr__(self) -> str:
        return f"<Outcome: {self.summary}>"

    @property
    def stdout_text(self) -> str:
        """What stood on standard output, as text."""
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def summary(self) -> str:
        """One line: what it handed over, or why it did not."""
        if self.killed_for:
            where = f" in {self.hooks[-1].name}" if self.hooks else ""
            return f"no command was started: killed{where} for {self.killed_for}"
        if self._handoff is None:
            last = self.log.lines[-1] if self.log.lines else "it said nothing"
            return f"no command was started, exit status {self.exit_status}: {last}"
        ended = " (ended by the test)" if self.was_ended else ""
        return f"exit status {self.exit_status}{ended}, argv {self.argv}"

    @property
    def started_command(self) -> bool:
        """Whether the start got to its handoff."""
        return self._handoff is not None

    @property
    def argv(self) -> list[str]:
        """The arguments of the command."""
        return [os.fsdecode(word) for word in self._handed_over("argv")]

    @property
    def env(self) -> dict[str, str]:
        """The environment of the command, as text."""
        return Environment(
            (os.fsdecode(name), os.fsdecode(value)) for name, value in self.env_bytes.items()
        )

    @property
    def env_bytes(self) -> dict[bytes, bytes]:
        """The environment of the command, as it is."""
        pairs = [entry.partition(b"=") for entry in self._handed_over("environment")]
        return {name: value for name, _, value in reversed(pairs)}

    @property
    def cwd(self) -> str:
        """The working directory of the command."""
        return os.fsdecode(self._handed_over("directory"))

    @property
    def umask(self) -> int:
        """The umask of the command."""
        return Mode(self._handed_over("umask"))

    @property
    def uid(self) -> int:
        """The effective user of the command."""
        return int(self._handed_over("uids")[1])

    @property
    def gid(self) -> int:
        """The effective group of the command."""
        return int(self._handed_over("gids")[1])

    @property
    def groups(self) -> list[int]:
        """The supplementary groups of the command."""
        return list(self._handed_over("groups"))

    @property
    def signals(self) -> Signals:
        """The signals that the command finds ignored and blocked."""
        ignored = frozenset(self._handed_over("ignored"))
        return Signals(ignored, frozenset(self._handed_over("blocked")))

    @property
    def fds(self) -> dict[int, str]:
        """The descriptors that the command inherits, and what they are."""
        found = self._handed_over("descriptors")
        return {number: os.fsdecode(target) for number, target in sorted(found.items())}

    @property
    def files(self) -> Files:
        """The files and links that are other than before the first start in this place."""
        failure = "" if self.started_command else self.failure()
        changed = {
            path: files.from_entry(after, before)
            for path, before, after in self.changes
            if after is not None and after[0] != tree.DIRECTORY
        }
        return Files(changed, failure)

    @property
    def directories(self) -> dict[str, File]:
        """The directories that were made, or whose mode or owner is another."""
        return {
            path: files.from_entry(after, before)
            for path, before, after in self.changes
            if after is not None and after[0] == tree.DIRECTORY
        }

    @property
    def removed(self) -> set[str]:
        """The paths of what is there no more; of a directory, only its own."""
        gone = {path for path, _, after in self.changes if after is None}
        return {path for path in gone if path.rpartition("/")[0] not in gone}

    @property
    def changes(self) -> list[Change]:
        """All that changed: paths, what was there, and what is."""
        if self._changes is None:
            message = f"the {self.backend} backend does not show what a start wrote"
            unseen(message)
        return [one for one in self._changes if not _NOT_SHOWN.fullmatch(one[0])]

    def difference(self, other: "Outcome", ignoring: Collection[str] = ()) -> str:
        """Return the first thing in which another outcome differs, "" where none does.

        `ignoring` are patterns of files' paths (fnmatch). What entrykit was writing when it was
        killed, and what its runtime directory holds for a start alone, makes no difference.
        """
        if self.started_command != other.started_command:
            return f"{self.summary}; else {other.summary}"
        for name in ("files", "directories"):
            ours, theirs = getattr(self, name), getattr(other, name)
            for path in sorted(_without({*ours, *theirs}, ignoring)):
                if told := files.difference(path, ours.get(path), theirs.get(path)):
                    return f"{name}: {told}"
        ours, theirs = _without(self.removed, ignoring), _without(other.removed, ignoring)
        if ours != theirs:
            return f"removed: {sorted(ours)}; else {sorted(theirs)}"
        names = ["exit_status"]
        if self.started_command:
            names += ["argv", "env", "cwd", "umask", "uid", "gid", "groups", "signals"]
        for name in names:
            ours, theirs = getattr(self, name), getattr(other, name)
            if name == "env":
                # One of them alone: an environment may be long.
                ours, theirs = (
                    dict(set(one.items()) - set(other.items()))
                    for one, other in ((ours, theirs), (theirs, ours))
                )
            if ours != theirs:
                return f"{name} is {ours}; else {theirs}"
        return ""

    def stub_calls(self, name: str) -> bytes | None:
        """Return what a stand-in has noted, None where it was not called."""
        for path, _, after in self._changes or ():
            if path == f"/run/entrykit-stubs/{name}" and after is not None:
                return after[4]
        return None

    def story(self) -> str:
        """Return all that helps whoever reads a failed test."""
        hooks = [
            f"{hook.name}: {'not done' if hook.status is None else f'status {hook.status}'}"
            f" ({round(hook.seconds * 1000)} ms)"
            for hook in self.hooks
        ]
        told = [self.summary, *hooks]
        changes = self.changes if self._changes else []
        changed = [path for path, _, after in changes if after is not None]
        for what, shown in (
            ("changed", changed),
            ("removed", sorted(self.removed if changes else ())),
        ):
            if shown:
                more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
                told.append(f"{what}: {', '.join(shown[:20])}{more}")
        for name, said in (("standard output", self.stdout_text), ("log", self.log.text)):
            if said:
                told += [f"{name}:", said.rstrip()]
        return "\n".join(told)

    def _handed_over(self, key: str) -> Any:
        if self._handoff is None:
            raise AssertionError(self.failure())
        return self._handoff[key]

    def failure(self) -> str:
        """Return why no command was started, with the log."""
        return "\n".join((self.summary, *self.log.lines[:-1]))


def _without(paths: Collection[str], patterns: Collection[str]) -> set[str]:
    return {
        path
        for path in paths
        if not _TEMPORARY.fullmatch(path)
        and not any(fnmatch.fnmatchcase(path, one) for one in patterns)
    }


def unseen(fact: str) -> NoReturn:
    """Skip the test: it asks for what a backend cannot show. Raises unittest.SkipTest.

    Which pytest takes for a skip wherever it comes from, a fixture or a unittest.TestCase too.
    """
    import unittest  # costs `entrykit try` 13 ms

    raise unittest.SkipTest(fact)


def _hook(raw: dict[str, Any]) -> HookRun:
    return HookRun(
        os.fsdecode(raw["name"]),
        os.fsdecode(raw["directory"]),
        raw["status"],
        raw.get("seconds", 0.0),
        {
            os.fsdecode(name): None if value is None else os.fsdecode(value)
            for name, value in raw.get("environment", {}).items()
        },
        None if raw.get("argv") is None else [os.fsdecode(word) for word in raw["argv"]],
    )
