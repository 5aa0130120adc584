"""The tree of files of a sandbox: the machine's own below layers that take all that is written.

Each directory at the top gets an overlay of its own. One for the whole of `/` is refused to a user
namespace: the mounts below it are locked to it (mount_namespaces(7)). For the same reason a
directory with mounts below it is taken apart, down to what holds none. Everything written lies
in one tmpfs, which goes with the namespace: nothing is left on a disk, whatever happens.
"""

import os
import stat

from entrykit.testing import namespaces
from entrykit.testing.namespaces import BIND, NO_DEVICES, NO_SUID, PRIVATE, RECURSIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    # Kind, mode, uid, gid, and the content of a file or the target of a link.
    Entry = tuple[str, int, int, int, bytes]
    # What a path was and is; None where there is nothing.
    Change = tuple[str, Entry | None, Entry | None]

MACHINE, TREE = "/machine", "/tree"
FILE, DIRECTORY, LINK, OTHER, GONE = "file", "directory", "link", "other", "gone"
# What is larger is told by its size alone.
CONTENT_LIMIT_BYTES = 16 << 20
_COPIED_LIMIT_BYTES = 1 << 20
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_OWN = ("dev", "proc", "run", "sys")
# Where root in a user's namespace can write though the directories are the machine's root's.
_PREPARED = ("etc", "opt", "srv", "var", "usr/local")
_PREPARED_DEPTH = 2


