"""The lines of htpasswd files, and of variables with `name:password` lines.

Its one rule: a message names a line by its number, and never shows what it holds.
"""

import re
from typing import TYPE_CHECKING

from entrykit.stock import passwords
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from entrykit.system.errors import Problem

# More are not told: a file of another kind has nothing but problems.
_PROBLEM_LIMIT = 10

_BASE64, _CRYPT64 = rb"[A-Za-z0-9+/]", rb"[./A-Za-z0-9]"
_ROUNDS = rb"(?:rounds=[1-9]\d{0,8}\$)?"
# crypt(5); https://httpd.apache.org/docs/2.4/misc/password_encryptions.html; RFC 2307 for {SHA}.
# Not DES, whose 13 letters and digits might as well be a password, nor {PLAIN}.
_FORMS = {
    "bcrypt": rb"\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$" + _CRYPT64 + rb"{53}",
    "sha512-crypt": rb"\$6\$" + _ROUNDS + rb"[^$:\s]{0,16}\$" + _CRYPT64 + rb"{86}",
    "sha256-crypt": rb"\$5\$" + _ROUNDS + rb"[^$:\s]{0,16}\$" + _CRYPT64 + rb"{43}",
    "yescrypt": rb"\$g?y\$" + _CRYPT64 + rb"+\$" + _CRYPT64 + rb"*\$" + _CRYPT64 + rb"{43}",
    "argon2": rb"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$" + _BASE64 + rb"+\$" + _BASE64
    + rb"+",
    "apr1": rb"\$apr1\$[^$:\s]{0,8}\$" + _CRYPT64 + rb"{22}",
    "md5-crypt": rb"\$1\$[^$:\s]{0,8}\$" + _CRYPT64 + rb"{22}",
    "sha1": rb"\{SHA\}" + _BASE64 + rb"{27}=",
    "salted-sha1": rb"\{SSHA\}" + _BASE64 + rb"{28,}={0,2}",
}  # fmt: skip


def scheme(hashed: bytes) -> str:
    """Return the name of the scheme that a hash has the form of, "" where none is known."""
    return next((name for name, form in _FORMS.items() if re.fullmatch(form, hashed)), "")


def read_users(
    content: bytes, variable: str, problems: "list[Problem]"
) -> "Iterator[tuple[str, bytes, bytes]]":
    """Yield where, name and password of `name:password` lines; add what is wrong to `problems`.

    All after the first colon is the password. Blank lines, those that begin with #, and a carriage
    return at a line's end are passed over.
    """

    def check(name: bytes, password: bytes, where: str) -> None:
        if name != name.strip():
            message = f"{where}: the name begins or ends with a blank"
            raise StartError(message, hint="take the blank away")
        passwords.check_typed(password, f"{where}: the password")
        if scheme(password):
            hint = "lines with hashes belong into the variable that `entries` names"
            raise StartError(f"{where}: that is a hash, not a password", hint=hint)
        passwords.check_password(password, f"{where}: the password")

    yield from _read(content, variable, "name:password", check, problems)


def read_entries(
    content: bytes, variable: str, problems: "list[Problem]"
) -> "Iterator[tuple[str, bytes, bytes]]":
    """Yield where, name and the rest of each entry of an htpasswd file, as `read_users` does.

    The rest is the hash, and a comment after another colon where there is one.
    """

    def check(_: bytes, rest: bytes, where: str) -> None:
        if not scheme(rest.partition(b":")[0]):
            message = f"{where}: after the name stands no hash of a known scheme"
            hint = "plain passwords belong into what `users` names; Compose wants each $ as $$"
            raise StartError(message, hint=hint)

    yield from _read(content, variable, "name:hash", check, problems)


def _read(
    content: bytes,
    variable: str,
    form: str,
    check: "Callable[[bytes, bytes, str], None]",
    problems: "list[Problem]",
) -> "Iterator[tuple[str, bytes, bytes]]":
    found: list[Problem] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        text = line.removesuffix(b"\r")
        if not text.strip() or text.lstrip().startswith(b"#"):
            continue
        where = f"{variable}, line {number}"
        try:
            name, rest = _parts(text, where, form)
            check(name, rest, where)
        except StartError as error:
            found.extend(error.problems)
        else:
            yield where, name, rest
    if len(found) > _PROBLEM_LIMIT:
        more = f"{variable}: {len(found) - _PROBLEM_LIMIT} more lines are wrong"
        found[_PROBLEM_LIMIT:] = [("", more, "is it another file?")]
    problems.extend(found)


def _parts(text: bytes, where: str, form: str) -> tuple[bytes, bytes]:
    """Return the name, and what stands after the first colon. Raises StartError."""
    name, colon, rest = text.partition(b":")
    if text.startswith(b"\xef\xbb\xbf"):
        hint = "save it as UTF-8 without BOM"
        raise StartError(f"{where}: it begins with a byte order mark", hint=hint)
    if not colon:
        raise StartError(f"{where}: it has no colon", hint=f"write {form}")
    if not name:
        raise StartError(f"{where}: it has no name", hint=f"write {form}")
    passwords.check_username(name, f"{where}: the name")
    return name, rest


def find(content: bytes, name: bytes) -> bytes | None:
    """Return what stands after a user's name, None without one; of several lines the first holds.

    So say Apache and nginx, which read no further.
    """
    for line in content.split(b"\n"):
        if is_of(line, name):
            return line.partition(b":")[2].rstrip(b"\r")
    return None


def hashes(content: bytes) -> "Iterator[bytes]":
    """Yield the hashes of known schemes, in their order."""
    for line in content.split(b"\n"):
        hashed = line.rstrip(b"\r").partition(b":")[2].partition(b":")[0]
        if not line.startswith(b"#") and scheme(hashed):
            yield hashed


def put(content: bytes, name: bytes, hashed: bytes) -> bytes:
    """Return the content of a file with a user's hash, in its old place or at the end.

    A comment after the hash stays. So does all else, but for further lines of the same user, and
    for a newline that the last line lacks.
    """
    lines = _split(content)
    own = [position for position, line in enumerate(lines) if is_of(line, name)]
    if not own:
        ends = b"" if content.endswith(b"\n") or not content else b"\n"
        return content + ends + name + b":" + hashed + b"\n"
    _, colon, comment = lines[own[0]].rstrip(b"\r\n").partition(b":")[2].partition(b":")
    lines[own[0]] = name + b":" + hashed + colon + comment + b"\n"
    return b"".join(line for position, line in enumerate(lines) if position not in own[1:])


def remove(content: bytes, name: bytes) -> bytes:
    """Return the content of a file without any line of a user."""
    return b"".join(line for line in _split(content) if not is_of(line, name))


def is_of(line: bytes, name: bytes) -> bool:
    """Tell whether a line is a user's entry."""
    return line.startswith(name + b":") and not line.startswith(b"#")


def _split(content: bytes) -> list[bytes]:
    """Return the lines of a file, each with its newline."""
    lines = [line + b"\n" for line in content.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return [line for line in lines if line]
