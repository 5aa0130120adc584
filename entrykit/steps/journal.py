"""The journal of a hook that runs once: a file on the volume, and the lock beside it.

Loaded where a hook has `once` and the configuration names a directory: builtin modules only.
"""

import posix
import time

from entrykit.steps.once import Pauses
from entrykit.system import descent, files, log, writing
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from entrykit.steps.discover import Hook
    from entrykit.steps.once import Entry
    from entrykit.steps.state import Start
    from entrykit.system.users import Identity

    Result = TypeVar("Result")

STARTED, DONE = "started", "done"
_KEYS = ("name", "hook", "digest", "host", "makes", "started", "done", "state")
_JOURNAL_LIMIT_BYTES = 65536
# Of the lock in the hook: scripts redirect those of one digit.
_FIRST_DESCRIPTOR = 10


def parse(content: bytes) -> "Entry":
    """Return what a journal says. Raises ValueError where it is not whole.

    `KEY: VALUE`, a line each. The state comes last: what is cut short never says `done`.
    """
    lines = content.decode().split("\n")
    if lines.pop() or not lines:
        raise ValueError("its last line is not whole" if content else "it is empty")
    entry: Entry = {}
    for number, line in enumerate(lines, 1):
        key, separator, value = line.partition(": ")
        if not separator or key not in _KEYS or key in entry or not value.isprintable():
            raise ValueError(f"line {number} is none of a journal's")
        entry[key] = value
    if key != "state" or value not in (STARTED, DONE):
        raise ValueError("its last line does not say a state")
    return entry


def write_out(entry: "Entry") -> bytes:
    """Return the text of a journal."""
    shown = [f"{key}: {entry[key]}\n" for key in _KEYS if entry.get(key)]
    return "".join(shown).encode("utf-8", "backslashreplace")


