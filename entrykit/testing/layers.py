"""The tree of files of a sandbox: a machine's own below layers that take all that is written.

Each directory at the top gets an overlay of its own. One for the whole of `/` is refused to a user
namespace: the mounts below it are locked to it (mount_namespaces(7)). For the same reason a
directory with mounts below it is taken apart, down to what holds none. Everything written lies
in one tmpfs, which goes with the namespace: nothing is left on a disk, whatever happens.
"""

import os
import stat

from entrykit.testing import limits, namespaces
from entrykit.testing.namespaces import BIND, NO_DEVICES, NO_SUID, PRIVATE, READ_ONLY, RECURSIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MACHINE, TREE = "/machine", "/tree"
# Where another root than the machine's shows entrykit's interpreter.
INTERPRETER = "/.entrykit"
_COPIED_LIMIT_BYTES = 1 << 20
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_OWN = ("dev", "proc", "sys")
# What a start is to see of the machine's /sys: also the limits of memory and processors.
_SHOWN_SYSTEM = "/sys/fs/cgroup"
# Where root in a user's namespace can write though the directories are the machine's root's.
_PREPARED = ("etc", "opt", "srv", "var", "usr/local")
_PREPARED_DEPTH = 2


class Layers:
    """The layers that a tree is made of: each a path, and what lies above it.

    `root` is the directory that is the tree's root, "" for the machine's; `hidden` are the paths
    that it is to lack. `notes` say which directories could not be made writable.
    """

    def __init__(self, root: str, hidden: "Sequence[str]", *, is_root: bool) -> None:
        self._hidden = hidden
        self.below = f"{MACHINE}{root}"
        self.is_root = is_root
        self.layers: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._is_machines = not root
        self._mounts: list[str] = []
        # Also of directories over which nothing could be laid.
        self._count = 0

    def build(self) -> None:
        """Put it together, in mount and user namespaces of this process. Raises OSError."""
        namespaces.mount("none", "/", None, PRIVATE | RECURSIVE)
        options = f"mode=700,{limits.files()}"
        namespaces.mount("tmpfs", "/tmp", "tmpfs", NO_SUID | NO_DEVICES, options)  # noqa: S108
        os.chdir("/tmp")  # noqa: S108 - any directory that is everywhere
        for name in (MACHINE, TREE, "/layers"):
            os.mkdir(name[1:])
        namespaces.pivot_root(".", MACHINE[1:])
        os.chdir("/")
        # A mount of its own: only that can become a root.
        namespaces.mount(TREE, TREE, None, BIND)
        os.chmod(TREE, 0o755)  # noqa: S103 - as a container's
        self._mounts = _mounts_below(self.below)
        # Whatever is laid, bound or read from here on: nothing is written to it.
        namespaces.make_read_only(MACHINE)
        for name in sorted(os.listdir(self.below)):
            # What the machine keeps in /run is its servers' and sockets.
            if name not in _OWN and not (name == "run" and self._is_machines):
                self._place(f"/{name}")
        self._make_own()

    def show_interpreter(self, paths: "list[str]") -> None:
        """Let the machine's files and directories be read below INTERPRETER. Raises OSError."""
        for path in paths:
            place = f"{TREE}{INTERPRETER}{path}"
            if os.path.isdir(f"{MACHINE}{path}"):
                os.makedirs(place)
            else:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "xb"):
                    pass
            namespaces.mount(f"{MACHINE}{path}", place, None, BIND | RECURSIVE)
            namespaces.make_read_only(place, NO_SUID | NO_DEVICES)

    def _place(self, path: str) -> None:
        """Put what lies at a path into the tree."""
        try:
            if path not in self._hidden:
                self._place_there(path)
        except FileNotFoundError:
            # Removed meanwhile: a directory such as /tmp is in use by others.
            return

    def _place_there(self, path: str) -> None:
        machine, place = f"{self.below}{path}", f"{TREE}{path}"
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
            else:
                self._take_apart(path)

    def _take_apart(self, path: str) -> None:
        try:
            names = os.listdir(f"{self.below}{path}")
        except OSError:
            self.notes.append(f"{path} is empty: it cannot be read")
            return
        if path.startswith("/var/lib/"):
            # An engine's, with a mount for each container, and many layers beside.
            self._show(path, "more is mounted in it")
            return
        for name in names:
            self._place(f"{path}/{name}")

    def _lay_over(self, path: str, status: os.stat_result) -> None:
        self._count += 1
        upper, work = f"/layers/{self._count}", f"/layers/{self._count}.work"
        os.mkdir(upper)
        os.mkdir(work)
        self._own_as(upper, status)
        if not self.is_root:
            self._prepare(path, upper)
        self._hide(path, upper)
        lower = f"{self.below}{path}".replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
        options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
        try:
            namespaces.mount("overlay", f"{TREE}{path}", "overlay", 0, options)
        except FileNotFoundError:
            os.rmdir(f"{TREE}{path}")
            raise
        except OSError as error:
            self._show(path, error.strerror or "")
            return
        self.layers.append((path, upper))

    def _show(self, path: str, reason: str) -> None:
        """Let a directory be read, but not written to."""
        try:
            namespaces.mount(f"{self.below}{path}", f"{TREE}{path}", None, BIND | RECURSIVE)
            namespaces.make_read_only(f"{TREE}{path}", NO_SUID | NO_DEVICES)
        except OSError:
            # Not even to be seen: an own mount of somebody's, as FUSE makes them.
            self.notes.append(f"{path} is empty: {reason}")
            return
        self.notes.append(f"{path} is read-only: {reason}")

    def _hide(self, path: str, upper: str) -> None:
        """Put a whiteout where the tree is to lack something (Documentation, overlayfs)."""
        for hidden in self._hidden:
            parent, below = os.path.dirname(hidden), f"{self.below}{os.path.dirname(hidden)}"
            is_in_it = hidden.startswith(f"{path}/") and os.path.lexists(f"{self.below}{hidden}")
            # A link's place would be taken by a directory.
            if not is_in_it or os.path.realpath(below) != below:
                continue
            directory = upper
            for name in ["", *parent[len(path) :].split("/")[1:]]:
                directory = f"{directory}/{name}".rstrip("/")
                if not os.path.isdir(directory):
                    os.mkdir(directory)
                    inner = f"{path}{directory[len(upper) :]}"
                    self._own_as(directory, os.lstat(f"{self.below}{inner}"))
            os.mknod(f"{directory}/{os.path.basename(hidden)}", stat.S_IFCHR, 0)

    def _prepare(self, path: str, upper: str) -> None:
        """Make the directories in which root of a user's namespace is to write.

        Those of users that it does not know it cannot copy up.
        """
        for start in _PREPARED:
            if f"/{start}" == path or f"/{start}".startswith(f"{path}/"):
                inner = f"/{start}"[len(path) :]
                self._mirror(f"{self.below}/{start}", f"{upper}{inner}", _PREPARED_DEPTH)
            elif path.startswith(f"/{start}/"):
                depth = _PREPARED_DEPTH - path.count("/") + start.count("/") + 1
                self._mirror(f"{self.below}{path}", upper, depth)

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
        place = f"{TREE}{path}"
        if status.st_size > _COPIED_LIMIT_BYTES:
            with open(place, "xb"):
                pass
            namespaces.mount(f"{self.below}{path}", place, None, BIND)
            namespaces.make_read_only(place, NO_SUID | NO_DEVICES)
            return
        try:
            with open(f"{self.below}{path}", "rb") as file:
                content = file.read()
        except OSError:
            self.notes.append(f"{path} is missing: it cannot be read")
            return
        with open(place, "xb") as file:
            file.write(content)
        self._own_as(place, status)

    def _own_as(self, path: str, status: os.stat_result) -> None:
        if self.is_root:
            os.chown(path, status.st_uid, status.st_gid)
        os.chmod(path, stat.S_IMODE(status.st_mode))

    def _make_own(self) -> None:
        """Make what a container has of its own: /dev, /run, and places for /proc and /sys."""
        for name, mode in (("dev", 0o755), ("proc", 0o555), ("sys", 0o555)):
            os.mkdir(f"{TREE}/{name}", mode)
        self._show_system()
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
        if not os.path.lexists(f"{TREE}/run"):
            os.makedirs(f"{TREE}/run/lock")

    def _show_system(self) -> None:
        """Show the machine's /sys, without the file systems for debugging that are mounted there.

        Reading alone changes something in these, such as the kernel's buffer of traces.
        """
        namespaces.mount(f"{MACHINE}/sys", f"{TREE}/sys", None, BIND | RECURSIVE)
        namespaces.make_read_only(f"{TREE}/sys", NO_SUID | NO_DEVICES)
        for point in _mounts_below(f"{MACHINE}/sys"):
            path = point[len(MACHINE) :]
            if f"{path}/".startswith(f"{_SHOWN_SYSTEM}/"):
                continue
            try:
                namespaces.mount("tmpfs", f"{TREE}{path}", "tmpfs", READ_ONLY, "mode=555")
            except FileNotFoundError:
                # In one that is covered already.
                continue


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
