"""Owns what a user spec means: `name`, `uid`, `name:group`, `uid:gid`, as in `docker run --user`.

Its rule: an id is exact, or it is an error. int() would take ` 1500`, `+1500`, `1_500` and digits
of other scripts. And a line of /etc/passwd or /etc/group that carries what is looked for, but is
broken, is an error that names the line: where gosu reads an `abc` as uid 0, the command is root.

The two files are read here. pwd and grp ask NSS: glibc and musl differ in which broken lines they
take, and 4294967295, which setresuid(2) reads as "leave it", comes as -1.

Part of a start only where there is a user to step down to: builtin modules only.
"""

import posix

from entrykit.system import files
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    # The number of a line, and its fields.
    Line = tuple[int, list[bytes]]

# One below (uid_t)-1.
LAST_ID = 0xFFFFFFFE
EXPECTED_ID = f"a whole number from 0 to {LAST_ID}, in digits only"

PASSWD, GROUP = b"/etc/passwd", b"/etc/group"
_FIELDS = {PASSWD: 7, GROUP: 4}
_LIMIT_BYTES = 16 << 20
# Comments, and the lines of NIS, which name nobody themselves (nsswitch.conf(5), compat).
_NOBODYS = (b"#", b"+", b"-")


class Identity:
    """Whom a process is to run as.

    `groups` are all supplementary groups, in order, `gid` among them: without it, a program with
    the setgid bit would get rid of a group that is denied something (CVE-2022-36109). `home` is
    `/` and `name` is empty where /etc/passwd does not know the uid.
    """

    __slots__ = ("gid", "groups", "home", "name", "uid")

    def __init__(self, uid: int, gid: int, groups: "set[int]", home: bytes, name: str) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = tuple(sorted({gid, *groups}))
        self.home = home
        self.name = name


def read_id(text: str) -> int:
    """Return a uid or gid from its decimal digits. Raises ValueError: what was expected.

    No sign, blank, `_` or leading zero, which elsewhere means octal.
    """
    has_form = text.isascii() and text.isdigit() and len(text) <= 10
    if not has_form or (text[0] == "0" and text != "0") or int(text) > LAST_ID:
        raise ValueError(EXPECTED_ID)
    return int(text)


def split(spec: str) -> tuple[str, str]:
    """Return the user and the group of a spec, "" for no group.

    Raises ValueError: what was expected.
    """
    user, colon, group = spec.partition(":")
    has_all = user and (group or not colon) and ":" not in group
    if not has_all or not spec.isprintable() or any(blank in spec for blank in " \t"):
        raise ValueError('a user ("app", "1500", "app:staff" or "1500:1500")')
    for part in (user, group):
        if part.isascii() and part.isdigit():
            read_id(part)
    return user, group


def identity(spec: str) -> Identity:
    """Return whom a spec names. Raises StartError where it is wrong or nobody's.

    Without a group it is the user's own, with the groups that list the user; that of a uid which
    /etc/passwd does not know is 0. A group that is given is the only one. All of it as
    `docker run --user` and gosu have it.
    """
    user, group = _split(spec)
    uid, own_group, home, name = _user(user)
    if group:
        return Identity(uid, _group(group), set(), home, name)
    memberships = _memberships(name.encode("utf-8", "surrogateescape")) if name else set()
    return Identity(uid, own_group, memberships, home, name)


def resolve(spec: str) -> tuple[int, int]:
    """Return the uid and gid of a spec. Raises StartError where it is wrong or nobody's."""
    user, group = _split(spec)
    uid, own_group, _, _ = _user(user)
    return uid, _group(group) if group else own_group


def group_of(uid: int) -> int:
    """Return the group of a uid in /etc/passwd, 0 where that does not know it."""
    return _user(str(uid))[1]


def _split(spec: str) -> tuple[str, str]:
    try:
        return split(spec)
    except ValueError as expected:
        raise StartError(f"user {spec!r}: expected {expected}") from None


def _user(user: str) -> tuple[int, int, bytes, str]:
    """Return uid, gid, home and name of a name or a uid."""
    is_uid = user.isascii() and user.isdigit()
    found = _find_id(PASSWD, int(user)) if is_uid else _find_name(PASSWD, user)
    if found is None:
        if is_uid:
            return int(user), 0, b"/", ""
        hint = "make it in the image (useradd), or give its number"
        raise StartError(f"there is no user {user!r} in /etc/passwd", hint=hint)
    _check(PASSWD, found)
    fields = found[1]
    name = fields[0].decode("utf-8", "surrogateescape")
    uid, gid = _id(PASSWD, found, 2, "uid"), _id(PASSWD, found, 3, "gid")
    return uid, gid, fields[5] or b"/", name


def _group(group: str) -> int:
    if group.isascii() and group.isdigit():
        return int(group)
    found = _find_name(GROUP, group)
    if found is None:
        hint = "make it in the image (groupadd), or give its number"
        raise StartError(f"there is no group {group!r} in /etc/group", hint=hint)
    _check(GROUP, found)
    return _id(GROUP, found, 2, "gid")


def _memberships(name: bytes) -> set[int]:
    """Return the groups that list a user."""
    gids = set()
    for line in _lines(GROUP):
        members = [member for field in line[1][3:] for member in field.split(b",")]
        if name in (member.strip() for member in members):
            _check(GROUP, line)
            if name not in members:
                raise _broken(GROUP, line, "there is a blank beside a member's name")
            gids.add(_id(GROUP, line, 2, "gid"))
    return gids


def _lines(path: bytes) -> "Iterator[Line]":
    """Yield the lines that name somebody; none where the file is not there."""
    try:
        posix.lstat(files.place(path))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise files.cannot("read", path, error) from None
    for number, line in enumerate(files.read(path, _LIMIT_BYTES).split(b"\n"), 1):
        if line.strip() and not line.lstrip().startswith(_NOBODYS):
            yield number, line.split(b":")


def _find_name(path: bytes, name: str) -> "Line | None":
    """Return the first line of a name, perhaps a broken one."""
    raw = name.encode("utf-8", "surrogateescape")
    for line in _lines(path):
        if line[1][0].strip() == raw:
            return line
    return None


def _find_id(path: bytes, number: int) -> "Line | None":
    """Return the first line of an id, perhaps a broken one."""
    for line in _lines(path):
        digits = line[1][2].strip().lstrip(b"+") if len(line[1]) > 2 else b""
        if digits.isdigit() and len(digits) < 20 and int(digits) == number:
            return line
    return None


def _check(path: bytes, line: "Line") -> None:
    """Raise StartError where a line is not of the form of passwd(5) or group(5)."""
    fields, wanted = line[1], _FIELDS[path]
    if len(fields) != wanted:
        raise _broken(path, line, f"it has {len(fields)} fields instead of {wanted}")
    if not fields[0] or fields[0] != fields[0].strip():
        raise _broken(path, line, "there is a blank beside the name, or no name")
    if any(b"\0" in field for field in fields):
        raise _broken(path, line, "there is a NUL in it")


def _id(path: bytes, line: "Line", position: int, what: str) -> int:
    try:
        return read_id(line[1][position].decode("ascii", "replace"))
    except ValueError as expected:
        raise _broken(path, line, f"its {what} is not {expected}") from None


def _broken(path: bytes, line: "Line", message: str) -> StartError:
    where = f"{path.decode()}:{line[0]}"
    return StartError(f"the line is broken: {message}", hint="correct it", where=where)