class Journal:
    """A hook's journal on the volume, and the lock beside it (flock(2)).

    The journal is replaced whole at each change, so the lock is a file of its own. It stays there:
    whoever waits for it holds it open. Of NFS: Linux makes these locks there since 2.6.12.

    The hook has it open as well, and so has what it starts: where a start is killed alone, or as
    PID 1, whose descriptors the kernel closes before it ends the others, nobody has the lock as
    long as one of these may still write.

    What a hook with a user makes is looked at and emptied with that user's ids. So are the journal
    and the lock where the directory is closed to the start's own: root need not be almighty.
    """

    __slots__ = ("_hook", "_keeper", "_lock", "_lock_path", "_path", "_start", "_started", "digest")

    def __init__(self, hook: "Hook", start: "Start", digest: str) -> None:
        directory = start.settings.configuration["once"]["journal"].encode()
        self._path = b"%s/%s.journal" % (directory, hook.once.encode())
        self._lock_path = b"%s/%s.lock" % (directory, hook.once.encode())
        self._hook, self._start = hook, start
        self._keeper = hook.identity if hook.identity and _is_closed(directory) else None
        self._lock = -1
        self._started: Entry = {}
        self.digest = digest

    def enter(self) -> "Entry | None":
        """Return what the journal says where the hook was done; else have the lock, and started.

        Raises StartError, status 78, where it must not run.
        """
        import fcntl  # noqa: F401 - as in `finish`; a file, not a builtin, in some interpreters

        return _as_user(self._keeper, self._enter)

    def look(self) -> "Entry | None":
        """Return what the journal says now, None where there is none; change nothing.

        Raises StartError where it is not to be trusted.
        """
        return _as_user(self._keeper, self._look)

    @staticmethod
    def is_lost() -> bool:
        """Return False: what the kernel holds for this process is lost with it."""
        return False

    def finish(self) -> None:
        """Write that the hook is done, as soon as the disk holds what it has made."""
        from entrykit.system import kernel  # once in the life of a volume

        # The hook's user may be unable to read the files of either.
        kernel.load()
        _as_user(self._keeper, self._finish)

    def leave(self, *, is_done: bool) -> None:
        """Let the lock go: for all that have it open, but only where the hook is done."""
        if self._lock >= 0:
            import fcntl  # loaded already

            if is_done:
                # A daemon that it has left behind would keep it for ever.
                fcntl.flock(self._lock, fcntl.LOCK_UN)
            posix.close(self._lock)
            self._lock = -1

    def _enter(self) -> "Entry | None":
        # Before the lock, which needs a volume that can be written to.
        entry = self._done()
        if entry is not None:
            return entry
        self._make_directory()
        self._take_lock()
        entry = self._done()
        if entry is not None:
            return entry
        entry = self._read()
        if entry is None:
            self._check_new()
        elif not self._hook.redoes:
            raise self._interrupted(entry)
        else:
            self._clean(entry)
        self._started = {
            "name": self._hook.once, "hook": log.text(self._hook.name), "digest": self.digest,
            "host": posix.uname().nodename, "makes": self._makes(), "started": _now(),
            "state": STARTED,
        }  # fmt: skip
        writing.write(self._path, write_out(self._started), 0o644, is_durable=True)
        return None

    def _look(self) -> "Entry | None":
        entry = self._done() or self._read()
        if entry is None:
            self._check_new()
        return entry

    def _finish(self) -> None:
        for path in self._hook.makes:
            # As each later start looks for it.
            if not self._is_made(path):
                message = f"did not make {log.text(path)}, as makes says, or left it empty"
                raise StartError(message, hint="correct makes, or the hook")
        _sync(self._path.rpartition(b"/")[0])
        for path in self._hook.makes:
            _as_user(self._hook.identity, _sync, path)
        done = self._started | {"done": _now(), "state": DONE}
        writing.write(self._path, write_out(done), 0o644, is_durable=True)

    def _is_made(self, path: bytes) -> bool:
        return _as_user(self._hook.identity, _is_made, path)

    def _read(self) -> "Entry | None":
        try:
            posix.lstat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise files.cannot("read", self._path, error) from None
        content = files.read(self._path, _JOURNAL_LIMIT_BYTES, follow=False)
        try:
            return parse(content)
        except ValueError as error:
            reason = "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
            message = f"cannot tell whether it was done from {log.text(self._path)}: {reason}"
            raise StartError(message, hint=self._mend()) from None

    def _done(self) -> "Entry | None":
        """Return what the journal says where it says done; what was made must be there then."""
        entry = self._read()
        if entry is None or entry["state"] != DONE:
            return None
        for path in self._hook.makes:
            if not self._is_made(path):
                message = (
                    f"was done, says {log.text(self._path)}, but {log.text(path)} is not there"
                )
                hint = "mount the volume that has it; to have it made anew, remove the journal"
                raise StartError(message, hint=hint)
        return entry

    def _make_directory(self) -> None:
        directory = self._path.rpartition(b"/")[0]
        try:
            parent, name = descent.open_parent(directory)
            try:
                descent.make_directory(parent, name, 0o755)
            finally:
                posix.close(parent)
        except FileExistsError:
            return
        except FileNotFoundError:
            message = (
                f"cannot make {log.text(directory)}: the directory that it is to lie in is missing"
            )
            raise StartError(message, hint="mount the volume there") from None
        except OSError as error:
            raise files.cannot("make", directory, error) from None
        writing.sync_directory(directory.rpartition(b"/")[0] or b"/")

    def _take_lock(self) -> None:
        where, path = log.text(self._hook.name), self._lock_path
        pauses = None
        while True:
            try:
                if self._try_lock():
                    return
            except BlockingIOError:
                if pauses is None:
                    what = f"waits for another start that runs it and holds {log.text(path)}"
                    log.info(what, where)
                    pauses = Pauses(where, what)
                pauses.make(self._start.inherited.signals)
            except OSError as error:
                import errno

                failed = files.cannot("lock", path, error)
                if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                    mend = "its file system has no locks: set database in [once], not journal"
                    failed = StartError(failed.problems[0][1], hint=mend)
                raise failed from None

    def _try_lock(self) -> bool:
        """Have the lock; return False where somebody has removed its file, to begin afresh.

        Raises OSError, BlockingIOError where somebody has the lock.
        """
        import fcntl  # loaded already

        opened = writing.open_lock(self._lock_path)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                if posix.fstat(opened).st_ino != posix.lstat(self._lock_path).st_ino:
                    return False
            except FileNotFoundError:
                return False
            self._lock = fcntl.fcntl(opened, fcntl.F_DUPFD, _FIRST_DESCRIPTOR)
        finally:
            posix.close(opened)
        return True

    def _check_new(self) -> None:
        """Raise StartError where what the hook is to make is there already."""
        for path in self._hook.makes:
            if self._is_made(path):
                journal = log.text(self._path)
                message = f"{log.text(path)} is not empty, and no {journal} says that it is whole"
                hint = f"if it is: echo 'state: done' >{journal}; if not: empty it"
                raise StartError(message, hint=hint)

    def _clean(self, entry: "Entry") -> None:
        """Remove what an interrupted run has made."""
        made = entry.get("makes", "")
        if made != self._makes():
            # What it names beyond that may be somebody else's.
            message = (
                f"was interrupted when it made {made or 'nothing by name'},"
                " which is not what makes names now"
            )
            raise StartError(message, hint=self._mend())
        begun = entry.get("started", "an unknown date")
        log.warn(f"was interrupted in its run of {begun}: runs again", log.text(self._hook.name))
        for path in self._hook.makes:
            try:
                _as_user(self._hook.identity, writing.clear, path)
            except OSError as error:
                import errno

                failed = files.cannot("empty", path, error)
                hints = {
                    errno.EBUSY: "what is mounted there is not removed: mount it elsewhere",
                    errno.ENOTDIR: "no link is followed: let makes name the place that it leads to",
                }
                if hint := hints.get(error.errno or 0):
                    failed = StartError(failed.problems[0][1], hint=hint)
                raise failed from None
            log.info(f"emptied {log.text(path)}", log.text(self._hook.name))

    def _interrupted(self, entry: "Entry") -> StartError:
        begun, host = entry.get("started", "an unknown date"), entry.get("host", "an unknown host")
        message = (
            f"was interrupted in its run of {begun} on {host}: what it makes may be half there"
        )
        return StartError(
            message, hint=f"{self._mend()}; on-interrupted=redo runs it again by itself"
        )

    def _mend(self) -> str:
        journal = log.text(self._path)
        return (
            f"if what it makes is whole: echo 'state: done' >{journal}; if not: empty that, and"
            f" remove {journal}"
        )

    def _makes(self) -> str:
        return " ".join(map(log.text, self._hook.makes))


