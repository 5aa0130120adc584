"""Prints a plan on standard output: what was asked for. Nothing else is done."""

import json
import posix
from typing import TYPE_CHECKING, Any

from entrykit.plan import build
from entrykit.system.errors import StartError, os_reason

if TYPE_CHECKING:
    from entrykit.steps.state import Start


def plan(this: "Start", words: list[bytes]) -> int:
    """Print the plan of a start; return its exit status.

    That is 0, or 78 where the start would end with it; a program that is not there is a note.
    Raises StartError, status 1, where it cannot be written.
    """
    colour = _may_colour(this)
    document = build.build(this, words)
    if this.settings.plan == "json":
        output = json.dumps(_kebab(document), indent=2) + "\n"
    else:
        from entrykit.plan import text  # not for JSON

        output = "".join(f"{line}\n" for line in text.lines(document, colour=colour))
    _write(output.encode("utf-8", "surrogateescape"))
    return document["status"]


def _may_colour(this: "Start") -> bool:
    """Tell whether standard output is a terminal that is to have colour (https://no-color.org)."""
    terminal = this.environment.get(b"TERM")
    if not terminal or terminal == b"dumb" or this.environment.get(b"NO_COLOR"):
        return False
    return posix.isatty(1)


def _kebab(value: Any) -> Any:
    """Return a record with its keys as the configuration writes keys."""
    if isinstance(value, dict):
        return {key.replace("_", "-"): _kebab(inner) for key, inner in value.items()}
    return [_kebab(inner) for inner in value] if isinstance(value, list) else value


def _write(output: bytes) -> None:
    try:
        while output:
            output = output[posix.write(1, output) :]
    except BrokenPipeError:
        # Who reads it has seen enough: `| head`.
        pass
    except OSError as error:
        raise StartError(f"cannot write the plan: {os_reason(error)}", 1) from None
