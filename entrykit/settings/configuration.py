"""Parses and checks a configuration file; reports all of its problems together.

Not part of a plain start: the launcher brings the file parsed, and tomllib costs 9 ms.
"""

import re
import tomllib
from typing import TYPE_CHECKING, Any, cast

from entrykit.settings import hook, record, schema, variables
from entrykit.settings.reader import Path, Reader, shown
from entrykit.settings.sections import SECTIONS
from entrykit.settings.sections.section import Section
from entrykit.system import errors
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from entrykit.settings.record import Configuration, HookSettings

_AT_LINE = re.compile(r"at line (\d+)")
# By how tomllib says it, in all of its versions.
_MENDS = (
    ("Illegal character '\\n'", "close the string on its line"),
    ("Unterminated string", "close the string"),
    ('Expected "\'"', "close the string"),
    ("Unescaped '\\'", "write the string in single quotes, or each \\ twice"),
    ("Invalid value", 'a string stands in quotes; others are 1, true and ["a", "b"]'),
    ("Expected '=' after a key", "write KEY = VALUE"),
    ("Invalid statement", "write KEY = VALUE"),
    ("Expected ']'", "a table's name stands in brackets: [NAME]"),
    ("Expected newline", "one key a line, and a string in quotes"),
    ("Cannot overwrite", "a key stands there twice: leave one"),
    ("Cannot declare", "a table stands there twice: leave one"),
)


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
        hint = next((mend for said, mend in _MENDS if str(error).startswith(said)), "")
        if content.startswith(b"\xef\xbb\xbf"):
            hint = "save it as UTF-8 without BOM"
        place = _AT_LINE.search(str(error))
        where = f"{name}:{place[1]}" if place else name
        raise StartError(f"it is not valid TOML: {error}", hint=hint, where=where) from None
    reader = Reader(text, name)
    configuration = record.empty()
    for key, given in document.items():
        _read_key(reader, configuration, key, given)
    _declare(configuration)
    variables.relate(reader, configuration)
    if reader.problems:
        raise errors.together(reader.problems)
    return configuration


def _read_key(reader: Reader, configuration: "Configuration", key: str, given: object) -> None:
    tables = {
        "env": variables.read, "hooks": _read_hooks, "once": _read_once, "runners": _read_runners,
    }  # fmt: skip
    if key in schema.TOP:
        checked = reader.value((key,), schema.TOP[key], given)
        cast("dict[str, Any]", configuration)[key.replace("-", "_")] = checked
    elif key in tables:
        tables[key](reader, configuration, reader.table((key,), given))
    elif key in SECTIONS:
        _read_section(reader, configuration, key, given)
    else:
        reader.unknown((key,), (*schema.TOP, *tables, *SECTIONS))


def _read_hooks(reader: Reader, configuration: "Configuration", table: dict[str, object]) -> None:
    for name, given in table.items():
        settings: HookSettings = {}
        for key, value in reader.table(("hooks", name), given).items():
            if problem := hook.put(settings, key, value):
                reader.problem(("hooks", name, key), f'hooks."{name}": {problem[0]}', problem[1])
        configuration["hooks"][name] = settings


def _read_once(reader: Reader, configuration: "Configuration", table: dict[str, object]) -> None:
    configuration["once"] = cast("Any", _read_table(reader, schema.ONCE, ("once",), table))


def _read_runners(reader: Reader, configuration: "Configuration", table: dict[str, object]) -> None:
    for suffix, given in table.items():
        if len(suffix) < 2 or suffix[0] != "." or "/" in suffix:
            message = f"runners: {suffix!r} is no suffix of a file name"
            reader.problem(("runners", suffix), message, 'write for instance ".sql"')
        words = reader.value(("runners", suffix), schema.RUNNER, given)
        configuration["runners"][suffix] = words


def _read_section(reader: Reader, configuration: "Configuration", name: str, given: object) -> None:
    """Read a section: a table, or several, which the hook then finds in a list, `tables`."""
    section = SECTIONS[name]
    if isinstance(given, list) and given and section.is_repeatable:
        before = len(reader.problems)
        read = [
            _read_table(reader, section, (name, str(number)), table)
            for number, table in enumerate(given, 1)
        ]
        if len(reader.problems) == before:
            for number, key, message, hint in section.collisions(read):
                path = (name, str(number), key)
                reader.problem(path, f"{shown(path)}: {message}", hint)
        configuration["sections"][name] = {"tables": read}
    else:
        configuration["sections"][name] = _read_table(reader, section, (name,), given)


def _read_table(reader: Reader, section: Section, path: Path, given: object) -> dict[str, Any]:
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
        message = f"{shown((*path, key))} is missing"
        reader.problem(path, message, "the section must have it")
    if len(reader.problems) == before:
        for key, message, hint in section.problems(read):
            reader.problem((*path, key), f"{shown((*path, key))}: {message}", hint)
    return read


def _declare(configuration: "Configuration") -> None:
    """Declare the variables that the sections of stock hooks and `[once]` name."""
    if variable := configuration["once"]["database"]:
        configuration["env"].setdefault(variable, {})["secret"] = True
    for name, section in configuration["sections"].items():
        for table in section.get("tables", [section]):
            for key in SECTIONS[name].files:
                for variable in _names(table.get(key)):
                    configuration["env"].setdefault(variable, {})["file"] = True
            for key in SECTIONS[name].secrets:
                for variable in _names(table.get(key)):
                    configuration["env"].setdefault(variable, {})["secret"] = True


def _names(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []
