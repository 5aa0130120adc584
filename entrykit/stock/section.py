"""The section of the configuration that a stock hook is given."""

from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrykit.steps.python_hook import HookStart


def of(start: "HookStart") -> "dict[str, Any]":
    """Return a stock hook's section.

    Raises StartError, status 78, where there is none: a file of a hook directory is given one only
    where it takes the place of a stock hook that is switched on.
    """
    if not start.config:
        hint = "a copy of a stock hook keeps its name, and the configuration has its section"
        raise StartError("it is given no section of the configuration", hint=hint)
    return start.config
