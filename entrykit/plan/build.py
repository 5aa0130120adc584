"""Builds a plan from the steps of a start themselves: what they find is what the start would find.

The order is that of `boot.start`. Where a step raises, the plan goes on and tells its problems: it
shows all that is wrong at once, of which a start would only tell the first step's.
"""

import errno
import os
import posix
from typing import TYPE_CHECKING

from entrykit.plan import configuration, environment, hooks
from entrykit.plan.record import FORMAT
from entrykit.plan.redaction import Redaction, tells_a_secret
from entrykit.settings import options
from entrykit.steps import configure, gate, handoff, step_down
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from entrykit.plan.record import Command, Plan, Problem, Process
    from entrykit.steps.state import Start


def build(this: "Start", words: list[bytes]) -> "Plan":
    """Return the plan of a start; `words` are those after `run`.

    Uses the start up: its environment becomes the command's.
    """
    said: list[str] = []
    log.keep(said)
    _say_again(this)
    redaction = Redaction()
    sources = configuration.Sources(this.settings, words)
    refusal = _step_down(this)
    is_open = gate.is_open(this.command, this.settings.program, this.settings.other_commands)
    variables, problems = environment.resolve(this, sources, redaction, is_open=is_open)
    found, more = hooks.find(this, sources, redaction, is_open=is_open)
    problems = [*(refusal.problems if refusal else ()), *problems, *more]
    if this.identity:
        this.environment.set(b"HOME", this.identity.home)
    entries = environment.of_command(this, redaction)
    will_run = any(hook["runs"] for hook in found["hooks"])
    command, notes = _command(this, redaction, is_final=not will_run)
    log.keep(None)
    return {
        "format": FORMAT,
        "status": refusal.status if refusal else errors.CONFIG if problems else 0,
        "problems": [_problem(problem, this, redaction) for problem in problems],
        "notes": [redaction.line(note) for note in notes],
        "log": [redaction.line(line) for line in said],
        "configuration": list(configuration.settings(this.settings, sources, redaction)),
        "gate": {"open": is_open, "reason": redaction.shown(_reason(this, is_open).encode())},
        "variables": variables,
        **found,
        "command": command,
        "environment": entries,
        "process": _process(this, redaction),
    }


def _say_again(this: "Start") -> None:
    """Say what was said of variables and options before the plan began to keep it."""
    own = [item for item in posix.environ.items() if item[0].startswith(configure.PREFIX)]
    options.read_variables(own)
    configure.Settings(this.settings.told, this.settings.configuration)


def _step_down(this: "Start") -> "StartError | None":
    """Learn whom the command would run as; return what the start would say, where it cannot."""
    if this.settings.user:
        try:
            this.identity = step_down.wanted(this.settings.user)
        except StartError as error:
            return error
    return None


def _problem(problem: "errors.Problem", this: "Start", redaction: Redaction) -> "Problem":
    where, message, mend = problem
    message = redaction.line(message)
    if tells_a_secret(where):
        # The start shows the value of a variable that is not declared secret.
        apart = Redaction()
        apart.hide([this.environment.get(where.encode("utf-8", "surrogateescape"))])
        message = apart.line(message)
    return {"where": where, "message": message, "mend": mend}


def _reason(this: "Start", is_open: bool) -> str:  # noqa: FBT001 - a fact on its way
    if not is_open:
        return gate.reason(this.command, this.settings.program)
    if not this.settings.program:
        return "no program is configured, so every command gets the set-up"
    if this.command.program:
        return "the command begins with the program"
    return f"the command is {log.text(this.command.words()[0])}, which `commands` allows"


def _command(this: "Start", redaction: Redaction, *, is_final: bool) -> "tuple[Command, list[str]]":
    """Return the command, and a note where its program cannot be run as things stand."""
    words = this.command.words()
    # Without a program the first word is what is to be run.
    split = len(this.command.program) or 1
    file, refusal = _look_up(words[0], this.search_path())
    notes = []
    if refusal is not None:
        _, message, mend = refusal.problems[0]
        notes.append(f"{message} ({mend})" if mend else message)
        if not is_final:
            notes[-1] += "; a hook may change that"
    command: Command = {
        "program": redaction.words(words[:split]),
        "arguments": redaction.arguments(words[split:]),
        "takes_options": bool(this.command.program),
        "is_final": is_final,
        "file": None if file is None else redaction.shown(file),
    }
    return command, notes


def _look_up(word: bytes, search_path: bytes) -> "tuple[bytes | None, StartError | None]":
    """Return the file that the handoff would execute, or what it would say."""
    if not word:
        return None, handoff.cannot_run(word, word, OSError())
    failed, failure, is_there = word, OSError(), False
    for candidate in handoff.candidates(word, search_path):
        try:
            status = posix.stat(candidate)
            if files.is_regular(status.st_mode) and posix.access(candidate, posix.X_OK):
                return candidate, None
            # What execve(2) says of what is no file, or may not be executed.
            error: OSError = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as fault:
            error = fault
        if not is_there:
            failed, failure, is_there = candidate, error, isinstance(error, PermissionError)
    return None, handoff.cannot_run(word, failed, failure)


def _process(this: "Start", redaction: Redaction) -> "Process":
    settings = this.settings.configuration
    umask = settings["umask"]
    try:
        directory = redaction.shown(posix.getcwdb())
    except OSError:
        directory = "(deleted)"
    identity = this.identity
    return {
        "user": identity.name if identity else "",
        "uid": identity.uid if identity else posix.geteuid(),
        "gid": identity.gid if identity else posix.getegid(),
        "groups": list(identity.groups) if identity else sorted(posix.getgroups()),
        "umask": _inherited_umask() if umask is None else f"{umask:04o}",
        "directory": directory,
        "no_new_privileges": this.settings.no_new_privileges,
    }


def _inherited_umask() -> str:
    """Return the process's umask: umask(2) could only be asked by changing it."""
    for line in (files.read_kernel_file("/proc/self/status") or b"").splitlines():
        if line.startswith(b"Umask:"):
            return line.split()[1].decode()
    return "inherited"
