"""Finds the line of a key in a TOML text, which tomllib does not tell.

Only for messages: it reads headers and keys line by line and leaves alone what stands inside
multi-line strings. A key of an inline table has the line that the table begins on.
"""

import re
from collections import Counter

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[(\[?)\s*({_KEY})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=")
_TRIPLE = re.compile(r'"""|\'\'\'')


def find(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, from 1, of each key path of a TOML text.

    In the path of a key of an array of tables (`[[NAME]]`) the table's number follows its name,
    counted from 1.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    counts: Counter[tuple[str, ...]] = Counter()
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not closing:
            if header := _HEADER.match(line):
                table = _parts(header[2])
                if header[1]:
                    counts[table] += 1
                    table = (*table, str(counts[table]))
                _note(found, table, number)
            elif assignment := _ASSIGNMENT.match(line):
                _note(found, table + _parts(assignment[1]), number)
        for triple in _TRIPLE.findall(line):
            closing = "" if closing == triple else closing or triple
    return found


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, key))


def _note(found: dict[tuple[str, ...], int], path: tuple[str, ...], number: int) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], number)
