"""What stays while the command runs, under `--init`: it forwards, reaps, and ends what is left.

It runs in an interpreter of its own, which holds nothing of the start: neither modules nor secrets.
`encode` returns what that interpreter is given, this module's functions and what they are told, so
that it has nothing to find, to open or to compile; compiling alone would cost it 1 MB for good.

Its rule: all signals are blocked, and taken at one wait, which has no time limit as long as the
command runs. The functions use nothing but builtin modules and one another.
"""

import marshal
import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any, TypedDict

    class Init(TypedDict):
        """What an init is told, and what it has seen since.

        `report` is the descriptor by which the start says that it becomes the command, -1 once it
        is closed; `terminal` that of the controlling one, -1 for none. `began`: the command was
        executed; `is_stopped`: it was seen to be; `was_told_to_stop`: by what was forwarded;
        `waiting`: what could not be sent yet.
        """

        child: int
        to_group: bool
        rewrites: dict[int, int]
        ok_statuses: list[int]
        grace_seconds: float
        parent_death_signal: int
        report: int
        terminal: int
        began: bool
        is_stopped: bool
        was_told_to_stop: bool
        waiting: list[tuple[int, bool]]
else:
    import _signal

BOOTSTRAP = "import marshal; exec(*marshal.loads(open({}, 'rb', 0).read()))"


def encode(told: "Init") -> bytes:
    """Return what BOOTSTRAP reads from a descriptor: code, and the names that it finds."""
    functions = [
        (name, value.__code__) for name, value in globals().items() if isinstance(value, type(main))
    ]
    # Code is no part of what marshal's types know.
    content: object = (begin.__code__, {"functions": functions, "told": told})
    return marshal.dumps(content)  # type: ignore[arg-type]


def begin() -> None:
    """Make the functions again, in the new interpreter, and go on with `main`."""
    names = globals()
    # `types` is a file.
    function: Any = type(lambda: 0)
    for name in ("_signal", "posix", "time"):
        names[name] = __import__(name)
    for name, code in names["functions"]:
        names[name] = function(code, names)
    names["main"](names["told"])


def main(this: "Init") -> None:
    """Wait for the command's end, and end as it did; never return.

    SIGCHLD has its default disposition already: to set that here would discard one that is pending.
    """
    everything = blockable()
    _signal.pthread_sigmask(_signal.SIG_BLOCK, everything)
    set_name()
    while (wait_status := reap(this)) is None:
        listen(this)
        taken = _signal.sigwaitinfo(everything)
        # SIGCHLD is forwarded where a process has sent it: SI_USER, SI_QUEUE, SI_TKILL.
        if taken.si_signo != _signal.SIGCHLD or taken.si_code in (0, -1, -6):
            forward(this, taken.si_signo)
    listen(this)
    take_terminal_back(this)
    end_what_is_left(this)
    posix._exit(exit_status(this, wait_status))  # noqa: SLF001 - its public name


def blockable() -> "frozenset[int]":
    """Return all signals that can be taken, those included that a fault raises.

    A fault of the process itself kills it all the same (signal(7)); what was sent is forwarded. 32
    and 33 belong to the C library, which blocks them for nobody (nptl(7)).
    """
    return frozenset(range(1, 65)) - {32, 33, _signal.SIGKILL, _signal.SIGSTOP}


def set_name() -> None:
    """Be `entrykit` in lists of processes (proc(5), comm), where the kernel can be told."""
    try:
        name = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
        posix.write(name, b"entrykit")
        posix.close(name)
    except OSError:
        pass


def listen(this: "Init") -> None:
    """Hear from the start: `1 UID GID GROUPS` when it becomes the command, `0` if it cannot."""
    said = b""
    while this["report"] >= 0:
        try:
            piece = posix.read(this["report"], 1 << 16)
        except BlockingIOError:
            break
        said += piece
        if not piece:
            posix.close(this["report"])
            this["report"] = -1
    if not said:
        return
    began, *ids = said.splitlines()[-1].split()
    this["began"] = began == b"1"
    if this["began"]:
        uid, gid, *groups = [int(one) for one in ids]
        take_ids(uid, gid, groups, this["parent_death_signal"])
        for number, to_group in this["waiting"]:
            send(this, number, to_group)
        this["waiting"] = []


