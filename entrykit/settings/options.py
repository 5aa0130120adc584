"""What a start is told beside its configuration: the options of `run`, and ENTRYKIT_* variables.

One table names them. A baked start has no options and seldom a variable, so this is not part of
a plain start.
"""

import posix

from entrykit.settings import values
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Setting = tuple[str, bool, bool, str]

# Name, whether it is a switch, whether a variable ENTRYKIT_NAME has it too, and what it does.
SETTINGS = (
    ("config", False, True, "the configuration file; default /etc/entrykit.toml"),
    ("hooks", False, True, "hook directories, separated by `:`, instead of the default two"),
    ("skip", False, True, "file names of hooks not to run, separated by `,`"),
    ("log", False, True, "form and level of the log: `text`, and `quiet`, `info` or `debug`"),
    ("plan", True, True, "show what a start would do, and do nothing; `json`: in that form"),
    ("init", True, True, "stay as PID 1, and let the command be a child of it"),
    ("forward", False, False, "with an init: signals go to the `child`, or to its process `group`"),
    ("rewrite", False, False, "with an init: other signals for some, 0 for none: TERM=QUIT,USR1=0"),
    ("ok-status", False, False, "with an init: statuses of the command that count as 0: 7,143"),
    ("parent-death-signal", False, False, "with an init: what it gets when its parent ends: TERM"),
    ("program", False, True, "the image's program, its words separated by blanks"),
    ("user", False, False, "whom the command runs as, where the start is root: `app`, `1500:33`"),
    (
        "sysroot",
        False,
        True,
        "a directory that stands before /sys and /proc for 20-limits.py: for tests",
    ),
    ("no-new-privileges", True, False, "let nothing that the command runs gain privileges"),
    ("timeout", False, False, "time limit of each hook that sets none of its own: 30s, 5m"),
)
PREFIX = b"ENTRYKIT_"
PLAN_FORMS = ("text", "json")
_OF_INIT = frozenset({"forward", "rewrite", "ok-status", "parent-death-signal"})
# Lists, so that each time they are given counts.
_REPEATABLE = ("rewrite", "ok-status")
# What hooks are given; in a start's own environment they come from a start around it.
_GIVEN_TO_HOOKS = (
    b"ENTRYKIT_HOOK", b"ENTRYKIT_ENV", b"ENTRYKIT_UNSET", b"ENTRYKIT_OPTIONS", b"ENTRYKIT_ARGS",
    b"ENTRYKIT_COMMAND",
)  # fmt: skip


def read_options(
    words: list[bytes], settings: "Sequence[Setting]" = SETTINGS
) -> tuple[dict[str, bytes], list[bytes]]:
    """Split the words after `run` into its options and the command.

    `settings` are those that there are. Options end at `--` or at the first word that is none.
    Raises StartError, status 2.
    """
    options: dict[str, bytes] = {}
    kinds = {b"--" + name.encode(): (name, switch) for name, switch, _, _ in settings}
    rest = list(words)
    while rest:
        word, equals, value = rest[0].partition(b"=")
        if word not in kinds:
            break
        name, switch = kinds[word]
        rest.pop(0)
        if switch and not equals:
            value = b"1"
        elif not equals:
            if not rest:
                message = f"option --{name} needs a value"
                raise StartError(message, errors.USAGE, "see `entrykit run --help`")
            value = rest.pop(0)
        if name in _REPEATABLE and name in options:
            value = options[name] + b"," + value
        options[name] = value
    if rest and rest[0] == b"--":
        rest.pop(0)
    return options, rest


def read_variables(variables: "Iterable[tuple[bytes, bytes]]") -> dict[str, bytes]:
    """Return the settings that ENTRYKIT_* variables give; an empty one is unset."""
    names = {PREFIX + name.upper().encode(): name for name, _, has, _ in SETTINGS if has}
    found: dict[str, bytes] = {}
    for variable, value in variables:
        if variable in names:
            if value:
                found[names[variable]] = value
        elif variable not in _GIVEN_TO_HOOKS:
            near = values.nearest(log.text(variable), [name.decode() for name in names])
            hint = f"did you mean {near}?" if near else "it is not passed on to the command"
            log.warn(f"{log.text(variable)} is not a variable of entrykit", hint=hint)
    return found


