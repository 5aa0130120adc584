"""Owns the mount table: which mounts there are, and which of them show the same file.

Not part of a plain start. Builtin modules only.
"""

import posix

from entrykit.system import files

# What a server has is another file system at each mount that has other options (nfs(5)): there the
# name of what is mounted tells that two are one.
_SERVERS = (b"9p", b"ceph", b"cifs", b"fuse.", b"glusterfs", b"nfs", b"smb3", b"virtiofs")
_READ_ONLY = 1  # ST_RDONLY (statvfs(3))


class Mount:
    """One mount: the directory `root` of a file system, at `point`.

    `device` is the file system's, `source` what was mounted where that is a server's, else b"".
    """

    __slots__ = ("device", "is_writable", "point", "root", "source")

    def __init__(self, fields: list[bytes]) -> None:
        """Read the fields of a line of /proc/self/mountinfo (proc(5))."""
        end = fields.index(b"-", 6)
        kind, source, options = fields[end + 1 : end + 4]
        self.device = fields[2]
        self.root = _unescaped(fields[3])
        self.point = _unescaped(fields[4])
        self.source = _unescaped(source) if kind.startswith(_SERVERS) else b""
        self.is_writable = all(b"ro" not in given.split(b",") for given in (fields[5], options))

    def shows(self, other: "Mount", path: bytes) -> bool:
        """Tell whether what lies at a path of another mount lies somewhere in this one too."""
        inner = other.root.rstrip(b"/") + path[len(other.point.rstrip(b"/")) :]
        if self.device == other.device:
            return _is_below(inner, self.root)
        if not (self.source and other.source):
            return False
        return _is_below(other.source.rstrip(b"/") + inner, self.source.rstrip(b"/") + self.root)

    def may_name(self, other: "Mount", status: posix.stat_result) -> bool:
        """Tell whether a file of another mount may have a name in this one: link(2).

        Of this file system, and no mount of a single other file, as an engine's /etc/hosts is.
        """
        if self.device != other.device and not (self.source and other.source):
            return False
        try:
            point = posix.stat(self.point)
        except OSError:
            return True
        return files.is_directory(point.st_mode) or point.st_ino == status.st_ino


def read() -> dict[int, Mount]:
    """Return the mounts by their ids; none where the kernel does not tell."""
    mounts = {}
    for line in (files.read_kernel_file("/proc/self/mountinfo") or b"").splitlines():
        fields = line.split(b" ")
        mounts[int(fields[0])] = Mount(fields)
    return mounts


def id_of(path: bytes) -> int:
    """Return the id of the mount that shows what lies at a path, links not followed.

    0 where the kernel does not tell, as gVisor's (proc(5), fdinfo). Raises OSError.
    """
    descriptor = posix.open(path, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    try:
        return id_of_open(descriptor)
    finally:
        posix.close(descriptor)


def id_of_open(descriptor: int) -> int:
    """Return the id of the mount that a file was opened in, 0 where the kernel does not tell."""
    for line in (files.read_kernel_file(f"/proc/self/fdinfo/{descriptor}") or b"").splitlines():
        if line.startswith(b"mnt_id:"):
            return int(line[len(b"mnt_id:") :])
    return 0


def is_read_only(path: bytes) -> bool:
    """Tell whether nothing can be changed at a path, whatever mount shows it. Raises OSError.

    A file with several names can be where a writable mount may show one of them.

    Not by the mount table alone: a file system that fell back to read-only says it here.
    """
    if not posix.statvfs(path).f_flag & _READ_ONLY:
        return False
    mounts = read()
    own = mounts.get(id_of(path))
    if own is None:
        return False
    writable = [mount for mount in mounts.values() if mount.is_writable]
    if any(mount.shows(own, path) for mount in writable):
        return False
    status = posix.lstat(path)
    if files.is_directory(status.st_mode) or status.st_nlink < 2:
        return True
    return not any(mount.may_name(own, status) for mount in writable)


def _is_below(path: bytes, directory: bytes) -> bool:
    return (path + b"/").startswith(directory.rstrip(b"/") + b"/")


def _unescaped(field: bytes) -> bytes:
    r"""Return a field with blanks, newlines and backslashes for `\040`, `\012`, `\134`."""
    first, *rest = field.split(b"\\")
    return first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)
