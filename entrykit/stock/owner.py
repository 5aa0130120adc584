"""What the stock hook `50-owner.py` does: directories get the owner that the server runs as."""

import os
from typing import TYPE_CHECKING

from entrykit.stock import section
from entrykit.system import errors, log, ownership, users
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from entrykit.steps.python_hook import HookStart

# As many mounts are named; a thousand of them would say no more.
_NAMED = 3


def set_up(start: "HookStart") -> str:
    """Give the section's directories to its owner; return what was done, for the log.

    Raises StartError, status 78, where the owner is not clear or cannot be had.
    """
    config = section.of(start)
    owner = wanted(start.env, config)
    if owner is None:
        return f"{config['uid']} is not set: owners stay as they are"
    if os.geteuid() != 0:
        return _leave(start)
    with_links = ownership.are_links_protected()
    seen = changed = 0
    for directory in config["directories"]:
        counts = ownership.give(
            os.fsencode(directory), owner, _progress(start, directory), with_links=with_links
        )
        _say_what_is_left(start, directory, counts)
        seen += counts.seen
        changed += counts.changed
    shown = ", ".join(_shown(directory) for directory in config["directories"])
    uid, gid = owner
    if not changed:
        return f"{shown}: {_number(seen)}, nothing to change"
    return f"{shown}: {changed} of {_number(seen)} given to {uid}:{gid}"


def wanted(variables: "Mapping[str, str]", config: "Mapping[str, Any]") -> tuple[int, int] | None:
    """Return the uid and gid that a section and the environment ask for, None for no one's.

    The variables' first, then the user's. Raises StartError, with each that is no id.
    """
    uid, gid = _ids(variables, [config["uid"], config["gid"]])
    user = users.resolve(config["user"]) if config["user"] else None
    if uid is None and user is None:
        if gid is not None:
            message = f"{config['gid']} is set, and {config['uid']} is not"
            raise StartError(message, hint=f"set {config['uid']} too")
        return None
    if uid is None:
        uid, group = user or (0, 0)
    else:
        group = user[1] if user else users.group_of(uid)
    return uid, group if gid is None else gid


def _ids(variables: "Mapping[str, str]", names: "Sequence[str | None]") -> "list[int | None]":
    ids: list[int | None] = []
    problems = []
    for name in names:
        text = variables.get(name, "") if name else ""
        try:
            ids.append(users.read_id(text) if text else None)
        except ValueError as expected:
            problems.append(("", f"{name} is not {expected}", ""))
    if problems:
        raise errors.together(problems)
    return ids


def _progress(start: "HookStart", directory: str) -> "Callable[[ownership.Counts], None]":
    def say(counts: ownership.Counts) -> None:
        line = f"{_shown(directory)}: {counts.seen} files so far, {counts.changed} changed"
        start.log.info(line)

    return say


def _leave(start: "HookStart") -> str:
    """Say that a start which is not root changes nothing, and what its user cannot write to."""
    uid = os.geteuid()
    for directory in start.config["directories"]:
        if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
            message = f"uid {uid} cannot write to {_shown(directory)}"
            start.log.warning(message, "give it this owner from outside, or start as root")
    return f"the start is uid {uid}, not root: owners stay as they are"


def _say_what_is_left(start: "HookStart", directory: str, counts: ownership.Counts) -> None:
    if counts.mounts:
        named = ", ".join(log.text(path) for path in counts.mounts[:_NAMED])
        more = f" and {len(counts.mounts) - _NAMED} more" if len(counts.mounts) > _NAMED else ""
        line = f"mounted in {_shown(directory)}, so left as they are: {named}{more}"
        start.log.info(line)
    if counts.linked:
        message = (
            f"{_shown(directory)}: {_number(counts.linked)} with several names left as they are"
        )
        start.log.warning(message, "set the host's sysctl fs.protected_hardlinks to 1")


def _shown(directory: str) -> str:
    return log.text(os.fsencode(directory))


def _number(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
