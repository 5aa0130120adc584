"""Parses and checks a configuration file; reports all of its problems together.

Not part of a plain start: the launcher brings the file parsed, and tomllib costs 9 ms.
"""

import tomllib
from typing import TYPE_CHECKING, Any, cast

from entrykit.settings import checks, hook, lines, record, schema, values
from entrykit.settings.sections import SECTIONS
from entrykit.settings.sections.section import Section
from entrykit.system import errors
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from entrykit.settings.record import Configuration, HookSettings

Path = tuple[str, ...]


class _Reader:
    """One file on its way to a configuration: where its keys stand, and what is wrong."""

    def __init__(self, text: str, name: str) -> None:
        self.lines = lines.find(text)
        self.name = name
        self.problems: list[errors.Problem] = []

    def problem(self, path: Path, message: str, hint: str = "") -> None:
        lengths = range(len(path), 0, -1)
        line = next((self.lines[path[:n]] for n in lengths if path[:n] in self.lines), 0)
        where = f"{self.name}:{line}" if line else self.name
        self.problems.append((where, message, hint))

    def value(self, path: Path, check: checks.Check, given: object) -> Any:
        try:
            return check(given)
        except ValueError as expected:
            message = f"{_shown(path)}: expected {expected}, found {_found(given)}"
            self.problem(path, message)
            return None

    def table(self, path: Path, given: object) -> dict[str, object]:
        if isinstance(given, dict):
            return given
        self.problem(path, f"{_shown(path)}: expected a table, found {_found(given)}")
        return {}

    def unknown(self, path: Path, known: tuple[str, ...]) -> None:
        near = values.nearest(path[-1], known)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
        self.problem(path, f"unknown key {_shown(path)}", hint)


def parse(content: bytes, name: str) -> "Configuration":
    """Return the configuration that a file's content says. Raises StartError, status 78.

    `name` stands for the file in messages, with the line of each problem.
    """
    try:
        text = content.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StartError("it is not UTF-8 text", where=f"{name}:{line}") from None
    except (ValueError, RecursionError) as error:
        # A number of more than 4,300 digits is a ValueError of its own.
        hint = "save it as UTF-8 without BOM" if content.startswith(b"\xef\xbb\xbf") else ""
        raise StartError(f"it is not valid TOML: {error}", hint=hint, where=name) from None
    reader = _Reader(text, name)
    configuration = record.empty()
    for key, given in document.items():
        _read_key(reader, configuration, key, given)
    if reader.problems:
        raise errors.together(reader.problems)
    _declare(configuration)
    return configuration


def _read_key(reader: _Reader, configuration: "Configuration", key: str, given: object) -> None:
    tables = {
        "env": _read_variables, "hooks": _read_hooks, "once": _read_once, "runners": _read_runners,
    }  # fmt: skip
    if key in schema.TOP:
        checked = reader.value((key,), schema.TOP[key], given)
        if key != "trust":
            cast("dict[str, Any]", configuration)[key.replace("-", "_")] = checked
    elif key in schema.TOP_TO_COME:
        if not any(given is one or given == one != 0 for one in schema.TOP_TO_COME[key]):
            reader.problem((key,), f"{key} is not available in this version", "leave it out")
    elif key in tables:
        tables[key](reader, configuration, reader.table((key,), given))
    elif key in SECTIONS:
        _read_section(reader, configuration, key, given)
    else:
        reader.unknown((key,), (*schema.TOP, *schema.TOP_TO_COME, *tables, *SECTIONS))


def _read_variables(
    reader: _Reader, configuration: "Configuration", table: dict[str, object]
) -> None:
    for name, given in table.items():
        path = ("env", name)
        if not values.is_variable_name(name):
            reader.problem(path, f"{name!r} is not the name of a variable")
        elif name.startswith("ENTRYKIT_"):
            reader.problem(path, f"{name}: names that begin with ENTRYKIT_ are entrykit's own")
        variable: dict[str, Any] = {}
        for key, value in reader.table(path, given).items():
            if key in schema.VARIABLE:
                variable[key] = reader.value((*path, key), schema.VARIABLE[key], value)
            elif key in schema.VARIABLE_TO_COME:
                message = f"{_shown((*path, key))} is not available in this version"
                reader.problem((*path, key), message, "leave it out")
            else:
                reader.unknown((*path, key), tuple(schema.VARIABLE))
        configuration["env"][name] = cast("Any", variable)


