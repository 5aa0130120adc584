"""Python hooks with a user: by an interpreter of their own, not in a copy of the start.

A fork of the start has all of its memory, the secrets that the hook does not name among it. Whoever
the process has become, its own code can look there (`gc`, ctypes). So the hook's is a new process,
which is given what the hook is to know in the memory file that it reports in.

The report is text, with NUL between its fields, and no marshalled value: what a hook's user writes
there must not be able to crash the start.

Part of a start only where a Python hook has a user: builtin modules only.
"""

import marshal
import posix
import sys

from entrykit.steps import discover, kinds, python_hook
from entrykit.steps.command import Command
from entrykit.steps.state import View
from entrykit.system import log, signals, writing
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from entrykit.steps.changes import Changes
    from entrykit.steps.discover import Hook
    from entrykit.steps.state import Start
    from entrykit.system.errors import Problem

_REPORT = 3
# What the interpreter runs, with the memory file as its descriptor 3.
_CODE = b"""\
import marshal, posix, sys
given = marshal.loads(posix.pread(3, posix.fstat(3).st_size, 0))
sys.path[:] = given[0]
from entrykit.steps import python_apart
python_apart.run(*given[1:])
"""
# What a report begins with, and the number of fields that follow each name of one.
_BEGINNING = b"entrykit: report\0"
_SET, _UNSET, _OPTION, _ARG, _WORD = b"set", b"unset", b"option", b"arg", b"word"
_COMMAND, _SAID, _PROBLEM, _END = b"command", b"said", b"problem", b"end"
_FIELDS = {
    _SET: 2, _UNSET: 1, _OPTION: 1, _ARG: 1, _COMMAND: 0, _WORD: 1, _SAID: 1, _PROBLEM: 3, _END: 0,
}  # fmt: skip


class Settings:
    """As much of a start's settings as a hook is given."""

    __slots__ = ("configuration", "sysroot")

    def __init__(self, sections: "dict[str, Any]", sysroot: bytes) -> None:
        self.configuration = {"sections": sections}
        self.sysroot = sysroot


class Given:
    """As much of a start as a hook is given, in its own process."""

    __slots__ = ("_ids", "_view", "secrets", "settings")

    def __init__(
        self, words: list[bytes], secrets: list[bytes], settings: Settings, ids: tuple[int, int]
    ) -> None:
        self._ids = ids
        self._view = View(None, Command([], words))  # type: ignore[arg-type]
        self.secrets = set(secrets)
        self.settings = settings

    def view(self, _: "Hook") -> View:
        """Return what the hook sees of the command."""
        return self._view

    def ids_of_command(self) -> tuple[int, int]:
        """Return the uid and gid that the command will have."""
        return self._ids


def needs() -> list[tuple[bytes, int, str]]:
    """Return the files that the hook's user must be able to execute or read, beside the hook."""
    return [
        (_raw(sys.executable), posix.X_OK, "execute"),
        (_raw(__file__), posix.R_OK, "read"),
    ]


def prepare(
    hook: "Hook", start: "Start", environment: dict[bytes, bytes], place: bytes, report: int
) -> list[bytes]:
    """Put what a hook is to know into its memory file; return the words that run it."""
    sections = start.settings.configuration["sections"]
    given = (
        sys.path,
        (hook.name, hook.directory, hook.section, sections.get(hook.section, {})),
        (
            start.view(hook).command.words(),
            sorted(start.secrets & hook.secrets),
            start.settings.sysroot,
            start.ids_of_command(),
        ),
        environment,
        place,
        log.state(),
    )
    writing.write_all(report, marshal.dumps(given))
    return [_raw(sys.executable), b"-IS", b"-c", _CODE]


