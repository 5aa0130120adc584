"""The grammar of what can be waited for, in `[wait]` and on the command line alike.

    tcp://HOST:PORT            tls://HOST:PORT          unix:/PATH    file:/PATH
    http://HOST[:PORT]/PATH    https://…                redis://HOST[:PORT]   rediss://…
    postgres://[USER@]HOST[:PORT][/DATABASE]

Options stand in the fragment, which a URL never sends to a server (RFC 3986, 3.5):
`#status=200,300-399`, `#verify=no`, `#ca=FILE`, `#min-size=1`. `${NAME}` is a variable's value.

Its one rule: what a target is shown as holds no user, password, query or secret variable.

Light: without `re` and `urllib.parse`, which would cost each start that waits 10 ms.
"""

from entrykit.system import errors, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

# The port of each scheme: 0 where it must be given, -1 where there is none.
SCHEMES = {
    "tcp": 0, "tls": 0, "http": 80, "https": 443, "postgres": 5432, "redis": 6379, "rediss": 6379,
    "unix": -1, "file": -1,
}  # fmt: skip
_OPTIONS = {
    "http": ("status",), "https": ("status", "verify", "ca"), "tls": ("verify", "ca"),
    "rediss": ("verify", "ca"), "file": ("min-size",),
}  # fmt: skip
_ANY_SUCCESS = ((200, 399),)
# unix(7): sun_path, less the NUL byte at its end.
_SOCKET_PATH_LIMIT_BYTES = 107
# RFC 1035, 2.3.4.
_HOST_LIMIT, _LABEL_LIMIT = 253, 63
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Target:
    """What is waited for.

    `shown` is how the log names it. `path` is a file's or socket's path, of http what is asked for;
    `statuses` are ranges of HTTP status codes, both ends within; `ca` is a file of certificates in
    place of the system's.
    """

    __slots__ = (
        "ca", "database", "host", "min_size", "password", "path", "port", "scheme", "shown",
        "statuses", "user", "verify",
    )  # fmt: skip

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.shown = self.host = self.path = self.user = self.password = self.database = ""
        self.port = self.min_size = 0
        self.statuses: Sequence[tuple[int, int]] = _ANY_SUCCESS
        self.verify = True
        self.ca = ""

    @property
    def is_tls(self) -> bool:
        """Tell whether a TLS handshake comes first."""
        return self.scheme in ("tls", "https", "rediss")

    def authority(self) -> str:
        """Return host and port as they stand in a URL, the port only where it is not usual.

        Without the zone of an IPv6 address, which is this machine's own matter (RFC 6874, 4).
        """
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == SCHEMES[self.scheme] else f"{host}:{self.port}"


class _BadTargetError(ValueError):
    """What is wrong with a target, without what it holds, and the mend."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def read(
    templates: "Iterable[str]", variables: "Mapping[str, str]", secrets: "Collection[str]" = ()
) -> list[Target]:
    """Return the targets that the templates are with these variables.

    Raises StartError, status 78, with all problems: waiting mends none of them.
    """
    found: list[Target] = []
    wrong: list[errors.Problem] = []
    for template in templates:
        try:
            found.append(_read_one(template, variables, secrets))
        except StartError as error:
            wrong.extend(error.problems)
    if wrong:
        raise errors.together(wrong)
    return found


def problems(template: str) -> "Sequence[errors.Problem]":
    """Return what is wrong with a target whatever the environment."""
    try:
        if _references(template):
            scheme, colon, _ = template.partition(":")
            if colon and "${" not in scheme:
                _canonical_scheme(scheme)
        else:
            _read_one(template, {}, ())
    except _BadTargetError as error:
        return [("", f"{_cautiously(template)}: {error}", error.hint)]
    except StartError as error:
        return error.problems
    return ()


def _read_one(template: str, variables: "Mapping[str, str]", secrets: "Collection[str]") -> Target:
    shown = _cautiously(template)
    try:
        names = _references(template)
        unset = [name for name in dict.fromkeys(names) if not variables.get(name)]
        if unset:
            hint = "set it, or leave the target out"
            raise errors.together(
                [("", f"{shown}: {name} {_state(name, variables)}", hint) for name in unset]
            )
        text, may_show = _expand(template, variables, secrets)
        shown = _cautiously(text) if may_show else shown
        target = parse(text)
    except _BadTargetError as error:
        raise StartError(f"{shown}: {error}", hint=error.hint) from None
    target.shown = _name(target) if may_show else shown
    return target


def _state(name: str, variables: "Mapping[str, str]") -> str:
    return "is empty" if name in variables else "is not set"


def _references(template: str) -> list[str]:
    """Return the names in a template's `${NAME}`."""
    names = []
    for piece in template.split("${")[1:]:
        name, brace, _ = piece.partition("}")
        if not brace or not (name.isascii() and name.isidentifier()):
            raise _BadTargetError("${ is not followed by the name of a variable and }")
        names.append(name)
    return names


