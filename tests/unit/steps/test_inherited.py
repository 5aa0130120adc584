"""The environment keeps its order and its bytes, with malformed and doubled entries."""

import pytest

from entrykit.steps.inherited import Environment


def test_variables_stay_in_order_and_new_ones_come_last() -> None:
    environment = Environment([b"B=1", b"A=2", b"C=3"])
    environment.set(b"A", b"x=y")
    environment.set(b"0", b"")
    environment.unset(b"B")
    environment.unset(b"none")
    assert list(environment.plain().items()) == [(b"A", b"x=y"), (b"C", b"3"), (b"0", b"")]


def test_an_entry_without_a_name_or_an_equals_sign_is_no_variable() -> None:
    environment = Environment([b"A=1", b"odd", b"=x", b"", b"B=\xff"])
    assert environment.names() == [b"A", b"B"]
    assert environment.get(b"odd") is None


def test_the_first_of_two_entries_with_one_name_counts_as_with_getenv() -> None:
    environment = Environment([b"A=1", b"A=2"])
    assert environment.get(b"A") == b"1"
    assert environment.plain() == {b"A": b"1"}


@pytest.mark.parametrize("change", ["set", "unset"])
def test_a_change_leaves_no_second_entry_behind(change: str) -> None:
    environment = Environment([b"A=1", b"A=2", b"B=1", b"B=2"])
    if change == "set":
        environment.set(b"A", b"3")
    else:
        environment.unset(b"A")
    left = [entry for entry in environment.values if isinstance(entry, tuple)]
    assert [entry for _, entry in left] == [b"B=2"]


def test_a_hook_gets_no_variable_that_is_kept_from_it() -> None:
    assert Environment([b"A=1", b"B=2"]).plain({b"A"}) == {b"B": b"2"}
