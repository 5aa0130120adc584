"""Run: one hook as a child, and then its changes, before the next one starts.

Imported by every start with a hook: builtin modules only.
"""

import posix
import time

from entrykit.steps import kinds, sourced
from entrykit.steps.changes import Changes
from entrykit.system import errors, log, runtime, signals, spawn
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from entrykit.steps.discover import Hook
    from entrykit.steps.state import Start
    from entrykit.system.errors import Problem
    from entrykit.system.spawn import Ending

_NOT_STARTED = "the command was not started"
_KILL = 9


def prepare(start: "Start") -> None:
    """Note what runs before the first hook: it is no hook's."""
    if spawn.has_orphans(start.orphans_parent):
        from entrykit.steps import left_over  # seldom

        left_over.note_all()


def run(hook: "Hook", start: "Start") -> None:
    """Run one hook and apply the changes that it asked for.

    Raises StartError where it exited with another status than 0, was killed or ran out of time,
    or where its changes cannot be made. All of them are then dropped.
    """
    where, directory = log.text(hook.name), log.text(hook.directory)
    began = time.monotonic()
    log.debug(f"runs, in {directory}", where)
    try:
        said = _run_once(hook, start) if hook.once else _run(hook, start)
    except signals.Stopped:
        raise
    except StartError as error:
        start.directories_of(hook).discard()
        took = f" after {log.duration(time.monotonic() - began)}"
        if isinstance(error, errors.NotRun):
            took = ""
        outcome = "going on, as on-error=continue says" if hook.goes_on else _NOT_STARTED
        error.problems = [
            (where, f"{_placed(inner, message)}{took}, in {directory}; {outcome}", hint)
            for inner, message, hint in error.problems
        ]
        if not hook.goes_on:
            if start.directories_of(hook).had_no_place:
                _add_no_place(error)
            raise
        log.warn(*error.problems[-1][1::-1], error.problems[-1][2])
        return
    if said is None:
        return
    took = log.duration(time.monotonic() - began)
    log.info(f"{said} ({took})" if said else f"done ({took})", where)


def _placed(place: str, message: str) -> str:
    """Return a message with the place that it is about, which is not the hook itself."""
    return f"{place}: {message}" if place else message


def _run_once(hook: "Hook", start: "Start") -> str | None:
    """Run a hook unless it was done before: None."""
    from entrykit.steps import once  # few hooks need it

    return once.run(hook, start, lambda is_lost: _run(hook, start, is_lost))


def _run(hook: "Hook", start: "Start", is_lost: "Callable[[], bool] | None" = None) -> str:
    """Run a hook and apply its changes; return what it says it did, "" for nothing.

    `is_lost` tells whether it must not go on.
    """
    # Of another user's hook that cannot be started, its child tells why.
    reports = hook.kind in (kinds.SOURCED, kinds.PYTHON) or hook.identity is not None
    report = -1
    try:
        try:
            report = spawn.memory_file("entrykit-report") if reports else -1
            child = _start_child(hook, start, report)
        except OSError as error:
            raise _cannot_be_started(error) from None
        ending = spawn.wait(
            child,
            start.inherited.signals,
            hook.timeout_seconds,
            start.settings.configuration["grace"],
            is_lost,
            hook.uid,
        )
        raw = spawn.take_report(report) if reports and not ending.stopped_by else b""
    finally:
        if report >= 0:
            posix.close(report)
    if ending.stopped_by:
        raise signals.Stopped(ending.stopped_by, log.text(hook.name))
    leaves_some = spawn.group_lives(child) or spawn.has_orphans(start.orphans_parent)
    if leaves_some:
        from entrykit.steps import left_over  # most hooks leave nothing

        left_over.name(log.text(hook.name), child, start.orphans_parent)
    if ending.status or ending.timed_out or ending.lost:
        raise _failure(hook, ending, raw)
    try:
        asked, said = _read_changes(hook, start, raw, leaves_some=leaves_some)
        if hook.once:
            from entrykit.steps import once  # loaded already

            once.check_changes(asked)
        start.apply(asked, hook)
    except StartError as error:
        error.problems = _with_status(error.problems, error.status)
        raise
    return said


