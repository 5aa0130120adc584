"""Owns the reading of another process's environment (proc(5), environ).

Its rule: what is returned is that process's, whole, or there is an error that says whose it is.

Part of `entrykit exec` alone: builtin modules only.
"""

import posix

from entrykit.system import files, privileges, users, writing
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.system.users import Identity

# The last word of the init that stays as PID 1; its one child from the beginning is the command.
_INIT = b"\0entrykit-init\0"


def read(process: int) -> tuple[list[bytes], int]:
    """Return a process's environment, and the uid that it runs as.

    Of an init of entrykit's it is the command's. Entries that are no variable, or not the first of
    their name, are left out: they cannot be handed on. Raises StartError, status 78.
    """
    process = _command_of(process)
    owner = _owner(process)
    path = b"/proc/%d/environ" % process
    try:
        raw = _read(path)
    except PermissionError as error:
        # Root in a container has not the right to look into others (CAP_SYS_PTRACE), not even
        # into those of another group.
        is_owners = (owner.uid, owner.gid) == (posix.geteuid(), posix.getegid())
        content = None
        if posix.geteuid() == 0 and not is_owners:
            content, is_owners = _read_as(owner, path)
        if content is None:
            hint = f"run it as the user of that process, {owner.uid}:{owner.gid}"
            if is_owners:
                hint = (
                    "that process has more capabilities, lets nobody look into it, or is a start"
                    " that is still going on"
                )
            message = f"cannot read the environment of process {process}: {os_reason(error)}"
            raise StartError(message, hint=hint) from None
        raw = content
    except (FileNotFoundError, ProcessLookupError):
        raise _gone(process) from None
    except OSError as error:
        raise files.cannot("read", path, error) from None
    if raw and not raw.strip(b"\0"):
        hint = "try again when the command runs"
        raise StartError(f"process {process} is a start that is still going on", hint=hint)
    found: dict[bytes, bytes] = {}
    for entry in raw.split(b"\0"):
        name, equals, _ = entry.partition(b"=")
        if name and equals:
            found.setdefault(name, entry)
    return list(found.values()), owner.uid


def _command_of(process: int) -> int:
    words = files.read_kernel_file(f"/proc/{process}/cmdline") or b""
    if words.endswith(_INIT):
        # In the order in which they came, so that orphans come later (proc(5), children).
        children = files.read_kernel_file(f"/proc/{process}/task/{process}/children") or b""
        if children:
            return int(children.split()[0])
    return process


def _owner(process: int) -> "Identity":
    """Return the ids of a process. Raises StartError where there is none, or it has ended."""
    told: dict[bytes, list[bytes]] = {}
    for line in (files.read_kernel_file(f"/proc/{process}/status") or b"").splitlines():
        name, _, value = line.partition(b":")
        told[name] = value.split()
    if not told or told[b"State"][0] in (b"Z", b"X"):
        raise _gone(process)
    groups = {int(gid) for gid in told[b"Groups"]}
    return users.Identity(int(told[b"Uid"][1]), int(told[b"Gid"][1]), groups, b"/", "")


def _gone(process: int) -> StartError:
    return StartError(f"there is no process {process}", hint="see the numbers in /proc")


def _read(path: bytes) -> bytes:
    """Return the whole of a file under /proc. Raises OSError."""
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        pieces = []
        while piece := posix.read(descriptor, 1 << 16):
            pieces.append(piece)
    finally:
        posix.close(descriptor)
    return b"".join(pieces)


def _read_as(owner: "Identity", path: bytes) -> tuple[bytes | None, bool]:
    """Return what a child with the ids of `owner` reads, and whether it could have them."""
    reading, writing_end = posix.pipe()
    child = posix.fork()
    if child == 0:
        status = 2
        try:
            privileges.step_down(owner)
            status = 1
            writing.write_all(writing_end, _read(path))
            status = 0
        except (StartError, OSError):
            pass
        finally:
            posix._exit(status)  # noqa: SLF001 - its public name
    posix.close(writing_end)
    pieces = []
    while piece := posix.read(reading, 1 << 16):
        pieces.append(piece)
    posix.close(reading)
    _, status = posix.waitpid(child, 0)
    exit_status = posix.waitstatus_to_exitcode(status)
    return None if exit_status else b"".join(pieces), exit_status < 2
