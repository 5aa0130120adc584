"""Lines on standard error, each on one line, and never the reason why a start fails."""

import fcntl
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.system import errors, log


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain text", "plain text"),
        ("é 日 😀".encode(), "é 日 😀"),
        (b"a\nb\r\t\0", "a\\nb\\r\\t\\x00"),
        (b"\x1b[31mred\x7f", "\\x1b[31mred\\x7f"),
        (b"\xff\xc3", "\\xff\\xc3"),
        ("\u0085\u2028\u202e\ufeff".encode(), "\\x85\\u2028\\u202e\\ufeff"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"", ""),
    ],
)
def test_control_characters_and_invalid_bytes_are_escaped(raw: bytes, shown: str) -> None:
    assert log.text(raw) == shown


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_become_one_printable_line(raw: bytes) -> None:
    assert log.text(raw).isprintable()
    log.text(raw).encode()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"), (0.0042, "4 ms"), (0.999, "999 ms"), (1, "1.0 s"), (1.24, "1.2 s"),
        (59.94, "59.9 s"), (60, "1 min 0 s"), (125, "2 min 5 s"), (7325.9, "122 min 5 s"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_people_read_it(seconds: float, shown: str) -> None:
    assert log.duration(seconds) == shown


def say_all() -> None:
    log.debug("a", "where")
    log.info("b", "where")
    log.info("c")
    log.warn("d", "where", "mend")
    log.report(errors.together([("x", "e", "mend"), ("", "f", "")]))


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        (log.QUIET, ["where: d (mend)", "x: e (mend)", "f"]),
        (log.INFO, ["where: b", "c", "where: d (mend)", "x: e (mend)", "f"]),
        (log.DEBUG, ["where: a", "where: b", "c", "where: d (mend)", "x: e (mend)", "f"]),
    ],
)
def test_a_level_lets_its_lines_and_those_above_through(
    capfd: pytest.CaptureFixture[str], level: int, lines: list[str]
) -> None:
    log.set_level(level)
    say_all()
    out, err = capfd.readouterr()
    assert err == "".join(f"entrykit: {line}\n" for line in lines)
    assert out == ""


def test_there_is_no_colour_unless_it_is_allowed(capfd: pytest.CaptureFixture[str]) -> None:
    say_all()
    plain = capfd.readouterr().err
    assert "\033" not in plain
    log.set_colour(allowed=True)
    say_all()
    coloured = capfd.readouterr().err
    assert "\033[33mentrykit: where: d (mend)\033[0m\n" in coloured
    assert "entrykit: where: b\n" in coloured


def test_the_traceback_of_a_defect_stands_above_its_line_at_debug_only(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log.defect("it broke", "Traceback\n")
    assert capfd.readouterr().err == "entrykit: it broke\n"
    log.set_level(log.DEBUG)
    log.defect("it broke", "Traceback\n")
    assert capfd.readouterr().err == "Traceback\nentrykit: it broke\n"


def test_a_line_that_utf_8_cannot_hold_is_written_all_the_same(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log.info("a\udcffb")
    assert capfd.readouterr().err == "entrykit: a\\udcffb\n"


def with_standard_error(descriptor: int) -> None:
    """Say something while `descriptor` is standard error, -1 a closed one."""
    kept = os.dup(2)
    try:
        if descriptor < 0:
            os.close(2)
        else:
            os.dup2(descriptor, 2)
        log.warn("x" * 100)
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def test_a_line_that_cannot_be_written_is_dropped() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    read_only = os.open("/dev/null", os.O_RDONLY)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for descriptor in (-1, writer, read_only, full):
            with_standard_error(descriptor)
    finally:
        for descriptor in (writer, read_only, full):
            os.close(descriptor)


def test_a_pipe_that_is_full_and_does_not_wait_drops_the_line() -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writer, b"x" * 4090)
        with_standard_error(writer)
    finally:
        os.close(reader)
        os.close(writer)


@given(st.text(), st.text(), st.text())
def test_a_line_of_anything_is_one_printable_line(where: str, message: str, hint: str) -> None:
    lines: list[str] = []
    log.keep(lines)
    try:
        log.warn(message, where, hint)
    finally:
        log.keep(None)
    assert len(lines) == 1
    assert lines[0].isprintable()