class Tree:
    """The tree, and the layers that it is made of: a path, and what lies above it.

    `notes` say which directories could not be made writable.
    """

    def __init__(self, *, is_root: bool) -> None:
        self.is_root = is_root
        self.layers: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._mounts: list[str] = []
        self._first: dict[str, Entry] = {}

    def build(self) -> None:
        """Put it together, in mount and user namespaces of this process. Raises OSError."""
        namespaces.mount("none", "/", None, PRIVATE | RECURSIVE)
        namespaces.mount("tmpfs", "/tmp", "tmpfs", NO_SUID | NO_DEVICES, "mode=700")  # noqa: S108
        os.chdir("/tmp")  # noqa: S108 - any directory that is everywhere
        for name in (MACHINE, TREE, "/layers"):
            os.mkdir(name[1:])
        namespaces.pivot_root(".", MACHINE[1:])
        os.chdir("/")
        # A mount of its own: only that can become a root.
        namespaces.mount(TREE, TREE, None, BIND)
        os.chmod(TREE, 0o755)  # noqa: S103 - as a container's
        self._mounts = _mounts_below(MACHINE)
        for name in sorted(os.listdir(MACHINE)):
            if name not in _OWN:
                self._place(f"/{name}")
        self._make_own()

    def remember(self) -> None:
        """Take what is there now for what was there before the start."""
        self._first = dict(self._written())

    def changes(self) -> "list[Change]":
        """Return what is other than it was remembered, path by path."""
        now = dict(self._written())
        found = []
        for path in sorted(now.keys() | self._first.keys()):
            before = self._first.get(path) or _read(f"{MACHINE}{path}", self._is_machines(path))
            after = now.get(path)
            if after is None and path in self._first and self._is_machines(path):
                after = _read(f"{MACHINE}{path}", wanted=True)
            before = None if before and before[0] == GONE else before
            after = None if after and after[0] == GONE else after
            if before != after:
                found.append((path, before, after))
        return found

    def put(self, path: str, content: bytes, mode: int, owner: "tuple[int, int]") -> None:
        """Write a file, with the directories above it; a link by its mode. Raises OSError."""
        whole = f"{TREE}{path}"
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        if os.path.lexists(whole):
            os.unlink(whole)
        if stat.S_ISLNK(mode):
            os.symlink(content, whole)
            return
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def remove(self, path: str) -> None:
        """Take away what the machine itself has at a path: one file, or a directory's files."""
        whole = f"{TREE}{path}"
        if os.path.isdir(whole) and not os.path.islink(whole):
            for name in os.listdir(whole):
                self.remove(f"{path}/{name}")
        elif os.path.lexists(whole):
            os.unlink(whole)

    def _place(self, path: str) -> None:
        machine, place = f"{MACHINE}{path}", f"{TREE}{path}"
        status = os.lstat(machine)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(machine), place)
        elif stat.S_ISREG(status.st_mode):
            self._copy(path, status)
        elif stat.S_ISDIR(status.st_mode):
            os.mkdir(place)
            self._own_as(place, status)
            if not any(point.startswith(f"{machine}/") for point in self._mounts):
                self._lay_over(path, status)
            elif path.count("/") > 1 and machine in self._mounts:
                # Such as an engine's own, with a mount for each container.
                self._show(path, "more is mounted in it")
            else:
                self._take_apart(path)

    def _take_apart(self, path: str) -> None:
        try:
            names = os.listdir(f"{MACHINE}{path}")
        except OSError:
            self.notes.append(f"{path} is empty: it cannot be read")
            return
        for name in names:
            self._place(f"{path}/{name}")

    def _lay_over(self, path: str, status: os.stat_result) -> None:
        number = len(self.layers)
        upper, work = f"/layers/{number}", f"/layers/{number}.work"
        os.mkdir(upper)
        os.mkdir(work)
        self._own_as(upper, status)
        if not self.is_root:
            self._prepare(path, upper)
        lower = f"{MACHINE}{path}".replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
        options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
        try:
            namespaces.mount("overlay", f"{TREE}{path}", "overlay", 0, options)
        except OSError as error:
            self._show(path, error.strerror or "")
            return
        self.layers.append((path, upper))

    def _show(self, path: str, reason: str) -> None:
        """Let a directory be read, but not written to."""
        try:
            namespaces.mount(f"{MACHINE}{path}", f"{TREE}{path}", None, BIND | RECURSIVE)
            namespaces.make_read_only(f"{TREE}{path}")
        except OSError:
            # Not even to be seen: an own mount of somebody's, as FUSE makes them.
            self.notes.append(f"{path} is empty: {reason}")
            return
        self.notes.append(f"{path} is read-only: {reason}")

    def _prepare(self, path: str, upper: str) -> None:
        """Make the directories in which root of a user's namespace is to write.

        Those of users that it does not know it cannot copy up.
        """
        for start in _PREPARED:
            if f"/{start}" == path or f"/{start}".startswith(f"{path}/"):
                inner = f"/{start}"[len(path) :]
                self._mirror(f"{MACHINE}/{start}", f"{upper}{inner}", _PREPARED_DEPTH)
            elif path.startswith(f"/{start}/"):
                depth = _PREPARED_DEPTH - path.count("/") + start.count("/") + 1
                self._mirror(f"{MACHINE}{path}", upper, depth)

    def _mirror(self, machine: str, upper: str, depth: int) -> None:
        try:
            status = os.lstat(machine)
            if not stat.S_ISDIR(status.st_mode):
                return
            os.makedirs(upper, exist_ok=True)
            os.chmod(upper, stat.S_IMODE(status.st_mode))
            with os.scandir(machine) as entries:
                names = [one.name for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError:
            return
        for name in names if depth else ():
            self._mirror(f"{machine}/{name}", f"{upper}/{name}", depth - 1)

    def _copy(self, path: str, status: os.stat_result) -> None:
        """Copy a file beside which something is mounted; a large one is only to be read."""
        if status.st_size > _COPIED_LIMIT_BYTES:
            with open(f"{TREE}{path}", "xb"):
                pass
            namespaces.mount(f"{MACHINE}{path}", f"{TREE}{path}", None, BIND)
            namespaces.make_read_only(f"{TREE}{path}")
            return
        try:
            with open(f"{MACHINE}{path}", "rb") as file:
                content = file.read()
        except OSError:
            self.notes.append(f"{path} is missing: it cannot be read")
            return
        self.put(path, content, 0o600, (-1, -1))
        self._own_as(f"{TREE}{path}", status)

    def _own_as(self, path: str, status: os.stat_result) -> None:
        if self.is_root:
            os.chown(path, status.st_uid, status.st_gid)
        os.chmod(path, stat.S_IMODE(status.st_mode))

    def _make_own(self) -> None:
        """Make what a container has of its own: /dev, /run, and places for /proc and /sys."""
        for name, mode in (("dev", 0o755), ("proc", 0o555), ("run", 0o755), ("sys", 0o555)):
            os.mkdir(f"{TREE}/{name}", mode)
        namespaces.mount(f"{MACHINE}/sys", f"{TREE}/sys", None, BIND | RECURSIVE)
        namespaces.make_read_only(f"{TREE}/sys")
        for name in _DEVICES:
            with open(f"{TREE}/dev/{name}", "xb"):
                pass
            namespaces.mount(f"{MACHINE}/dev/{name}", f"{TREE}/dev/{name}", None, BIND)
            # Devices are written to all the same; their mode is the machine's to change.
            namespaces.make_read_only(f"{TREE}/dev/{name}")
        for name, target in (
            ("fd", "fd"),
            ("stdin", "fd/0"),
            ("stdout", "fd/1"),
            ("stderr", "fd/2"),
        ):
            os.symlink(f"/proc/self/{target}", f"{TREE}/dev/{name}")
        shared = f"{TREE}/dev/shm"  # noqa: S108 - the place itself
        os.mkdir(shared)
        os.chmod(shared, 0o1777)  # noqa: S103 - so it is everywhere
        os.makedirs(f"{TREE}/run/lock")

    def _written(self) -> "Iterator[tuple[str, Entry]]":
        """Yield what lies in the layers, and in the tree beside them."""
        yield from _walk(TREE, "", os.lstat(TREE).st_dev)
        for path, upper in self.layers:
            yield from _walk(upper, path, os.lstat(upper).st_dev)
            yield from self._hidden(path, upper)

    def _hidden(self, path: str, upper: str) -> "Iterator[tuple[str, Entry]]":
        """Yield what a directory that was made anew hides of the machine's own."""
        for directory, names, _ in os.walk(upper):
            inner = f"{path}{directory[len(upper) :]}"
            try:
                is_anew = os.getxattr(directory, "user.overlay.opaque") == b"y"
                hidden = os.listdir(f"{MACHINE}{inner}") if is_anew else []
            except OSError:
                continue
            for name in set(hidden) - set(os.listdir(directory)):
                yield f"{inner}/{name}", (GONE, 0, 0, 0, b"")
            names.sort()

    def _is_machines(self, path: str) -> bool:
        """Tell whether the machine's own file shows where a path's layer has none."""
        return any(path.startswith(f"{layer}/") or path == layer for layer, _ in self.layers)


def _walk(directory: str, path: str, device: int) -> "Iterator[tuple[str, Entry]]":
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        inner, shown = f"{directory}/{name}", f"{path}/{name}"
        status = os.lstat(inner)
        if status.st_dev != device and not stat.S_ISCHR(status.st_mode):
            # Another layer.
            continue
        entry = _read(inner, wanted=True)
        if entry is not None:
            yield shown, entry
            if entry[0] == DIRECTORY:
                yield from _walk(inner, shown, device)


def _read(path: str, wanted: bool) -> "Entry | None":  # noqa: FBT001 - one of two callers knows
    """Return what lies at a path, None for nothing. A whiteout is a device 0:0."""
    if not wanted:
        return None
    try:
        status = os.lstat(path)
        kind, content = OTHER, b""
        if stat.S_ISREG(status.st_mode):
            kind, content = FILE, _content(path, status.st_size)
        elif stat.S_ISLNK(status.st_mode):
            kind, content = LINK, os.fsencode(os.readlink(path))
        elif stat.S_ISDIR(status.st_mode):
            kind = DIRECTORY
        elif stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            return GONE, 0, 0, 0, b""
    except OSError:
        return None
    return kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, content


def _content(path: str, size: int) -> bytes:
    if size > CONTENT_LIMIT_BYTES:
        return b"(%d bytes)" % size
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b"(cannot be read)"


def _mounts_below(directory: str) -> list[str]:
    """Return the mount points below a directory (proc(5), mountinfo, field 5)."""
    found = []
    with open(f"{MACHINE}/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            point = line.split(" ")[4]
            for octal, character in (
                ("\\040", " "),
                ("\\011", "\t"),
                ("\\012", "\n"),
                ("\\134", "\\"),
            ):
                point = point.replace(octal, character)
            if point.startswith(f"{directory}/"):
                found.append(point)
    return found
