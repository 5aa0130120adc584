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
