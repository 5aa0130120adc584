"""Init: stay, as PID 1 or as a subreaper, and go on with the start in a child.

The fork comes before the first hook, so that orphans have somebody to reap them. What stays becomes
`system.pid1` in a new interpreter, while the child goes on: its memory is that of a bare one.
Signals are blocked all the time: what arrives meanwhile stays pending, and is forwarded.

Only part of a start that was told to: builtin modules only.
"""

import posix
import sys

from entrykit.system import log, pid1
from entrykit.system.errors import CANNOT_EXECUTE, StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from entrykit.settings.record import Configuration
    from entrykit.steps.state import Start
    from entrykit.system.pid1 import Init
else:
    import _signal

# What an interpreter that was built with a shared library needs, perhaps; nothing else is passed.
_LOADER_VARIABLE = b"LD_LIBRARY_PATH"


def stay(this: "Start") -> None:
    """Fork; return in the child alone, which goes on with the start, in a process group of its own.

    It has the terminal, where this process's group has it. Raises StartError, status 126, where
    there cannot be a child.
    """
    configuration = this.settings.configuration
    own = posix.getpid()
    this.orphans_parent = own if _prepare(configuration["parent_death_signal"]) else 0
    # A stop signal that is forwarded as another one ends the start all the same.
    rewrites = configuration["rewrite"]
    stops = [*configuration["stop_signals"], 2, 3, 15]
    this.inherited.signals.stop_on([rewrites.get(number, number) or number for number in stops])
    reading, this.init_report = _report_pipe()
    terminal, has_terminal = _terminal()
    try:
        child = posix.fork()
    except OSError as error:
        message = f"cannot start a process beside the init: {os_reason(error)}"
        raise StartError(message, CANNOT_EXECUTE, "see the limit of processes") from None
    if child:
        _become_init(this, _told(configuration, child, reading, terminal))
    posix.close(reading)
    posix.setpgid(0, 0)
    _take_sockets_over(this, own)
    if terminal >= 0:
        if has_terminal:
            # SIGTTOU is blocked, so this is allowed from the background.
            posix.tcsetpgrp(terminal, posix.getpid())
        posix.close(terminal)


def _prepare(parent_death_signal: int) -> bool:
    """Arrange what is the process's own, and stays with it: before the first orphan.

    Tell whether it is the parent of orphans from now on.
    """
    is_pid1 = posix.getpid() == 1
    if is_pid1 and not parent_death_signal:
        return True
    from entrykit.system import kernel  # ctypes costs 8 ms

    is_orphans_parent = is_pid1 or kernel.become_subreaper()
    if not is_pid1:
        whose = f"as process {posix.getpid()}, not PID 1, init"
        if is_orphans_parent:
            log.info(f"{whose} reaps orphans as a subreaper")
        else:
            hint = "install the full python3, or start it as PID 1"
            log.warn(f"{whose} cannot reap orphans: it is no subreaper", hint=hint)
    if parent_death_signal:
        kernel.set_parent_death_signal(parent_death_signal)
    return is_orphans_parent


def _take_sockets_over(this: "Start", init: int) -> None:
    """Let the sockets that the init was given be the command's (sd_listen_fds(3))."""
    if this.environment.get(b"LISTEN_PID") == b"%d" % init:
        this.environment.set(b"LISTEN_PID", b"%d" % posix.getpid())


def _report_pipe() -> tuple[int, int]:
    """Return a pipe's ends. What is written to it, and its closing, send this process a SIGCHLD."""
    import fcntl  # only here

    reading, writing = posix.pipe()
    posix.set_blocking(reading, False)
    try:
        fcntl.fcntl(reading, fcntl.F_SETOWN, posix.getpid())
        fcntl.fcntl(reading, 10, 17)  # F_SETSIG, SIGCHLD (fcntl(2))
        flags = fcntl.fcntl(reading, fcntl.F_GETFL)
        fcntl.fcntl(reading, fcntl.F_SETFL, flags | posix.O_ASYNC)
    except OSError:
        # Then it is read when the next signal comes.
        pass
    return reading, writing


def _terminal() -> tuple[int, bool]:
    """Return a descriptor of the controlling terminal, -1 for none, and whether it is this group's.

    One that another group has is left alone: a shell's `&`.
    """
    terminal = -1
    for descriptor in (0, 1, 2):
        try:
            posix.tcgetpgrp(descriptor)
            terminal = posix.dup(descriptor)
            break
        except OSError:
            continue
    else:
        try:
            terminal = posix.open("/dev/tty", posix.O_RDWR | posix.O_CLOEXEC | posix.O_NOCTTY)
        except OSError:
            return -1, False
    return terminal, posix.tcgetpgrp(terminal) == posix.getpgrp()


def _told(configuration: "Configuration", child: int, reading: int, terminal: int) -> "Init":
    return {
        "child": child,
        "to_group": configuration["forward"] == "group",
        "rewrites": configuration["rewrite"],
        "ok_statuses": configuration["ok_status"],
        "grace_seconds": configuration["grace"],
        "parent_death_signal": configuration["parent_death_signal"],
        "report": reading,
        "terminal": terminal,
        "began": False,
        "is_stopped": False,
        "was_told_to_stop": False,
        "waiting": [],
    }


def _become_init(this: "Start", told: "Init") -> None:
    """Become the init; never return."""
    try:
        try:
            # The child does it too: whoever comes first, nothing is sent before.
            posix.setpgid(told["child"], told["child"])
        except OSError:
            pass
        try:
            _execute(this, told)
        except OSError as error:
            log.debug(f"the init stays in the start's interpreter: {os_reason(error)}")
            from entrykit.system import secrets  # the other one holds none

            secrets.wipe_environment()
            secrets.forbid_inspection()
            # The kernel has sent it where files are to be smaller (setrlimit(2)): no command's.
            _signal.sigtimedwait((_signal.SIGXFSZ,), 0)
        pid1.main(told)
    finally:
        posix._exit(70)  # noqa: SLF001 - its public name


def _execute(this: "Start", told: "Init") -> None:
    """Become an init in an interpreter of its own, which holds nothing else open than it needs."""
    posix.close(this.init_report)
    posix.chdir("/")
    null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    # Whoever is at the other end learns it when the command closes them.
    posix.dup2(null, 0)
    posix.dup2(null, 1)
    code = posix.memfd_create("entrykit-init", posix.MFD_CLOEXEC)
    posix.write(code, pid1.encode(told))
    posix.lseek(code, 0, 0)
    for descriptor in (code, told["report"], told["terminal"]):
        if descriptor >= 0:
            posix.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only
    words = [sys.executable, "-IS", "-c", pid1.BOOTSTRAP.format(code), "entrykit-init"]
    value = this.environment.get(_LOADER_VARIABLE)
    posix.execve(sys.executable, words, {} if value is None else {_LOADER_VARIABLE: value})
