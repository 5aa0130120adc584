"""`[wait]`: what is to answer before the command starts (10-wait.py)."""

from collections.abc import Iterator
from typing import Any

from entrykit.settings import checks
from entrykit.settings.sections.section import Section
from entrykit.stock import targets


def _targets(value: object) -> list[str]:
    expected = "a list of targets, for instance tcp://db:5432"
    try:
        given = checks.words(value)
    except ValueError:
        raise ValueError(expected) from None
    if not given:
        raise ValueError(expected)
    return given


def _problems(table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Say what no environment can mend; what refers to variables is read at the start."""
    for template in table["targets"]:
        for _, message, hint in targets.problems(template):
            yield "targets", message, hint


SECTION = Section(
    keys={"targets": (_targets, ...), "timeout": (checks.duration, 60.0)},
    problems=_problems,
)
