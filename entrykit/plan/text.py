"""A plan as text for people: what is wrong comes last, as in a log."""

import shlex
from typing import TYPE_CHECKING

from entrykit.steps import kinds
from entrykit.steps import variables as steps
from entrykit.system import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entrykit.plan.record import Hook, Plan, Setting, Variable

    # The cells of a row; the last says where the rest comes from.
    Row = tuple[str, ...]

_BOLD, _RED, _DIM, _RESET = "\033[1m", "\033[31m", "\033[2m", "\033[0m"
_INDENT, _GAP = "  ", "  "
_NONE = "-"
# A longer cell is cut, and a column is no wider.
_LONGEST, _WIDEST = 200, 48
_TIMES = ("timeout", "grace")
_SOURCES = {
    steps.DEFAULT: "default", steps.FROM_FILE: "file", steps.OLD_NAME: "deprecated",
    steps.ENV_DIR: "env-dir", steps.ENV_FILE: "env-file",
    steps.SERVICE_LINK: "unset: a link to a service of Kubernetes",
}  # fmt: skip


class Page:
    """Lines of text, in colour or not."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self.lines: list[str] = []

    def heading(self, text: str) -> None:
        """Begin a part."""
        if self.lines:
            self.lines.append("")
        self.lines.append(self._painted(_BOLD, text))

    def rows(self, rows: "Iterable[Row]") -> None:
        """Add rows in columns."""
        cells = [tuple(_printable(cell) for cell in row) for row in rows]
        if not cells:
            return
        widths = [
            max((len(row[column]) for row in cells if len(row[column]) <= _WIDEST), default=0)
            for column in range(len(cells[0]) - 1)
        ]
        for *first, last in cells:
            padded = [cell.ljust(width) for cell, width in zip(first, widths, strict=True)]
            line = _INDENT + _GAP.join((*padded, ""))
            self.lines.append((line + (self._painted(_DIM, last) if last else "")).rstrip())

    def line(self, text: str, *, is_wrong: bool = False) -> None:
        """Add a line, whole: the mend of a problem comes last."""
        text = log.text(text.encode("utf-8", "surrogateescape"))
        self.lines.append(_INDENT + (self._painted(_RED, text) if is_wrong else text))

    def _painted(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colour else text


def lines(plan: "Plan", *, colour: bool) -> list[str]:
    """Return a plan as lines."""
    page = Page(colour=colour)
    page.heading("Configuration")
    page.rows(_setting(one) for one in plan["configuration"])
    page.heading("Gate")
    page.rows([("open" if plan["gate"]["open"] else "closed", plan["gate"]["reason"])])
    if plan["variables"]:
        page.heading("Variables")
        page.rows(_variable(one) for one in plan["variables"])
    page.heading("Hooks")
    page.rows(_hooks(plan))
    if not (plan["hooks"] or plan["skipped"] or plan["passed_over"]):
        page.line("none")
    page.heading("Command")
    page.rows(_command(plan))
    page.heading("Environment of the command" + ("" if _is_final(plan) else ", so far"))
    page.rows(
        (f"{one['name']}={_value(one['value'], one['hidden'])}", one["hidden"])
        for one in plan["environment"]
    )
    _end(page, plan)
    return page.lines


def _end(page: Page, plan: "Plan") -> None:
    if plan["log"]:
        first = "Before its first hook the start" if plan["gate"]["open"] else "The start"
        page.heading(f"{first} would say")
        for line in plan["log"]:
            page.line(line)
    if plan["notes"]:
        page.heading("Notes")
        for note in plan["notes"]:
            page.line(note)
    if plan["problems"]:
        page.heading(f"The start would end with status {plan['status']}")
        for problem in plan["problems"]:
            where = f"{problem['where']}: " if problem["where"] else ""
            mend = f" ({problem['mend']})" if problem["mend"] else ""
            page.line(f"{where}{problem['message']}{mend}", is_wrong=True)


def _is_final(plan: "Plan") -> bool:
    return plan["command"]["is_final"]


def _setting(one: "Setting") -> "Row":
    return one["name"], _written(one), one["source"]


def _written(one: "Setting") -> str:
    value = one["value"]
    if value is None or value == []:
        return _NONE
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, str):
        return value
    return f"{value:g}s" if one["name"] in _TIMES else f"{value:g}"


def _value(value: str | None, hidden: str) -> str:
    if hidden:
        return "(not shown)"
    return _NONE if value is None else value


def _variable(one: "Variable") -> "Row":
    source = _SOURCES.get(one["source"], one["source"])
    if one["origin"]:
        source = f"{source}: {one['origin']}"
    if one["source"] == steps.DEFAULT and one["origin"]:
        source = f"default, {one['origin']}"
    value = one["value"]
    shown = '""' if value == "" else _value(value, one["hidden"])
    return one["name"], shown, source


def _hooks(plan: "Plan") -> "Iterator[Row]":
    """Yield a row for each file of the hook directories, and more where there is more to say."""
    number = 0
    for hook in plan["hooks"]:
        number += hook["runs"]
        yield str(number) if hook["runs"] else _NONE, hook["name"], _how(hook), _place(hook)
        if hook["state"]:
            yield "", "", hook["state"], ""
        for directory in hook["replaces"]:
            yield "", "", f"in place of the one in {directory}", ""
        for one in hook["settings"]:
            yield "", "", f"{one['name']}={_written(one).replace(' ', ',')}", one["source"]
    for skipped in plan["skipped"]:
        mend = f" ({skipped['mend']})" if skipped["mend"] else ""
        yield _NONE, skipped["name"], f"skipped: {skipped['reason']}{mend}", ""
        for directory in skipped["replaces"]:
            yield "", "", f"in place of the one in {directory}", ""
    for other in plan["passed_over"]:
        yield _NONE, other["name"], f"passed over: {other['reason']}", other["directory"]


def _how(hook: "Hook") -> str:
    if hook["kind"] == kinds.PYTHON:
        return "run by entrykit's Python"
    if hook["kind"] == kinds.SOURCED:
        return f"sourced by {' '.join(hook['words'])}"
    # The file itself is the last word.
    *runner, _ = hook["words"]
    return f"run by {' '.join(runner)}" if runner else "executed"


def _place(hook: "Hook") -> str:
    if not hook["is_stock"]:
        return hook["directory"]
    return f"stock hook of [{hook['section']}], {hook['section_source']}"


def _command(plan: "Plan") -> "Iterator[Row]":
    command, process = plan["command"], plan["process"]
    words = command["program"]
    if command["takes_options"] and not command["is_final"]:
        words = [*words, "[options that hooks ask for]"]
    words = [*words, *command["arguments"]]
    if not command["is_final"]:
        words = [*words, "[arguments that hooks ask for]"]
    yield "words", " ".join(_quoted(word) for word in words)
    yield "program", command["file"] or "cannot be run: see the notes"
    groups = " ".join(str(group) for group in process["groups"]) or _NONE
    name = f"{process['user']}: " if process["user"] else ""
    yield "user", f"{name}uid {process['uid']}, gid {process['gid']}, groups {groups}"
    yield "umask", process["umask"]
    yield "directory", process["directory"]
    if process["no_new_privileges"]:
        yield "privileges", "can gain no new ones"


def _quoted(word: str) -> str:
    """Return a word so that blanks in it are told from those between words."""
    is_mark = word.startswith("[") and word.endswith("hooks ask for]")
    return word if is_mark else shlex.quote(word)


def _printable(text: str) -> str:
    shown = log.text(text.encode("utf-8", "surrogateescape"))
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
