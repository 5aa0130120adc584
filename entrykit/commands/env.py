"""`entrykit env`: the variables that a configuration declares, for people and for READMEs."""

import argparse
import json
import os
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from entrykit.commands import standard_output
from entrykit.settings import options
from entrykit.settings import variables as declarations
from entrykit.steps import configure, variables
from entrykit.system import log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.settings.record import Configuration, Variable

DESCRIPTION = """\
List the variables that an image understands: those of `[env.NAME]`, and those that the sections of
stock hooks name. A secret's default is not shown. The Markdown is made for an image's README; the
JSON has a number, `format`, that changes where what is there already changes."""

FORMAT = 1
_HEADER = ("variable", "type", "default", "required", "rules", "help")
_HIDDEN = "(not shown)"
# Of the last column, where a terminal is narrow.
_NARROWEST = 24
_GAP = "  "
# What begins something in Markdown, as far as it can in the middle of a line.
_MARKDOWN = {ord(mark): f"\\{mark}" for mark in "\\`*<[|"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `env`."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the configuration file; default /etc/entrykit.toml, if it is there [ENTRYKIT_CONFIG]",
    )
    parser.add_argument(
        "--format",
        choices=("table", "markdown", "json"),
        default="table",
        help="default table",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the variables; return the exit status."""
    own = {name: value for name, value in os.environb.items() if name.startswith(configure.PREFIX)}
    told = options.read_variables(own.items())
    if arguments.config:
        told["config"] = os.fsencode(arguments.config)
    told = {key: value for key, value in told.items() if key == "config"}
    configuration = configure.load(told, None).configuration
    formats = {"table": _table, "markdown": _markdown, "json": _json}
    # In UTF-8 whatever the locale is: READMEs and JSON are.
    lines = "".join(f"{line}\n" for line in formats[arguments.format](configuration))
    standard_output.write(lines.encode("utf-8", "surrogateescape"))
    if not configuration["env"]:
        path = told.get("config", configure.DEFAULT_PATH)
        log.info("no variables are declared", log.text(path))
    return 0


def _table(configuration: "Configuration") -> "Iterator[str]":
    """Yield a table, its last column wrapped where a terminal shows it."""
    rows = [_HEADER, *_rows(configuration)]
    if len(rows) == 1:
        return
    columns = [column for column in range(len(_HEADER)) if any(row[column] for row in rows[1:])]
    *first, last = columns
    widths = [max(len(row[column]) for row in rows) for column in first]
    width = sum(widths) + len(_GAP) * len(first)
    room = 1 << 16
    if os.isatty(1):
        room = max(shutil.get_terminal_size().columns - width, _NARROWEST)
    for row in rows:
        texts = [row[column] for column in first]
        if row is _HEADER:
            texts = [text.upper() for text in texts]
        cells = [text.ljust(size) for text, size in zip(texts, widths, strict=True)]
        text = row[last].upper() if row is _HEADER else row[last]
        for number, piece in enumerate(textwrap.wrap(text, room) or [""]):
            start = _GAP.join((*cells, "")) if not number else " " * width
            yield (start + piece).rstrip()


def _markdown(configuration: "Configuration") -> "Iterator[str]":
    rows = list(_rows(configuration))
    if not rows:
        return
    yield f"| {' | '.join(_HEADER)} |"
    yield "|" + " --- |" * len(_HEADER)
    for name, kind, default, required, rules, text in rows:
        shown = default if default in ("", _HIDDEN) else _code(default)
        plain = [cell.translate(_MARKDOWN) for cell in (required, rules, text)]
        yield f"| {' | '.join((_code(name), kind, shown, *plain))} |"


def _code(text: str) -> str:
    """Return a code span in a table's cell (GitHub Flavored Markdown, 4.10 and 6.3)."""
    marks = "`"
    while marks in text:
        marks += "`"
    blank = " " if "`" in text else ""
    return f"{marks}{blank}{text}{blank}{marks}".replace("|", "\\|")


def _json(configuration: "Configuration") -> "Iterator[str]":
    rows = [_object(name, variable) for name, variable in configuration["env"].items()]
    yield json.dumps({"format": FORMAT, "variables": rows}, indent=2, ensure_ascii=False)


def _object(name: str, variable: "Variable") -> dict[str, Any]:
    """Return a variable as the configuration has it; `min` and `max` in seconds or bytes."""
    is_secret = variable.get("secret", False)
    return {
        "name": name,
        "type": variable.get("type"),
        "default": None if is_secret or "default" not in variable else _default(variable),
        "has-default": bool(variable.get("default")),
        "required": variable.get("required", False),
        "min": variable.get("min"),
        "max": variable.get("max"),
        "choices": variable.get("choices"),
        "pattern": variable.get("pattern"),
        "secret": is_secret,
        "file": variables.has_file(variable),
        "expose": variable.get("expose", False),
        "deprecated": variable.get("deprecated", []),
        "exclusive": variable.get("exclusive"),
        "required-with": variable.get("required_with"),
        "help": variable.get("help", ""),
    }


def _rows(configuration: "Configuration") -> "Iterator[tuple[str, ...]]":
    for name, variable in configuration["env"].items():
        default = _default(variable)
        if default and variable.get("secret"):
            default = _HIDDEN
        required = "yes" if variable.get("required") else ""
        if other := variable.get("required_with"):
            required = required or f"with {other}"
        rules = "; ".join(_rules(name, variable, configuration))
        shown, text = (log.text(one.encode()) for one in (default, variable.get("help", "")))
        yield name, variable.get("type", ""), shown, required, rules, text


def _default(variable: "Variable") -> str:
    """Return a default as the configuration has it: what refers to nothing has lost its `$${`."""
    default = variable.get("default", "")
    return default if "parts" in variable else default.replace("${", "$${")


def _rules(name: str, variable: "Variable", configuration: "Configuration") -> "Iterator[str]":
    """Yield what a value is to be, and how it can be given, each in a few words."""
    if variable.get("secret"):
        yield "secret, the command gets it" if variable.get("expose") else "secret"
    if variables.has_file(variable):
        yield f"or {name}_FILE"
    if rule := _limits(variable):
        yield rule
    if group := variable.get("exclusive"):
        others = [other for other in configuration["groups"][group] if other != name]
        yield f"not with {', '.join(others)}"
    if old := variable.get("deprecated"):
        yield f"was {', '.join(old)}"


def _limits(variable: "Variable") -> str:
    """Return what a variable's type alone does not say of its values."""
    kind, expects = variable.get("type", ""), variable.get("expects", "")
    if kind == "enum":
        return expects
    limits = expects.removeprefix(declarations.PHRASES.get(kind, ("", ""))[0]).lstrip(" ,")
    return "" if kind == "port" and limits == "from 1 to 65535" else limits
