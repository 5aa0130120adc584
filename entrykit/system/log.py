"""Owns the log: lines on standard error, and nothing anywhere else.

Its one rule: no line of entrykit's own holds the value of a secret. Callers pass names, and of a
variable's value only what they know to be none. Each line is one line of printable characters,
whatever is in it. One that cannot be written is dropped; it never fails a start.

Imported by every start: builtin modules only.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.system.errors import StartError

QUIET, INFO, DEBUG = 0, 1, 2
LEVELS = {"quiet": QUIET, "info": INFO, "debug": DEBUG}

_RED, _YELLOW, _DIM, _RESET = "\033[31m", "\033[33m", "\033[2m", "\033[0m"


# One log for one process.
_state = {"level": INFO, "colour": 0}
_keepers: list[list[str]] = []


def set_level(level: int) -> None:
    """Write lines of this level and above; at first it is INFO."""
    _state["level"] = level


def set_colour(*, allowed: bool) -> None:
    """Allow colour or not (https://no-color.org); at first it is not."""
    _state["colour"] = allowed


def state() -> dict[str, int]:
    """Return what another process needs to write as this one does."""
    return dict(_state)


def restore(given: dict[str, int]) -> None:
    """Write as the process does that has returned this by `state`."""
    _state.update(given)


def keep(lines: list[str] | None) -> None:
    """Add lines to `lines` instead of writing them, without colour; None: write them again."""
    _keepers[:] = [] if lines is None else [lines]


def text(raw: bytes) -> str:
    """Return bytes as one printable line: control characters and invalid UTF-8 escaped."""
    decoded = raw.decode("utf-8", "backslashreplace")
    if decoded.isprintable():
        return decoded
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in decoded
    )


def duration(seconds: float) -> str:
    """Return a duration as people read it: `4 ms`, `1.2 s`, `2 min 5 s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def debug(message: str, where: str = "") -> None:
    """Write a line for whoever looks for a fault in the set-up."""
    if _state["level"] >= DEBUG:
        _write(where, message, _DIM)


def info(message: str, where: str = "") -> None:
    """Write a line about something that was done."""
    if _state["level"] >= INFO:
        _write(where, message, "")


def warn(message: str, where: str = "", hint: str = "") -> None:
    """Write a line about something that is probably not meant; also written when quiet."""
    _write(where, _with_hint(message, hint), _YELLOW)


def report(error: "StartError") -> None:
    """Write each problem of an error, a line each; also written when quiet."""
    for where, message, hint in error.problems:
        _write(where, _with_hint(message, hint), _RED)


def defect(message: str, traceback: str) -> None:
    """Write the traceback of a defect at level debug, and then one line that says what it was."""
    if _state["level"] >= DEBUG:
        _put(traceback.encode("utf-8", "backslashreplace"))
    _write("", message, _RED)


def _with_hint(message: str, hint: str) -> str:
    return f"{message} ({hint})" if hint else message


def _write(where: str, message: str, colour: str) -> None:
    line = f"{where}: {message}" if where else message
    if not line.isprintable():
        # What a configuration says, for instance: it could move the cursor, or begin a line.
        line = text(line.encode("utf-8", "backslashreplace"))
    if _keepers:
        _keepers[-1].append(line)
        return
    if _state["colour"] and colour:
        line = f"{colour}entrykit: {line}{_RESET}\n"
    else:
        line = f"entrykit: {line}\n"
    _put(line.encode("utf-8", "backslashreplace"))


def _put(line: bytes) -> None:
    try:
        while line:
            line = line[posix.write(2, line) :]
    except OSError:
        pass
