"""The keys of a configuration file: those at the top and those of `[env.NAME]`.

Those of the stock hooks' sections stand in entrykit.settings.sections.
"""

from entrykit.settings import checks
from entrykit.settings.checks import Check

TOP: dict[str, Check] = {
    "program": checks.program,
    "commands": checks.words,
    "umask": checks.umask,
    "no-new-privileges": checks.flag,
    "timeout": checks.duration,
    "grace": checks.duration,
    "stop-signals": checks.stop_signals,
    "trust": checks.trust,
    "env-dirs": checks.paths,
    "env-files": checks.paths,
}
# Refused, unless they say what holds anyway.
TOP_TO_COME: dict[str, tuple[object, ...]] = {
    "user": (), "init": (False,),
}  # fmt: skip

VARIABLE: dict[str, Check] = {
    "type": checks.word,
    "default": checks.text,
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
