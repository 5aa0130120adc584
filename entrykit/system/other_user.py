"""Owns what root does with another user's ids: work on that user's files, signals, programs.

Root of a container need not be almighty: without CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_KILL it can
neither give away a directory, nor read one of mode 0700, nor end a process of another user. All of
it is to be had with that user's ids, which CAP_SETUID and CAP_SETGID are enough for:

    files      the effective ids, for as long as the work takes (seteuid(2))
    signals    the real uid, for one call: kill(2) asks for the sender's real or effective one
    programs   all three of each, for good

What the user may do to processes of its own it may not do to this one meanwhile: while the
effective ids are the user's, the real and the saved uid are root's, so that it takes no signal; and
the kernel lets nobody look into a process whose effective ids have changed, until it executes
another program (ptrace(2), PR_SET_DUMPABLE(2const)). A child that has given root up for good and
executes a program is guarded by the same.

Part of a start only where a hook has another user: builtin modules only.
"""

import posix

from entrykit.system import files, privileges, spawn, users, writing
from entrykit.system.errors import CANNOT_EXECUTE, NOT_FOUND, StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from entrykit.system.users import Identity

# What a child that could not execute the program writes into its report.
_FAILED = b"entrykit: not started\n"
_PLACE = b"user-"


class ActingAs:
    """The effective ids and the groups are another user's inside a `with`, root's again after it.

    Raises StartError, status 126, where the kernel refuses.
    """

    __slots__ = ("_gid", "_groups", "_identity", "_uid")

    def __init__(self, identity: "Identity") -> None:
        self._identity = identity
        self._uid, self._gid, self._groups = posix.geteuid(), posix.getegid(), posix.getgroups()

    def __enter__(self) -> None:
        try:
            posix.setegid(self._identity.gid)
            # Not where it changes nothing: it always takes the capability.
            if set(self._groups) != set(self._identity.groups):
                posix.setgroups(self._identity.groups)
            posix.seteuid(self._identity.uid)
        except OSError as error:
            self._return()
            raise privileges.refused(self._identity, error) from None

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self._return()

    def _return(self) -> None:
        """Go back: the uid first, with which the right to change the groups comes."""
        posix.seteuid(self._uid)
        if set(posix.getgroups()) != set(self._groups):
            posix.setgroups(self._groups)
        posix.setegid(self._gid)


def signal_group(group: int, number: int, uid: int) -> None:
    """Send a signal to a process group of another user's. Raises OSError.

    kill(2) lets a real uid do what the same effective one may. Both at once: the group may hold
    processes of root's, of programs with the setuid bit. Not by a child with the user's ids: where
    the hook has used up the processes that the container may have, there is none to be had. For
    this one call the user could signal this process in turn, where it is not PID 1: at the end of
    a hook that is ended anyway.
    """
    own = posix.getuid()
    posix.setresuid(uid, -1, -1)
    try:
        posix.killpg(group, number)
    finally:
        posix.setresuid(own, -1, -1)


def program(
    argv: list[bytes],
    environment: "Mapping[bytes, bytes]",
    identity: "Identity",
    report: int,
    *,
    reports: bool,
) -> int:
    """Start a program as a child with another user's ids; return its process id.

    As spawn.program, but that posix_spawn(3) sets no such ids. `report` is a memory file, in which
    stands why where the program could not be executed (`not_started`); with `reports` the program
    gets it as its descriptor 3. Not a pipe, which would be read before the program runs: a process
    of the same user could stop the child, and with it whoever reads. Raises OSError.
    """

    def become(kept: int) -> int:
        try:
            _give_terminal_for_writing()
            privileges.step_down(identity)
            if reports and kept == 3:
                posix.set_inheritable(3, True)  # noqa: FBT003 - positional only
            elif reports:
                posix.dup2(kept, 3)
            posix.execve(argv[0], argv, environment)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            hint = "its interpreter or its loader is missing" if missing else ""
            status = NOT_FOUND if missing else CANNOT_EXECUTE
            failure = StartError(f"cannot be started: {os_reason(error)}", status, hint)
        except StartError as error:
            failure = error
        _, message, hint = failure.problems[0]
        writing.write_all(kept, _FAILED + f"{message}\n{hint}".encode())
        return failure.status

    return spawn.fork(become, report, ())


