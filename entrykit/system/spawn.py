"""Owns processes: starting a child and waiting for it.

A child gets /dev/null as standard input, the container's standard error as its output and error,
a session of its own, default signal dispositions and an empty mask. It gets no descriptor above 2:
those that the command is to inherit are close-on-exec as long as the start goes on. In a session of
its own it has no terminal, which would stop it silently when it asks for one (SIGTTIN), and cannot
leave its process group for the start's, out of reach of a stop.

posix_spawn(3) rather than fork(2) where a program follows: the C library's vfork costs a fifth of
copying an interpreter's page tables.

Imported by every start: builtin modules only.
"""

import posix
import time

from entrykit.system import files, log, signals
from entrykit.system.errors import SIGNALLED, StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from entrykit.system.signals import Signals

_NULL_INPUT = (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0)
_OUTPUT_TO_ERROR = (posix.POSIX_SPAWN_DUP2, 2, 1)
# Onto itself: where the start was given none, what stands in for it is close-on-exec.
_ERROR_STAYS = (posix.POSIX_SPAWN_DUP2, 2, 2)
_SWEEP_SECONDS = 0.01
# More than a few times what execve(2) takes at most.
_REPORT_LIMIT_BYTES = 64 << 20
# What `fork` has found.
_not_default: list[int] = []


def program(
    argv: list[bytes], environment: "Mapping[bytes, bytes]", report: int | None = None
) -> int:
    """Start a program as a child and return its process id; argv[0] is its path.

    `report` is a descriptor that the child gets as its descriptor 3. Raises OSError where it
    cannot be started.
    """
    actions: list[tuple[int, int, str | int] | tuple[int, int, str, int, int] | tuple[int, int]]
    actions = [_NULL_INPUT, _OUTPUT_TO_ERROR, _ERROR_STAYS]
    if report is not None:
        actions.append((posix.POSIX_SPAWN_DUP2, report, 3))
    return posix.posix_spawn(
        argv[0],
        argv,
        environment,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=signals.RESETTABLE,
    )


def fork(body: "Callable[[int], int]", report: int, not_for_child: "Sequence[int]") -> int:
    """Run `body` in a forked child and return its process id.

    `body` gets the descriptor to report to, and returns the child's exit status. The descriptors
    `not_for_child` are closed there: no exec does it.
    """
    # They stay as they are as long as a start goes on.
    _not_default.extend(() if _not_default else signals.not_default())
    child = posix.fork()
    if child:
        return child
    status = 1
    try:
        posix.setsid()
        null = posix.open("/dev/null", posix.O_RDONLY)
        posix.dup2(null, 0)
        posix.dup2(2, 1)
        # Where the start was given none, what stands in for it is close-on-exec.
        posix.set_inheritable(2, True)  # noqa: FBT003 - positional only
        posix.close(null)
        for descriptor in not_for_child:
            posix.close(descriptor)
        signals.reset(_not_default)
        status = body(report)
    except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
        log.warn(f"defect of entrykit in a hook's process: {error!r}")
    finally:
        posix._exit(status)  # noqa: SLF001 - its public name


def memory_file(name: str) -> int:
    """Return the descriptor of a file without a place, that a child reports in."""
    return posix.memfd_create(name, posix.MFD_CLOEXEC)


def take_report(descriptor: int) -> bytes:
    """Return what a child has written to a memory file. Raises StartError for too much."""
    size = posix.fstat(descriptor).st_size
    if size > _REPORT_LIMIT_BYTES:
        raise StartError(f"said more than {_REPORT_LIMIT_BYTES} bytes of what it changed")
    content = b""
    while len(content) < size:
        piece = posix.pread(descriptor, size - len(content), len(content))
        if not piece:
            break
        content += piece
    return content


class Ending:
    """How a child ended: `status` as an exit status, and what ended it before its time.

    `signal` is the signal that killed it, 0 for none; `stopped_by` the stop signal on which it was
    ended, 0 for none; `timed_out` says whether its time was up, `lost` whether what it relied on
    was gone.
    """

    __slots__ = ("lost", "signal", "status", "stopped_by", "timed_out")

    def __init__(self, wait_status: int, stopped_by: int, *, timed_out: bool, lost: bool) -> None:
        code = posix.waitstatus_to_exitcode(wait_status)
        self.signal = -code if code < 0 else 0
        self.status = SIGNALLED - code if code < 0 else code
        self.stopped_by = stopped_by
        self.timed_out = timed_out
        self.lost = lost