def run(
    of_hook: "tuple[bytes, bytes, str, dict[str, Any]]",
    of_start: tuple[list[bytes], list[bytes], bytes, tuple[int, int]],
    environment: dict[bytes, bytes],
    place: bytes,
    log_state: dict[str, int],
) -> "NoReturn":
    """Be the hook's process: run it, write its report, end."""
    posix.set_inheritable(_REPORT, False)  # noqa: FBT003 - positional only
    signals.reset(signals.not_default())
    # The interpreter has perhaps added its locale (PEP 538).
    python_hook.set_environment(environment)
    log.restore(log_state)
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    name, directory, section, table = of_hook
    words, secrets, sysroot, ids = of_start
    hook = discover.Hook(name, directory, kinds.PYTHON, [])
    hook.section, hook.secrets = section, set(secrets)
    start = Given(words, secrets, Settings({section: table}, sysroot), ids)
    given = python_hook.HookStart(hook, start, place)  # type: ignore[arg-type]
    status, content = python_hook.run_to_end(hook, given)
    try:
        # What the hook was given goes.
        posix.ftruncate(_REPORT, 0)
        posix.lseek(_REPORT, 0, 0)
        writing.write_all(_REPORT, written(content))
    except OSError as error:
        reason = f"cannot say what it changed: {os_reason(error)}"
        log.warn(reason, log.text(name), "it has closed a descriptor that is not its own")
        status = status or 1
    posix._exit(status)  # noqa: SLF001 - its public name


def read_report(raw: bytes, changes: "Changes") -> str:
    """Put what a hook asked for into `changes`; return what it says it did.

    Raises StartError where it ended without having said it.
    """
    said = ""
    for kind, fields in _parse(raw):
        if kind == _SET:
            changes.set[fields[0]] = fields[1]
        elif kind == _UNSET:
            changes.unset.append(fields[0])
        elif kind == _OPTION:
            changes.options.append(fields[0])
        elif kind == _ARG:
            changes.args.append(fields[0])
        elif kind == _COMMAND:
            changes.command = []
        elif kind == _WORD:
            changes.command = [*(changes.command or ()), fields[0]]
        elif kind == _SAID:
            said = log.text(fields[0])
    return said


def read_problems(raw: bytes) -> "list[Problem]":
    """Return the problems that a hook has ended by, none where it reported none."""
    try:
        records = _parse(raw)
    except StartError:
        return []
    return [
        (log.text(where), log.text(message), log.text(hint))
        for kind, fields in records
        if kind == _PROBLEM
        for where, message, hint in (fields,)
    ]


def written(content: "tuple[Any, ...] | None") -> bytes:
    """Return the report with what python_hook.run_to_end returns."""
    fields: list[bytes] = []
    if content is not None and content[0] == python_hook.PROBLEMS:
        for problem in content[1]:
            fields += [_PROBLEM, *(_raw(text).replace(b"\0", b" ") for text in problem)]
    elif content is not None:
        _, to_set, unset, options, args, command, said = content
        for name, value in to_set.items():
            fields += [_SET, name, value]
        for kind, words in ((_UNSET, unset), (_OPTION, options), (_ARG, args)):
            for word in words:
                fields += [kind, word]
        if command is not None:
            fields.append(_COMMAND)
            for word in command:
                fields += [_WORD, word]
        fields += [_SAID, _raw(said).replace(b"\0", b" ")]
    return _BEGINNING + b"".join(field + b"\0" for field in (*fields, _END))


def _parse(raw: bytes) -> list[tuple[bytes, list[bytes]]]:
    """Return the records of a report: a name and its fields."""
    records = []
    fields = raw[len(_BEGINNING) :].split(b"\0") if raw.startswith(_BEGINNING) else []
    position, kind = 0, b""
    while position < len(fields) and kind != _END and fields[position] in _FIELDS:
        kind = fields[position]
        last = position + 1 + _FIELDS[kind]
        records.append((kind, fields[position + 1 : last]))
        position = last
    if kind != _END or fields[position:] != [b""]:
        message = "ended without saying what it changed"
        hint = "it was replaced or ended at once (exec, os._exit), or wrote to others' descriptors"
        raise StartError(message, hint=hint)
    return records


def _raw(text: str) -> bytes:
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")
