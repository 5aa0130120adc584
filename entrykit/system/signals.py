"""Owns signals: blocked from the first step of a start to its exec, and taken at one wait.

A handler would be simpler and is wrong twice: a signal that arrives between two steps interrupts
whatever is going on, and one that arrives just before the exec is forgotten with the handler.
Blocked signals stay pending, in a PID 1 too, whose signals without a handler the kernel else drops
(signal(7), pid_namespaces(7)).

Imported by every start: builtin modules only (`signal` costs 3 ms).
"""

from entrykit.system.errors import SIGNALLED, StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
else:
    import _signal

CHILD, CONTINUE, KILL, TERMINATE = (
    _signal.SIGCHLD, _signal.SIGCONT, _signal.SIGKILL, _signal.SIGTERM,
)  # fmt: skip

# 32 and 33 belong to the C library (nptl(7)): Python warns of them.
RESETTABLE = frozenset(range(1, 65)) - {32, 33, _signal.SIGKILL, _signal.SIGSTOP}
# What a fault of the process itself raises is not blocked: the kernel would kill it all the same.
_BLOCKED = RESETTABLE - {
    _signal.SIGABRT, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL,
    _signal.SIGSEGV, _signal.SIGSYS, _signal.SIGTRAP,
}  # fmt: skip
_STOPS = frozenset({_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT})
# Python ignores these two at its start; what was inherited cannot be known any more.
_HIDDEN_BY_PYTHON = (_signal.SIGPIPE, _signal.SIGXFSZ)


class Signals:
    """The signals of one start: what was inherited, what stops it, and the one wait."""

    __slots__ = ("_child_was_ignored", "_inherited_mask", "_stops", "_waited_for")

    def __init__(self, inherited_mask: "set[int] | None" = None) -> None:
        """Block all signals that can be blocked.

        `inherited_mask` is what was blocked at first, where some are blocked since.
        """
        blocked_now = _signal.pthread_sigmask(_signal.SIG_BLOCK, _BLOCKED)
        self._inherited_mask = blocked_now if inherited_mask is None else inherited_mask
        self._child_was_ignored = _signal.getsignal(CHILD) == _signal.SIG_IGN
        if self._child_was_ignored:
            # Ignored, it would take the statuses of the hooks away (waitpid(2), NOTES).
            _signal.signal(CHILD, _signal.SIG_DFL)
        self.stop_on(())

    def stop_on(self, more: "Iterable[int]") -> None:
        """Let the signals `more` end the start, beside TERM, INT and QUIT.

        One that the process inherited as ignored (nohup(1), a shell's `&`) stays ignored.
        """
        self._stops = frozenset(
            number
            for number in _STOPS.union(more)
            if number in _BLOCKED and _signal.getsignal(number) != _signal.SIG_IGN
        )
        # A signal that was blocked when it all began is the command's to take.
        self._waited_for = (_BLOCKED - self._inherited_mask) | self._stops | {CHILD}

    def take(self, timeout_seconds: float | None) -> int:
        """Wait for a signal and return its number, 0 when there was none in time."""
        if timeout_seconds is None:
            return _signal.sigwaitinfo(self._waited_for).si_signo
        taken = _signal.sigtimedwait(self._waited_for, max(timeout_seconds, 0))
        return taken.si_signo if taken is not None else 0

    def is_stop(self, number: int) -> bool:
        """Tell whether a signal ends the start."""
        return number in self._stops

    def check(self) -> None:
        """Raise Stopped if a stop signal has arrived; drop all others that have."""
        while number := self.take(0):
            if number in self._stops:
                raise Stopped(number)

    def restore(self) -> None:
        """Give the command the dispositions and the mask that the start was given.

        SIGPIPE and SIGXFSZ are set to their default.
        """
        if self._child_was_ignored:
            _signal.signal(CHILD, _signal.SIG_IGN)
        for number in _HIDDEN_BY_PYTHON:
            _signal.signal(number, _signal.SIG_DFL)
        if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
            # Python's own handler: an exception here, and lost where the exec comes first.
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._inherited_mask)

    def expect_broken_pipe(self) -> None:
        """Ignore SIGPIPE again: the exec has failed, and that the log may be gone is no matter."""
        _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)


def not_default() -> list[int]:
    """Return the signals whose disposition is not the default."""
    get, default = _signal.getsignal, _signal.SIG_DFL
    return [number for number in RESETTABLE if get(number) is not default]


def reset(numbers: "Iterable[int]") -> None:
    """Set dispositions to their default and unblock all: for a child that does not exec."""
    for number in numbers:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


class Stopped(StartError):  # noqa: N818 - no fault, but what somebody asked for
    """A start that a stop signal has ended, during a hook or between two steps."""

    def __init__(self, number: int, during: str = "") -> None:
        while_what = f" during {during}" if during else ""
        message = f"stopped by {name(number)}{while_what}; the command was not started"
        super().__init__(message, SIGNALLED + number)


def name(number: int) -> str:
    """Return a signal's name, `SIGTERM`; for one without a name, `signal 42`."""
    for word, value in vars(_signal).items():
        if value == number and word.startswith("SIG") and not word.startswith("SIG_"):
            return word
    return f"signal {number}"
