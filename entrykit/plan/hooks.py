"""The hooks of a plan: in order, with where each comes from, and every file that is none."""

from typing import TYPE_CHECKING, TypedDict

from entrykit.steps import climbing, discover, gate, hook_user, journal, once, search
from entrykit.system import log
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from entrykit.plan.configuration import Sources
    from entrykit.plan.record import Hook, PassedOver, Setting, Skipped
    from entrykit.plan.redaction import Redaction
    from entrykit.steps.discover import Discovery
    from entrykit.steps.search import Listing
    from entrykit.steps.state import Start
    from entrykit.system.errors import Problem

_CLOSED = "not run: the gate is closed"
_NO_HOOKS_NAME = "it is hidden, or named like a backup or a text to read"


class Found(TypedDict):
    """What lies in the hook directories."""

    hooks: "list[Hook]"
    skipped: "list[Skipped]"
    passed_over: "list[PassedOver]"


def find(
    this: "Start", sources: "Sources", redaction: "Redaction", *, is_open: bool
) -> "tuple[Found, list[Problem]]":
    """Return what lies in the hook directories, as the start finds it, and what is wrong.

    With the gate closed faults do not matter, and nothing runs; what the command's user must not be
    able to write is wrong all the same.
    """
    listings = search.search(this.settings)
    found = discover.discover(this.settings, listings, this.search_path())
    problems = _report(found, this) if is_open else []
    if not is_open:
        gate.say_what_is_not_run(found.hooks, this.command, this.settings.program)
    if this.identity and this.identity.uid:
        problems += climbing.problems(this.settings, this.identity, found if is_open else None)
    rows = []
    for one in found.hooks:
        runs, state = is_open, "" if is_open else _CLOSED
        if is_open and one.once:
            try:
                runs, state = _look_whether_done(one, this)
            except StartError as error:
                problems += [(log.text(one.name), *problem[1:]) for problem in error.problems]
        rows.append(_hook(one, found, sources, redaction) | {"runs": runs, "state": state})
    return {
        "hooks": rows,
        "skipped": [
            {
                "name": _text(name),
                "reason": reason,
                "mend": mend,
                "replaces": _replaced(found, name),
            }
            for name, reason, mend, _ in found.skipped
        ],
        "passed_over": _passed_over(found, listings),
    }, problems


def _passed_over(found: "Discovery", listings: "list[Listing]") -> "list[PassedOver]":
    passed_over = [
        (directory, name, _NO_HOOKS_NAME)
        for directory, names, _, _ in listings
        for name in sorted(names)
        if discover.is_passed_over(name)
    ]
    passed_over += [
        (*path.rpartition(b"/")[::2], "it is a directory") for path in found.directories
    ]
    return [
        {"name": _text(name), "directory": _text(directory), "reason": reason}
        for directory, name, reason in passed_over
        if not _is_stock(directory)
    ]


def _report(found: "Discovery", this: "Start") -> "list[Problem]":
    """Say what the start would say before its first hook, and return the problems."""
    problems: list[Problem] = []
    try:
        discover.report(found, this.settings)
    except StartError as error:
        problems += error.problems
    if any(one.user for one in found.hooks):
        hook_user.say_kept(found.hooks)
        problems += hook_user.refusals(found.hooks)
    return problems


def _is_stock(directory: bytes) -> bool:
    return directory == search.STOCK_DIRECTORY


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _replaced(found: "Discovery", name: bytes) -> list[str]:
    return [_text(directory) for directory in found.replaced.get(name, ())]


def _hook(
    hook: discover.Hook,
    found: "Discovery",
    sources: "Sources",
    redaction: "Redaction",
) -> "Hook":
    section = hook.section
    return {
        "name": _text(hook.name),
        "directory": _text(hook.directory),
        "is_stock": _is_stock(hook.directory),
        "kind": hook.kind,
        # What is sourced is read by its shell, and Python hooks by the start's own interpreter.
        "words": redaction.words(hook.words),
        "section": section,
        "section_source": section and (sources.line(section) or sources.file),
        "replaces": _replaced(found, hook.name),
        "settings": _settings(hook, sources),
        "runs": False,
        "state": "",
    }


def _settings(hook: discover.Hook, sources: "Sources") -> "list[Setting]":
    """Return the settings that a hook has, each with where it stands."""
    timeout_source = sources.of("timeout")
    values: dict[str, tuple[str | float | list[str] | None, str]] = {
        "timeout": (hook.timeout_seconds, timeout_source),
        "on_error": ("continue" if hook.goes_on else None, ""),
        "secrets": (sorted(_text(name) for name in hook.secrets), f"[{hook.section}]"),
        "once": (hook.once or None, ""),
        "on_interrupted": ("redo" if hook.redoes else None, ""),
        "makes": ([_text(path) for path in hook.makes], ""),
        "user": (hook.user or None, ""),
    }
    settings: list[Setting] = []
    for key, (value, general) in values.items():
        if value is None or value == []:
            continue
        name, by = key.replace("_", "-"), hook.set_by.get(key)
        source = by or general
        if by == discover.BY_TABLE:
            source = sources.line("hooks", _text(hook.name), name) or by
        settings.append({"name": name, "value": value, "source": source})
    return settings


def _look_whether_done(hook: discover.Hook, this: "Start") -> tuple[bool, str]:
    """Tell whether a hook that runs once would run, as its journal says now. Raises StartError.

    No lock is taken, and no database is asked.
    """
    variable = this.settings.configuration["once"]["database"]
    if variable:
        return True, f"unless the database of {variable}, which is not asked, says that it was done"
    digest = once.digest(hook.path)
    entry = journal.Journal(hook, this, digest).look()
    if entry is None:
        return True, "was not done yet"
    if entry["state"] == journal.DONE:
        state = (
            f"not run: was done on {entry['done']}" if entry.get("done") else "not run: was done"
        )
        changed = entry.get("digest", digest) != digest
        return False, f"{state}, when its content was another" if changed else state
    begun = entry.get("started", "an unknown date")
    then = "what it makes is emptied first" if hook.redoes else "the start would refuse to go on"
    return hook.redoes, f"was interrupted in its run of {begun}, unless that goes on still: {then}"
