"""Servers on 127.0.0.1 for tests: sockets that say what a real server was seen to say."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# No test waits longer for anything.
PATIENCE_SECONDS = 30

Talk = Callable[[socket.socket], None]


class Server:
    """A server that holds one conversation with each that connects; `port` is held from the first.

    Before `listen` its port refuses connections. `heard` is what was received, by connection.
    """

    def __init__(self, talk: Talk, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._talk = talk
        self.listener = socket.socket(family)
        self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def listen(self) -> "Server":
        """Begin to answer; return itself."""
        self.listener.listen(128)
        self._thread.start()
        return self

    def close(self) -> None:
        """End it, also in the middle of an accept."""
        if self._thread.is_alive():
            self.listener.shutdown(socket.SHUT_RDWR)
            self._thread.join(PATIENCE_SECONDS)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(PATIENCE_SECONDS)
                self._talk(connection)


def saying(answer: bytes, after: bytes = b"") -> tuple[Talk, list[bytes]]:
    """Return a talk that says `answer` once it has heard what ends in `after`, and what it heard.

    It then reads to the end, so that it never resets the connection.
    """
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        said = b""
        while not said.endswith(after):
            piece = connection.recv(4096)
            if not piece:
                return
            said += piece
        heard.append(said)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    return talk, heard


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port whose backlog is full: what tries to connect is not answered."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@dataclass(frozen=True)
class Certificate:
    """A certificate that is its own authority, for `localhost`, and its key."""

    certificate: Path
    key: Path

    def securing(self, talk: Talk) -> Talk:
        """Return a talk that begins with a TLS handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)

        def secured(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as inner:
                talk(inner)

        return secured


def make_certificate(place: Path) -> Certificate:
    """Make a certificate by openssl(1), which the test must declare that it needs."""
    made = Certificate(place / "certificate.pem", place / "key.pem")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost",
            "-keyout", made.key, "-out", made.certificate,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made
