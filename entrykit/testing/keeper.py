"""What stands between a test and its starts: a process that holds their files and ends with it.

Run by path, with `-IS`: a test's process has threads and descriptors that are not to be forked, and
a namespace once entered is not left. It is told over a socket, in marshalled messages with their
length before them, and answers there. When the other end is closed, by whatever end of the test's
process, all that runs below is killed; mounts and files go with their namespaces.

Between the keeper and a start stands one more process, whose children are in new namespaces of
processes and mounts: unshare(2) gives a process such children once.
"""

import fcntl
import marshal
import os
import select
import signal
import stat
import sys
import time

# Run by path, as record.py is: the package stands where this file does.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from entrykit.testing import layers, limits, namespaces, syscalls, tree
from entrykit.testing.namespaces import BIND, NO_DEVICES, NO_EXEC, NO_SUID, RECURSIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Message = dict[str, Any]

_REPORT = 3
_REPORT_LIMIT_BYTES = 64 << 20


class Link:
    """The socket to the test."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def receive(self) -> "Message | None":
        """Return the next message, None where the other end is closed."""
        head = self._read(4)
        if len(head) < 4:
            return None
        body = self._read(int.from_bytes(head, "big"))
        message: Message = marshal.loads(body)
        return message

    def send(self, **message: "Any") -> None:
        """Send a message; nothing happens where nobody takes it any more."""
        body = marshal.dumps(message)
        rest = memoryview(len(body).to_bytes(4, "big") + body)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except BrokenPipeError:
            pass

    def pass_on(self, descriptor: int) -> None:
        """Send word of a connection, with its descriptor."""
        import _socket  # `socket` costs 8 ms

        body = marshal.dumps({"connected": True})
        frame = len(body).to_bytes(4, "big") + body
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))
        own = _socket.socket(fileno=self.descriptor)
        try:
            own.sendmsg([frame], [rights])
        except BrokenPipeError:
            pass
        finally:
            own.detach()

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = os.read(self.descriptor, size - len(found))
            if not piece:
                break
            found += piece
        return found


def main() -> None:
    """Make the place for the starts, then start whenever the test says so."""
    # Broken pipes are errors here, and a start gets the default back.
    link = Link(int(sys.argv[1]))
    told = link.receive()
    if told is None:
        return
    place: tree.Tree | None = None
    try:
        if told["sandboxed"]:
            told["policy"] = limits.go_first()
            place = _enter(told)
        else:
            namespaces.adopt_orphans()
    except OSError as error:
        link.send(refused=f"{error.filename or 'a call'}: {error.strerror}", errno=error.errno)
        return
    link.send(ready=True, notes=place.notes if place else [])
    while (order := link.receive()) is not None:
        # Others may come when the start has just ended.
        if "runs" in order:
            _start(link, {**told, **order}, place)


def _enter(told: "Message") -> tree.Tree:
    """Move into new namespaces with a tree of their own. Raises OSError."""
    flags = namespaces.NEW_MOUNTS | namespaces.NEW_IPC | namespaces.NEW_UTS
    if not told["network"]:
        flags |= namespaces.NEW_NETWORK
    uid, gid = os.geteuid(), os.getegid()
    _unshare_users(flags, uid, gid)
    if not told["network"]:
        namespaces.raise_loopback()
    laid = layers.Layers(told["root"], told["hidden"], is_root=uid == 0)
    laid.build()
    laid.show_interpreter(told["shown"])
    place = tree.Tree(laid)
    place.give(told["files"])
    place.remember()
    return place


def _unshare_users(flags: int, uid: int, gid: int) -> None:
    """Become root of a new user namespace, whose users a process outside of it names."""
    reader, writer = os.pipe()
    answer, answering = os.pipe()
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        number = 0
        try:
            os.close(writer)
            if os.read(reader, 1):
                namespaces.map_ids(keeper, uid, gid)
        except OSError as error:
            number = error.errno or 1
        finally:
            os.write(answering, bytes([number]))
            os._exit(0)
    os.close(reader)
    os.close(answering)
    try:
        namespaces.unshare(flags | namespaces.NEW_USER)
        os.write(writer, b"+")
        number = os.read(answer, 1)[0]
    finally:
        os.close(writer)
        os.waitpid(child, 0)
        os.close(answer)
    if number:
        raise OSError(number, os.strerror(number), "uid_map")


def _start(link: Link, told: "Message", place: "tree.Tree | None") -> None:
    """Start once, say when it began, and what came of it."""
    report = os.memfd_create("entrykit-start", 0)
    keys = ("words", "paths", "runs", "crash", "parsed")
    os.write(report, marshal.dumps({key: told[key] for key in keys}))
    boundaries = os.memfd_create("entrykit-boundaries", 0)
    notice, noticing = os.pipe()
    given = [report] if told["crash"] is None else [report, boundaries, noticing]
    reader, writer = os.pipe()
    began = time.monotonic()
    middle = os.fork()
    if middle == 0:
        os.close(reader)
        _stand_between(told, place, given, writer)
    os.close(writer)
    os.close(noticing)
    process = int.from_bytes(os.read(reader, 4), "big")
    if process:
        link.send(started=process)
    root = "" if place is None else layers.TREE
    raw, limit = _wait(link, reader, notice, process, root)
    seconds = time.monotonic() - began
    os.close(reader)
    os.close(notice)
    os.waitpid(middle, 0)
    if place is None:
        _end_descendants()
    content, reached = (os.pread(one, _REPORT_LIMIT_BYTES, 0) for one in (report, boundaries))
    os.close(report)
    os.close(boundaries)
    link.send(
        ended=int.from_bytes(raw, "big") if raw else 9,
        seconds=seconds,
        limit=limit,
        report=content,
        boundaries=reached,
        changes=place.changes() if place else None,
    )


def _wait(link: Link, reader: int, notice: int, process: int, root: str) -> tuple[bytes, str]:
    """Wait for the end of a start; return its status, and what it was killed for.

    Signals are passed on. It is killed when the test has gone, when it has more processes than it
    may, and when it says on `notice` that it has come to where it is to be killed: nobody in a
    namespace can kill its PID 1.
    """
    limit, proc = "", f"{layers.MACHINE}/proc/{process}/root/proc"
    # What a container's own /proc shows of others.
    others = None
    poll = select.poll()
    poll.register(reader, select.POLLIN | select.POLLHUP)
    poll.register(link.descriptor, select.POLLIN | select.POLLHUP)
    poll.register(notice, select.POLLIN | select.POLLHUP)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll(limits.COUNT_EVERY_MS if root else None)]
        if reader in ready:
            return os.read(reader, 4), limit
        number: int = signal.SIGKILL
        if notice in ready:
            poll.unregister(notice)
            if not os.read(notice, 1):
                continue
        elif link.descriptor not in ready:
            found = limits.tasks(proc)
            others = found - 1 if others is None else others
            limit = limits.told(found - others) or limit
            if not limit:
                continue
        elif (order := link.receive()) is not None:
            if "connect" in order:
                _connect(link, order["connect"], root)
                continue
            number = order["signal"]
        else:
            poll.unregister(link.descriptor)
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass


def _connect(link: Link, where: "int | str", root: str) -> None:
    """Connect to a port of the loopback interface or to a path, and pass the connection on."""
    import _socket

    is_port = isinstance(where, int)
    one = _socket.socket(_socket.AF_INET if is_port else _socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        # That of somebody who takes none, and has as many waiting as it takes.
        one.settimeout(1)
        one.connect(("127.0.0.1", where) if is_port else f"{root}{where}")
        one.settimeout(None)
        link.pass_on(one.fileno())
    except OSError:
        link.send(connected=False)
    finally:
        one.close()


def _stand_between(
    told: "Message", place: "tree.Tree | None", given: list[int], writer: int
) -> "NoReturn":
    """Start the start in namespaces of its own, tell its process id and then its wait status."""
    status = 127 << 8
    try:
        namespaces.die_with_parent(signal.SIGKILL)
        if place is not None:
            namespaces.unshare(namespaces.NEW_PROCESSES | namespaces.NEW_MOUNTS)
        child = os.fork()
        if child == 0:
            _become(told, place, given)
        os.write(writer, child.to_bytes(4, "big"))
        status = os.waitpid(child, 0)[1]
    except OSError as error:
        _refuse(given[0], f"{error.filename}: {error.strerror}")
    finally:
        os.write(writer, status.to_bytes(4, "big"))
        os._exit(0)


def _become(told: "Message", place: "tree.Tree | None", given: list[int]) -> "NoReturn":
    """Become the start: PID 1 in its tree, with nothing of this process but standard streams."""
    try:
        namespaces.die_with_parent(signal.SIGKILL)
        null = os.open("/dev/null" if place is None else f"{layers.TREE}/dev/null", os.O_RDONLY)
        if place is not None:
            # As in a container; and with its own share of the processors, which leaves the keeper
            # what it needs to end a bomb (sched(7), autogroup).
            os.setsid()
            _enter_tree()
            limits.bound(told["policy"])
        os.umask(0o022)
        os.chdir(told["directory"])
        os.dup2(null, 0)
        kept = [fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in given]
        os.closerange(_REPORT, 100)
        for number, one in enumerate(kept, _REPORT):
            os.dup2(one, number)
        os.closerange(_REPORT + len(kept), 1 << 20)
        # As in a container: Python ignores some, nohup(1) and a shell's `&` others.
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        words = [*told["python"], "-BIS", told["recorder"]]
        os.execve(words[0], words, dict(told["environment"]))  # noqa: S606 - without a shell
    except (OSError, ValueError) as error:
        _refuse(_REPORT, str(error))
    finally:
        os._exit(127)


def _refuse(report: int, reason: str) -> None:
    os.ftruncate(report, 0)
    os.pwrite(report, repr({"refused": reason}).encode(), 0)


def _enter_tree() -> None:
    """Make the tree the root, with a /proc of the new namespace, and give up what is not needed."""
    proc = f"{layers.TREE}/proc"
    try:
        namespaces.mount("proc", proc, "proc", NO_SUID | NO_DEVICES | NO_EXEC)
        limits.bound_ids(proc)
        for name in _machine_wide(proc):
            namespaces.mount(f"{proc}/{name}", f"{proc}/{name}", None, BIND | RECURSIVE)
            namespaces.make_read_only(f"{proc}/{name}")
    except PermissionError:
        # In a container whose own is covered in places (mount_namespaces(7)): that one, then,
        # which shows the processes outside, too.
        namespaces.mount(f"{layers.MACHINE}/proc", proc, None, BIND | RECURSIVE)
        namespaces.make_read_only(proc)
    os.chdir(layers.TREE)
    namespaces.pivot_root(".", ".")
    namespaces.unmount(".")
    os.chdir("/")
    syscalls.refuse()
    namespaces.keep_container_capabilities()


def _machine_wide(proc: str) -> "list[str]":
    """Return what can be written to in a /proc, and is no process's: the machine's own."""
    found = []
    for name in os.listdir(proc):
        if name.isdigit():
            continue
        status = os.lstat(f"{proc}/{name}")
        if stat.S_ISLNK(status.st_mode):
            continue
        if stat.S_ISDIR(status.st_mode) or status.st_mode & 0o222:
            found.append(name)
    return found


def _end_descendants() -> None:
    """Kill all that a start without a namespace has left behind, and reap it."""
    # Each time those whose parents were killed the time before.
    path = f"/proc/self/task/{os.getpid()}/children"
    while True:
        with open(path, encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
        if not children:
            return
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
