"""Owns the reading and writing of files, and the runtime directory.

Its rules: a read never blocks on a FIFO or a device and is bounded; a file is written beside its
place under a new name, and takes the place whole or not at all; what a directory holds is named
relative to its descriptor, so that nothing is followed out of it (symlink(7), openat(2)).

Imported by every start: builtin modules only.
"""

import errno
import posix
import sys

from entrykit.system import log
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SECRET_LIMIT_BYTES = 65536

_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY
_CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
_OWN_DIRECTORY = _DIRECTORY | posix.O_NOFOLLOW

_KIND_MASK, _KIND_DIRECTORY, _KIND_REGULAR = 0o170000, 0o040000, 0o100000
_KINDS = {
    0o010000: "a FIFO", 0o020000: "a character device", _KIND_DIRECTORY: "a directory",
    0o060000: "a block device", 0o120000: "a link", 0o140000: "a socket",
}  # fmt: skip

_RUNTIME_MODE = 0o711
_RUNTIME_FIRST_CHOICE = b"/run/entrykit"
_RUNTIME_OTHERS = (b"/dev/shm", b"/tmp")
_HOLDER = b".held-by"


def is_regular(mode: int) -> bool:
    """Tell whether a mode (`st_mode`) is a regular file's."""
    return mode & _KIND_MASK == _KIND_REGULAR


def is_directory(mode: int) -> bool:
    """Tell whether a mode (`st_mode`) is a directory's."""
    return mode & _KIND_MASK == _KIND_DIRECTORY


def is_null_device(status: "posix.stat_result") -> bool:
    """Tell whether a file is /dev/null: character device 1:3 (null(4))."""
    return status.st_mode & _KIND_MASK == 0o020000 and status.st_rdev == 0x103


def kind(mode: int) -> str:
    """Return what a mode (`st_mode`) says a file is, with its article."""
    return _KINDS.get(mode & _KIND_MASK, "a regular file")


def read(
    path: bytes,
    limit_bytes: int,
    *,
    within: int | None = None,
    follow: bool = True,
    cut: bool = False,
) -> bytes:
    """Return the content of a regular file of at most `limit_bytes`, `cut` there if it has more.

    `within` is the descriptor of the directory that a relative path starts from. Raises StartError
    where the file cannot be read, is no regular file or, unless it is to be cut, is too large.
    """
    shown = log.text(path)
    flags = _READ if follow else _READ | posix.O_NOFOLLOW
    try:
        descriptor = posix.open(path, flags, dir_fd=within)
    except OSError as error:
        raise cannot("read", path, error) from None
    try:
        status = posix.fstat(descriptor)
        if not is_regular(status.st_mode):
            message = f"cannot read {shown}: it is {kind(status.st_mode)}, not a regular file"
            raise StartError(message)
        if status.st_size > limit_bytes and not cut:
            message = f"cannot read {shown}: it has {status.st_size} bytes, more than {limit_bytes}"
            raise StartError(message)
        content = _read_up_to(descriptor, limit_bytes + 1)
    except OSError as error:
        raise cannot("read", path, error) from None
    finally:
        posix.close(descriptor)
    if len(content) > limit_bytes:
        if not cut:
            raise StartError(f"cannot read {shown}: it has more than {limit_bytes} bytes")
        content = content[:limit_bytes]
    return content


def _read_up_to(descriptor: int, limit_bytes: int) -> bytes:
    content = b""
    while len(content) < limit_bytes:
        piece = posix.read(descriptor, min(limit_bytes - len(content), 1 << 20))
        if not piece:
            break
        content += piece
    return content


def cannot(operation: str, path: bytes, error: OSError) -> StartError:
    """Return the error that says which operation failed on which file, why, and the mend."""
    hints = {
        errno.EACCES: f"make it accessible for uid {posix.geteuid()}",
        errno.EBUSY: "it is mounted as a single file: mount its directory instead",
        errno.ENOSPC: "make room there",
        errno.EROFS: "mount a tmpfs or a volume there",
    }
    hint = hints.get(error.errno or 0, "")
    return StartError(f"cannot {operation} {log.text(path)}: {os_reason(error)}", hint=hint)


