"""Finds what is wrong with the templates of an image, and the variables that they use.

Those that `[templates]` names, by the stock hook's own search. Jinja2 is loaded where there is a
template that needs it.
"""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from entrykit.lint import findings
from entrykit.lint.findings import Finding
from entrykit.lint.variables import Read
from entrykit.stock import envsubst, rendering, templates
from entrykit.system import files
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from entrykit.settings.record import Configuration


def directories(configuration: "Configuration") -> list[tuple[bytes, dict[str, Any]]]:
    """Return where templates lie, each with its table; a directory that is missing is left out.

    It may be a volume that only a container has.
    """
    section = configuration["sections"].get("templates")
    found = []
    for table in section.get("tables", [section]) if section else []:
        try:
            place = files.place(os.fsencode(table["from"]))
        except OSError:
            continue
        if os.path.isdir(place):
            found.append((place, table))
    return found


def look_into(place: bytes, table: dict[str, Any]) -> tuple[list[Finding], list[Read]]:
    """Return what is wrong with the templates of a directory, and what they read."""
    found: list[Finding] = []
    reads: list[Read] = []
    tree = templates.Tree({**table, "from": os.fsdecode(place)})
    problems = rendering.Problems()
    templates.find(tree, problems)
    for where, message, mend in problems.all():
        code = "unreadable" if message.startswith("cannot") else "template"
        found.append(findings.make(code, os.fsencode(where) or place, 0, message, mend))
    for path, _ in tree.templates.values():
        _look_at(path, table, found, reads)
    return found, reads


def _look_at(path: bytes, table: dict[str, Any], found: list[Finding], reads: list[Read]) -> None:
    secrets = frozenset(table["secrets"])
    try:
        content = files.read(path, rendering.LIMIT_BYTES)
    except StartError as error:
        found += [findings.make("unreadable", path, 0, *rest) for _, *rest in error.problems]
        return
    if rendering.FORMATS[rendering.suffix_of(path)] == rendering.ENVSUBST:
        names = re.compile(table["names"] or "^[A-Z][A-Z0-9_]*$")
        for name, line in _references(content):
            if names.search(name):
                reads.append(Read(name, path, line, secrets))
        return
    from entrykit.lint import jinja  # costs 50 ms

    uses, faults = jinja.uses(content)
    found += [findings.make("template", path, line, message) for line, message in faults]
    reads += [Read(name, path, line, secrets) for name, line in uses]


def _references(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield what envsubst would replace: of each name the first line."""
    places: list[tuple[bytes, int]] = []
    envsubst.substitute(content, {}, lambda name, offset: places.append((name, offset)))
    for name, offset in dict(reversed(places)).items():
        yield name.decode("ascii"), content.count(b"\n", 0, offset) + 1