def _expand(
    template: str, variables: "Mapping[str, str]", secrets: "Collection[str]"
) -> tuple[str, bool]:
    """Return a template with its variables' values, and whether its place may be shown.

    A value among user and password, which are never shown, is percent-encoded: a password may hold
    what ends it. Elsewhere it stands as it is.
    """
    login_end = _login_end(template)
    first, *pieces = template.split("${")
    text, position, may_show = first, len(first), True
    for piece in pieces:
        name, _, literal = piece.partition("}")
        value = variables[name]
        if position < login_end:
            value = _encoded(value)
        else:
            may_show = may_show and name not in secrets
        text += value + literal
        position += len("${") + len(piece)
    return text, may_show


def _login_end(template: str) -> int:
    """Return where the user and the password of a template end, 0 where it has none."""
    begin = template.find("://") + 3
    if begin < 3:
        return 0
    return begin + _split(template[begin:], "/?#")[0].rfind("@")


def parse(text: str) -> Target:
    """Return the target that a text is, not yet named. Raises ValueError."""
    if any(character <= " " or character == "\x7f" for character in text):
        raise _BadTargetError("it holds a blank or a control character", "write %20 for a blank")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _BadTargetError("it is no text") from None
    scheme, colon, rest = text.partition(":")
    if not scheme or not colon or _is_port(rest):
        raise _BadTargetError("it has no scheme", "write tcp://HOST:PORT")
    target = Target(_canonical_scheme(scheme))
    if SCHEMES[target.scheme] < 0:
        rest, fragment = _cut(rest, "#")
        _read_path(target, rest)
    else:
        if not rest.startswith("//"):
            raise _BadTargetError(f"it is to begin with {target.scheme}://")
        authority, rest = _split(rest[2:], "/?#")
        rest, fragment = _cut(rest, "#")
        _read_authority(target, authority)
        _read_rest(target, rest)
    _read_options(target, fragment)
    return target


def _canonical_scheme(scheme: str) -> str:
    """Return a scheme by its own name; SQLAlchemy's `postgresql+DRIVER` is postgres too."""
    known = scheme.lower()
    if known.partition("+")[0] == "postgresql":
        known = "postgres"
    if known not in SCHEMES:
        raise _BadTargetError("its scheme is unknown", f"known are {', '.join(SCHEMES)}")
    return known


def _read_path(target: Target, rest: str) -> None:
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path.startswith("/") or path.startswith("//"):
        raise _BadTargetError("its path is not absolute", f"write {target.scheme}:/PATH")
    target.path = _decoded(path)
    if target.scheme == "unix":
        size = len(target.path.encode("utf-8", "surrogateescape"))
        if size > _SOCKET_PATH_LIMIT_BYTES:
            limit = _SOCKET_PATH_LIMIT_BYTES
            raise _BadTargetError(f"its path has {size} bytes, and a socket's at most {limit}")


def _read_authority(target: Target, authority: str) -> None:
    login, at, place = authority.rpartition("@")
    if at:
        user, _, password = login.partition(":")
        target.user, target.password = _decoded(user), _decoded(password)
    if place.startswith("["):
        host, bracket, port = place[1:].partition("]")
        if not bracket or not _is_ipv6(host) or (port and port[0] != ":"):
            raise _BadTargetError("its host is no IPv6 address in [ ]")
        target.host, port = _decoded(host), port[1:] if port else ""
    else:
        target.host, colon, port = place.partition(":")
        if not _is_host(target.host):
            hint = "in a password, / ? # @ and : are written %2F %3F %23 %40 and %3A"
            if target.host and not target.host.isascii():
                hint = "write it in its xn-- form"
            raise _BadTargetError("its host is neither a name nor an address", hint)
        port = port if colon else ""
    if port and not _is_port(port):
        raise _BadTargetError("its port is not a number from 1 to 65535")
    target.port = int(port) if port else SCHEMES[target.scheme]
    if not target.port:
        raise _BadTargetError("it has no port", f"write {target.scheme}://HOST:PORT")


def _read_rest(target: Target, rest: str) -> None:
    """Read what follows host and port: of http what to ask for, of postgres the database."""
    path, _ = _cut(rest, "?")
    if target.scheme in ("http", "https"):
        target.path = _as_ascii(rest if rest.startswith("/") else f"/{rest}")
    elif "@" in rest:
        hint = "in a password, / ? and # are written %2F %3F and %23"
        raise _BadTargetError("there is an @ after its host", hint)
    elif target.scheme == "postgres":
        target.database = _decoded(path[1:])
    elif target.scheme in ("tcp", "tls") and rest not in ("", "/"):
        raise _BadTargetError(f"{target.scheme} has no path")


