"""The holder of a lock in a database, as far as it gets without one."""

import os
import socket
import sys
from collections.abc import Iterator

import pytest

from entrykit.stock import once_table

RUN = once_table.Run("migrate", "20-migrate.sh", "0" * 64, redoes=False)
PASSWORD = "s3cret"  # noqa: S105


@pytest.fixture
def requests() -> Iterator[int]:
    """Return where the holder would be told that the hook is done."""
    told, tells = os.pipe()
    yield told
    os.close(told)
    os.close(tells)


def said(url: bytes, requests: int) -> list[str]:
    """Return what the holder says at once."""
    reads, replies = os.pipe()
    try:
        once_table.hold(RUN, "DATABASE_URL", url, requests, replies)
        return os.read(reads, 65536).decode().removesuffix("\n").split("\t")
    finally:
        os.close(reads)
        os.close(replies)


def test_the_number_of_a_lock_never_changes() -> None:
    """Else two versions of an image would run the same migration at once."""
    assert RUN.numbers() == {"high": 0x690D87DB, "low": 0xE6C92BB0}


def test_a_missing_psycopg_is_told(monkeypatch: pytest.MonkeyPatch, requests: int) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    word, message, hint = said(b"postgresql://h/x", requests)
    assert word == "failed"
    assert "psycopg is missing" in message
    assert "entrykit[postgres]" in hint


@pytest.mark.parametrize(
    "url",
    [
        b"s3cret",
        b"mysql://u:s3cret@h/x",
        b"postgresql://u:s3cret%@h/x",
        b"\xffs3cret",
        b"host='s3cret",
    ],
)
def test_what_is_no_url_is_told_without_it(url: bytes, requests: int) -> None:
    word, message, hint = said(url, requests)
    assert (word, message) == ("failed", "DATABASE_URL is no Postgres URL")
    assert PASSWORD not in hint


@pytest.mark.parametrize(
    "url", ["postgresql://u:s3cret@127.0.0.1:{}/x", "postgresql://u:p@s3cret:{}/x"]
)
def test_a_server_that_is_not_there_is_told_without_its_url(url: str, requests: int) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        word, message, hint = said(url.format(port).encode(), requests)
    assert word == "failed"
    assert "cannot connect to the database that DATABASE_URL names: " in message
    assert PASSWORD not in message + hint
