"""Owns the question who can write: whether a user can change what a path leads to.

That is so where the user can write the file, or a directory on the way to it: whoever can write a
directory can put another file or directory into the place of one in it. Its rules:

- An owner can write: chmod(2) is an owner's.
- A group's bit is everybody's where there is an ACL: it is then the most that any entry of it gives
  (acl(5)).
- In a sticky directory nobody replaces another's directory. A file or a link there may have been
  put there by anybody: moved or linked to, neither of which needs to own it (rename(2), link(2)).
- A mount point cannot be removed or renamed (rename(2), EBUSY).
- What is mounted read-only cannot be changed, unless another mount shows it writable, by this or
  another name (link(2)).

It asks by path, one name after the other. A descriptor of what is read would tell no more: what a
user cannot change now, that user could not change before and cannot later, since it takes another
to give a right away or to get one. And where one can, the way up to there is found as it is, so
the answer is right, whatever is put there meanwhile.

Not part of a plain start. Builtin modules only.
"""

import posix

from entrykit.system import files, log, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_GROUP_WRITES, _OTHERS_WRITE, _STICKY = 0o020, 0o002, 0o1000
_ACL = "system.posix_acl_access"
# As many links as the kernel follows (path_resolution(7)).
_MOST_LINKS = 40


class Way:
    """How a user can write a file or directory, and what ends that, as commands."""

    __slots__ = ("commands", "hows")

    def __init__(self) -> None:
        self.hows: list[str] = []
        self.commands: list[str] = []


class Writer:
    """A user, by uid and all its gids, and what that can write.

    `ways` are those to write what was found, by path, links followed.
    """

    __slots__ = ("_looked_at", "gids", "uid", "ways")

    def __init__(self, uid: int, gids: "Collection[int]") -> None:
        self.uid = uid
        self.gids = gids
        self.ways: dict[bytes, Way] = {}
        self._looked_at: dict[bytes, tuple[posix.stat_result, Way | None]] = {}

    def writable(self, path: bytes, *, is_listed: bool = False) -> list[bytes]:
        """Return what the user can write of all that leads to a path, and of what lies there.

        With `is_listed` the names in the directory that lies there count, too. What is missing, or
        has another kind than before, where the user can write may be there again when it is used:
        that directory is returned. Elsewhere that raises OSError, as where it cannot be told.
        """
        found: list[bytes] = []
        try:
            self._follow(path, found, is_listed=is_listed)
        except OSError:
            if not found:
                raise
        return list(dict.fromkeys(found))

    def _follow(self, path: bytes, found: list[bytes], *, is_listed: bool) -> None:
        """Add what the user can write to `found`, as far as the path can be followed."""
        left = _parts(path if path.startswith(b"/") else posix.getcwdb() + b"/" + path)
        here, links = b"/", 0
        while left:
            name = left.pop()
            if name == b"..":
                here = here.rpartition(b"/")[0] or b"/"
                continue
            place = here.rstrip(b"/") + b"/" + name
            try:
                status, _ = self._look_at(place)
            except FileNotFoundError:
                self._add(here, found)
                raise
            if self._can_replace(here, place, status):
                self._add(here, found)
            if not files.is_link(status.st_mode):
                here = place
                continue
            links += 1
            target = posix.readlink(place)
            if links > _MOST_LINKS:
                # The kernel says it better.
                posix.stat(path)
            if target.startswith(b"/"):
                here = b"/"
            left += _parts(target)
        status, _ = self._look_at(here)
        # What somebody writes to /dev/null changes nothing of it.
        if is_listed or files.is_regular(status.st_mode):
            self._add(here, found)
        self._check_is_it(path, status)

    def _add(self, place: bytes, found: list[bytes]) -> None:
        """Add a file or directory to `found` if the user can write it."""
        if way := self._look_at(place)[1]:
            found.append(place)
            self.ways[place] = way

    def _look_at(self, place: bytes) -> "tuple[posix.stat_result, Way | None]":
        """Return a file's status, and how the user can write it."""
        if place not in self._looked_at:
            status = posix.lstat(place)
            # A link has no content of its own to write.
            way = None if files.is_link(status.st_mode) else self._way(place, status)
            self._looked_at[place] = status, way
        return self._looked_at[place]

    def _way(self, place: bytes, status: posix.stat_result) -> "Way | None":
        way = Way()
        shown, classes = log.text(place), ""
        if status.st_uid == self.uid:
            way.hows.append("as its owner")
            way.commands.append(f"chown root {shown}")
        if status.st_mode & _GROUP_WRITES:
            if status.st_gid in self.gids:
                way.hows.append(f"through its group, {status.st_gid}")
                classes += "g"
            elif _has_acl(place):
                way.hows.append("by its ACL, for all that its mode says")
                way.commands.append(f"setfacl -b {shown}")
        if status.st_mode & _OTHERS_WRITE:
            way.hows.append("as everybody can")
            classes += "o"
        if classes:
            way.commands.append(f"chmod {classes}-w {shown}")
        if not way.hows or mounts.is_read_only(place):
            return None
        return way

    def _can_replace(self, directory: bytes, place: bytes, entry: posix.stat_result) -> bool:
        """Tell whether the user can put something else into the place of a directory's entry."""
        status, way = self._look_at(directory)
        if not way:
            return False
        is_safe = files.is_directory(entry.st_mode) and status.st_mode & _STICKY
        if is_safe and self.uid not in (status.st_uid, entry.st_uid):
            return False
        inner, outer = mounts.id_of(place), mounts.id_of(directory)
        return not (inner and outer and inner != outer)

    @staticmethod
    def _check_is_it(path: bytes, status: posix.stat_result) -> None:
        """Raise OSError where the kernel finds something else than the names on the way tell.

        A link of /proc leads to an open file itself, not to what its text names (proc(5)).
        """
        real = posix.stat(path)
        if (real.st_dev, real.st_ino) != (status.st_dev, status.st_ino):
            raise OSError(0, "the way leads through a link of /proc")


def _parts(path: bytes) -> list[bytes]:
    """Return the names in a path, the first of them last."""
    return [name for name in path.split(b"/") if name not in (b"", b".")][::-1]


def _has_acl(place: bytes) -> bool:
    """Tell whether a file has an ACL beyond its mode (acl(5)), as one has that cannot be read."""
    import errno

    try:
        posix.getxattr(place, _ACL, follow_symlinks=False)
    except OSError as error:
        return error.errno not in (errno.ENODATA, errno.EOPNOTSUPP)
    return True