def write(path: bytes, content: bytes, mode: int, group: int = -1) -> None:
    """Write a file whole or not at all, with its mode and group set before it can be read.

    Under a new name in the same directory (O_EXCL, O_NOFOLLOW), then fsync(2) and rename(2): a
    link in its place is replaced, not followed. `group` is a gid, -1 the process's own. Raises
    StartError.
    """
    parent, _, name = path.rpartition(b"/")
    temporary = b".%s.%s" % (name[:200], posix.urandom(8).hex().encode())
    try:
        directory = posix.open(parent or (b"/" if path[:1] == b"/" else b"."), _DIRECTORY)
    except OSError as error:
        raise cannot("write", path, error) from None
    try:
        descriptor = posix.open(temporary, _CREATE, 0o600, dir_fd=directory)
        try:
            try:
                if group not in (-1, posix.fstat(descriptor).st_gid):
                    posix.fchown(descriptor, -1, group)
                posix.fchmod(descriptor, mode)
                write_all(descriptor, content)
                posix.fsync(descriptor)
            finally:
                posix.close(descriptor)
            posix.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            posix.unlink(temporary, dir_fd=directory)
            raise
    except OSError as error:
        raise cannot("write", path, error) from None
    finally:
        posix.close(directory)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`, however many calls that takes."""
    view = memoryview(content)
    while view:
        view = view[posix.write(descriptor, view) :]


def remove(path: bytes) -> bool:
    """Remove a file or link, and tell whether there was one. Raises StartError."""
    try:
        posix.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise cannot("remove", path, error) from None
    return True


def make_directory(path: bytes, mode: int) -> None:
    """Make a directory with exactly this mode, whatever the umask. Raises OSError."""
    posix.mkdir(path, mode)
    if posix.stat(path).st_mode & 0o7777 != mode:
        posix.chmod(path, mode)


def open_directory(path: bytes, *, within: int | None = None) -> int:
    """Return a descriptor of a directory that is no link. Raises OSError."""
    return posix.open(path, _OWN_DIRECTORY, dir_fd=within)


def names_in(directory: int) -> list[bytes]:
    """Return the names in a directory, given by descriptor. Raises OSError."""
    encoding = sys.getfilesystemencoding()
    return [name.encode(encoding, "surrogateescape") for name in posix.listdir(directory)]


def empty(path: bytes, but_for: str = "") -> None:
    """Remove all that a directory holds, but for one name; follow no link. Raises OSError."""
    directory = open_directory(path)
    try:
        _empty(directory, but_for)
    finally:
        posix.close(directory)


def remove_tree(path: bytes) -> None:
    """Remove a directory and all that it holds; follow no link. Raises OSError."""
    empty(path)
    posix.rmdir(path)


def _empty(directory: int, but_for: str = "") -> None:
    for name in posix.listdir(directory):
        if name == but_for:
            continue
        status = posix.stat(name, dir_fd=directory, follow_symlinks=False)
        if not is_directory(status.st_mode):
            posix.unlink(name, dir_fd=directory)
            continue
        inner = posix.open(name, _OWN_DIRECTORY, dir_fd=directory)
        try:
            _empty(inner)
        finally:
            posix.close(inner)
        posix.rmdir(name, dir_fd=directory)


def is_full(directory: int) -> bool:
    """Tell whether the file system of an open directory has no room for one more block."""
    status = posix.fstatvfs(directory)
    free = status.f_bfree if posix.geteuid() == 0 else status.f_bavail
    return status.f_blocks > 0 and free == 0


def claim_runtime_directory() -> bytes:
    """Return the path of a fresh runtime directory of this process, b"" where none can be had.

    /run/entrykit, else /dev/shm/entrykit-RANDOM, else /tmp/entrykit-RANDOM. One found in /run is
    used where it is the process's own user's and no living start holds it, and is emptied first.
    """
    if _claim_first_choice(_RUNTIME_FIRST_CHOICE):
        return _RUNTIME_FIRST_CHOICE
    for parent in _RUNTIME_OTHERS:
        path = b"%s/entrykit-%s" % (parent, posix.urandom(8).hex().encode())
        try:
            make_directory(path, _RUNTIME_MODE)
        except OSError:
            continue
        return path
    return b""


def release_runtime_directory(path: bytes) -> None:
    """Remove a runtime directory that holds nothing; else it stays, for the command."""
    try:
        held = posix.listdir(path)
        if not set(held) - {_HOLDER}:
            for name in held:
                posix.unlink(path + b"/" + name)
            posix.rmdir(path)
    except OSError:
        # The image made it, in a directory that this user cannot write to: it stays, empty.
        pass


def _claim_first_choice(path: bytes) -> bool:
    """Make or take over `path`, and leave a link in it that says which process holds it.

    An exec keeps a process's id and start time, so the command goes on holding what its start
    made: a second start in the same container (`docker exec`) must not empty it.
    """
    holder = path + b"/" + _HOLDER
    try:
        try:
            make_directory(path, _RUNTIME_MODE)
        except FileExistsError:
            status = posix.lstat(path)
            if not is_directory(status.st_mode) or status.st_uid != posix.geteuid():
                return False
            return _take_over_directory(path, holder)
        posix.symlink(_process_mark("self"), holder)
    except OSError:
        return False
    return True


def _take_over_directory(path: bytes, holder: bytes) -> bool:
    import fcntl  # noqa: PLC0415 - a file, not a builtin, in some interpreters

    directory = open_directory(path)
    try:
        # Two starts at once: only one may find the link of a dead holder and replace it.
        fcntl.flock(directory, fcntl.LOCK_EX)
        try:
            mark = posix.readlink(holder)
        except FileNotFoundError:
            mark = b""
        if mark and _process_mark(mark.partition(b" ")[0].decode("ascii", "replace")) == mark:
            return False
        if mark:
            posix.unlink(holder)
        posix.symlink(_process_mark("self"), holder)
        _empty(directory, but_for=_HOLDER.decode())
        posix.fchmod(directory, _RUNTIME_MODE)
    finally:
        posix.close(directory)
    return True


def _process_mark(process: str) -> bytes:
    """Return a process's id and start time, b"" where there is no such process (proc(5), stat)."""
    try:
        raw = read(f"/proc/{process}/stat".encode(), 4096)
    except StartError:
        return b"%d ?" % posix.getpid() if process == "self" else b""
    # The second field, the name in parentheses, may hold blanks and parentheses itself.
    return raw.partition(b" ")[0] + b" " + raw.rpartition(b")")[2].split()[19]