def not_started(report: bytes, status: int) -> StartError | None:
    """Return why a program could not be executed, as its child has told; None where it could."""
    if not report.startswith(_FAILED):
        return None
    message, _, hint = report[len(_FAILED) :].decode("utf-8", "replace").partition("\n")
    return StartError(_line(message), status, _line(hint))


def _line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _give_terminal_for_writing() -> None:
    """Let standard output and error be a terminal for writing only, where they are one.

    Whoever has one to read from could read what is typed there for others. As leader of a session
    it could also make it its own, where no other session has it, and put words in (TIOCSCTTY and
    TIOCSTI, ioctl_tty(2)). The path is root's to open, and so not the hook's.
    """
    if posix.isatty(2):
        flags = posix.O_WRONLY | posix.O_NOCTTY | posix.O_CLOEXEC
        terminal = posix.open("/proc/self/fd/2", flags)
        posix.dup2(terminal, 1)
        posix.dup2(terminal, 2)
        posix.close(terminal)


def place(parent: bytes, identity: "Identity") -> bytes:
    """Return the path of what `make_place` makes for a user in a directory of root's."""
    return b"%s/%s%d-%d" % (parent, _PLACE, identity.uid, identity.gid)


def make_place(path: bytes, identity: "Identity") -> None:
    """Make a directory of root's in which another user makes directories with `while_open`.

    Its group is the user's: that of a new directory is the effective one of who makes it, so no
    CAP_CHOWN is needed. Raises OSError.
    """
    gid = posix.getegid()
    posix.setegid(identity.gid)
    try:
        writing.make_directory(path, 0o711)
    finally:
        posix.setegid(gid)


def while_open(path: bytes, identity: "Identity", work: "Callable[[], None]") -> None:
    """Do some work with another user's ids while its group may change what a place of it holds.

    Raises StartError, and whatever `work` raises.
    """
    # Sticky: others of the group may not put anything in the place of what is the user's.
    posix.chmod(path, 0o1731)
    try:
        with ActingAs(identity):
            work()
    finally:
        posix.chmod(path, 0o711)


def remove_places(parent: bytes) -> None:
    """Remove what `make_place` has made in a directory of root's. Raises OSError.

    With their users' ids, since root may be unable to. Whose they are their names say: nobody else
    may be able to change what the directory holds.
    """
    for name in posix.listdir(parent):
        uid, dash, gid = name.removeprefix(_PLACE).partition(b"-")
        is_name = name.startswith(_PLACE) and dash and uid.isdigit() and gid.isdigit()
        status = posix.lstat(parent + b"/" + name)
        is_own = files.is_directory(status.st_mode) and status.st_uid == posix.geteuid()
        if is_name and is_own:
            identity = users.Identity(int(uid), int(gid), set(), b"/", "")
            try:
                remove_place(parent + b"/" + name, identity)
            except StartError:
                # It may not act as the user, but may be able to do all.
                continue


def remove_place(path: bytes, identity: "Identity") -> None:
    """Remove a place and all that it holds. Raises OSError, StartError."""
    names = [path + b"/" + name for name in posix.listdir(path)]

    def remove_all() -> None:
        for name in names:
            writing.remove_tree(name)

    while_open(path, identity, remove_all)
    posix.rmdir(path)


def may(path: bytes, mode: int) -> bool:
    """Tell whether the effective ids have a right to a file (posix.R_OK, posix.X_OK)."""
    return posix.access(files.place(path), mode, effective_ids=True)
