"""Owns the reading of files, and the descriptors that are open.

Its rule: a read never blocks on a FIFO or a device, and is bounded.

Imported by every start: builtin modules only.
"""

import posix

from entrykit.system import log
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECRET_LIMIT_BYTES = 65536
_KERNEL_FILE_LIMIT_BYTES = 16 << 20

_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY

_KIND_MASK, _KIND_DIRECTORY, _KIND_REGULAR = 0o170000, 0o040000, 0o100000
_KIND_LINK = 0o120000
_KINDS = {
    0o010000: "a FIFO", 0o020000: "a character device", _KIND_DIRECTORY: "a directory",
    0o060000: "a block device", _KIND_LINK: "a link", 0o140000: "a socket",
}  # fmt: skip

# What says where a path lies, where that is not at the path itself: `check` looks into the tree of
# an image that is not its own root.
_finders: "list[Callable[[bytes], bytes]]" = []


def find_by(finder: "Callable[[bytes], bytes] | None") -> None:
    """Look for hooks, configuration and programs where `finder` says; None: at their own paths."""
    _finders[:] = [finder] if finder else []


def place(path: bytes) -> bytes:
    """Return where a path lies. Raises OSError where links lead in a circle."""
    return _finders[0](path) if _finders else path


def is_regular(mode: int) -> bool:
    """Tell whether a mode (`st_mode`) is a regular file's."""
    return mode & _KIND_MASK == _KIND_REGULAR


def is_directory(mode: int) -> bool:
    """Tell whether a mode (`st_mode`) is a directory's."""
    return mode & _KIND_MASK == _KIND_DIRECTORY


def is_link(mode: int) -> bool:
    """Tell whether a mode (`st_mode`) is a link's."""
    return mode & _KIND_MASK == _KIND_LINK


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
    return read_with_status(path, limit_bytes, within=within, follow=follow, cut=cut)[0]


def read_with_status(
    path: bytes,
    limit_bytes: int,
    *,
    within: int | None = None,
    follow: bool = True,
    cut: bool = False,
) -> tuple[bytes, posix.stat_result]:
    """Return what `read` does, and the status of the very file that it was read from."""
    shown = log.text(path)
    flags = _READ if follow else _READ | posix.O_NOFOLLOW
    try:
        where = place(path) if within is None else path
        descriptor = posix.open(where, flags, dir_fd=within)
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
        # One that grows meanwhile is read on, and so is what is handed over in pieces: a file under
        # /proc, which says that it is empty, or one on a remote file system.
        size = min(status.st_size, limit_bytes) or min(4096, limit_bytes)
        content = posix.read(descriptor, size + 1)
        if content and len(content) != status.st_size and len(content) <= limit_bytes:
            content += _read_up_to(descriptor, limit_bytes + 1 - len(content))
    except OSError as error:
        raise cannot("read", path, error) from None
    finally:
        posix.close(descriptor)
    if len(content) > limit_bytes:
        if not cut:
            raise StartError(f"cannot read {shown}: it has more than {limit_bytes} bytes")
        content = content[:limit_bytes]
    return content, status


def _read_up_to(descriptor: int, limit_bytes: int) -> bytes:
    pieces = []
    while limit_bytes > 0 and (piece := posix.read(descriptor, min(limit_bytes, 1 << 16))):
        pieces.append(piece)
        limit_bytes -= len(piece)
    return b"".join(pieces)


def cannot(operation: str, path: bytes, error: OSError) -> StartError:
    """Return the error that says which operation failed on which file, why, and the mend."""
    import errno  # even a builtin module costs 40 µs

    hints = {
        errno.EACCES: f"make it accessible for uid {posix.geteuid()}",
        errno.EBUSY: "it is mounted as a single file: mount its directory instead",
        errno.ENOSPC: "make room there",
        errno.EROFS: "mount a tmpfs or a volume there",
    }
    hint = hints.get(error.errno or 0, "")
    return StartError(f"cannot {operation} {log.text(path)}: {os_reason(error)}", hint=hint)


def open_descriptors() -> list[int]:
    """Return the descriptors that are open, and perhaps one that is closed again.

    Not close_range(2): where it is missing, Python tries every number up to the limit instead,
    and a container's limit may be a thousand million.
    """
    try:
        return [int(name) for name in posix.listdir("/proc/self/fd")]
    except OSError:
        return list(range(256))


def is_inheritable(descriptor: int) -> bool:
    """Tell whether a descriptor is open and would be passed on by an exec."""
    try:
        return posix.get_inheritable(descriptor)
    except OSError:
        return False


def read_kernel_file(path: str | bytes) -> bytes | None:
    """Return the whole of a file under /proc or /sys, None where it cannot be read, or is endless.

    To its end, not what one read gives: some of them are handed over a page at a time.
    """
    try:
        descriptor = posix.open(path, _READ)
    except OSError:
        return None
    try:
        content = _read_up_to(descriptor, _KERNEL_FILE_LIMIT_BYTES)
    except OSError:
        return None
    finally:
        posix.close(descriptor)
    return content if len(content) < _KERNEL_FILE_LIMIT_BYTES else None
