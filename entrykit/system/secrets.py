"""Owns secrets where they come in from files, and where others could look into what holds them.

Its rule: before the first child of a start is there, what /proc shows of the start's environment is
wiped, and a start that holds secrets can no longer be looked into. Where that cannot be had (no
/proc, python3-minimal) a start goes on without. Whom a secret is given to is decided elsewhere:
`steps.environment` for the command, `steps.state` for hooks.

Imported by every start with a hook: builtin modules only.
"""

import posix

from entrykit.system import files, log
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

# Of /proc/self/stat, counted from the state, which is field 3 (proc(5)).
_ENVIRONMENT_START, _ENVIRONMENT_END = 50 - 3, 51 - 3


def read_value(path: bytes, file_name: str) -> bytes:
    """Return what a secret's file holds, without the newlines at its end and one CR before them.

    `file_name` is the variable that names it. What is no absolute path is not shown: it may be
    the secret itself, by mistake.
    """
    try:
        content = files.read(path, files.SECRET_LIMIT_BYTES)
    except StartError as error:
        if path.startswith(b"/"):
            ((_, message, hint),) = error.problems
            if "no such file" in message:
                hint = f"mount it there, or change {file_name}"
            raise StartError(message, hint=hint or f"change {file_name}") from None
        message = f"cannot read the file that {file_name} names: it is no absolute path"
        name = file_name.removesuffix("_FILE")
        raise StartError(message, hint=f"a value itself is {name}'s") from None
    value = content.rstrip(b"\n").removesuffix(b"\r")
    if b"\0" in value:
        message = f"cannot use {log.text(path)}: it holds a NUL byte"
        raise StartError(message, hint=f"change {file_name}")
    return value


def wipe_environment(names: "Collection[bytes] | None" = None) -> None:
    """Overwrite what /proc/PID/environ shows of this process, all of it or the values of `names`.

    The C library's environment points there: it is emptied where all is wiped, and has empty values
    for `names` else. So has `posix.environ`, which mirrors it.
    """
    try:
        memory = posix.open("/proc/self/mem", posix.O_RDWR | posix.O_CLOEXEC)
    except OSError as error:
        log.debug(f"cannot wipe its environment in memory: {os_reason(error)}")
        return
    try:
        start, end = _environment_range()
        if names is None:
            content = bytes(end - start)
        else:
            content = _without_values(posix.pread(memory, end - start, start), names)
        _forget(names)
        position = 0
        while position < len(content):
            position += posix.pwrite(memory, content[position:], start + position)
    except (OSError, StartError, IndexError, ValueError) as error:
        log.debug(f"cannot wipe its environment in memory: {log.text(str(error).encode())}")
    finally:
        posix.close(memory)


def forbid_inspection() -> None:
    """Let no other process of this user look into this one, and no core dump hold its memory.

    Until the next exec, which allows it again (prctl(2), PR_SET_DUMPABLE). The files in /proc/self
    are root's from now on: what is read there for a user without privileges is to be readable for
    all, or was read before.
    """
    from entrykit.system import kernel  # only those that hold secrets need it

    if not kernel.forbid_inspection():
        log.debug("cannot keep others from looking into its memory: install the full python3")


def _environment_range() -> tuple[int, int]:
    raw = files.read(b"/proc/self/stat", 4096)
    # The second field, the name in parentheses, may hold blanks and parentheses itself.
    fields = raw.rpartition(b")")[2].split()
    return int(fields[_ENVIRONMENT_START]), int(fields[_ENVIRONMENT_END])


def _without_values(block: bytes, names: "Collection[bytes]") -> bytes:
    entries = []
    for entry in block.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        is_one = equals and name in names
        entries.append(name + equals + bytes(len(value)) if is_one else entry)
    return b"\0".join(entries)


def _forget(names: "Collection[bytes] | None") -> None:
    held = posix.environ
    if names is not None:
        held.update((name, b"") for name in names if name in held)
        return
    for name in held:
        posix.unsetenv(name)
    held.clear()
