"""One attempt at a target, against sockets that say what real servers say."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entrykit.stock import targets
from entrykit.stock.probes import Attempts, NotThereError

from .servers import (
    PATIENCE_SECONDS,
    Certificate,
    Server,
    Talk,
    black_hole,
    make_certificate,
    saying,
)

HUSH = "hush-hush"
# Recorded from PostgreSQL 15: it asks for a login (SCRAM), it takes one without a password, it
# does not take any yet, it has no entry for us in pg_hba.conf.
POSTGRES_LOGIN = b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0"
POSTGRES_TRUST = (
    b"R\0\0\0\x08\0\0\0\0S\0\0\0\x16application_name\0\0S\0\0\0\x1eclient_encoding\0SQL_ASCII\0"
    b"S\0\0\0\x17DateStyle\0ISO, MDY\0K\0\0\0\x0c\0\0\0\x0e\x825>\xeeZ\0\0\0\x05I"
)
POSTGRES_NOT_NOW = (
    b"E\0\0\0\x95SFATAL\0VFATAL\0C57P03\0Mthe database system is not accepting connections\0"
    b"DHot standby mode is disabled.\0Fpostmaster.c\0L2426\0RProcessStartupPacket\0\0"
)
POSTGRES_REFUSING = (
    b'E\0\0\0\x94SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host "172.17.0.1", user "me",'
    b' database "base", no encryption\0Fauth.c\0L544\0RClientAuthentication\0\0'
)

Serve = Callable[[Talk], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what starts a server that is closed at the test's end."""
    servers: list[Server] = []

    def start(talk: Talk) -> Server:
        servers.append(Server(talk).listen())
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate for `localhost`."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def reason(text: str, patience_seconds: float = PATIENCE_SECONDS) -> str:
    """Return why a target is not there, "" where it is."""
    (target,) = targets.read([text], {})
    try:
        Attempts(target).once(patience_seconds)
    except NotThereError as not_there:
        return str(not_there)
    return ""


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def test_a_port_is_there_once_somebody_listens(serve: Serve) -> None:
    assert reason(f"tcp://127.0.0.1:{serve(silent).port}") == ""


def test_a_port_at_which_nobody_listens_refuses() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert reason(f"tcp://127.0.0.1:{held.getsockname()[1]}") == "connection refused"


def test_an_address_that_does_not_answer_costs_no_more_than_its_time() -> None:
    with black_hole() as port:
        assert reason(f"tcp://127.0.0.1:{port}", 0.05) == "timed out"


@pytest.mark.ipv6
def test_an_ipv6_address_is_connected_to() -> None:
    server = Server(silent, socket.AF_INET6).listen()
    try:
        assert reason(f"tcp://[::1]:{server.port}") == ""
    finally:
        server.close()


def test_a_name_that_does_not_resolve_is_not_there() -> None:
    assert reason("tcp://no-such-host.invalid:1") != ""


def test_a_socket_is_there_once_somebody_listens(tmp_path: Path) -> None:
    path = tmp_path / "app sock"
    text = f"unix:{tmp_path}/app%20sock"
    assert reason(text) == "no such file or directory"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        assert reason(text) == "connection refused"
        listener.listen()
        assert reason(text) == ""


def test_a_file_is_there_once_it_is_large_enough(tmp_path: Path) -> None:
    path = tmp_path / "ready"
    assert reason(f"file:{path}") == "no such file or directory"
    path.touch()
    assert reason(f"file:{path}") == ""
    assert reason(f"file:{path}#min-size=1") == "has 0 bytes"
    path.write_text("x")
    assert reason(f"file:{path}#min-size=1") == ""
    assert reason(f"file:{tmp_path}") == ""
    (tmp_path / "link").symlink_to("nowhere")
    assert reason(f"file:{tmp_path}/link") == "no such file or directory"
    assert reason(f"file:{path}/below") == "not a directory"