def _read_options(target: Target, fragment: str) -> None:
    known = _OPTIONS.get(target.scheme, ())
    for option in fragment.split("&") if fragment else ():
        key, equals, value = option.partition("=")
        if key not in known or not equals:
            hint = f"known are {', '.join(f'{one}=' for one in known)}" if known else ""
            raise _BadTargetError(f"its options, after #, are not those of {target.scheme}", hint)
        if key == "status":
            target.statuses = [_status_range(one) for one in value.split(",")]
        elif key == "verify":
            if value not in ("yes", "no"):
                raise _BadTargetError("verify is not yes or no")
            target.verify = value == "yes"
        elif key == "ca":
            target.ca = _decoded(value)
            if not target.ca.startswith("/"):
                raise _BadTargetError("ca is no absolute path")
        else:
            if not (value.isascii() and value.isdigit() and len(value) < 16):
                raise _BadTargetError("min-size is no number of bytes")
            target.min_size = int(value)
    if target.ca and not target.verify:
        raise _BadTargetError("ca is of no use with verify=no")


def _status_range(written: str) -> tuple[int, int]:
    low, dash, high = written.partition("-")
    for code in (low, high) if dash else (low,):
        if not (code.isascii() and code.isdigit() and len(code) == 3 and "1" <= code[0] <= "5"):
            raise _BadTargetError("status is not as 200, 200-299 or 200,404")
    if dash and high < low:
        raise _BadTargetError("status has a range that ends before it begins")
    return int(low), int(high if dash else low)


def _name(target: Target) -> str:
    """Return what the log calls a target: without user, password, query and options."""
    if SCHEMES[target.scheme] < 0:
        return _printable(f"{target.scheme}:{target.path}")
    path = "" if target.database == "" else f"/{target.database}"
    if target.path:
        path = _cut(target.path, "?")[0]
        # Behind a slash in a password, what looks like a path may be the rest of it.
        path = "/…" if "@" in path else path
    return _printable(f"{target.scheme}://{target.authority()}{'' if path == '/' else path}")


def _cautiously(text: str) -> str:
    """Return what the log calls a text that is no target, or not yet: it may hold a password."""
    scheme = text.partition(":")[0]
    if "@" not in text and "?" not in text:
        return _printable(_cut(text, "#")[0]) or "a target"
    # Without its slashes, what stands before the colon may be the user.
    is_scheme = text[len(scheme) :].startswith("://") and scheme.replace("+", "").isalnum()
    known = scheme if is_scheme or scheme in SCHEMES else ""
    names = [piece.partition("}")[0] for piece in text.split("${")[1:]]
    refers = " with " + ", ".join(names) if names else ""
    return _printable(f"{known}://…{refers}" if known else f"a target{refers}")


def _printable(text: str) -> str:
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "backslashreplace")
    return log.text(raw)


def _split(text: str, ends: str) -> tuple[str, str]:
    """Split a text before the first of some characters."""
    places = [place for place in map(text.find, ends) if place >= 0]
    place = min(places, default=len(text))
    return text[:place], text[place:]


def _cut(text: str, separator: str) -> tuple[str, str]:
    head, _, tail = text.partition(separator)
    return head, tail


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def _is_host(host: str) -> bool:
    """Tell whether this can be a host's name or an IPv4 address; engines use underscores too."""
    labels = host.removesuffix(".").split(".")
    return len(host) <= _HOST_LIMIT and all(
        0 < len(label) <= _LABEL_LIMIT
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        for label in labels
    )


def _is_ipv6(host: str) -> bool:
    import socket  # 6 ms, and few targets have one

    address, percent, zone = host.partition("%25")
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):
        return False
    return not percent or zone.isalnum()


def _decoded(text: str) -> str:
    """Return a text with its `%41` decoded (RFC 3986, 2.1)."""
    first, *pieces = text.encode("utf-8", "surrogateescape").split(b"%")
    raw = first
    for piece in pieces:
        digits = piece[:2]
        if len(digits) < 2 or not all(byte in b"0123456789abcdefABCDEF" for byte in digits):
            raise _BadTargetError(
                "a % in it is not followed by two hexadecimal digits", "write %25"
            )
        raw += bytes((int(digits, 16),)) + piece[2:]
    if b"\0" in raw:
        raise _BadTargetError("it holds a NUL byte")
    return raw.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw)


def _as_ascii(path: str) -> str:
    raw = path.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in raw)