def take_ids(uid: int, gid: int, groups: list[int], parent_death_signal: int) -> None:
    """Become the command's user: what may signal the command may then do no more than it itself."""
    if posix.getuid() == uid and posix.getgid() == gid and posix.getgroups() == groups:
        return
    if parent_death_signal:
        # It was there when the signal was set first; the command's user may not be able to read it.
        import _ctypes  # what ctypes wraps: 0.06 MB rather than 0.6

        program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type] # dlopen(3): the program itself
        prctl = _ctypes.dlsym(program, "prctl")
    try:
        posix.setgroups(groups)
        posix.setresgid(gid, gid, gid)
        posix.setresuid(uid, uid, uid)
    except OSError:
        # The start could, with the same rights: it has changed them since.
        return
    if parent_death_signal:
        # The kernel forgets it with the old ids (prctl(2), PR_SET_PDEATHSIG).
        _ctypes.call_function(prctl, (1, parent_death_signal, 0, 0, 0))


def forward(this: "Init", number: int) -> None:
    """Send a signal to the command, or the one that is to stand for it."""
    number = this["rewrites"].get(number, number)
    to_group = this["to_group"]
    if number == _signal.SIGCONT:
        # A shell's `fg`: it has given the terminal to this process's group.
        lend_terminal(this)
        # What a terminal stops is the whole group.
        to_group = to_group or this["is_stopped"]
        this["is_stopped"] = this["was_told_to_stop"] = False
    elif number in (_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU):
        this["was_told_to_stop"] = True
    if number and not send(this, number, to_group):
        line = b"entrykit: may not send signal %d to the command\n" % number
        try:
            posix.write(2, line)
        except OSError:
            pass


def send(this: "Init", number: int, to_group: bool) -> bool:  # noqa: FBT001 - a fact on its way
    """Send a signal to the command, or to its process group; tell whether that was allowed."""
    try:
        (posix.killpg if to_group else posix.kill)(this["child"], number)
    except ProcessLookupError:
        # It has ended, and is about to be reaped.
        return True
    except PermissionError:
        if this["began"]:
            return False
        # Root without CAP_KILL, and the start has stepped down in this moment.
        this["waiting"].append((number, to_group))
    return True


def reap(this: "Init") -> int | None:
    """Reap all that have ended; return the command's wait status, None as long as it goes on."""
    found = None
    try:
        while True:
            ended, wait_status = posix.waitpid(-1, posix.WNOHANG | posix.WUNTRACED)
            if not ended:
                return found
            if ended != this["child"]:
                continue
            if posix.WIFSTOPPED(wait_status):
                follow(this, posix.WSTOPSIG(wait_status))
            else:
                found = wait_status
    except ChildProcessError:
        return found


def follow(this: "Init", number: int) -> None:
    """Do what there is to do when the command has stopped, on a signal.

    That it has is asked of the kernel each time: the SIGCHLD that says so may come when it goes on
    again.
    """
    this["is_stopped"] = True
    if number not in (_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU):
        # Somebody wants it to stand still (SIGSTOP), a debugger perhaps.
        return
    if number != _signal.SIGTSTP and lend_terminal(this):
        goes_on = True
    elif posix.getpid() == 1:
        # There is no shell that could continue it: to a PID 1 itself Ctrl-Z does nothing.
        goes_on = number == _signal.SIGTSTP and not this["was_told_to_stop"]
    else:
        goes_on = False
        asked = this["was_told_to_stop"] or this["terminal"] >= 0
        # One that waits already is newer than the stop, and would not end this process's own.
        if asked and _signal.SIGCONT not in _signal.sigpending():
            take_terminal_back(this)
            posix.kill(posix.getpid(), _signal.SIGSTOP)
    if goes_on:
        this["is_stopped"] = False
        send(this, _signal.SIGCONT, True)  # noqa: FBT003 - to its group