@pytest.mark.parametrize(
    ("answer", "options", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "", ""),
        (b"HTTP/1.0 204\r\n", "", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", "", ""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "", "answers with status 404"),
        (b"HTTP/1.1 503 Starting\r\n\r\n", "", "answers with status 503"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "#status=200,401", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "#status=200", "answers with status 204"),
        (b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 500 X\r\n\r\n", "",
         "answers with status 500"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "", "does not answer in HTTP"),
        (b"HTTP/1.1 abc\r\n", "", "does not answer in HTTP"),
        (b"HTTP/1.1\r\n", "", "does not answer in HTTP"),
        (b"HTTP/1.1 200", "", "closes the connection without an answer"),
        (b"", "", "closes the connection without an answer"),
        (b"x" * (1 << 17), "", "answers in another protocol"),
    ],
)  # fmt: skip
def test_a_http_server_is_there_by_its_status(
    serve: Serve, answer: bytes, options: str, expected: str
) -> None:
    talk, _ = saying(answer, b"\r\n\r\n")
    assert reason(f"http://127.0.0.1:{serve(talk).port}/health{options}") == expected


def test_a_http_server_is_asked_as_a_browser_asks(serve: Serve) -> None:
    talk, heard = saying(b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n\r\n")
    port = serve(talk).port
    assert reason(f"http://me:{HUSH}@127.0.0.1:{port}/a%20b?c=d#status=200") == ""
    lines = heard[0].split(b"\r\n")
    assert lines[0] == b"GET /a%20b?c=d HTTP/1.1"
    assert b"Host: 127.0.0.1:%d" % port in lines
    assert b"Connection: close" in lines
    # As `printf me:hush-hush | base64` prints it.
    assert b"Authorization: Basic bWU6aHVzaC1odXNo" in lines


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (POSTGRES_LOGIN, ""),
        (POSTGRES_TRUST, ""),
        (POSTGRES_REFUSING, ""),
        (POSTGRES_NOT_NOW, "the database system is not accepting connections"),
        (POSTGRES_LOGIN[:-1], "closes the connection without an answer"),
        (b"", "closes the connection without an answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as PostgreSQL"),
        (b"R\0\0\0\0", "does not answer as PostgreSQL"),
        (b"R\xff\xff\xff\xff", "does not answer as PostgreSQL"),
        (b"E\0\0\0\x0cSFATAL\0\0", ""),
        (b"E\0\0\0\x0cC57P03\0\0", "cannot connect now"),
        (b"E\0\0\0\x11C57P03\0M\x1b[2\0\0", "\\x1b[2"),
    ],
)
def test_a_postgres_server_is_there_unless_it_starts_up(
    serve: Serve, answer: bytes, expected: str
) -> None:
    talk, _ = saying(answer, b"\0\0")
    assert reason(f"postgres://127.0.0.1:{serve(talk).port}/base") == expected


def test_a_postgres_server_is_told_user_and_database_and_no_password(serve: Serve) -> None:
    talk, heard = saying(POSTGRES_LOGIN, b"\0\0")
    port = serve(talk).port
    assert reason(f"postgresql://me:{HUSH}@127.0.0.1:{port}/base") == ""
    assert reason(f"postgresql://127.0.0.1:{port}") == ""
    assert heard == [
        b"\0\0\0\x1f\0\x03\0\0user\0me\0database\0base\0\0",
        b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0",
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"+PONG\r\n", ""),
        (b"-NOAUTH Authentication required.\r\n", ""),
        (b"-NOPERM this user has no permissions to run the 'ping' command\r\n", ""),
        (b"-LOADING Redis is loading the dataset in memory\r\n",
         "LOADING Redis is loading the dataset in memory"),
        (b"-DENIED " + b"x" * 200 + b"\r\n", f"DENIED {'x' * 92}…"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as Redis"),
        (b"+PO", "closes the connection without an answer"),
    ],
)  # fmt: skip
def test_a_redis_server_is_there_unless_it_loads(
    serve: Serve, answer: bytes, expected: str
) -> None:
    talk, heard = saying(answer, b"PING\r\n")
    assert reason(f"redis://127.0.0.1:{serve(talk).port}/0") == expected
    assert heard == [b"*1\r\n$4\r\nPING\r\n"]


