"""Left-over processes: what a hook leaves running is named in the log, once.

A PID 1, or the init that the start is a child of, gets all of them: whatever loses its parent
becomes its child, and what descends from it and was not there before the hook is the hook's.
Elsewhere an orphan goes to another process. What is
left in the hook's session is still known by that; what has left it (setsid(2)) is not.

Loaded where a hook has left some running: builtin modules only.
"""

import posix

from entrykit.system import log, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.system.processes import Process

_MOST_NAMED = 10

# By id when they began.
_known: dict[int, int] = {}
# Of the hooks whose processes were named: what those start later is not another hook's.
_sessions: set[int] = set()


def note_all() -> None:
    """Take all that runs now for no hook's: it was there before the first one."""
    _known.update((process.number, process.began) for process in processes.table().values())


def note(number: int) -> None:
    """Take a child for the start's own."""
    table = processes.table()
    if number in table:
        _known[number] = table[number].began


def name(where: str, session: int, orphans_parent: int) -> None:
    """Name what the hook of this session, `where` in the log, has left running.

    `orphans_parent` is the process that orphans go to, 0 where that is not known.
    """
    table = processes.table()
    if not table:
        log.info("leaves processes running, which have no names without /proc", where)
        return
    left = [
        process
        for _, process in sorted(table.items())
        if _is_new(process, session, orphans_parent, table)
    ]
    if not left:
        return
    _sessions.add(session)
    _known.update((process.number, process.began) for process in left)
    named = [f"{process.number} ({log.text(process.name)})" for process in left[:_MOST_NAMED]]
    if more := len(left) - len(named):
        named.append(f"{more} more")
    log.info(f"leaves running: {', '.join(named)}", where)


def _is_new(
    process: "Process", session: int, orphans_parent: int, table: "dict[int, Process]"
) -> bool:
    """Tell whether a process runs, is what the hook of this session has left, and not known."""
    own = posix.getpid()
    if not process.runs or process.number in (own, orphans_parent):
        return False
    is_hooks = False
    for ancestor in _line(process, table):
        if ancestor.number == orphans_parent:
            return True
        if ancestor.number == own:
            return is_hooks
        if _known.get(ancestor.number) == ancestor.began or ancestor.session in _sessions:
            return False
        is_hooks = is_hooks or ancestor.session == session
    return is_hooks


def _line(process: "Process", table: "dict[int, Process]") -> "Iterator[Process]":
    """Yield a process and its ancestors. Read at different times, they may seem a circle."""
    seen: set[int] = set()
    while process.number not in seen:
        seen.add(process.number)
        yield process
        if process.parent not in table:
            return
        process = table[process.parent]
