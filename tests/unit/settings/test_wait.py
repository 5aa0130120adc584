"""The section `[wait]`: what it takes, and what is wrong at the bake already."""

from typing import Any

import pytest

from entrykit.settings import configuration
from entrykit.system.errors import StartError


def parse(*lines: str) -> dict[str, Any]:
    section = configuration.parse("\n".join(("[wait]", *lines)).encode(), "e.toml")["sections"]
    return section["wait"]


def problems(*lines: str) -> list[tuple[str, str]]:
    with pytest.raises(StartError) as caught:
        parse(*lines)
    assert caught.value.status == 78
    return [(where, message) for where, message, _ in caught.value.problems]


def test_targets_and_a_limit_are_taken() -> None:
    assert parse('targets = ["tcp://db:1", "${URL}"]', 'timeout = "5m"') == {
        "targets": ["tcp://db:1", "${URL}"],
        "timeout": 300.0,
    }
    assert parse('targets = ["file:/"]')["timeout"] == 60.0


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('targets = "tcp://db:1"', "a string"),
        ("targets = []", "an empty list"),
        ("targets = [1]", "a list"),
    ],
)
def test_anything_but_a_list_of_targets_is_an_error(line: str, found: str) -> None:
    expected = "expected a list of targets, for instance tcp://db:5432"
    assert problems(line) == [("e.toml:2", f"wait.targets: {expected}, found {found}")]


def test_targets_cannot_be_left_out() -> None:
    assert problems("timeout = 1") == [("e.toml:1", "wait.targets is missing")]


def test_all_that_no_environment_can_mend_is_reported_together() -> None:
    assert problems('targets = ["db", "tcp://${HOST}:1", "mysql://${HOST}", "tcp://${X"]') == [
        ("e.toml:2", "wait.targets: db: it has no scheme"),
        ("e.toml:2", "wait.targets: mysql://${HOST}: its scheme is unknown"),
        (
            "e.toml:2",
            "wait.targets: tcp://${X: ${ is not followed by the name of a variable and }",
        ),
    ]


def test_a_password_is_not_shown() -> None:
    ((_, message),) = problems('targets = ["postgres://me:hush@db:x/base"]')
    assert message == "wait.targets: postgres://…: its port is not a number from 1 to 65535"
