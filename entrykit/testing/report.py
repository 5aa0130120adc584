"""What a start writes of itself, as its test's process reads it: no more than data.

It lies in a file of PID 1's, in which a hook that is root can write, too.
"""

import ast
from typing import Any

_HANDOFF = {
    "path": bytes,
    "argv": list,
    "environment": list,
    "directory": bytes,
    "umask": int,
    "uids": tuple,
    "gids": tuple,
    "groups": list,
    "ignored": list,
    "caught": list,
    "blocked": list,
    "descriptors": dict,
}


def read(content: bytes) -> dict[str, Any]:
    """Return a report; nothing where it is none, such as what a hook has written over it."""
    try:
        report = ast.literal_eval(content.decode())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    if not isinstance(report, dict):
        return {}
    is_whole = "refused" in report or (
        _are_hooks(report.get("hooks")) and _is_handoff(report.get("handoff"))
    )
    return report if is_whole else {}


def _are_hooks(told: object) -> bool:
    return isinstance(told, list) and all(
        isinstance(hook, dict)
        and isinstance(hook.get("name"), bytes)
        and isinstance(hook.get("directory"), bytes)
        and isinstance(hook.get("seconds", 0.0), float)
        and isinstance(hook.get("status"), int | None)
        and isinstance(hook.get("environment", {}), dict)
        and _are_bytes([*hook.get("environment", {})])
        and _are_bytes([one for one in hook.get("environment", {}).values() if one is not None])
        and _are_bytes(hook.get("argv") or [])
        for hook in told
    )


def _is_handoff(told: object) -> bool:
    if told is None:
        return True
    return (
        isinstance(told, dict)
        and all(isinstance(told.get(name), kind) for name, kind in _HANDOFF.items())
        and _are_bytes(told["argv"])
        and _are_bytes(told["environment"])
        and _are_bytes(list(told["descriptors"].values()))
        and all(len(told[name]) == 3 for name in ("uids", "gids"))
    )


def _are_bytes(told: object) -> bool:
    return isinstance(told, list) and all(isinstance(one, bytes) for one in told)
