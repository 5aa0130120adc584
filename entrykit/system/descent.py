"""Owns the way down to a directory that is to be written into.

Its rule: no link is followed that another user may have put there, between two steps of ours or
long before. Directories are opened one name at a time, each relative to the one above it, and what
is judged is what is followed: a link is read through its own descriptor (openat(2), readlink(2)).

A link is followed where it is root's or the process's own, and nobody else can write the directory
that it lies in. One that somebody moves there counts as much as one that somebody makes. What else
another user can put in a directory's place is a directory that this user can write already, or one
that lies beside it: nobody can move another to elsewhere (rename(2), EACCES).

Not part of a plain start. Builtin modules only.
"""

import posix

from entrykit.system import files, log

_LOOK = posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
_GROUP_WRITES, _OTHERS_WRITE = 0o020, 0o002
# As many links as the kernel follows (path_resolution(7)).
_MOST_LINKS = 40


def open_directory(path: bytes, make_mode: int = 0) -> int:
    """Return a descriptor of a directory, to write into.

    With `make_mode` what is missing on the way is made, with this mode less the umask. Raises
    OSError, ELOOP for a link that others may have put there.
    """
    way = [posix.open(b"/" if path.startswith(b"/") else b".", _LOOK)]
    links = 0
    left = _names(path)
    try:
        while left:
            name = left.pop()
            if name == b"..":
                if len(way) == 1:
                    way.insert(0, posix.open(b"..", _LOOK, dir_fd=way[0]))
                posix.close(way.pop())
                continue
            inner = _open(name, way[-1], make_mode)
            status = posix.fstat(inner)
            if not files.is_link(status.st_mode):
                # What is no directory fails at the next name, or in the end.
                way.append(inner)
                continue
            try:
                links += 1
                if links > _MOST_LINKS or not _may_follow(status, way[-1]):
                    raise _cannot_follow(name)
                target = posix.readlink(b"", dir_fd=inner)
            finally:
                posix.close(inner)
            if target.startswith(b"/"):
                while way:
                    posix.close(way.pop())
                way.append(posix.open(b"/", _LOOK))
            left += _names(target)
        return posix.open(b".", _DIRECTORY, dir_fd=way[-1])
    finally:
        for descriptor in way:
            posix.close(descriptor)


def open_parent(path: bytes) -> tuple[int, bytes]:
    """Return a descriptor of the directory that a path lies in, and its name there.

    Raises OSError.
    """
    parent, slash, name = path.rpartition(b"/")
    return open_directory(parent or slash or b"."), name


def make_directory(within: int, name: bytes, mode: int, owner: int = -1, group: int = -1) -> None:
    """Make a directory in another, with exactly this mode and owner. Raises OSError.

    What was put in its place meanwhile is left as it is: it has another owner, or another mode than
    one that is just made.
    """
    posix.mkdir(name, 0o700, dir_fd=within)
    made = posix.open(name, _DIRECTORY | posix.O_NOFOLLOW, dir_fd=within)
    try:
        status = posix.fstat(made)
        if status.st_uid != posix.geteuid() or status.st_mode & 0o777 & ~0o700:
            import errno

            raise OSError(errno.ESTALE, "another one was put in its place")
        if owner not in (-1, status.st_uid) or group not in (-1, status.st_gid):
            posix.fchown(made, owner, group)
        posix.fchmod(made, mode)
    finally:
        posix.close(made)


def is_trusted(uid: int) -> bool:
    """Tell whether a uid is root's, this process's, or stands for those of outside."""
    return uid in (0, posix.geteuid()) or _is_outside(uid)


def _names(path: bytes) -> list[bytes]:
    """Return the names in a path, the first of them last."""
    return [name for name in path.split(b"/") if name not in (b"", b".")][::-1]


def _open(name: bytes, within: int, make_mode: int) -> int:
    while True:
        try:
            return posix.open(name, _LOOK, dir_fd=within)
        except FileNotFoundError:
            if not make_mode:
                raise
        try:
            posix.mkdir(name, make_mode, dir_fd=within)
        except FileExistsError:
            # Somebody was quicker; but in a circle it is no use.
            make_mode = 0


def _may_follow(link: posix.stat_result, directory: int) -> bool:
    """Tell whether nobody but root and this user can have put a link into a directory."""
    status = posix.fstat(directory)
    if not (is_trusted(link.st_uid) and is_trusted(status.st_uid)):
        return False
    if status.st_mode & _OTHERS_WRITE:
        return False
    has_group = status.st_mode & _GROUP_WRITES
    return not has_group or (posix.geteuid() != 0 and status.st_gid == posix.getegid())


def _is_outside(uid: int) -> bool:
    """Tell whether nobody here has a uid: it stands for those of other user namespaces.

    Root's of the host is one, in a container that has a namespace of its own (user_namespaces(7)).
    """
    if files.read_kernel_file("/proc/sys/kernel/overflowuid") != b"%d\n" % uid:
        return False
    table = files.read_kernel_file("/proc/self/uid_map") or b""
    ranges = [[int(field) for field in line.split()] for line in table.splitlines()]
    return bool(ranges) and not any(low <= uid < low + count for low, _, count in ranges)


def _cannot_follow(name: bytes) -> OSError:
    import errno

    message = f"others may have put the link {log.text(name)} in its way; name where it leads to"
    return OSError(errno.ELOOP, message)
