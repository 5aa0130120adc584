"""Run: one hook as a child, and then its changes, before the next one starts.

Imported by every start with a hook: builtin modules only.
"""

import posix
import time

from entrykit.steps import kinds, sourced
from entrykit.steps.changes import Changes
from entrykit.system import errors, log, signals, spawn
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.discover import Hook
    from entrykit.steps.state import Start
    from entrykit.system.spawn import Ending


def run(hook: "Hook", start: "Start") -> None:
    """Run one hook and apply the changes that it asked for.

    Raises StartError where it exited with another status than 0, was killed or ran out of time,
    or where its changes cannot be made. All of them are then dropped.
    """
    began = time.monotonic()
    log.debug(f"runs, in {log.text(hook.directory)}", log.text(hook.name))
    try:
        said = _run(hook, start, began)
    except signals.Stopped:
        raise
    except StartError as error:
        start.directories.discard()
        if not hook.goes_on:
            raise
        _, message, hint = error.problems[-1]
        log.warn(f"{message}; going on, as on-error=continue says", log.text(hook.name), hint)
        return
    took = log.duration(time.monotonic() - began)
    log.info(f"{said} ({took})" if said else f"done ({took})", log.text(hook.name))


def _run(hook: "Hook", start: "Start", began: float) -> str:
    """Run a hook and apply its changes; return what it says it did, "" for nothing."""
    reports = hook.kind in (kinds.SOURCED, kinds.PYTHON)
    report = spawn.memory_file("entrykit-report") if reports else -1
    try:
        child = _start_child(hook, start, report)
        ending = spawn.wait(
            child,
            start.inherited.signals,
            hook.timeout_seconds,
            start.settings.configuration["grace"],
        )
        raw = spawn.take_report(report) if reports else b""
    finally:
        if reports:
            posix.close(report)
    where = log.text(hook.name)
    if ending.stopped_by:
        raise signals.Stopped(ending.stopped_by, where)
    asked, said, error = Changes(), "", None
    if hook.kind == kinds.PYTHON:
        from entrykit.steps import python_hook  # loaded already

        asked, said, error = python_hook.read_report(raw)
    if ending.status or ending.timed_out:
        failure = _failure(hook, ending, error, time.monotonic() - began)
        raise failure if start.directories.are_there() else _without_directories(failure)
    try:
        _read_changes(hook, start, asked, raw, child)
        start.apply(asked, hook)
    except StartError as fault:
        fault.problems = [(where, message, hint) for _, message, hint in fault.problems]
        raise
    return said


def _start_child(hook: "Hook", start: "Start", report: int) -> int:
    """Start a hook, each kind in its way, and return the child's process id."""
    try:
        environment = start.environment_for(hook)
        if hook.kind == kinds.PYTHON:
            from entrykit.steps import python_hook  # costs 1 ms, once

            return python_hook.start_child(hook, start, environment, report)
        if hook.kind == kinds.SOURCED:
            words = sourced.argv(hook.words, hook.path, start.command.words())
            return spawn.program(words, environment, report)
        return spawn.program(hook.words, environment)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        hint = "its interpreter or its loader is missing" if missing else ""
        raise StartError(
            f"cannot be started: {os_reason(error)}, in {log.text(hook.directory)}",
            errors.NOT_FOUND if missing else errors.CANNOT_EXECUTE,
            hint,
            where=log.text(hook.name),
        ) from None


def _read_changes(hook: "Hook", start: "Start", asked: Changes, report: bytes, child: int) -> None:
    """Add to `asked` what the hook wrote into the directories, and what it exported."""
    written, any_written = start.directories.read()
    if hook.kind == kinds.SOURCED:
        sourced.read_report(report, asked)
    if any_written:
        asked.set.update(written.set)
        asked.unset += written.unset
        asked.options += written.options
        asked.args += written.args
        asked.command = asked.command if written.command is None else written.command
        asked.check()
    left_behind = spawn.group_lives(child) or (posix.getpid() == 1 and spawn.has_children())
    if any_written or left_behind:
        # What a process that the hook left behind writes from now on must not be the next one's.
        start.directories.discard()


def _without_directories(failure: StartError) -> StartError:
    """Add to a hook's failure what may be its cause."""
    hint = "no runtime directory could be had to ask for changes in: mount a tmpfs at /run"
    failure.problems = [
        (where, message, given or hint) for where, message, given in failure.problems
    ]
    return failure


def _failure(
    hook: "Hook", ending: "Ending", error: "StartError | None", took_seconds: float
) -> StartError:
    """Return the error that says how a hook failed: last in the log, it says all."""
    where, directory = log.text(hook.name), log.text(hook.directory)
    took = log.duration(took_seconds)
    tail = f"after {took}, in {directory}; the command was not started"
    if ending.timed_out:
        limit = log.duration(hook.timeout_seconds or 0)
        message = f"was ended at its time limit of {limit} {tail}"
        return StartError(message, errors.TIMED_OUT, where=where)
    if ending.signal:
        message = f"was killed by {signals.name(ending.signal)} {tail}"
        return StartError(message, ending.status, where=where)
    if error is not None and error.problems:
        fault = StartError("", ending.status)
        fault.problems = [
            (where, f"{message}; exit status {ending.status} {tail}", hint)
            for _, message, hint in error.problems
        ]
        return fault
    return StartError(f"failed with exit status {ending.status} {tail}", ending.status, where=where)
