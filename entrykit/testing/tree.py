"""What a sandbox's tree of files holds: what a start is given there, and what it changed."""

import os
import stat

from entrykit.testing.layers import TREE, Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    # Kind, mode, uid, gid, and the content of a file or the target of a link.
    Entry = tuple[str, int, int, int, bytes]
    # What a path was and is; None where there is nothing.
    Change = tuple[str, Entry | None, Entry | None]
    # Path, content, mode, uid and gid.
    File = tuple[str, bytes, int, int, int]

FILE, DIRECTORY, LINK, OTHER, GONE = "file", "directory", "link", "other", "gone"
# What is larger is told by its size alone, and so is what comes after so much in all.
CONTENT_LIMIT_BYTES = 16 << 20
_ALL_LIMIT_BYTES = 128 << 20


class Tree:
    """The tree, once its layers lie upon each other."""

    def __init__(self, layers: Layers) -> None:
        self.notes = layers.notes
        self._layers = layers.layers
        self._below = layers.below
        self._first: dict[str, Entry] = {}
        # How much of files was read, and directories that are no links any more.
        self._read_bytes = 0
        self._turned: list[str] = []

    def give(self, files: "Sequence[File]") -> None:
        """Write files. Raises OSError.

        In a process that has the tree for its root: its links lead nowhere else.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            said = b""
            try:
                os.chroot(TREE)
                os.chdir("/")
                for path, content, mode, owner, group in files:
                    _put(path, content, mode, (owner, group))
            except OSError as error:
                said = b"%d %s" % (error.errno or 5, os.fsencode(error.filename or ""))
            finally:
                os.write(writer, said)
                os._exit(0)
        os.close(writer)
        said = os.read(reader, 8192)
        os.close(reader)
        os.waitpid(child, 0)
        if said:
            number, _, where = said.partition(b" ")
            raise OSError(int(number), os.strerror(int(number)), os.fsdecode(where))

    def remember(self) -> None:
        """Take what is there now for what was there before the start."""
        self._first = self._written()

    def changes(self) -> "list[Change]":
        """Return what is other than it was remembered, path by path."""
        now = self._written()
        found = []
        for path in sorted(now.keys() | self._first.keys()):
            before = self._first.get(path) or self._lying_below(path)
            after = now.get(path)
            if after is None and path in self._first:
                after = self._lying_below(path)
            before = None if before and before[0] == GONE else before
            after = None if after and after[0] == GONE else after
            if before != after:
                found.append((path, before, after))
        return found

    def _written(self) -> "dict[str, Entry]":
        """Return what lies in the layers, and in the tree beside them."""
        found: dict[str, Entry] = {}
        self._read_bytes = 0
        self._turned = []
        for path, top in (("", TREE), *self._layers):
            device = os.lstat(top).st_dev
            directories = [path]
            while directories:
                directory = directories.pop()
                place = top + directory[len(path) :]
                for name in _names(place):
                    inner = f"{directory}/{name}"
                    entry = self._read(f"{place}/{name}", device)
                    if entry is not None:
                        found[inner] = entry
                        directories += [inner] * (entry[0] == DIRECTORY)
                if _is_anew(place):
                    found |= self._hidden_by(directory, place)
        return found

    def _hidden_by(self, directory: str, place: str) -> "dict[str, Entry]":
        """Return what a directory that was made anew hides of those below it."""
        below = f"{self._below}{directory}"
        if os.path.islink(below):
            self._turned.append(f"{directory}/")
            return {}
        hidden = set(_names(below)) - set(_names(place))
        return {f"{directory}/{name}": (GONE, 0, 0, 0, b"") for name in hidden}

    def _lying_below(self, path: str) -> "Entry | None":
        """Return what shows where a path's layer has nothing."""
        if not any(path.startswith(f"{layer}/") or path == layer for layer, _ in self._layers):
            return None
        if any(path.startswith(turned) for turned in self._turned):
            return None
        return self._read(f"{self._below}{path}")

    def _read(self, path: str, device: int | None = None) -> "Entry | None":
        """Return what lies at a path; None for nothing, and for what is on another device.

        A whiteout is a device 0:0.
        """
        try:
            status = os.lstat(path)
            kind, content = OTHER, b""
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                return GONE, 0, 0, 0, b""
            if device not in (None, status.st_dev):
                return None
            if stat.S_ISREG(status.st_mode):
                kind, content = FILE, self._content(path, status.st_size)
            elif stat.S_ISLNK(status.st_mode):
                kind, content = LINK, os.fsencode(os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                kind = DIRECTORY
        except OSError:
            return None
        return kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, content

    def _content(self, path: str, size: int) -> bytes:
        self._read_bytes += size
        if size > CONTENT_LIMIT_BYTES or self._read_bytes > _ALL_LIMIT_BYTES:
            self._read_bytes -= size
            return b"(%d bytes)" % size
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            return b"(cannot be read)"


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _is_anew(directory: str) -> bool:
    try:
        return os.getxattr(directory, "user.overlay.opaque") == b"y"
    except OSError:
        return False


def _put(path: str, content: bytes, mode: int, owner: "tuple[int, int]") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    if stat.S_ISLNK(mode):
        os.symlink(content, path)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
