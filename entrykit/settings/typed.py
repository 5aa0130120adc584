"""The types of variables: whether a value is one of its type, within its limits.

A value is only looked at, never changed. `re` and `json` are loaded where a rule needs them alone.

Light: a start with typed variables loads it.
"""

from entrykit.settings import values
from entrykit.system import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from re import Pattern

    from entrykit.settings.record import Variable

# Without a host in its URLs nothing can be reached.
_NEED_A_HOST = ("http", "https", "ws", "wss", "ftp")
# A value in a message is cut there.
_SHOWN_CHARACTERS = 60
_HEX = "0123456789abcdefABCDEF"


class _Misfit(Exception):  # noqa: N818 - no error: an answer
    """A value is none of its type; the text says more than the type does, without the value."""


def misfit(value: bytes, variable: "Variable") -> str | None:
    """Return None where a value keeps to its variable's rules; else why not, "" without details.

    The details hold nothing that a JSON text or a regular expression would give away but its
    places: they are not for a secret.
    """
    text = value.decode("utf-8", "surrogateescape")
    try:
        measure = TYPES[variable["type"]](text)
        if "choices" in variable and text not in variable["choices"]:
            return ""
        if measure is not None and not _is_within(measure, variable):
            return ""
        if "pattern" in variable and not compiled(variable["pattern"]).fullmatch(text):
            return ""
    except _Misfit as reason:
        return str(reason)
    except ValueError:
        return ""
    return None


def measured(text: str, kind: str) -> "float | None":
    """Return what `min` and `max` compare: a number, seconds, bytes, or characters.

    Raises ValueError where the text is none of its type.
    """
    try:
        return TYPES[kind](text)
    except _Misfit:
        raise ValueError(kind) from None


def quoted(value: bytes) -> str:
    """Return a value as a message shows it: printable, not long, without what may be a password.

    That is what stands before an `@`, as in many a URL whose variable nobody has declared secret.
    """
    shown = log.text(value)
    before, at, after = shown.rpartition("@")
    if at:
        scheme, separator, _ = before.partition("://")
        # What stands before a second `://` may be the user's too.
        is_scheme = separator and {"@", ":"}.isdisjoint(scheme)
        shown = f"{scheme}://***@{after}" if is_scheme else f"***@{after}"
    if len(shown) > _SHOWN_CHARACTERS:
        shown = shown[:_SHOWN_CHARACTERS] + "…"
    return f'"{shown}"'


def compiled(pattern: str) -> "Pattern[str]":
    """Return a compiled regular expression. Raises ValueError, whose text says what is wrong."""
    import re  # costs 4 ms
    import warnings

    try:
        with warnings.catch_warnings():
            # Of what a later Python may read in another way: not for whoever starts a container.
            warnings.simplefilter("ignore")
            return re.compile(pattern)
    except re.error as error:
        # It may hold a part of the expression, of any length and with any character.
        reason = log.text(error.msg.encode("utf-8", "backslashreplace"))[:_SHOWN_CHARACTERS]
        place = "" if error.pos is None else f" at position {error.pos}"
        raise ValueError(reason + place) from None
    except (RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None


def _is_within(measure: float, variable: "Variable") -> bool:
    least, most = variable.get("min"), variable.get("max")
    if least is None and variable["type"] == "duration":
        return measure > 0 and (most is None or measure <= most)
    return (least is None or measure >= least) and (most is None or measure <= most)


def _string(text: str) -> int:
    return len(text)


def _nothing(_: str) -> None:
    return None


def _integer(text: str) -> float:
    digits = text[1:] if text[:1] in ("+", "-") else text
    _need(digits.isascii() and digits.isdigit())
    # Python reads no more than 4,300 digits, and no limit has as many.
    bare = digits.lstrip("0")
    number = int(bare or "0") if len(bare) < 400 else float("inf")
    return -number if text[0] == "-" else number


def _float(text: str) -> float:
    _need(not set(text) - set("0123456789+-.eE"))
    number = float(text)
    _need(number - number == 0)
    return number


def _boolean(text: str) -> None:
    values.boolean(text)


def _port(text: str) -> int:
    _need(text.isascii() and text.isdigit() and len(text) <= 5)
    number = int(text)
    _need(number <= 65535)
    return number


def _host_port(text: str) -> None:
    host, colon, port = text.rpartition(":")
    _need(bool(colon) and _port(port) > 0)
    if host:
        _host(host)


def _host(name: str) -> None:
    """Take a name (RFC 1123, and underscores, which Compose's have), an IPv4 or a [IPv6] address.

    What looks like an IPv4 address is to be one: no top-level domain is a number.
    """
    if name.startswith("["):
        address, percent, zone = name[1:-1].partition("%")
        _need(name.endswith("]") and _is_ipv6(address))
        # An interface's name or number (RFC 4007, 11.2; RFC 6874 for what a URL can hold).
        bare = zone.translate(dict.fromkeys(map(ord, "-._")))
        _need(not percent or (bare.isascii() and bare.isalnum()))
        return
    labels = name.removesuffix(".").split(".")
    _need(name.isascii() and len(name) <= 254)
    for label in labels:
        _need(0 < len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum())
        _need(label == label.strip("-"))
    _need(not labels[-1].isdigit() or _is_ipv4(labels))


def _is_ipv4(parts: list[str]) -> bool:
    # No leading zeros: some read such a part as octal (RFC 6943, 3.1.1).
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and part == str(int(part[:4])) and int(part) <= 255
        for part in parts
    )


