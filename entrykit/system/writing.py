"""Owns the writing, making and removing of files and directories.

Its rules: a file is written beside its place under a new name, and takes the place whole or not at
all; what a directory holds is named relative to its descriptor, so that nothing is followed out of
it (symlink(7), openat(2)).

Imported by every start with a hook: builtin modules only.
"""

import posix
import sys
import time

from entrykit.system import files

_CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
_OWN_DIRECTORY = _DIRECTORY | posix.O_NOFOLLOW
# So long a directory is emptied into which others go on writing.
_DISTURBED_SECONDS = 2.0
_LOOK_AT_DIRECTORY = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC


def write(
    path: bytes,
    content: bytes,
    mode: int,
    group: int = -1,
    owner: int = -1,
    *,
    is_durable: bool = False,
) -> None:
    """Write a file whole or not at all, with its mode and owner set before it can be read.

    Under a new name in the same directory (O_EXCL, O_NOFOLLOW), then fsync(2) and rename(2): a
    link in its place is replaced, not followed. `group` and `owner` are a gid and a uid, -1 what a
    new file has. With `is_durable` the disk has the new name at the return, too (fsync(2), NOTES).
    Raises StartError.
    """
    from entrykit.system import descent  # not at every start

    try:
        directory, name = descent.open_parent(path)
    except OSError as error:
        raise files.cannot("write", path, error) from None
    try:
        descriptor, temporary = create(directory, name)
        try:
            try:
                fill(descriptor, content, mode, owner, group)
                posix.fsync(descriptor)
            finally:
                posix.close(descriptor)
            put(directory, name, temporary)
        except OSError:
            discard(directory, name, temporary)
            raise
        if is_durable:
            posix.fsync(directory)
    except OSError as error:
        raise files.cannot("write", path, error) from None
    finally:
        posix.close(directory)


def create(root: int, path: bytes) -> tuple[int, bytes]:
    """Create a file beside its place; return its descriptor and name. Raises OSError.

    `root` is the descriptor of the directory that `path` starts from.
    """
    parent, _, name = path.rpartition(b"/")
    temporary = b"%s.%s" % (temporary_stem(name), posix.urandom(8).hex().encode())
    directory = open_below(root, parent)
    try:
        return posix.open(temporary, _CREATE, 0o600, dir_fd=directory), temporary
    finally:
        posix.close(directory)


def temporary_stem(name: bytes) -> bytes:
    """Return what the names of files that `create` makes for a name have before their digits."""
    return b"." + name[:200]


def fill(descriptor: int, content: bytes, mode: int, owner: int, group: int) -> None:
    """Give a new file its owner, its mode and then its content. Raises OSError."""
    set_owner(descriptor, owner, group)
    posix.fchmod(descriptor, mode)
    write_all(descriptor, content)


def set_owner(descriptor: int, owner: int, group: int) -> None:
    """Set uid and gid where they are others, -1 for what is there. Raises OSError."""
    status = posix.fstat(descriptor)
    if owner not in (-1, status.st_uid) or group not in (-1, status.st_gid):
        posix.fchown(descriptor, owner, group)


def put(root: int, path: bytes, temporary: bytes) -> None:
    """Let a file that `create` has made take its place. Raises OSError."""
    parent, _, name = path.rpartition(b"/")
    directory = open_below(root, parent)
    try:
        posix.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        posix.close(directory)


