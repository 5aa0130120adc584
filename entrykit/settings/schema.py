"""The keys of a configuration file: what each may hold, and how it is said when it does not.

A check takes the value that TOML gave and returns the one to keep; it raises ValueError, whose
text is what was expected.
"""

import signal
from collections.abc import Callable
from typing import Any

from entrykit.settings import hook, values

Check = Callable[[object], Any]

# Signals that cannot be waited for: KILL and STOP, and those that a fault of the process raises.
_NO_STOPS = {"KILL", "STOP", "ABRT", "BUS", "FPE", "ILL", "SEGV", "SYS", "TRAP", "CHLD", "CLD"}


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("a string")
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a word")
    return value


def _words(value: object) -> list[str]:
    if not isinstance(value, list) or any(not isinstance(w, str) or "\0" in w for w in value):
        raise ValueError("a list of words")
    return value


def _runner(value: object) -> list[str]:
    words = _words(value)
    if not words or not words[0]:
        raise ValueError("a list of words, the first a program")
    return words


def _program(value: object) -> list[str]:
    expected = "a word or a list of words"
    try:
        words = [value] if isinstance(value, str) else _words(value)
    except ValueError:
        raise ValueError(expected) from None
    if not words or not words[0] or "\0" in words[0]:
        raise ValueError(expected)
    return words


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _duration(value: object) -> float:
    try:
        return values.duration_seconds(hook.plain_number(value))
    except ValueError:
        raise ValueError('a duration ("30s", "500ms", "5m", or a number of seconds)') from None


def _umask(value: object) -> int:
    try:
        return values.umask(_word(value))
    except ValueError:
        raise ValueError('an octal string ("022")') from None


def _variable(value: object) -> str:
    if not isinstance(value, str) or not values.is_variable_name(value):
        raise ValueError("the name of a variable")
    return value


def _file(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value or value[-1] == "/":
        raise ValueError("the path of a file, or its bare name")
    if "/" not in value and value[0] == ".":
        raise ValueError("a bare name without a dot before it")
    return value


def _trust(value: object) -> str:
    if value != "any":
        raise ValueError('"any"')
    return "any"


def _stop_signals(value: object) -> list[int]:
    numbers = []
    for word in _words(value):
        number = _signal_number(word)
        if number is None:
            raise ValueError(f"a list of signals that can be waited for, which {word!r} is not")
        numbers.append(number)
    return numbers


def _signal_number(word: str) -> int | None:
    """Return the number of a signal as STOPSIGNAL names it: TERM, SIGTERM, 15, RTMIN+3, RTMAX-1."""
    bare = word.upper().removeprefix("SIG")
    offset = bare[len("RTMIN+") :]
    if bare.startswith("RTMIN+") and offset.isascii() and offset.isdigit():
        number = signal.SIGRTMIN + int(offset)
    elif bare.startswith("RTMAX-") and offset.isascii() and offset.isdigit():
        number = signal.SIGRTMAX - int(offset)
    elif bare.isascii() and bare.isdigit():
        number = int(bare)
    else:
        number = getattr(signal, f"SIG{bare}", 0)
    refused = {getattr(signal, f"SIG{name}") for name in _NO_STOPS}
    return int(number) if number in signal.valid_signals() - refused else None


TOP: dict[str, Check] = {
    "program": _program,
    "commands": _words,
    "umask": _umask,
    "no-new-privileges": _flag,
    "timeout": _duration,
    "grace": _duration,
    "stop-signals": _stop_signals,
    "trust": _trust,
}
# Refused, unless they say what holds anyway.
TOP_TO_COME: dict[str, tuple[object, ...]] = {
    "user": (), "init": (False,), "env-dirs": ([],), "env-files": ([],),
}  # fmt: skip

VARIABLE: dict[str, Check] = {
    "default": _text,
    "required": _flag,
    "secret": _flag,
    "file": _flag,
    "expose": _flag,
    "help": _text,
}
VARIABLE_TO_COME = (
    "type", "min", "max", "choices", "pattern", "deprecated", "exclusive", "required-with",
)  # fmt: skip

# A section switches its stock hook on. Keys without a default must be given.
STOCK: dict[str, dict[str, tuple[Check, object]]] = {
    "htpasswd": {
        "username": (_variable, ...),
        "password": (_variable, ...),
        "file": (_file, "htpasswd"),
        "option": (_word, ""),
    },
}
# Variables that a section names are declared by it: those read from files, and the secret ones.
STOCK_FILES = {"htpasswd": ("username",)}
STOCK_SECRETS = {"htpasswd": ("password",)}

RUNNER: Check = _runner
