"""Owns the writing of many files together: all of them are on the disk before any takes its place.

Not part of a plain start: loaded by the stock hooks that need it. The rules are those of
entrykit.system.writing.
"""

import posix
import time

from entrykit.system import descent, files, writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Iterable, Sequence

    # Path below the directory, content, mode, uid, gid (-1 what a new file has).
    File = tuple[bytes, bytes, int, int, int]

# So many files are open at once; a process may have 1024 (getrlimit(2)), often.
_SYNCED_TOGETHER = 400
_SYNC_THREADS = 32
# Seconds. A younger one may be another start's, which is still writing.
_LEFTOVER_AGE = 3600
_RANDOM_DIGITS = 16


def write(root: int, place: bytes, batch: "Sequence[File]", *, sync: bool = True) -> None:
    """Write files below a directory, none in its place before all are on the disk.

    `root` is the directory's descriptor, `place` its path and a slash, for messages. Without `sync`
    there is no fsync, for files that do not outlive the start. Raises StartError; unless that is
    for a rename(2), nothing has changed then.
    """
    written: list[tuple[bytes, bytes]] = []
    path = b""
    try:
        for first in range(0, len(batch), _SYNCED_TOGETHER):
            descriptors = []
            try:
                for path, content, mode, owner, group in batch[first : first + _SYNCED_TOGETHER]:
                    descriptor, temporary = writing.create(root, path)
                    descriptors.append((path, descriptor))
                    written.append((path, temporary))
                    writing.fill(descriptor, content, mode, owner, group)
                if sync:
                    path, error = _sync_all(descriptors)
                    if error:
                        raise error
            finally:
                for _, descriptor in descriptors:
                    posix.close(descriptor)
        while written:
            path, temporary = written[-1]
            writing.put(root, path, temporary)
            written.pop()
    except OSError as error:
        for one, temporary in written:
            writing.discard(root, one, temporary)
        raise files.cannot("write", place + path, error) from None


def make_directory(root: int, path: bytes, mode: int, owner: int = -1, group: int = -1) -> bool:
    """Make a directory below one given by descriptor, with this mode and owner.

    Return whether it was not there; one that was stays as it is. Raises OSError.
    """
    parent, _, name = path.rpartition(b"/")
    directory = writing.open_below(root, parent)
    try:
        descent.make_directory(directory, name, mode, owner, group)
    except FileExistsError:
        return False
    finally:
        posix.close(directory)
    return True


def remove_leftovers(root: int, paths: "Iterable[bytes]") -> None:
    """Remove what those left beside these files who were killed writing them, as far as can be.

    It has a name as `writing.create` gives, and has not changed for an hour.
    """
    beside: dict[bytes, set[bytes]] = {}
    for path in paths:
        parent, _, name = path.rpartition(b"/")
        beside.setdefault(parent, set()).add(writing.temporary_stem(name))
    for parent, stems in beside.items():
        try:
            directory = writing.open_below(root, parent)
        except OSError:
            continue
        try:
            for name in writing.names_in(directory):
                stem, _, random = name.rpartition(b".")
                if stem in stems and len(random) == _RANDOM_DIGITS:
                    _remove_if_old(name, directory)
        except OSError:
            pass
        finally:
            posix.close(directory)


def _remove_if_old(name: bytes, directory: int) -> None:
    status = posix.stat(name, dir_fd=directory, follow_symlinks=False)
    if files.is_regular(status.st_mode) and status.st_mtime < time.time() - _LEFTOVER_AGE:
        posix.unlink(name, dir_fd=directory)


def _sync_all(written: "list[tuple[bytes, int]]") -> "tuple[bytes, OSError | None]":
    """Wait until files are on the disk (fsync(2)); return the first that fails, and why.

    From several threads: one commit of the file system's journal serves all that wait for it.
    """
    pending = iter(written)
    failed: list[tuple[bytes, OSError]] = []

    def sync() -> None:
        for path, descriptor in pending:
            try:
                posix.fsync(descriptor)
            except OSError as error:
                failed.append((path, error))

    threads = []
    if len(written) > 2:
        import _thread  # costs a thread's start and end, 0.1 ms

        for _ in range(min(len(written), _SYNC_THREADS)):
            done = _thread.allocate_lock()
            done.acquire()
            try:
                _thread.start_new_thread(_run_and_release, (sync, done))
            except RuntimeError:
                # There may be no more (cgroups, pids.max): fewer do it too.
                break
            threads.append(done)
    sync()
    for done in threads:
        done.acquire()
    return failed[0] if failed else (b"", None)


def _run_and_release(body: "Callable[[], None]", lock: "LockType") -> None:
    try:
        body()
    finally:
        lock.release()
