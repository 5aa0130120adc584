"""One attempt at a target: is it there? Each scheme's way to ask, with a time limit.

Its one rule: an attempt says nothing but NotThereError with a reason, which holds no part of the
target but for what its server says.

Own code rather than http.client, which costs a start 25 ms; of HTTP only the status line is read.
"""

import os
import socket
import time

from entrykit.system import log
from entrykit.system.errors import os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from entrykit.stock.targets import Target

# What a server says first is short; an HTTP head has at most a few KiB.
_ANSWER_LIMIT_BYTES = 1 << 16
_SAID_LIMIT = 100
# https://www.postgresql.org/docs/current/protocol-message-formats.html, StartupMessage.
_POSTGRES_PROTOCOL = 3 << 16
# https://www.postgresql.org/docs/current/errcodes-appendix.html: cannot_connect_now.
_POSTGRES_NOT_NOW = b"57P03"
# A server that asks for a login, or does not let us ask, is there.
_REDIS_THERE = (b"+PONG", b"-NOAUTH", b"-NOPERM")


class NotThereError(Exception):
    """A target that is not there yet, and why."""


class Attempts:
    """The attempts at one target; keeps the certificates that it is verified by until they fail."""

    def __init__(self, target: "Target") -> None:
        self.target = target
        self._context: ssl.SSLContext | None = None

    def once(self, patience_seconds: float) -> None:
        """Return where the target is there. Raises NotThereError.

        Each address of a name is given the whole time; what a resolver takes comes on top.
        """
        target = self.target
        if target.scheme == "file":
            _look_at_file(target)
        elif target.scheme == "unix":
            self._ask_at(socket.AF_UNIX, os.fsencode(target.path), patience_seconds)
        else:
            self._ask_each_address(patience_seconds)

    def _ask_each_address(self, patience_seconds: float) -> None:
        # An answer of each, once, in order.
        reasons: dict[str, None] = {}
        for family, address in _addresses(self.target.host, self.target.port):
            try:
                self._ask_at(family, address, patience_seconds)
            except NotThereError as reason:
                reasons[str(reason)] = None
            else:
                return
        raise NotThereError(", ".join(reasons))

    def _ask_at(
        self, family: int, address: "tuple[object, ...] | bytes", patience_seconds: float
    ) -> None:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as raw:
                raw.settimeout(patience_seconds)
                until = time.monotonic() + patience_seconds
                raw.connect(address)
                if family != socket.AF_UNIX and raw.getsockname() == raw.getpeername():
                    # Nobody listens, and TCP has connected to itself. A port of this machine's
                    # ephemeral range that is tried again and again is some time its own source
                    # port: a simultaneous open (RFC 9293, 3.5), which succeeds.
                    raise NotThereError("connection refused")
                if not self.target.is_tls:
                    self._ask(Conversation(raw, until))
                    return
                with self._secured(raw, until) as secured:
                    self._ask(Conversation(secured, until))
        except OSError as error:
            raise NotThereError(_reason(error)) from None

    def _ask(self, conversation: "Conversation") -> None:
        ask = _QUESTIONS.get(self.target.scheme)
        if ask:
            ask(self.target, conversation)

    def _secured(self, raw: socket.socket, until: float) -> "ssl.SSLSocket":
        """Return the connection after the handshake. Raises OSError, NotThereError."""
        import ssl  # 15 ms

        if self._context is None:
            try:
                self._context = ssl.create_default_context(cafile=self.target.ca or None)
            except OSError as error:
                what = f"cannot use its ca: {_tls_reason(error)}"
                raise NotThereError(what) from None
            if not self.target.verify:
                self._context.check_hostname = False
                self._context.verify_mode = ssl.CERT_NONE
        raw.settimeout(_remaining(until))
        name = self.target.host.partition("%")[0].removesuffix(".")
        try:
            return self._context.wrap_socket(raw, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            # Who makes the certificates may yet write the file of `ca`.
            self._context = None
            raise NotThereError(_certificate_reason(error)) from None
        except ssl.SSLError as error:
            raise NotThereError(f"TLS handshake failed: {_tls_reason(error)}") from None
        except ValueError:
            # A name that no certificate can hold.
            raise NotThereError("TLS handshake failed: no name to verify") from None


class Conversation:
    """A connection that is used up to a point in time; `until` is of time.monotonic()."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection = connection
        self._until = until
        self._received = b""

    def send(self, content: bytes) -> None:
        """Send all of it."""
        self.connection.settimeout(_remaining(self._until))
        self.connection.sendall(content)

    def line(self) -> bytes:
        """Return the next line, without its end."""
        while b"\n" not in self._received:
            self._receive()
        line, _, self._received = self._received.partition(b"\n")
        return line.removesuffix(b"\r")

    def exactly(self, count: int) -> bytes:
        """Return the next bytes."""
        while len(self._received) < count:
            self._receive()
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def _receive(self) -> None:
        self.connection.settimeout(_remaining(self._until))
        piece = self.connection.recv(4096)
        if not piece:
            raise NotThereError("closes the connection without an answer")
        self._received += piece
        if len(self._received) > _ANSWER_LIMIT_BYTES:
            raise NotThereError("answers in another protocol")


def _look_at_file(target: "Target") -> None:
    try:
        status = os.stat(target.path)
    except OSError as error:
        raise NotThereError(os_reason(error)) from None
    if status.st_size < target.min_size:
        raise NotThereError(f"has {status.st_size} bytes")


def _addresses(host: str, port: int) -> "list[tuple[int, tuple[object, ...]]]":
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "no such name"
        raise NotThereError(reason) from None
    return [(family, address) for family, _, _, _, address in found]


def _ask_http(target: "Target", conversation: Conversation) -> None:
    lines = [
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.authority()}",
        "User-Agent: entrykit",
        "Accept: */*",
        "Connection: close",
    ]
    if target.user or target.password:
        from binascii import b2a_base64

        login = f"{target.user}:{target.password}".encode("utf-8", "surrogateescape")
        lines.append(f"Authorization: Basic {b2a_base64(login, newline=False).decode()}")
    conversation.send("\r\n".join((*lines, "", "")).encode())
    status = _status(conversation.line())
    while 100 <= status < 200 and status != 101:
        # An interim response: its head ends in an empty line (RFC 9110, 15.2).
        while conversation.line():
            pass
        status = _status(conversation.line())
    if not any(low <= status <= high for low, high in target.statuses):
        raise NotThereError(f"answers with status {status}")


def _status(line: bytes) -> int:
    """Return the code of a status line (RFC 9112, 4)."""
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/") or len(code) < 3 or not code.isdigit():
        raise NotThereError("does not answer in HTTP")
    return int(code)


def _ask_postgres(target: "Target", conversation: Conversation) -> None:
    """Ask as pg_isready(1) does: any answer but `cannot connect now` is a server that is there.

    Without TLS: a server that wants it says so in an error, which is an answer.
    """
    user = target.user or "postgres"
    words = ["user", user, "database", target.database or user]
    body = b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words) + b"\0"
    length = len(body) + 8
    conversation.send(length.to_bytes(4, "big") + _POSTGRES_PROTOCOL.to_bytes(4, "big") + body)
    kind = conversation.exactly(1)
    size = int.from_bytes(conversation.exactly(4), "big") - 4
    if kind not in (b"R", b"E", b"v") or not 0 <= size < _ANSWER_LIMIT_BYTES:
        raise NotThereError("does not answer as PostgreSQL")
    content = conversation.exactly(size)
    if kind == b"E":
        fields = {field[:1]: field[1:] for field in content.split(b"\0") if field}
        if fields.get(b"C") == _POSTGRES_NOT_NOW:
            raise NotThereError(_said(fields.get(b"M", b"cannot connect now")))


def _ask_redis(target: "Target", conversation: Conversation) -> None:
    """Log in where a password is given, and ask: while it loads a server only says so then.

    A wrong password is the command's matter: the server is there.
    """
    question = _redis_command(b"PING")
    if target.password:
        words = [word for word in (target.user, target.password) if word]
        raw = [word.encode("utf-8", "surrogateescape") for word in words]
        question = _redis_command(b"AUTH", *raw) + question
    conversation.send(question)
    answer = conversation.line()
    if target.password and not answer.startswith((b"-DENIED", b"-ERR max")):
        answer = conversation.line()
    if not answer.startswith(_REDIS_THERE):
        is_redis = answer.startswith(b"-")
        raise NotThereError(_said(answer[1:]) if is_redis else "does not answer as Redis")


def _redis_command(*words: bytes) -> bytes:
    """Return a command of RESP (https://redis.io/docs/latest/develop/reference/protocol-spec)."""
    parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"*%d\r\n" % len(words) + b"".join(parts)


_QUESTIONS: "dict[str, Callable[[Target, Conversation], None]]" = {
    "http": _ask_http,
    "https": _ask_http,
    "postgres": _ask_postgres,
    "redis": _ask_redis,
    "rediss": _ask_redis,
}


def _remaining(until: float) -> float:
    remaining = until - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _said(raw: bytes) -> str:
    """Return what a server said as a short printable text."""
    text = log.text(raw)
    return text if len(text) <= _SAID_LIMIT else f"{text[: _SAID_LIMIT - 1]}…"


def _reason(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else _tls_reason(error)


def _tls_reason(error: OSError) -> str:
    """Return what was said, OpenSSL's own as words: its reasons are as `WRONG_VERSION_NUMBER`."""
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else os_reason(error)


def _certificate_reason(error: "ssl.SSLCertVerificationError") -> str:
    # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: their texts hold the host.
    if error.verify_code in (62, 64):
        return "its certificate is for another name"
    return f"its certificate is not trusted: {error.verify_message}"