def _read_hooks(reader: _Reader, configuration: "Configuration", table: dict[str, object]) -> None:
    for name, given in table.items():
        settings: HookSettings = {}
        for key, value in reader.table(("hooks", name), given).items():
            if problem := hook.put(settings, key, value):
                reader.problem(("hooks", name, key), f'hooks."{name}": {problem[0]}', problem[1])
        configuration["hooks"][name] = settings


def _read_once(reader: _Reader, configuration: "Configuration", table: dict[str, object]) -> None:
    configuration["once"] = cast("Any", _read_table(reader, schema.ONCE, ("once",), table))


def _read_runners(
    reader: _Reader, configuration: "Configuration", table: dict[str, object]
) -> None:
    for suffix, given in table.items():
        if len(suffix) < 2 or suffix[0] != "." or "/" in suffix:
            message = f"runners: {suffix!r} is no suffix of a file name"
            reader.problem(("runners", suffix), message, 'write for instance ".sql"')
        words = reader.value(("runners", suffix), schema.RUNNER, given)
        configuration["runners"][suffix] = words


def _read_section(
    reader: _Reader, configuration: "Configuration", name: str, given: object
) -> None:
    """Read a section: a table, or several, which the hook then finds in a list, `tables`."""
    section = SECTIONS[name]
    if isinstance(given, list) and given and section.is_repeatable:
        read = [
            _read_table(reader, section, (name, str(number)), table)
            for number, table in enumerate(given, 1)
        ]
        configuration["sections"][name] = {"tables": read}
    else:
        configuration["sections"][name] = _read_table(reader, section, (name,), given)


def _read_table(reader: _Reader, section: Section, path: Path, given: object) -> dict[str, Any]:
    table = reader.table(path, given)
    read = {key: default for key, (_, default) in section.keys.items() if default is not ...}
    if table is not given:  # else all of its keys would be missing as well
        return read
    before = len(reader.problems)
    for key, value in table.items():
        if key in section.keys:
            read[key] = reader.value((*path, key), section.keys[key][0], value)
        else:
            reader.unknown((*path, key), tuple(section.keys))
    for key in (key for key in section.keys if key not in read):
        message = f"{_shown((*path, key))} is missing"
        reader.problem(path, message, "the section must have it")
    if len(reader.problems) == before:
        for key, message, hint in section.problems(read):
            reader.problem((*path, key), f"{_shown((*path, key))}: {message}", hint)
    return read


def _declare(configuration: "Configuration") -> None:
    """Declare the variables that the sections of stock hooks and `[once]` name."""
    if variable := configuration["once"]["database"]:
        configuration["env"].setdefault(variable, {})["secret"] = True
    for name, section in configuration["sections"].items():
        for table in section.get("tables", [section]):
            for key in SECTIONS[name].files:
                for variable in _names(table[key]):
                    configuration["env"].setdefault(variable, {})["file"] = True
            for key in SECTIONS[name].secrets:
                for variable in _names(table[key]):
                    configuration["env"].setdefault(variable, {})["secret"] = True


def _names(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def _shown(path: Path) -> str:
    return ".".join(
        part if part.replace("-", "").replace("_", "").isalnum() else f'"{part}"' for part in path
    )


def _found(given: object) -> str:
    """Say what a value is, not the value: it may be a secret's default."""
    names = {bool: "a truth value", int: "an integer", float: "a number", dict: "a table"}
    if isinstance(given, str):
        return "a string" if given else "an empty string"
    if isinstance(given, list):
        return "a list" if given else "an empty list"
    return names.get(type(given), "a date or time")
