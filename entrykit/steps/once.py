"""Once: a hook that runs once for a volume or a database, recorded in a journal there.

    started     is on the disk before the hook runs
    done        is on the disk after it has ended well, and after what it has made

A lock is held from before the one to after the other, and goes with those that hold it. So
whoever has the lock and reads `started` knows that a run was interrupted: that it ended badly, was
killed, or its machine lost power. What it made may be half there.

Loaded where a hook has `once`: builtin modules only.
"""

import posix
import time

from entrykit.system import files, log, signals, spawn
from entrykit.system.errors import NotRun, StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from entrykit.settings.record import Configuration
    from entrykit.steps.changes import Changes
    from entrykit.steps.discover import Hook
    from entrykit.steps.holder import Holder
    from entrykit.steps.journal import Journal
    from entrykit.steps.state import Start
    from entrykit.system.signals import Signals

    # What a hook's journal says, by its keys.
    Entry = dict[str, str]

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 0.25
_REMINDER_SECONDS = 30
_PIECE_BYTES = 1 << 20


def problems(hook: "Hook", configuration: "Configuration") -> "list[tuple[str, str]]":
    """Return what keeps a hook from running once as it is set up, and the mends."""
    if not hook.once:
        return [
            (
                "on-interrupted and makes are for a hook that has once=NAME",
                "name it, or leave them out",
            )
        ]
    journal, database = configuration["once"]["journal"], configuration["once"]["database"]
    found = []
    if not (journal or database):
        mend = "set journal in [once] to a directory on the volume, or database to a variable"
        found.append((f"once={hook.once} has no place to remember that it was done", mend))
    if hook.goes_on:
        message = "once and on-error=continue exclude each other"
        found.append((message, "what it left half made would be served: leave on-error out"))
    if hook.makes and database:
        found.append(("makes needs a journal on the volume", "set journal in [once], not database"))
    found += [
        (f"makes: {path} holds the journal {journal}", "put the journal beside it")
        for path in map(log.text, hook.makes)
        if f"{journal}/".startswith(f"{path}/")
    ]
    return found


def run(
    hook: "Hook", start: "Start", run_hook: "Callable[[Callable[[], bool]], str]"
) -> str | None:
    """Run a hook unless that was done before; return what it says, None where it did not run.

    Waits for another start that runs it. `run_hook` is given what tells whether the lock is lost:
    the hook is then to be ended. Raises StartError where an earlier run was interrupted and the
    hook does not say `redo`, where the journal cannot be read or written, or the hook fails.
    """
    claim = _claim(hook, start)
    is_done = False
    try:
        try:
            done = claim.enter()
        except signals.Stopped:
            raise
        except StartError as error:
            raise NotRun(error) from None
        if done is not None:
            _say_done(hook, done, claim.digest)
            return None
        said = run_hook(claim.is_lost)
        claim.finish()
        is_done = True
    finally:
        claim.leave(is_done=is_done)
    return said


def _claim(hook: "Hook", start: "Start") -> "Journal | Holder":
    if start.settings.configuration["once"]["database"]:
        from entrykit.steps import holder  # few have one

        return holder.Holder(hook, start, digest(hook.path))
    from entrykit.steps import journal

    return journal.Journal(hook, start, digest(hook.path))


def check_changes(asked: "Changes") -> None:
    """Raise StartError where a hook that runs once asks for changes."""
    if not asked.is_empty():
        message = "asks for changes, but runs once: later starts would not have them"
        raise StartError(message, hint="let another hook ask for them, at each start")


def digest(path: bytes) -> str:
    """Return the SHA-256 digest of a hook's content. Raises StartError."""
    # hashlib costs 2 ms; what it wraps is builtin, and has another name since Python 3.12.
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            from hashlib import sha256
    total = sha256()
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            while piece := posix.read(descriptor, _PIECE_BYTES):
                total.update(piece)
        finally:
            posix.close(descriptor)
    except OSError as error:
        raise files.cannot("read", path, error) from None
    return str(total.hexdigest())


class Pauses:
    """The pauses between two looks for something that another process does."""

    __slots__ = ("_began", "_next_seconds", "_said", "_what", "_where")

    def __init__(self, where: str, what: str) -> None:
        self._where, self._what = where, what
        self._next_seconds = _FIRST_PAUSE_SECONDS
        self._began = self._said = time.monotonic()

    def make(self, received: "Signals") -> None:
        """Wait a little, longer each time; say every half a minute that it goes on.

        Raises signals.Stopped where a stop signal comes.
        """
        taken = received.take(self._next_seconds)
        if received.is_stop(taken):
            raise signals.Stopped(taken, self._where)
        if taken == signals.CHILD and posix.getpid() == 1:
            spawn.has_children()
        self._next_seconds = min(self._next_seconds * 1.5, _LONGEST_PAUSE_SECONDS)
        now = time.monotonic()
        if now - self._said >= _REMINDER_SECONDS:
            self._said = now
            log.info(f"still {self._what}, for {log.duration(now - self._began)} now", self._where)


def _say_done(hook: "Hook", entry: "Entry", now: str) -> None:
    when = f"was done on {entry['done']}" if entry.get("done") else "was done, says its journal"
    if entry.get("digest", now) == now:
        log.info(f"{when}: not run", log.text(hook.name))
    else:
        hint = f"once={hook.once} stands for what was done; under another name it would run"
        log.warn(f"{when}, when its content was another: not run", log.text(hook.name), hint)