def _as_user(
    identity: "Identity | None", work: "Callable[..., Result]", *arguments: bytes
) -> "Result":
    """Do some work with a user's ids, where there is one; return what it returns."""
    if identity is None:
        return work(*arguments)
    from entrykit.system import other_user  # loaded already

    with other_user.ActingAs(identity):
        return work(*arguments)


def _is_closed(directory: bytes) -> bool:
    """Tell whether a directory is another user's and closed to this process, or would be."""
    place = directory
    try:
        try:
            status = posix.stat(place)
        except FileNotFoundError:
            place = directory.rpartition(b"/")[0] or b"/"
            status = posix.stat(place)
    except OSError as error:
        return isinstance(error, PermissionError)
    is_open = posix.access(place, posix.W_OK | posix.X_OK, effective_ids=True)
    return status.st_uid != posix.geteuid() and not is_open


def _sync(path: bytes) -> None:
    """Let the disk hold what lies on the file system of a path. Raises StartError."""
    from entrykit.system import kernel  # loaded already

    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            kernel.sync_file_system(descriptor)
        finally:
            posix.close(descriptor)
    except OSError as error:
        raise files.cannot("write out", path, error) from None


def _is_made(path: bytes) -> bool:
    """Tell whether there is a file, or a directory that is not empty. Raises StartError."""
    try:
        if files.is_directory(posix.lstat(path).st_mode):
            return bool(posix.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise files.cannot("read", path, error) from None
    return True


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
