"""The grammar of targets: what each means, how it is shown, and what is wrong with the rest."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrykit.stock import targets
from entrykit.stock.targets import Target
from entrykit.system.errors import CONFIG, StartError

HUSH = "hush-hush"
NAMES = st.text(string.ascii_letters + string.digits + "-_", max_size=20).map("a{}".format)
HOSTS = st.lists(NAMES, min_size=1, max_size=4).map(".".join)
IPV6 = st.ip_addresses(v=6).map(str)
WITH_HOST = [scheme for scheme, port in targets.SCHEMES.items() if port >= 0]
PORTS = st.integers(1, 65535)
PASSWORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def read(template: str, secrets: tuple[str, ...] = (), **variables: str) -> Target:
    (target,) = targets.read([template], variables, secrets)
    return target


def problems(*templates: str, **variables: str) -> list[str]:
    with pytest.raises(StartError) as caught:
        targets.read(templates, variables)
    assert caught.value.status == CONFIG
    return [
        f"{message} ({hint})" if hint else message for _, message, hint in caught.value.problems
    ]


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port"),
    [
        ("tcp://db:5432", "tcp", "db", 5432),
        ("tcp://db_1.back-end:1", "tcp", "db_1.back-end", 1),
        ("TCP://db.:65535/", "tcp", "db.", 65535),
        ("tls://127.0.0.1:443", "tls", "127.0.0.1", 443),
        ("tcp://[::1]:80", "tcp", "::1", 80),
        ("tcp://[fe80::1%25eth0]:80", "tcp", "fe80::1%eth0", 80),
        ("http://app", "http", "app", 80),
        ("https://app/", "https", "app", 443),
        ("postgres://db", "postgres", "db", 5432),
        ("postgresql://db:6000", "postgres", "db", 6000),
        ("postgresql+psycopg://db", "postgres", "db", 5432),
        ("redis://cache/0", "redis", "cache", 6379),
        ("rediss://[::1]", "rediss", "::1", 6379),
    ],
)
def test_a_server_is_a_scheme_a_host_and_a_port(
    text: str, scheme: str, host: str, port: int
) -> None:
    target = read(text)
    assert (target.scheme, target.host, target.port) == (scheme, host, port)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:/ready", "/ready"),
        ("file:///ready", "/ready"),
        ("file:/a%20b?c", "/a b?c"),
        ("unix:/run/app.sock", "/run/app.sock"),
        ("http://app?x=1", "/?x=1"),
        ("http://app/a/b?x=%20#status=200", "/a/b?x=%20"),
        ("http://app/ä", "/%C3%A4"),
    ],
)
def test_a_path_is_a_files_a_sockets_or_what_http_asks_for(text: str, path: str) -> None:
    assert read(text).path == path


def test_user_password_and_database_are_decoded() -> None:
    target = read("postgres://me%40home:a%2Fb%3Ac@db/my%20base?sslmode=require")
    assert (target.user, target.password) == ("me@home", "a/b:c")
    assert (target.host, target.database) == ("db", "my base")


@pytest.mark.parametrize(
    ("written", "statuses"),
    [
        ("", [(200, 399)]),
        ("#status=200", [(200, 200)]),
        ("#status=200-299,401", [(200, 299), (401, 401)]),
    ],
)
def test_an_expected_status_is_a_number_a_range_or_several(
    written: str, statuses: list[tuple[int, int]]
) -> None:
    assert list(read(f"http://app/{written}").statuses) == statuses


def test_options_stand_behind_a_hash() -> None:
    assert not read("tls://db:1#verify=no").verify
    assert read("https://db#verify=yes&ca=/etc/my%20ca.pem&status=200").ca == "/etc/my ca.pem"
    assert read("file:/ready#min-size=1").min_size == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a target: it has no scheme (write tcp://HOST:PORT)"),
        ("db", "db: it has no scheme (write tcp://HOST:PORT)"),
        ("db:5432", "db:5432: it has no scheme (write tcp://HOST:PORT)"),
        ("://db", "://db: it has no scheme (write tcp://HOST:PORT)"),
        (
            "mysql://db",
            ("mysql://db: its scheme is unknown (known are tcp, tls, http, https, postgres, redis,"
            " rediss, unix, file)"),
        ),
        ("tcp:db:1", "tcp:db:1: it is to begin with tcp://"),
        ("tcp://db", "tcp://db: it has no port (write tcp://HOST:PORT)"),
        ("tcp://db:", "tcp://db:: it has no port (write tcp://HOST:PORT)"),
        ("tcp://db:0", "tcp://db:0: its port is not a number from 1 to 65535"),
        ("tcp://db:65536", "tcp://db:65536: its port is not a number from 1 to 65535"),
        ("tcp://db:٣", "tcp://db:٣: its port is not a number from 1 to 65535"),
        ("tcp://[::1:80", "tcp://[::1:80: its host is no IPv6 address in [ ]"),
        ("tcp://[db]:80", "tcp://[db]:80: its host is no IPv6 address in [ ]"),
        ("tcp://[::1]80", "tcp://[::1]80: its host is no IPv6 address in [ ]"),
        ("tcp://db:1/path", "tcp://db:1/path: tcp has no path"),
        ("tcp://a b:1", ("tcp://a b:1: it holds a blank or a control character (write %20 for a"
         " blank)")),
        ("http://app/\x1b", ("http://app/\\x1b: it holds a blank or a control character (write %20"
         " for a blank)")),
        ("tcp://bücher:1", ("tcp://bücher:1: its host is neither a name nor an address (write it in"
         " its xn-- form)")),
        ("unix:run/app", "unix:run/app: its path is not absolute (write unix:/PATH)"),
        ("file://host/path", "file://host/path: its path is not absolute (write file:/PATH)"),
        ("file:/a%0", "file:/a%0: a % in it is not followed by two hexadecimal digits (write %25)"),
        ("file:/a%00", "file:/a%00: it holds a NUL byte"),
        ("unix:/" + "x" * 107, (f"unix:/{'x' * 107}: its path has 108 bytes, and a socket's at most"
         " 107")),
        ("http://app#verify=no", ("http://app: its options, after #, are not those of http (known"
         " are status=)")),
        ("tcp://app:1#x=1", "tcp://app:1: its options, after #, are not those of tcp"),
        ("http://app#status=20", "http://app: status is not as 200, 200-299 or 200,404"),
        ("http://app#status=600", "http://app: status is not as 200, 200-299 or 200,404"),
        ("http://app#status=300-200", "http://app: status has a range that ends before it begins"),
        ("tls://db:1#verify=false", "tls://db:1: verify is not yes or no"),
        ("tls://db:1#ca=ca.pem", "tls://db:1: ca is no absolute path"),
        ("tls://db:1#ca=/ca&verify=no", "tls://db:1: ca is of no use with verify=no"),
        ("file:/a#min-size=-1", "file:/a: min-size is no number of bytes"),
        ("tcp://${HOST:1", "tcp://${HOST:1: ${ is not followed by the name of a variable and }"),
        ("tcp://${1}:1", "tcp://${1}:1: ${ is not followed by the name of a variable and }"),
        ("tcp://${}:1", "tcp://${}:1: ${ is not followed by the name of a variable and }"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_mend(text: str, problem: str) -> None:
    assert problems(text) == [problem]
    (found,) = targets.problems(text)
    assert found[1] == problem.partition(" (")[0]


def test_all_problems_are_reported_together() -> None:
    assert problems("db:1", "tcp://${HOST}:${PORT}", "tcp://fine:1", "mysql://db", HOST="") == [
        "db:1: it has no scheme (write tcp://HOST:PORT)",
        "tcp://${HOST}:${PORT}: HOST is empty (set it, or leave the target out)",
        "tcp://${HOST}:${PORT}: PORT is not set (set it, or leave the target out)",
        (
            "mysql://db: its scheme is unknown (known are tcp, tls, http, https, postgres, redis,"
            " rediss, unix, file)"
        ),
    ]


def test_a_variable_stands_for_a_part_or_for_all() -> None:
    target = read("tcp://${HOST}:${PORT}", HOST="db", PORT="5432")
    assert (target.host, target.port) == ("db", 5432)
    assert read("${URL}", URL="redis://cache").scheme == "redis"


@given(PASSWORDS, HOSTS, PORTS)
@example("a@b/c?d#e%f:${g}", "db", 1)
def test_a_password_in_a_variable_may_hold_anything(password: str, host: str, port: int) -> None:
    target = read(f"postgres://me:${{PW}}@{host}:{port}/base", PW=password)
    assert (target.user, target.password, target.host) == ("me", password, host)
    assert (target.port, target.database) == (port, "base")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgres://me:{HUSH}@db:5432/base?password={HUSH}", "postgres://db/base"),
        (f"redis://:{HUSH}@cache:6380/1", "redis://cache:6380"),
        (f"http://{HUSH}@app/health?token={HUSH}#status=200", "http://app/health"),
        (f"http://me:12/{HUSH}@app/", "http://me:12/…"),
        ("file:/\udcff", "file:/\\xff"),
        ("tcp://[::1]:80", "tcp://[::1]:80"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1]"),
        ("http://app/", "http://app"),
        ("file:///a%0Ab", "file:/a\\nb"),
    ],
)
def test_a_target_is_shown_without_login_query_and_options(text: str, shown: str) -> None:
    assert read(text).shown == shown


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("${URL}", "${URL}"),
        ("postgres://app:${PW}@db/base", "postgres://db/base"),
        ("tcp://${SECRET_HOST}:1", "tcp://${SECRET_HOST}:1"),
        ("tcp://${HOST}:1", "tcp://db:1"),
        ("postgres://me:x@${SECRET_HOST}/?y", "postgres://… with SECRET_HOST"),
    ],
)
def test_a_secret_variable_is_shown_as_its_name(template: str, shown: str) -> None:
    target = read(
        template,
        ("URL", "PW", "SECRET_HOST"),
        URL=f"tcp://{HUSH}:1",
        PW=HUSH,
        SECRET_HOST=HUSH,
        HOST="db",
    )
    assert target.shown == shown


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://me:{HUSH}/x@db",
        f"postgres://me:{HUSH}#x@db",
        f"postgres://me:{HUSH}?x@db",
        f"mysql://me:{HUSH}@db",
        f"postgres:me:{HUSH}@db",
        f"me:{HUSH}@db",
        f"{HUSH}@db:1",
        f"{HUSH}?:1",
        f"redis://me:12/{HUSH}@db",
        f"http://app:x/?token={HUSH}",
        f"https://app#ca={HUSH}",
    ],
)
def test_what_is_no_target_is_shown_without_what_may_be_a_password(text: str) -> None:
    assert HUSH not in "".join(problems(text))
    assert HUSH not in str(targets.problems(text))
    assert HUSH not in "".join(problems("${URL}", URL=text))


def test_a_user_is_not_taken_for_a_scheme() -> None:
    (problem,) = problems("${URL}", URL="hush:hush@db")
    assert "hush" not in problem
    assert "postgresql+psycopg://…" in problems("postgresql+psycopg://me:hush@db:x")[0]


@pytest.mark.parametrize("value", [f"{HUSH}:1", HUSH, f"{HUSH}://db", f"tcp://db:{HUSH}"])
def test_what_a_secret_holds_is_not_shown_where_it_is_no_target(value: str) -> None:
    with pytest.raises(StartError) as caught:
        targets.read(["${URL}"], {"URL": value}, {"URL"})
    assert HUSH not in str(caught.value.problems)


@pytest.mark.parametrize("template", ["${URL}", "tcp://${HOST}:1", "${SCHEME}://db"])
def test_what_refers_to_variables_is_right_until_they_are_known(template: str) -> None:
    assert targets.problems(template) == ()


def test_a_scheme_is_checked_before_the_variables_are_known() -> None:
    ((_, message, _),) = targets.problems("mysql://${HOST}")
    assert message == "mysql://${HOST}: its scheme is unknown"


@given(st.sampled_from(WITH_HOST), HOSTS | IPV6, PORTS)
def test_host_and_port_are_read_as_they_are_written(scheme: str, host: str, port: int) -> None:
    written = f"[{host}]" if ":" in host else host
    target = read(f"{scheme}://{written}:{port}")
    assert (target.scheme, target.host, target.port) == (scheme, host, port)
    again = read(target.shown) if port != targets.SCHEMES[scheme] else target
    assert (again.host, again.port) == (host, port)


PIECES = st.sampled_from(
    [
        *targets.SCHEMES, "postgresql+x", "://", ":", "/", "//", "@", "#", "?", "[", "]", "::1",
        "%", "%25", "%00", "${", "}", "${A}", "${B}", "db", "status=", "200", "-", ",", "&", "ca=",
        "verify=no", "min-size=", "é", "\x00", " ", "\udc80", "\ud800", "99999",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=10).map("".join) | st.text(), st.text(), st.text())
def test_any_text_is_a_target_or_a_reported_problem(text: str, first: str, second: str) -> None:
    said = [message for _, message, _ in targets.problems(text)]
    try:
        (target,) = targets.read([text], {"A": first, "B": second}, {"B"})
        said.append(target.shown)
    except StartError as error:
        said += [message for _, message, _ in error.problems]
    assert said
    assert all(message.isprintable() for message in said)