def lend_terminal(this: "Init") -> bool:
    """Let the command's group be in the foreground, where this one's is; tell whether it is now."""
    try:
        front = posix.tcgetpgrp(this["terminal"])
        if front != this["child"]:
            if front != posix.getpgrp() and group_lives(front):
                return False
            posix.tcsetpgrp(this["terminal"], this["child"])
    except OSError:
        return False
    return True


def take_terminal_back(this: "Init") -> None:
    """Be in the foreground again, where the command's group was: a shell behind this reads on."""
    try:
        front = posix.tcgetpgrp(this["terminal"])
        if front == this["child"] or not group_lives(front):
            posix.tcsetpgrp(this["terminal"], posix.getpgrp())
    except OSError:
        pass


def group_lives(group: int) -> bool:
    """Tell whether a process group has members."""
    try:
        posix.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_what_is_left(this: "Init") -> None:
    """End all other processes: TERM, CONT, and KILL after the grace time or on a second signal."""
    # Where this is PID 1, there may be others than children: those of `docker exec`.
    if not (has_children() or posix.getpid() == 1) or not signal_all(this, _signal.SIGTERM):
        return
    signal_all(this, _signal.SIGCONT)
    everything = blockable()
    deadline = time.monotonic() + this["grace_seconds"]
    stops = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT)
    while has_some_to_end():
        remaining = deadline - time.monotonic()
        taken = _signal.sigtimedwait(everything, max(remaining, 0))
        if taken is None or taken.si_signo in stops:
            break
    deadline = time.monotonic() + 1
    while has_some_to_end() and time.monotonic() < deadline and signal_all(this, _signal.SIGKILL):
        _signal.sigtimedwait((_signal.SIGCHLD,), 0.1)


def has_children() -> bool:
    """Tell whether there are children left, those that have ended reaped."""
    try:
        while posix.waitpid(-1, posix.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def has_some_to_end() -> bool:
    """Tell whether there are children left, and anybody among what is left whom this may end.

    What a hook of another user has left may not be signalled; the end of a PID 1 kills it too.
    """
    if not has_children():
        return False
    left = descendants()
    for pid in left:
        try:
            posix.kill(pid, 0)
        except OSError:
            continue
        return True
    return not left


def signal_all(this: "Init", number: int) -> bool:
    """Send a signal to all that is left; tell whether there is anybody who got it.

    That is whatever else is in the PID namespace; elsewhere whatever descends from this process,
    and where /proc does not tell, the command's group.
    """
    if posix.getpid() == 1:
        try:
            posix.kill(-1, number)
        except OSError:
            return False
        return True
    sent = False
    for pid in descendants() or [-this["child"]]:
        try:
            posix.kill(pid, number)
            sent = True
        except OSError:
            pass
    return sent


def descendants() -> list[int]:
    """Return the processes that descend from this one, as /proc has them; none without it.

    It may be another PID namespace's, in which the same ids are others' (pid_namespaces(7)).
    """
    parents = {}
    try:
        is_own = posix.readlink("/proc/self") == str(posix.getpid())
        names = posix.listdir("/proc") if is_own else []
    except OSError:
        names = []
    for name in names:
        if not name.isdigit():
            continue
        try:
            file = posix.open(f"/proc/{name}/stat", posix.O_RDONLY | posix.O_CLOEXEC)
            stat = posix.read(file, 4096)
            posix.close(file)
        except OSError:
            continue
        # After the name in parentheses, which may hold anything: state, parent (proc(5)).
        parents[int(name)] = int(stat.rpartition(b")")[2].split()[1])
    found = {posix.getpid()}
    size = 0
    while size < len(found):
        size = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return sorted(found - {posix.getpid()})


def exit_status(this: "Init", wait_status: int) -> int:
    """Return the status to end with: the command's, 128+n for a signal, 0 for one that is as good.

    Where the start has not become the command, what it has ended with is its own.
    """
    code = posix.waitstatus_to_exitcode(wait_status)
    status = 128 - code if code < 0 else code
    return 0 if this["began"] and status in this["ok_statuses"] else status
