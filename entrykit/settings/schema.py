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
}
# Refused, unless they say what holds anyway.
TOP_TO_COME: dict[str, tuple[object, ...]] = {
    "user": (), "init": (False,), "env-dirs": ([],), "env-files": ([],),
}  # fmt: skip

VARIABLE: dict[str, Check] = {
    "default": checks.text,
    "required": checks.flag,
    "secret": checks.flag,
    "file": checks.flag,
    "expose": checks.flag,
    "help": checks.text,
}
VARIABLE_TO_COME = (
    "type", "min", "max", "choices", "pattern", "deprecated", "exclusive", "required-with",
)  # fmt: skip

RUNNER: Check = checks.runner
