"""Owns what /proc tells of the processes that there are.

Not part of a plain start: loaded where a hook has left some running. Builtin modules only.
"""

import posix

from entrykit.system import files
from entrykit.system.errors import StartError


class Process:
    """A process as `/proc/PID/stat` shows it (proc(5)).

    `began` is in ticks since the boot: with it, an id is no other process's.
    """

    __slots__ = ("began", "group", "name", "number", "parent", "runs", "session")

    def __init__(self, raw: bytes) -> None:
        # The second field, the name in parentheses, may hold blanks and parentheses itself.
        before, _, after = raw.rpartition(b")")
        number, _, self.name = before.partition(b" (")
        fields = after.split()
        self.number = int(number)
        # No zombie: to a signal all are alike.
        self.runs = fields[0] not in (b"Z", b"X")
        self.parent, self.group, self.session = map(int, fields[1:4])
        self.began = int(fields[19])


def table() -> dict[int, Process]:
    """Return all processes by their ids, {} where /proc lists none, or another PID namespace's.

    There the same ids are others' (pid_namespaces(7)). One that ends meanwhile is in it or not.
    """
    try:
        if posix.readlink("/proc/self") != str(posix.getpid()):
            return {}
        names = [name for name in posix.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    found = {}
    for name in names:
        try:
            found[int(name)] = Process(files.read(f"/proc/{name}/stat".encode(), 4096))
        except StartError:
            continue
    return found
