"""Owns the changing of owners below a directory.

Its rules: only what has another owner is touched; no link is followed and no mount is entered; what
is judged is what is changed. So directories are opened one name at a time, each relative to the one
above it (openat(2), O_NOFOLLOW), and each other file by O_PATH, looked at and changed through that
descriptor: whoever can write to the tree meanwhile gains nothing by putting another file in its
place. A directory is given away after all that it holds.

However deep a tree is, three descriptors are open: the way up is `..`, and what that opens must be
the directory that was left.

Not part of a plain start. Builtin modules only.
"""

import posix
import time

from entrykit.system import descent, files, log, mounts
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PROGRESS_SECONDS = 5.0
MADE_MODE = 0o755

_OPEN = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_WAY = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_LOOK = posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC

# The kernel's, programs and libraries, and the hooks that a start runs: with all below them.
_REFUSED_TREES = (
    b"/bin", b"/boot", b"/dev", b"/docker-entrypoint.d", b"/lib", b"/lib32", b"/lib64", b"/libx32",
    b"/proc", b"/run/entrykit", b"/sbin", b"/sys", b"/usr/bin", b"/usr/lib", b"/usr/lib32",
    b"/usr/lib64", b"/usr/libexec", b"/usr/libx32", b"/usr/local/bin", b"/usr/local/lib",
    b"/usr/local/sbin", b"/usr/sbin",
)  # fmt: skip
# Where many programs have their own (hier(7)); what is below can be one program's.
_REFUSED = (
    b"", b"/etc", b"/home", b"/opt", b"/root", b"/run", b"/run/lock", b"/run/secrets", b"/run/user",
    b"/tmp", b"/usr", b"/usr/local", b"/usr/local/etc", b"/usr/local/share", b"/usr/share", b"/var",
    b"/var/cache", b"/var/lib", b"/var/local", b"/var/lock", b"/var/log", b"/var/mail", b"/var/opt",
    b"/var/run", b"/var/spool", b"/var/tmp",
)  # fmt: skip
_ALLOWED_BELOW = b"/dev/shm/"


