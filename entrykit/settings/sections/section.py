"""What a section of the configuration is: a table, or several (`[[NAME]]`), for one stock hook."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from entrykit.settings.checks import Check


class Section(NamedTuple):
    """The keys of a section.

    `keys`: of each what it may hold, and its default; `...` for one that must be given.
    `files`, `secrets`: keys whose values name variables (one, or a list): naming declares them, as
    read from files, or as secret.
    `problems`: what is wrong with a whole table: keys that exclude each other, one that needs
    another; key, message and mend of each.
    `is_repeatable`: `[[NAME]]` is allowed too.
    `collisions`: what several tables may not have in common; the number of the table (from 1), and
    key, message and mend.
    """

    keys: dict[str, tuple[Check, object]]
    files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    problems: Callable[[dict[str, Any]], Iterator[tuple[str, str, str]]] = lambda _: iter(())
    is_repeatable: bool = False
    collisions: Callable[[list[dict[str, Any]]], Iterator[tuple[int, str, str, str]]] = lambda _: (
        iter(())
    )
