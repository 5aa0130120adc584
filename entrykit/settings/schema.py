"""The keys of a configuration file: those at the top, of `[env.NAME]` and of `[once]`.

Those of the stock hooks' sections stand in entrykit.settings.sections.
"""

from collections.abc import Iterator
from typing import Any

from entrykit.settings import checks
from entrykit.settings.checks import Check
from entrykit.settings.sections.section import Section

TOP: dict[str, Check] = {
    "program": checks.program,
    "commands": checks.words,
    "user": checks.user,
    "umask": checks.umask,
    "no-new-privileges": checks.flag,
    "timeout": checks.duration,
    "grace": checks.duration,
    "stop-signals": checks.stop_signals,
    "init": checks.flag,
    "forward": checks.forward,
    "rewrite": checks.rewrite,
    "ok-status": checks.statuses,
    "parent-death-signal": checks.parent_death_signal,
    "trust": checks.trust,
    "env-dirs": checks.paths,
    "env-files": checks.paths,
}

VARIABLE: dict[str, Check] = {
    "type": checks.word,
    "default": checks.default,
    "required": checks.flag,
    "min": checks.bound,
    "max": checks.bound,
    "choices": checks.choices,
    "pattern": checks.word,
    "secret": checks.flag,
    "file": checks.flag,
    "expose": checks.flag,
    "deprecated": checks.variables,
    "exclusive": checks.word,
    "required-with": checks.variable,
    "help": checks.text,
}

RUNNER: Check = checks.runner


def _problems_of_once(table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if table["journal"] and table["database"]:
        yield "database", "there is a journal already", "give one of the two"
    if not (table["journal"] or table["database"]):
        yield "journal", "is missing", "give a directory on the volume here, or database"


# No stock hook's, but of the same form.
ONCE = Section(
    keys={"journal": (checks.absolute_path, ""), "database": (checks.variable, "")},
    problems=_problems_of_once,
)
