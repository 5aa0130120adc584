"""What a key of the configuration may hold, one check for each kind of value.

A check takes the value that TOML gave and returns the one to keep; it raises ValueError, whose
text is what was expected.
"""

from collections.abc import Callable
from typing import Any

from entrykit.settings import hook, init, values
from entrykit.system import users

Check = Callable[[object], Any]


def text(value: object) -> str:
    """Take any string without a NUL byte."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("a string")
    return value


def default(value: object) -> str:
    """Take a variable's default: a string, or a number or truth value for its text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value) if isinstance(value, (int, float)) else text(value)
    except ValueError:
        # Also of an integer with thousands of digits.
        raise ValueError("a string, a number, true or false") from None


def word(value: object) -> str:
    """Take a string that is not empty."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a word")
    return value


def words(value: object) -> list[str]:
    """Take a list of strings."""
    if not isinstance(value, list) or any(not isinstance(w, str) or "\0" in w for w in value):
        raise ValueError("a list of words")
    return value


def runner(value: object) -> list[str]:
    """Take the words that run a file: a list that begins with a program."""
    given = words(value)
    if not given or not given[0]:
        raise ValueError("a list of words, the first a program")
    return given


def program(value: object) -> list[str]:
    """Take the image's program: a word, or a list of words."""
    expected = "a word or a list of words"
    try:
        given = [value] if isinstance(value, str) else words(value)
    except ValueError:
        raise ValueError(expected) from None
    if not given or not given[0] or "\0" in given[0]:
        raise ValueError(expected)
    return given


def flag(value: object) -> bool:
    """Take a truth value."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def duration(value: object) -> float:
    """Take a duration and return its seconds."""
    try:
        return values.duration_seconds(hook.plain_number(value))
    except ValueError:
        raise ValueError('a duration ("30s", "500ms", "5m", or a number of seconds)') from None


def user(value: object) -> str:
    """Take a user spec."""
    if not isinstance(value, str):
        raise ValueError('a user ("app", "1500", "app:staff" or "1500:1500")')
    users.split(value)
    return value


def umask(value: object) -> int:
    """Take an octal string and return the mask."""
    try:
        return values.umask(word(value))
    except ValueError:
        raise ValueError('an octal string ("022")') from None


def variable(value: object) -> str:
    """Take the name of a variable."""
    if not isinstance(value, str) or not values.is_variable_name(value):
        raise ValueError("the name of a variable")
    return value


def variables(value: object) -> list[str]:
    """Take a list of names of variables."""
    if not isinstance(value, list) or not value:
        raise ValueError("a list of names of variables")
    try:
        return [variable(name) for name in value]
    except ValueError:
        raise ValueError("a list of names of variables") from None


def bound(value: object) -> str:
    """Take what limits a value, a number or a string, and return it as it is written."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number, or a string with one")
    try:
        return str(value)
    except ValueError:
        # A hexadecimal one that Python would write in more than 4,300 digits.
        raise ValueError("a number of fewer digits") from None


def choices(value: object) -> list[str]:
    """Take the words that a value can be: some, none twice."""
    expected = "a list of different words"
    try:
        given = words(value)
    except ValueError:
        raise ValueError(expected) from None
    if not given or "" in given or len(set(given)) < len(given):
        raise ValueError(expected)
    return given


def paths(value: object) -> list[str]:
    """Take a list of absolute paths."""
    expected = "a list of absolute paths"
    try:
        given = words(value)
    except ValueError:
        raise ValueError(expected) from None
    if not all(path.startswith("/") for path in given):
        raise ValueError(expected)
    return given


def file(value: object) -> str:
    """Take the path of a file, or its bare name."""
    if not isinstance(value, str) or not value or "\0" in value or value[-1] == "/":
        raise ValueError("the path of a file, or its bare name")
    if "/" not in value and value[0] == ".":
        raise ValueError("a bare name without a dot before it")
    return value


def absolute_path(value: object) -> str:
    """Take an absolute path without detours."""
    parts = value.split("/") if isinstance(value, str) and "\0" not in value else []
    if len(parts) < 2 or parts[0] or {"", ".", ".."} & set(parts[1:]):
        raise ValueError("an absolute path, without . or .. in it")
    return str(value)


def trust(value: object) -> str:
    """Take the one word that switches the check of climbing off."""
    if value != "any":
        raise ValueError('"any"')
    return "any"


def stop_signals(value: object) -> list[int]:
    """Take names of signals and return their numbers."""
    numbers = []
    for word in words(value):
        number = init.stop_signal(word)
        if number is None:
            raise values.Named(f"a list of signals that can be waited for, which {word!r} is not")
        numbers.append(number)
    return numbers


def forward(value: object) -> str:
    """Take where an init's signals go."""
    return init.forward(value if isinstance(value, str) else "")


def rewrite(value: object) -> dict[int, int]:
    """Take a list of signals and what is sent instead."""
    return init.rewrite(words(value))


def statuses(value: object) -> list[int]:
    """Take a list of exit statuses."""
    if not isinstance(value, list) or any(type(number) is not int for number in value):
        raise ValueError("a list of exit statuses, 0 to 255")
    return init.statuses(value)


def parent_death_signal(value: object) -> int:
    """Take the name of a signal and return its number."""
    if not isinstance(value, str):
        raise ValueError("the name of a signal")
    return init.parent_death_signal(value)
