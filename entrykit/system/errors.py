"""Owns the exit statuses and the one error of a start.

An error is for the person who reads the last line of a log: it says what is wrong, where, and what
to do about it. A step that finds several problems raises one error with all of them.

Imported by every start: builtin modules only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    # Where (a hook, a file and line, a variable; may be empty), what is wrong, and the mend.
    Problem = tuple[str, str, str]

# sysexits(3): EX_SOFTWARE and EX_CONFIG; timeout(1): 124; POSIX 2.8.2: 126, 127 and 128+n.
USAGE = 2
DEFECT = 70
CONFIG = 78
TIMED_OUT = 124
CANNOT_EXECUTE = 126
NOT_FOUND = 127
SIGNALLED = 128


class StartError(Exception):
    """A start, or a command, that cannot go on.

    `status` is the exit status of the process; `problems` are tuples of where, what and mend,
    each a line of the log.
    """

    def __init__(
        self, message: str, status: int = CONFIG, hint: str = "", *, where: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problems: Sequence[Problem] = ((where, message, hint),)


class NotRun(StartError):  # noqa: N818 - nothing has happened
    """A hook that was not run, for the reason of another error: its message tells no time."""

    def __init__(self, error: StartError) -> None:
        super().__init__(error.problems[0][1], error.status)
        self.problems = error.problems


def together(problems: "Sequence[Problem]", status: int = CONFIG) -> StartError:
    """Return one error that reports all of `problems`."""
    error = StartError(problems[0][1], status)
    error.problems = problems
    return error


def os_reason(error: OSError) -> str:
    """Return what the operating system said, as it stands in the middle of a sentence."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]
