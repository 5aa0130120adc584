"""`[htpasswd]`: an htpasswd file from the environment (30-htpasswd.py); `[[htpasswd]]`: several."""

import os.path
from collections.abc import Iterator
from typing import Any

from entrykit.settings import checks
from entrykit.settings.sections.section import Section


def _problems(table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, other in (("username", "password"), ("password", "username")):
        if table[other] and not table[key]:
            yield key, "is missing", "username and password go together"
    if not any(table[key] for key in ("username", "password", "users", "entries")):
        yield "password", "is missing", "so are username, users and entries: name one at least"


def _collisions(tables: list[dict[str, Any]]) -> Iterator[tuple[int, str, str, str]]:
    first: dict[str, int] = {}
    for number, table in enumerate(tables, 1):
        other = first.setdefault(os.path.normpath(table["file"]), number)
        if other != number:
            yield number, "file", f"is that of table {other} too", "give each a file of its own"


SECTION = Section(
    keys={
        "username": (checks.variable, None),
        "password": (checks.variable, None),
        "users": (checks.variable, None),
        "entries": (checks.variable, None),
        "file": (checks.file, "htpasswd"),
        "option": (checks.word, ""),
    },
    files=("username",),
    secrets=("password", "users", "entries"),
    problems=_problems,
    is_repeatable=True,
    collisions=_collisions,
)