def _is_ipv6(address: str) -> bool:
    """Tell whether it is a text form of RFC 4291, section 2.2."""
    head, shortened, tail = address.partition("::")
    groups = [group for part in (head, tail) if part for group in part.split(":")]
    if groups and "." in groups[-1]:
        if not _is_ipv4(groups[-1].split(".")):
            return False
        groups[-1:] = ["0", "0"]
    if any(not 0 < len(group) <= 4 or set(group) - set(_HEX) for group in groups):
        return False
    return len(groups) < 8 if shortened else len(groups) == 8


def _url(text: str) -> None:
    """Take SCHEME://HOST[:PORT]/… (RFC 3986), also with several hosts, or with a path alone."""
    scheme, separator, rest = text.partition("://")
    _need(bool(separator) and scheme.isascii() and scheme[:1].isalpha())
    _need(all(character.isalnum() or character in "+.-" for character in scheme))
    _need(text.isprintable() and " " not in text)
    ends = [rest.find(mark) for mark in "/?#" if mark in rest]
    authority = rest[: min(ends)] if ends else rest
    hosts = authority.rpartition("@")[2]
    if not hosts:
        _need(rest[len(authority) :].startswith("/") and scheme.lower() not in _NEED_A_HOST)
        return
    for host in hosts.split(","):
        _url_host(host)


def _url_host(text: str) -> None:
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, port = text, ""
    if port:
        _need(_port(port) > 0)
    if name.startswith("["):
        _host(name)
    else:
        _need(any(one.isalnum() for one in name))
        _need(all(one.isalnum() or one in "-._~%" for one in name))


def _path(text: str) -> None:
    _need(text.startswith("/"))


def _json(text: str) -> None:
    import json  # costs 5 ms

    def refuse(_: str) -> None:
        raise _Misfit("NaN and Infinity are not in JSON")

    # What is no UTF-8 is no JSON (RFC 8259, 8.1).
    text.encode()
    try:
        # A number of any length is JSON, and more than Python would read.
        json.loads(text, parse_constant=refuse, parse_int=len, parse_float=len)
    except json.JSONDecodeError as error:
        raise _Misfit(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _Misfit("it is nested too deeply") from None


def _regex(text: str) -> None:
    try:
        compiled(text)
    except ValueError as error:
        raise _Misfit(str(error)) from None


def _need(holds: bool) -> None:  # noqa: FBT001 - the condition is its sentence
    if not holds:
        raise ValueError


# By name: a function that takes a value, returns what `min` and `max` compare, and raises
# ValueError where it is none of the type.
TYPES: "dict[str, Callable[[str], float | None]]" = {
    "str": _string,
    "int": _integer,
    "float": _float,
    "bool": _boolean,
    "enum": _nothing,
    "url": _url,
    "host-port": _host_port,
    "port": _port,
    "path": _path,
    "duration": values.duration_or_zero_seconds,
    "size": values.size_bytes,
    "json": _json,
    "regex": _regex,
}
