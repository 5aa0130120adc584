"""How values are written in settings."""

import re

import pytest

from entrykit.settings import values


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30", 30), ("30s", 30), ("500ms", 0.5), ("5m", 300), ("2h", 7200), ("1.5s", 1.5),
        ("0.001", 0.001), ("007", 7), ("366h", 366 * 3600),
    ],
)  # fmt: skip
def test_a_duration_is_a_number_with_a_unit(written: str, seconds: float) -> None:
    assert values.duration_seconds(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "", "s", "ms", "0", "0s", "0.0", "-1", "+1", "1d", "1 s", " 1", "1s ", "1.", ".5", "1e3",
        "1_0", "inf", "nan", "\u0663", "1.s", "1,5s", "1.2.3", "10000h", "9" * 400, "1S", "1m30s",
    ],
)  # fmt: skip
def test_anything_else_is_no_duration(written: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(written)}$"):
        values.duration_seconds(written)


def test_a_duration_of_nothing_is_one_where_it_is_asked_for() -> None:
    assert values.duration_or_zero_seconds("0s") == 0
    assert values.duration_or_zero_seconds("5m") == 300


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("0", 0), ("512", 512), ("512B", 512), ("64k", 65536), ("64K", 65536), ("64Ki", 65536),
        ("64KiB", 65536), ("64kB", 64000), ("10M", 10 << 20), ("1g", 1 << 30), ("1GB", 10**9),
        ("2TiB", 2 << 40), ("1p", 1 << 50), ("007k", 7168), ("8191P", 8191 << 50),
        ("9223372036854775807", (1 << 63) - 1),
    ],
)  # fmt: skip
def test_a_size_is_a_whole_number_with_a_unit(written: str, size: int) -> None:
    assert values.size_bytes(written) == size


@pytest.mark.parametrize(
    "written",
    [
        "", "k", "B", "-1", "+1", "1.5G", "1 k", " 1", "1k ", "1_0", "0x10", "1E", "1iB",
        "1bb", "1kk", "1Bi", "1kib2", "\u0663", "\u00b2", "9223372036854775808", "8192P",
        "9" * 5000, "1e3",
    ],
)  # fmt: skip
def test_anything_else_is_no_size(written: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(written)}$"):
        values.size_bytes(written)


@pytest.mark.parametrize(
    ("written", "truth"),
    [
        ("1", True), ("true", True), ("YES", True), ("On", True),
        ("0", False), ("false", False), ("NO", False), ("Off", False),
    ],
)  # fmt: skip
def test_a_truth_value_is_one_of_a_few_words(written: str, *, truth: bool) -> None:
    assert values.boolean(written) is truth


@pytest.mark.parametrize("written", ["", "2", "y", "truth", " 1", "true\n"])
def test_anything_else_is_no_truth_value(written: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(written)}$"):
        values.boolean(written)


@pytest.mark.parametrize(
    ("written", "mask"), [("022", 0o22), ("0o027", 0o27), ("0", 0), ("777", 0o777), ("0077", 0o77)]
)
def test_a_umask_is_octal_digits(written: str, mask: int) -> None:
    assert values.umask(written) == mask


@pytest.mark.parametrize(
    "written", ["", "0o", "08", "u=rwx", "1777", "1000", "00022", "-1", "\u0660"]
)
def test_anything_else_is_no_umask(written: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(written)}$"):
        values.umask(written)


@pytest.mark.parametrize("name", ["A", "a", "_", "A_1", "LD_PRELOAD"])
def test_a_variable_has_a_name_of_letters_digits_and_underscores(name: str) -> None:
    assert values.is_variable_name(name)


@pytest.mark.parametrize("name", ["", "1", "1A", "A-B", "A.B", "A B", "É", "A\n", "A="])
def test_nothing_else_is_the_name_of_a_variable(name: str) -> None:
    assert not values.is_variable_name(name)


def test_the_nearest_word_is_named_where_one_is_close() -> None:
    known = ("program", "timeout", "runners")
    assert values.nearest("progam", known) == "program"
    assert values.nearest("time-out", known) == "timeout"
    assert values.nearest("xyz", known) == ""