class Counts:
    """What a walk has come by so far.

    `seen` and `changed` are numbers of files of any kind, `linked` of files left alone for their
    hard links; `mounts` are the paths of mounts left alone.
    """

    __slots__ = ("changed", "linked", "mounts", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.changed = 0
        self.linked = 0
        self.mounts: list[bytes] = []


def is_refused(path: bytes) -> bool:
    """Tell whether a directory is the system's, and no one user's.

    `path` is absolute, without `.`, `..`, double slashes or one at its end.
    """
    if path.startswith(_ALLOWED_BELOW):
        return False
    return path in _REFUSED or any(
        path == tree or path.startswith(tree + b"/") for tree in _REFUSED_TREES
    )


def are_links_protected() -> bool:
    """Tell whether nobody can link to a file of others (proc(5), fs.protected_hardlinks)."""
    return files.read_kernel_file("/proc/sys/fs/protected_hardlinks") == b"1\n"


def give(
    path: bytes,
    owner: tuple[int, int],
    progress: "Callable[[Counts], None]",
    *,
    with_links: bool,
) -> Counts:
    """Give a directory and all below it to `owner`, a uid and a gid; return what was done.

    One that is missing is made, mode 0755, in a directory that must be there. `progress` is called
    every 5 s. `with_links`: files with several names too, which is safe where
    `are_links_protected`; else somebody may have given one outside the tree a name in it. Raises
    StartError.
    """
    return _Walk(path, owner, progress, with_links=with_links).walk()


class _Walk:
    def __init__(
        self,
        path: bytes,
        owner: tuple[int, int],
        progress: "Callable[[Counts], None]",
        *,
        with_links: bool,
    ) -> None:
        self.path = path
        self.owner = owner
        self.progress = progress
        self.with_links = with_links
        self.counts = Counts()
        self.names: list[str] = []
        self.mount = 0
        self.has_mounts = True
        self.device = 0
        self.due = time.monotonic() + PROGRESS_SECONDS

    def walk(self) -> Counts:
        """Go through the tree depth first, holding no more than the directory it is in open."""
        current = self.open_top()
        try:
            _check_place(self.path, _identity(current))
            self.mount = mounts.id_of_open(current)
            self.has_mounts = _has_mounts(self.mount)
            self.device = posix.fstat(current).st_dev
            # Of each directory from the top down: what it is, and the directories left in it.
            levels = [(_identity(current), self.give_files(current))]
            while True:
                _, left = levels[-1]
                if left:
                    inner = self.enter(current, left.pop())
                    if inner >= 0:
                        posix.close(current)
                        current = inner
                        levels.append((_identity(current), self.give_files(current)))
                    continue
                self.give_directory(current)
                levels.pop()
                if not levels:
                    return self.counts
                current = self.leave(current, levels[-1][0])
        finally:
            posix.close(current)

    def open_top(self) -> int:
        """Open the directory, from the root down, no link followed."""
        *way, last = [name for name in self.path.split(b"/") if name]
        current = posix.open(b"/", _WAY)
        so_far = b""
        try:
            for name in way:
                so_far += b"/" + name
                inner = _open_declared(name, current, so_far, _WAY)
                posix.close(current)
                current = inner
            try:
                return _open_declared(last, current, self.path, _OPEN)
            except FileNotFoundError:
                return self.make(last, current)
        except FileNotFoundError:
            message = f"cannot make {log.text(self.path)}: {log.text(so_far)} is not there"
            raise StartError(message, hint="make it in the image, or mount it") from None
        finally:
            posix.close(current)

    def make(self, name: bytes, within: int) -> int:
        try:
            descent.make_directory(within, name, MADE_MODE)
            return posix.open(name, _OPEN, dir_fd=within)
        except OSError as error:
            raise files.cannot("make", self.path, error) from None

    def give_files(self, directory: int) -> list[str]:
        """Give what a directory holds, but for directories: return their names."""
        directories = []
        try:
            with posix.scandir(directory) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if files.is_directory(status.st_mode):
                        directories.append(entry.name)
                        continue
                    self.count()
                    if (status.st_uid, status.st_gid) != self.owner:
                        self.give_file(directory, entry.name)
        except OSError as error:
            raise self.cannot("read", "", error) from None
        return directories

    def give_file(self, directory: int, name: str) -> None:
        try:
            descriptor = posix.open(name, _LOOK, dir_fd=directory)
        except OSError as error:
            if _is_other_now(error):
                return
            raise self.cannot("read", name, error) from None
        try:
            status = posix.fstat(descriptor)
            if files.is_directory(status.st_mode) or self.is_mount(descriptor, name):
                return
            if status.st_nlink > 1 and not self.with_links:
                self.counts.linked += 1
                return
            # fchown(2) takes no descriptor of O_PATH; this link leads to what that describes, be it
            # a link itself (proc(5)).
            posix.chown(f"/proc/self/fd/{descriptor}", *self.owner)
            self.counts.changed += 1
        except OSError as error:
            raise self.cannot("change the owner of", name, error) from None
        finally:
            posix.close(descriptor)

    def give_directory(self, directory: int) -> None:
        self.count()
        try:
            status = posix.fstat(directory)
            if (status.st_uid, status.st_gid) != self.owner:
                posix.fchown(directory, *self.owner)
                self.counts.changed += 1
        except OSError as error:
            raise self.cannot("change the owner of", "", error) from None

    def enter(self, directory: int, name: str) -> int:
        """Open a directory in another, -1 where it is none any more or a mount."""
        try:
            inner = posix.open(name, _OPEN, dir_fd=directory)
        except OSError as error:
            if _is_other_now(error):
                return -1
            raise self.cannot("read", name, error) from None
        if self.is_mount(inner, name):
            posix.close(inner)
            return -1
        self.names.append(name)
        return inner

    def leave(self, directory: int, above: tuple[int, int]) -> int:
        """Open the directory above, which must be the one that was left, and close this one."""
        try:
            parent = posix.open("..", _OPEN, dir_fd=directory)
        except OSError as error:
            raise self.cannot("go back from", "", error) from None
        if _identity(parent) != above:
            posix.close(parent)
            message = f"{log.text(self.shown(''))} was moved while owners were changed below it"
            raise StartError(message, hint="start again when nobody else works there")
        posix.close(directory)
        self.names.pop()
        return parent

    def is_mount(self, descriptor: int, name: str) -> bool:
        """Tell whether something is mounted at a file, and note it.

        By the mount's id: a bind mount has the device number of its source, and files of an overlay
        may have other ones than their directory. Without ids, as in gVisor, by device number.
        """
        if self.mount:
            is_mount = self.has_mounts and mounts.id_of_open(descriptor) != self.mount
        else:
            is_mount = posix.fstat(descriptor).st_dev != self.device
        if is_mount:
            self.counts.mounts.append(self.shown(name))
        return is_mount

    def count(self) -> None:
        self.counts.seen += 1
        if self.counts.seen % 256 == 0 and time.monotonic() >= self.due:
            self.progress(self.counts)
            self.due = time.monotonic() + PROGRESS_SECONDS

    def shown(self, name: str) -> bytes:
        inner = "/".join(["", *self.names, *([name] if name else [])])
        return self.path + inner.encode("utf-8", "surrogateescape") if inner else self.path

    def cannot(self, operation: str, name: str, error: OSError) -> StartError:
        message = f"cannot {operation} {log.text(self.shown(name))}: {os_reason(error)}"
        return StartError(message, hint=_mend(error))


def _is_other_now(error: OSError) -> bool:
    """Tell whether a name is gone, or a link or another kind of file than it was read as."""
    import errno

    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def _mend(error: OSError) -> str:
    import errno

    no_such_id = "this id does not exist in the container's user namespace"
    hints = {
        errno.EPERM: "root needs the capability CHOWN, the file system must have owners, and the"
        " file not be immutable (lsattr); else set the owner from outside, and skip this hook",
        errno.EACCES: "root needs the capability DAC_OVERRIDE to look into others' directories",
        errno.EROFS: "mount it writable, or set the owner from outside",
        errno.EINVAL: no_such_id,
        errno.EOVERFLOW: no_such_id,
        errno.ENOENT: "mount /proc",
    }
    return hints.get(error.errno or 0, "")


def _open_declared(name: bytes, within: int, path: bytes, flags: int) -> int:
    """Open a component of the declared path. Raises FileNotFoundError, else StartError."""
    try:
        return posix.open(name, flags, dir_fd=within)
    except FileNotFoundError:
        raise
    except OSError as error:
        shown = log.text(path)
        if not _is_other_now(error):
            message = f"cannot read {shown}: {os_reason(error)}"
            raise StartError(message, hint=_mend(error)) from None
        try:
            target = posix.readlink(name, dir_fd=within)
        except OSError:
            raise StartError(f"{shown} is not a directory") from None
        hint = "declare the directory that it leads to"
        message = f"{shown} is a link to {log.text(target)}, and links are not followed"
        raise StartError(message, hint=hint) from None


def _check_place(path: bytes, identity: tuple[int, int]) -> None:
    """Raise StartError where what lies at a declared path is one of the system's directories.

    As a bind mount of it is: that the path tells nothing of.
    """
    for refused in (*_REFUSED, *_REFUSED_TREES):
        try:
            status = posix.stat(refused or b"/")
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == identity:
            message = f"{log.text(path)} is {log.text(refused or b'/')}, mounted there"
            raise StartError(message, hint="mount the directory of the server's own data")


def _identity(descriptor: int) -> tuple[int, int]:
    status = posix.fstat(descriptor)
    return status.st_dev, status.st_ino


def _has_mounts(mount: int) -> bool:
    """Tell whether something is mounted on a mount: the second field of mountinfo (proc(5))."""
    table = files.read_kernel_file("/proc/self/mountinfo")
    return table is None or any(int(line.split(None, 2)[1]) == mount for line in table.splitlines())