def discard(root: int, path: bytes, temporary: bytes) -> None:
    """Remove a file that `create` has made, as far as that can be."""
    try:
        directory = open_below(root, path.rpartition(b"/")[0])
    except OSError:
        return
    try:
        posix.unlink(temporary, dir_fd=directory)
    except OSError:
        pass
    finally:
        posix.close(directory)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`, however many calls that takes."""
    view = memoryview(content)
    while view:
        view = view[posix.write(descriptor, view) :]


def remove(path: bytes) -> bool:
    """Remove a file or link, and tell whether there was one. Raises StartError."""
    from entrykit.system import descent  # not at every start

    try:
        directory, name = descent.open_parent(path)
        try:
            posix.unlink(name, dir_fd=directory)
        finally:
            posix.close(directory)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise files.cannot("remove", path, error) from None
    return True


def make_directory(path: bytes, mode: int) -> None:
    """Make a directory with exactly this mode, whatever the umask. Raises OSError.

    In one where nobody else can replace it, as the runtime directory's; `descent.make_directory` is
    for others.
    """
    posix.mkdir(path, mode)
    if posix.stat(path).st_mode & 0o7777 != mode:
        posix.chmod(path, mode)


def open_directory(path: bytes) -> int:
    """Return a descriptor of a directory that is no link. Raises OSError."""
    return posix.open(path, _OWN_DIRECTORY)


def open_below(root: int, path: bytes) -> int:
    """Return a descriptor of a directory below one given by descriptor; follow no link.

    `path` is b"" for that one itself. Raises OSError.
    """
    directory = posix.open(b".", _DIRECTORY, dir_fd=root)
    for name in path.split(b"/") if path else ():
        try:
            inner = posix.open(name, _OWN_DIRECTORY, dir_fd=directory)
        finally:
            posix.close(directory)
        directory = inner
    return directory


def names_in(directory: int) -> list[bytes]:
    """Return the names in a directory, given by descriptor. Raises OSError."""
    encoding = sys.getfilesystemencoding()
    return [name.encode(encoding, "surrogateescape") for name in posix.listdir(directory)]


def empty(path: bytes, but_for: str = "") -> None:
    """Remove all that a directory holds, but for one name; follow no link. Raises OSError.

    A directory in it is first given another name here: that fails (EBUSY) where something is
    mounted there, before anything of that is touched, and it needs no recursion however deep
    somebody has nested them. Where others go on writing there it ends in an error (ENOTEMPTY).
    """
    directory = open_directory(path)
    try:
        empty_open(directory, but_for)
    finally:
        posix.close(directory)


def empty_open(directory: int, but_for: str = "") -> None:
    """Remove all that a directory holds, as `empty`; given by descriptor. Raises OSError."""
    import errno  # even a builtin module costs 40 µs

    changed = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENOTEMPTY)
    deadline, moved = None, None
    while names := [name for name in posix.listdir(directory) if name != but_for]:
        # What somebody else has put there meanwhile, or instead, the next look tells.
        is_disturbed = moved is not None and not moved.issuperset(names)
        moved = set()
        for name in names:
            try:
                moved.update(_remove(name, directory))
            except OSError as error:
                if error.errno not in changed:
                    raise
                is_disturbed = True
            if is_disturbed:
                deadline = deadline or time.monotonic() + _DISTURBED_SECONDS
            if deadline and time.monotonic() > deadline:
                raise OSError(errno.ENOTEMPTY, "others go on writing there")


def _remove(name: str, directory: int) -> list[str]:
    """Remove what lies in a directory.

    Directories in a directory in it move out into this one; return their names.
    """
    if not _is_directory(name, directory):
        posix.unlink(name, dir_fd=directory)
        return []
    moved = _move(name, directory, directory)
    inner = posix.open(moved, _OWN_DIRECTORY, dir_fd=directory)
    left = []
    try:
        for inner_name in posix.listdir(inner):
            if _is_directory(inner_name, inner):
                left.append(_move(inner_name, inner, directory))
            else:
                posix.unlink(inner_name, dir_fd=inner)
    finally:
        posix.close(inner)
    posix.rmdir(moved, dir_fd=directory)
    return left


def remove_tree(path: bytes) -> None:
    """Remove whatever is there: a file, a link, a directory and all it holds. Raises OSError."""
    try:
        posix.rmdir(path)
    except FileNotFoundError:
        raise
    except OSError:
        pass
    else:
        return
    if not files.is_directory(posix.lstat(path).st_mode):
        posix.unlink(path)
        return
    _open_up(path)
    empty(path)
    posix.rmdir(path)


def _is_directory(name: str | bytes, within: int) -> bool:
    status = posix.stat(name, dir_fd=within, follow_symlinks=False)
    return files.is_directory(status.st_mode)


def _move(name: str, source: int, target: int) -> str:
    """Give a directory a new name in `target`, and its owner all rights; return the name."""
    _open_up(name, source)
    moved = f".removed-{posix.urandom(8).hex()}"
    posix.rename(name, moved, src_dir_fd=source, dst_dir_fd=target)
    return moved


def _open_up(name: str | bytes, within: int | None = None) -> None:
    """Give a directory's owner all rights to it, and change no other file in its place.

    Not by a chmod(2) of the name: that follows a link.
    """
    directory = posix.open(name, _LOOK_AT_DIRECTORY, dir_fd=within)
    try:
        if posix.fstat(directory).st_mode & 0o700 != 0o700:
            posix.chmod(f"/proc/self/fd/{directory}", 0o700)
    finally:
        posix.close(directory)


def is_full(path: bytes) -> bool:
    """Tell whether the file system of a path has no room for one more block. Raises OSError."""
    status = posix.statvfs(path)
    free = status.f_bfree if posix.geteuid() == 0 else status.f_bavail
    return status.f_blocks > 0 and free == 0


def clear(path: bytes) -> None:
    """Remove a file, or all that a directory holds; the directory stays, since it may be a mount.

    No link is followed, in the path neither. Raises OSError; nothing there is no error.
    """
    *parents, name = path.split(b"/")[1:]
    directory = posix.open("/", _DIRECTORY)
    try:
        for parent in parents:
            inner = posix.open(parent, _OWN_DIRECTORY, dir_fd=directory)
            posix.close(directory)
            directory = inner
        if not _is_directory(name, directory):
            posix.unlink(name, dir_fd=directory)
            return
        inner = posix.open(name, _OWN_DIRECTORY, dir_fd=directory)
        posix.close(directory)
        directory = inner
        empty_open(directory)
    except FileNotFoundError:
        return
    finally:
        posix.close(directory)


def open_lock(path: bytes) -> int:
    """Return the descriptor of a file to lock, made where there is none. Raises OSError.

    It is the start's own file, with no other name: what it starts has the descriptor, too.
    """
    from entrykit.system import descent  # not at every start

    flags = posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
    directory, name = descent.open_parent(path)
    try:
        lock = posix.open(name, flags, 0o600, dir_fd=directory)
    finally:
        posix.close(directory)
    status = posix.fstat(lock)
    if not files.is_regular(status.st_mode) or status.st_nlink > 1:
        import errno

        posix.close(lock)
        raise OSError(errno.ELOOP, "others have put another file in its place")
    return lock


def sync_directory(path: bytes) -> None:
    """Let the disk hold the names in a directory (fsync(2), NOTES). Raises StartError."""
    try:
        directory = posix.open(path, _DIRECTORY)
        try:
            posix.fsync(directory)
        finally:
            posix.close(directory)
    except OSError as error:
        raise files.cannot("write", path, error) from None