def wait(
    child: int,
    received: "Signals",
    timeout_seconds: float | None,
    grace_seconds: float,
    is_lost: "Callable[[], bool] | None" = None,
    uid: int | None = None,
) -> Ending:
    """Wait for a child's end; reap orphans meanwhile where this is PID 1.

    A stop signal, or the end of its time, sends TERM and CONT to its process group, then KILL
    after the grace time; a second stop signal sends KILL at once. `is_lost` is asked whenever some
    other child has ended: whether what this one relies on is gone, so that its time is up. `uid`
    is the child's, where it is another than this process's.
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    stopped_by = 0
    timed_out = lost = False
    while True:
        remaining = None if deadline is None else deadline - time.monotonic()
        taken = received.take(remaining)
        if taken == signals.CHILD:
            wait_status = _reap(child)
            if wait_status is not None:
                break
            if lost or is_lost is None or not is_lost():
                continue
            lost, taken = True, 0
        elif taken and not received.is_stop(taken):
            continue
        if stopped_by or timed_out:
            _signal_child(child, signals.KILL, uid)
            deadline = None
        else:
            _signal_child(child, signals.TERMINATE, uid)
            _signal_child(child, signals.CONTINUE, uid)
            deadline = time.monotonic() + grace_seconds
        stopped_by = taken or stopped_by
        timed_out = timed_out or not taken
    if stopped_by or timed_out:
        stopped_by = _sweep(child, received, deadline, uid) or stopped_by
    timed_out = timed_out and not stopped_by
    return Ending(wait_status, stopped_by, timed_out=timed_out and not lost, lost=lost)


def group_lives(group: int) -> bool:
    """Tell whether a process group has members left."""
    return _signal_group(group, 0)


def has_children() -> bool:
    """Tell whether this process has children, ended ones reaped first: in PID 1, orphans too."""
    try:
        while posix.waitpid(-1, posix.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def has_orphans(parent: int) -> bool:
    """Tell whether their parent, this process or its own one, has children beside it; 0: none."""
    own = posix.getpid()
    if parent in (0, own):
        return parent == own and has_children()
    numbers = files.read_kernel_file(f"/proc/{parent}/task/{parent}/children") or b""
    return bool({*numbers.split()} - {b"%d" % own})


def _reap(child: int) -> int | None:
    """Reap what has ended, and return the wait status of `child`, None if it goes on.

    As PID 1 all children: orphans come to it. Elsewhere `child` alone: another child was there
    before the start and is the command's to wait for.
    """
    wanted = -1 if posix.getpid() == 1 else child
    found = None
    try:
        while True:
            ended, wait_status = posix.waitpid(wanted, posix.WNOHANG)
            if ended == child:
                found = wait_status
            if not ended or wanted == child:
                return found
    except ChildProcessError:
        return found


def _sweep(group: int, received: "Signals", deadline: float | None, uid: int | None) -> int:
    """Wait until a process group is gone, KILL what is left of it at the deadline.

    Returns the stop signal that came meanwhile, which ends the wait, 0 for none.
    """
    while group_lives(group) and _group_runs(group):
        taken = received.take(_SWEEP_SECONDS)
        if posix.getpid() == 1:
            has_children()
        if received.is_stop(taken) or deadline is None or time.monotonic() >= deadline:
            _signal_group(group, signals.KILL, uid)
            return taken if received.is_stop(taken) else 0
    return 0


def _group_runs(group: int) -> bool:
    """Tell whether a process group has members that are not zombies (proc(5), stat).

    To a signal they all are alike, and where an orphan's new parent never reaps, zombies stay.
    """
    from entrykit.system import processes  # most hooks leave none

    table = processes.table()
    return not table or any(process.group == group and process.runs for process in table.values())


def _signal_child(child: int, number: int, uid: int | None) -> None:
    """Send a signal to a child's group, or to a child that was forked just now and has none yet."""
    if not _signal_group(child, number, uid):
        try:
            posix.kill(child, number)
        except PermissionError:
            # It has become another user meanwhile, and has its group.
            _signal_group(child, number, uid)


def _signal_group(group: int, number: int, uid: int | None = None) -> bool:
    """Send a signal to a process group, perhaps of another user's; tell whether it has members."""
    try:
        if uid is None:
            posix.killpg(group, number)
        else:
            from entrykit.system import other_user  # loaded already

            other_user.signal_group(group, number, uid)
    except ProcessLookupError:
        return False
    except PermissionError:
        # There is somebody, of another user: setuid programs are not the start's to end.
        return True
    return True
