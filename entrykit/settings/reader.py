"""A configuration file on its way to a record: where its keys stand, and what is wrong there."""

from typing import Any

from entrykit.settings import checks, lines, values
from entrykit.system import errors

Path = tuple[str, ...]


class Reader:
    """One file on its way to a configuration: where its keys stand, and what is wrong."""

    def __init__(self, text: str, name: str) -> None:
        self.lines = lines.find(text)
        self.name = name
        self.problems: list[errors.Problem] = []

    def problem(self, path: Path, message: str, hint: str = "") -> None:
        """Note what is wrong with a key, with the nearest line that is known."""
        lengths = range(len(path), 0, -1)
        line = next((self.lines[path[:n]] for n in lengths if path[:n] in self.lines), 0)
        where = f"{self.name}:{line}" if line else self.name
        self.problems.append((where, message, hint))

    def value(self, path: Path, check: checks.Check, given: object) -> Any:
        """Return what a check makes of a value; None, and a problem noted, where it refuses it."""
        try:
            return check(given)
        except ValueError as expected:
            what = "" if isinstance(expected, values.Named) else f", found {found(given)}"
            message = f"{shown(path)}: expected {expected}{what}"
            self.problem(path, message)
            return None

    def table(self, path: Path, given: object) -> dict[str, object]:
        """Return a table; an empty one, and a problem noted, where it is something else."""
        if isinstance(given, dict):
            return given
        self.problem(path, f"{shown(path)}: expected a table, found {found(given)}")
        return {}

    def unknown(self, path: Path, known: tuple[str, ...]) -> None:
        """Note that there is no such key, and the nearest that there is."""
        near = values.nearest(path[-1], known)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
        self.problem(path, f"unknown key {shown(path)}", hint)


def shown(path: Path) -> str:
    """Return a key as TOML writes it."""
    return ".".join(
        part if part.replace("-", "").replace("_", "").isalnum() else f'"{part}"' for part in path
    )


def found(given: object) -> str:
    """Say what a value is, not the value: it may be a secret's default."""
    names = {bool: "a truth value", int: "an integer", float: "a number", dict: "a table"}
    if isinstance(given, str):
        return "a string" if given else "an empty string"
    if isinstance(given, list):
        return "a list" if given else "an empty list"
    return names.get(type(given), "a date or time")