def log_level(given: dict[str, bytes]) -> int:
    """Return the level of the log, from `text` and a level, separated by `,`. Raises StartError."""
    level = log.INFO
    for word in log.text(given.get("log", b"")).split(","):
        form = word.strip()
        if form == "json":
            message = "the JSON log is not available in this version"
            raise StartError(message, hint="leave `json` out of ENTRYKIT_LOG")
        if form in log.LEVELS:
            level = log.LEVELS[form]
        elif form not in ("text", ""):
            message = f"--log (ENTRYKIT_LOG): {form} is no form and no level"
            raise StartError(message, hint="known are text, quiet, info and debug")
    return level


def check(given: dict[str, bytes]) -> None:
    """Raise StartError where a setting is given that cannot be had yet, or makes no sense."""
    if "user" in given:
        user(given["user"])
    if given.get("no-new-privileges"):
        _switch("no-new-privileges", given["no-new-privileges"])
    init_settings(given)
    plan_form(given.get("plan", b""))
    if given.get("timeout"):
        timeout_seconds(given["timeout"])
    if given.get("sysroot") and not _is_directory(given["sysroot"]):
        # No limits would be found there, and nobody would know why.
        message = f"--sysroot (ENTRYKIT_SYSROOT) is no directory: {log.text(given['sysroot'])}"
        raise StartError(message, hint="it is for tests: leave it out")


def _is_directory(path: bytes) -> bool:
    try:
        return files.is_directory(posix.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def timeout_seconds(written: bytes) -> float:
    """Return the seconds of `--timeout`. Raises StartError, status 2."""
    try:
        return values.duration_seconds(written.decode("ascii", "replace"))
    except ValueError:
        message = f"--timeout is no duration: {log.text(written)}"
        raise StartError(message, errors.USAGE, "write for instance 30s, 500ms or 5m") from None


def user(written: bytes) -> str:
    """Return the user of `--user`. Raises StartError: an empty one is no user either."""
    from entrykit.system import users  # few starts are told one

    spec = written.decode("utf-8", "surrogateescape")
    try:
        users.split(spec)
    except ValueError as expected:
        raise StartError(f"--user {spec!r}: expected {expected}") from None
    return spec


def no_new_privileges(written: bytes) -> bool:
    """Return what `--no-new-privileges` says. Raises StartError."""
    return _switch("no-new-privileges", written)


def init_settings(given: dict[str, bytes]) -> "dict[str, Any]":
    """Return what is told of the init, under the configuration's keys.

    Raises StartError: status 78 for the one that is a variable too, else 2.
    """
    found: dict[str, Any] = {}
    if given.get("init"):
        found["init"] = _switch("init", given["init"])
    if not _OF_INIT.isdisjoint(given):
        from entrykit.settings import init  # `signal` costs 3 ms

        readers: dict[str, Callable[[str], Any]] = {
            "forward": init.forward,
            "rewrite": lambda text: init.rewrite(text.split(",")),
            "ok-status": lambda text: init.statuses([_integer(one) for one in text.split(",")]),
            "parent-death-signal": init.parent_death_signal,
        }
        for name in _OF_INIT.intersection(given):
            try:
                found[name.replace("-", "_")] = readers[name](log.text(given[name]))
            except ValueError as error:
                message = f"--{name} must be {error}"
                raise StartError(message, errors.USAGE, "see `entrykit run --help`") from None
    return found


def _integer(text: str) -> int:
    """Return a number of few digits, -1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1


def plan_form(written: bytes) -> str:
    """Return the form of the plan that is wanted, "" for none. Raises StartError.

    `text` and `json` are forms; what is true is `text`.
    """
    form = written.decode("ascii", "replace")
    if not form or form in PLAN_FORMS:
        return form
    return PLAN_FORMS[0] if _switch("plan", written, ", text nor json", "1, json or 0") else ""


def _switch(name: str, value: bytes, more: str = "", mend: str = "1 or 0") -> bool:
    try:
        return values.boolean(value.decode("ascii", "replace"))
    except ValueError:
        what = f"true, false{more}" if more else "true nor false"
        message = f"--{name} (ENTRYKIT_{name.upper()}) is neither {what}"
        raise StartError(message, hint=f"write {mend}") from None
