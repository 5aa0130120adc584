"""Owns what a user spec means: `name`, `uid`, `name:group`, `uid:gid`, as in `docker run --user`.

Its rule: an id is exact, or it is an error. int() would take ` 1500`, `+1500`, `1_500` and digits
of other scripts; pwd and grp give 4294967295, which chown(2) reads as "leave it", as -1.

Not part of a plain start: pwd and grp are loaded where a spec is resolved.
"""

from entrykit.system.errors import StartError

# One below (uid_t)-1.
LAST_ID = 0xFFFFFFFE
EXPECTED_ID = f"a whole number from 0 to {LAST_ID}, in digits only"


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


def resolve(spec: str) -> tuple[int, int]:
    """Return the uid and gid of a spec. Raises StartError where it is wrong or nobody's.

    Without a group it is the user's own; that of a uid which /etc/passwd does not know is 0.
    """
    try:
        user, group = split(spec)
    except ValueError as expected:
        raise StartError(f"{spec!r}: expected {expected}") from None
    uid, own_group = _user(user)
    return uid, _group(group) if group else own_group


def group_of(uid: int) -> int:
    """Return the group of a uid in /etc/passwd, 0 where that does not know it."""
    import pwd

    try:
        return _checked(pwd.getpwuid(uid).pw_gid, f"the group of uid {uid} in /etc/passwd")
    except KeyError:
        return 0


def _user(user: str) -> tuple[int, int]:
    if user.isascii() and user.isdigit():
        return int(user), group_of(int(user))
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except (KeyError, UnicodeEncodeError):
        hint = "make it in the image (useradd), or give its number"
        raise StartError(f"there is no user {user!r} in /etc/passwd", hint=hint) from None
    uid = _checked(entry.pw_uid, f"the uid of {user!r} in /etc/passwd")
    return uid, _checked(entry.pw_gid, f"the group of {user!r} in /etc/passwd")


def _group(group: str) -> int:
    if group.isascii() and group.isdigit():
        return int(group)
    import grp

    try:
        gid = grp.getgrnam(group).gr_gid
    except (KeyError, UnicodeEncodeError):
        hint = "make it in the image (groupadd), or give its number"
        raise StartError(f"there is no group {group!r} in /etc/group", hint=hint) from None
    return _checked(gid, f"the gid of {group!r} in /etc/group")


def _checked(number: int, what: str) -> int:
    if not 0 <= number <= LAST_ID:
        raise StartError(f"{what} is not {EXPECTED_ID}")
    return number