def _start_child(hook: "Hook", start: "Start", report: int) -> int:
    """Start a hook, each kind in its way, and return the child's process id. Raises OSError."""
    if hook.identity is not None:
        from entrykit.steps import hook_user  # loaded already

        return hook_user.start_child(hook, hook.identity, start, report)
    if hook.kind == kinds.PYTHON:
        from entrykit.steps import python_hook  # costs 1 ms, once

        return python_hook.start_child(hook, start, report)
    environment = start.environment_for(hook)
    if hook.kind == kinds.SOURCED:
        words = start.view(hook).command.words()
        words = sourced.argv(hook.words, hook.path, words, environment)
        return spawn.program(words, environment, report)
    return spawn.program(hook.words, environment)


def _cannot_be_started(error: OSError) -> StartError:
    missing = isinstance(error, FileNotFoundError)
    hint = "its interpreter or its loader is missing" if missing else ""
    status = errors.NOT_FOUND if missing else errors.CANNOT_EXECUTE
    return StartError(f"cannot be started: {os_reason(error)}", status, hint)


def _read_changes(
    hook: "Hook", start: "Start", report: bytes, *, leaves_some: bool
) -> tuple[Changes, str]:
    """Return what the hook asked for, in its report and in the directories, and what it says."""
    asked, said = Changes(), ""
    if hook.identity is not None:
        from entrykit.steps import hook_user  # loaded already

        said = hook_user.read_report(hook, report, asked)
    elif hook.kind == kinds.SOURCED:
        sourced.read_report(report, asked)
    elif hook.kind == kinds.PYTHON:
        from entrykit.steps import python_hook  # loaded already

        said = python_hook.read_report(report, asked)
    directories = start.directories_of(hook)
    written, any_written = directories.read()
    if any_written:
        asked.set.update(written.set)
        asked.unset += written.unset
        asked.options += written.options
        asked.args += written.args
        asked.command = asked.command if written.command is None else written.command
        asked.check()
    if any_written or leaves_some:
        # What a process that the hook left behind writes from now on must not be the next one's.
        directories.discard()
    return asked, said


def _add_no_place(failure: StartError) -> None:
    """Add to a hook's failure what may be its cause."""
    hint = f"if it asks for changes, it had no place in /run, /dev/shm or /tmp: {runtime.mend()}"
    failure.problems = [
        (where, message, given or hint) for where, message, given in failure.problems
    ]


def _failure(hook: "Hook", ending: "Ending", report: bytes) -> StartError:
    """Return the error that says how a hook has failed."""
    if ending.lost:
        return StartError("was ended, since the lock that it runs under was lost")
    if ending.timed_out:
        limit = log.duration(hook.timeout_seconds or 0)
        hint = "see what it waits for, or raise its timeout"
        return StartError(f"was ended at its time limit of {limit}", errors.TIMED_OUT, hint)
    if ending.signal:
        hint = "the container's memory may have run out" if ending.signal == _KILL else ""
        return StartError(f"was killed by {signals.name(ending.signal)}", ending.status, hint)
    if hook.identity is not None:
        from entrykit.steps import hook_user  # loaded already

        if told := hook_user.told_failure(hook, report, ending.status):
            return told
    elif hook.kind == kinds.PYTHON:
        from entrykit.steps import python_hook  # loaded already

        problems = python_hook.read_problems(report)
        if problems:
            return errors.together(_with_status(problems, ending.status), ending.status)
    # As shells say it of what they call (POSIX XCU 2.8.2).
    hints = {
        errors.CANNOT_EXECUTE: "it calls a program that may not be executed: see what it printed",
        errors.NOT_FOUND: "it calls a program that is not there: see what it printed",
    }
    hint = hints.get(ending.status, "")
    if hook.kind == kinds.SOURCED and not hint:
        hint = "it runs with `set -e`: write `|| :` behind what may fail, its last command too"
    return StartError(f"failed with exit status {ending.status}", ending.status, hint)


def _with_status(problems: "Sequence[Problem]", status: int) -> "Sequence[Problem]":
    return [(where, f"{message}; exit status {status}", hint) for where, message, hint in problems]