@pytest.mark.parametrize(
    ("login", "sent", "answer", "expected"),
    [
        (f":{HUSH}", b"*2\r\n$4\r\nAUTH\r\n$9\r\nhush-hush\r\n", b"+OK\r\n+PONG\r\n", ""),
        (f"me:{HUSH}", b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$9\r\nhush-hush\r\n",
         b"+OK\r\n-LOADING wait\r\n", "LOADING wait"),
        (f":{HUSH}", b"*2\r\n$4\r\nAUTH\r\n$9\r\nhush-hush\r\n",
         b"-WRONGPASS no\r\n-NOAUTH no\r\n", ""),
        (f":{HUSH}", b"*2\r\n$4\r\nAUTH\r\n$9\r\nhush-hush\r\n",
         b"-ERR max number of clients reached\r\n", "ERR max number of clients reached"),
    ],
)  # fmt: skip
def test_a_redis_server_is_given_the_password(
    serve: Serve, login: str, sent: bytes, answer: bytes, expected: str
) -> None:
    talk, heard = saying(answer, b"PING\r\n")
    assert reason(f"redis://{login}@127.0.0.1:{serve(talk).port}") == expected
    assert heard == [sent + b"*1\r\n$4\r\nPING\r\n"]


@pytest.mark.parametrize("scheme", ["http", "https", "tls", "postgres", "redis", "rediss"])
def test_a_server_that_accepts_and_never_answers_is_not_there(serve: Serve, scheme: str) -> None:
    def never(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    assert reason(f"{scheme}://127.0.0.1:{serve(never).port}", 0.05) == "timed out"


def test_a_server_that_answers_bit_by_bit_has_no_more_than_its_time(serve: Serve) -> None:
    def drip(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x")

    assert reason(f"http://127.0.0.1:{serve(drip).port}", 0.3) in (
        "timed out",
        "answers in another protocol",
        "connection reset by peer",
    )


def test_a_server_that_resets_the_connection_is_not_there(serve: Serve) -> None:
    def reset(connection: socket.socket) -> None:
        # Closed with what came unread.
        connection.recv(1)

    assert reason(f"http://127.0.0.1:{serve(reset).port}") in (
        "connection reset by peer",
        "closes the connection without an answer",
    )


@pytest.mark.openssl
@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        ("localhost", "#ca={ca}", ""),
        ("127.0.0.1", "#verify=no", ""),
        ("127.0.0.1", "#ca={ca}", "its certificate is for another name"),
        ("localhost", "", "its certificate is not trusted: self-signed certificate"),
        ("localhost", "#ca=/no/such.pem", "cannot use its ca: no such file or directory"),
        ("localhost", "#ca=/dev/null", "cannot use its ca: no certificate or crl found"),
    ],
)
def test_a_tls_server_is_there_by_its_certificate(
    serve: Serve, certificate: Certificate, host: str, options: str, expected: str
) -> None:
    server = serve(certificate.securing(silent))
    options = options.format(ca=certificate.certificate)
    found = reason(f"tls://{host}:{server.port}{options}")
    # With an address of IPv6 too, there is the answer of a port at which nobody listens.
    assert expected in found
    assert bool(found) is bool(expected)


@pytest.mark.openssl
def test_a_ca_that_is_written_anew_is_read_again(
    serve: Serve, certificate: Certificate, tmp_path: Path
) -> None:
    server = serve(certificate.securing(lambda _: None))
    (tmp_path / "before").mkdir()
    authority = make_certificate(tmp_path / "before").certificate
    (target,) = targets.read([f"tls://localhost:{server.port}#ca={authority}"], {})
    attempts = Attempts(target)
    with pytest.raises(NotThereError, match="its certificate is not trusted"):
        attempts.once(PATIENCE_SECONDS)
    authority.write_bytes(certificate.certificate.read_bytes())
    attempts.once(PATIENCE_SECONDS)


@pytest.mark.openssl
@pytest.mark.parametrize(
    ("scheme", "answer", "expected"),
    [
        ("https", b"HTTP/1.1 200 OK\r\n\r\n", ""),
        ("https", b"HTTP/1.1 500 No\r\n\r\n", "answers with status 500"),
        ("rediss", b"+PONG\r\n", ""),
        ("rediss", b"-LOADING wait\r\n", "LOADING wait"),
    ],
)
def test_a_protocol_is_spoken_inside_tls(
    serve: Serve, certificate: Certificate, scheme: str, answer: bytes, expected: str
) -> None:
    server = serve(certificate.securing(saying(answer, b"\r\n")[0]))
    found = reason(f"{scheme}://localhost:{server.port}#ca={certificate.certificate}")
    assert expected in found
    assert bool(found) is bool(expected)


def test_a_server_without_tls_fails_the_handshake(serve: Serve) -> None:
    talk, _ = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    expected = "TLS handshake failed: "
    assert reason(f"tls://127.0.0.1:{serve(talk).port}").startswith(expected)
