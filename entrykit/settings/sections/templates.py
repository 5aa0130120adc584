"""`[templates]`: files from templates and the environment (40-templates.py)."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

from entrykit.settings import checks
from entrykit.settings.sections.section import Section

# In a word of `check`, the directory with the new files.
PLACE = "{}"


def _directory(value: object) -> str:
    """Take the absolute path of a directory."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError("the absolute path of a directory")
    return value


def pattern(value: object) -> str:
    """Take a regular expression of Python's re."""
    expected = "a regular expression, in Python's syntax"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        with warnings.catch_warnings():
            # `[[:upper:]]` is one of grep's; here it would match something else, in silence.
            warnings.simplefilter("error")
            re.compile(value)
    except (re.error, Warning, RecursionError, OverflowError):
        raise ValueError(expected) from None
    return value


def _variables(value: object) -> list[str]:
    """Take a list of names of variables."""
    if not isinstance(value, list):
        raise ValueError("a list of names of variables")
    return [checks.variable(name) for name in value]


def _problems(table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if table["check"] and not any(PLACE in word for word in table["check"]):
        message = f"no word of it holds {PLACE}, so that it would check the old files"
        hint = 'for instance check = ["nginx", "-t", "-c", "{}/nginx.conf"]'
        yield "check", message, hint


SECTION = Section(
    keys={
        "from": (_directory, ...),
        "to": (_directory, ...),
        "names": (pattern, ""),
        "required": (pattern, ""),
        "secrets": (_variables, []),
        "check": (checks.runner, []),
    },
    secrets=("secrets",),
    problems=_problems,
    is_repeatable=True,
)
