"""What a plan shows has no secrets in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.plan.redaction import Redaction, tells_a_secret

SECRET = st.binary(min_size=4, max_size=8)


def hiding(*values: bytes | None) -> Redaction:
    redaction = Redaction()
    redaction.hide(values)
    return redaction


@given(SECRET, SECRET, st.binary(max_size=4), st.binary(max_size=4))
def test_a_secret_is_hidden_wherever_it_stands(
    first: bytes, second: bytes, before: bytes, after: bytes
) -> None:
    shown = hiding(first, second).shown(before + second + after)
    left = shown.encode("utf-8", "surrogateescape")
    assert second not in left or second in b"(secret)"


def test_a_secret_that_ends_within_a_character_is_hidden() -> None:
    assert hiding(b"hush\xc2").shown(b"hush\xc2\x80") == "(secret)\udc80"


def test_one_that_holds_another_is_hidden_whole() -> None:
    redaction = hiding(b"hush")
    redaction.hide([b"hush-hush-1"])
    assert redaction.shown(b"a hush-hush-1 b") == "a (secret) b"


def test_what_is_shorter_than_four_bytes_stays_lest_it_be_told() -> None:
    assert hiding(b"1", b"", None).shown(b"a=1") == "a=1"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (b"postgres://me:pw@db/x", "postgres://***@db/x"),
        (b"http://a/b me@c", "http://***@c"),
        (b"a http://me:p@w@h b://u@h", "a http://***@h"),
        (b"postgres://me:p/w@db/x", "postgres://***@db/x"),
        (b"postgres://me:p w@db/x", "postgres://***@db/x"),
        (b"postgres://me:p /w@db/x", "postgres://***@db/x"),
        (b"postgres://me:p@/ w@db/x", "postgres://***@db/x"),
        (b"postgres://me:p\n/w@db/x", "postgres://***@db/x"),
        (b"--dsn=pg://me:p /w@db", "--dsn=pg://***@db"),
        (b"\xff", "\udcff"),
    ],
)
def test_who_stands_in_a_url_is_not_shown(given: bytes, shown: str) -> None:
    assert Redaction().shown(given) == shown


def test_in_a_line_the_words_after_a_url_stay() -> None:
    assert Redaction().line("see http://me:p@h or ask a@b") == "see http://***@h or ask a@b"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([b"--password=x", b"y"], ["--password=(not shown)", "y"]),
        ([b"--db-password", b"x", b"y"], ["--db-password", "(not shown)", "y"]),
        ([b"-token", b"--x", b"y"], ["-token", "--x", "y"]),
        ([b"--ssl-key", b"/run/key"], ["--ssl-key", "/run/key"]),
        ([b"--password-file=x"], ["--password-file=x"]),
        ([b"--password=", b"x"], ["--password=", "x"]),
        ([b"password", b"x", b"a://b:c@d"], ["password", "x", "a://***@d"]),
    ],
)  # fmt: skip
def test_what_an_option_named_like_a_secret_is_given_is_not_shown(
    given: list[bytes], shown: list[str]
) -> None:
    assert Redaction().arguments(given) == shown


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("DB_PASSWORD", True),
        ("db_passwd", True),
        ("TOKEN", True),
        ("GITHUB_TOKEN", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("API_KEY", True),
        ("APIKEY", True),
        ("SENTRY_DSN", True),
        ("MYSQL_PWD", True),
        ("PWD", False),
        ("OLDPWD", False),
        ("KEYBOARD", False),
        ("MONKEY", False),
        ("DB_PASSWORD_FILE", False),
        ("PATH", False),
    ],
)
def test_names_of_secrets_are_known(name: str, tells: bool) -> None:  # noqa: FBT001 - a case
    assert tells_a_secret(name) == tells
