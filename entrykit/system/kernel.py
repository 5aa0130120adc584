"""Owns what posix lacks: prctl(2), capset(2) and syncfs(2), through ctypes.

Not part of a plain start: ctypes costs 8 ms, and python3-minimal lacks it.
"""

import posix

from entrykit.system.errors import CANNOT_EXECUTE, StartError

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
# linux/capability.h: 64 bits for each set.
_CAPABILITY_VERSION_3 = 0x20080522


def load() -> None:
    """Load what the functions here need, while the process may still read the library's files."""
    try:
        import ctypes  # noqa: F401 - missing in python3-minimal
    except ImportError:
        pass  # what needs it says so


def forbid_new_privileges() -> None:
    """Let no exec from here on gain privileges (prctl(2), PR_SET_NO_NEW_PRIVS).

    Raises StartError where that cannot be had.
    """
    try:
        import ctypes  # missing in python3-minimal

        done = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        done = False
    if not done:
        message = "cannot forbid new privileges, as no-new-privileges asks"
        hint = "install the full python3, or use the engine's no-new-privileges option instead"
        raise StartError(message, CANNOT_EXECUTE, hint)


def drop_capabilities() -> bool:
    """Give up all capabilities but the bounding set, and tell whether that was done (capset(2))."""
    try:
        import ctypes  # missing in python3-minimal

        library = ctypes.CDLL(None, use_errno=True)
        # A kernel that knows no ambient ones has none.
        library.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        return bool(library.capset(header, (ctypes.c_uint32 * 6)()) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def forbid_inspection() -> bool:
    """Forbid core dumps of this process, and others of its user to look into it; tell whether done.

    Until its next exec (prctl(2), PR_SET_DUMPABLE).
    """
    try:
        import _ctypes  # what ctypes wraps: 0.4 ms; missing in python3-minimal

        program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type] # dlopen(3): the program itself
        prctl = _ctypes.dlsym(program, "prctl")
        return bool(_ctypes.call_function(prctl, (_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def sync_file_system(descriptor: int) -> None:
    """Let the disk hold all that was written to the file system of an open file (syncfs(2)).

    Where that cannot be had, all that was written to any (sync(2)). Raises OSError where the disk
    has failed.
    """
    try:
        import ctypes  # missing in python3-minimal

        sync = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):
        posix.sync()
        return
    if sync(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, posix.strerror(number))


def become_subreaper() -> bool:
    """Be the parent of all orphans among this process's descendants; tell whether it is now.

    It stays so when the process executes a program (prctl(2), PR_SET_CHILD_SUBREAPER).
    """
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_parent_death_signal(number: int) -> None:
    """Let the kernel send this process a signal when its parent ends (prctl(2), PR_SET_PDEATHSIG).

    Raises StartError where that cannot be had.
    """
    parent = posix.getppid()
    if not _prctl(_PR_SET_PDEATHSIG, number):
        message = "cannot set the parent death signal"
        raise StartError(message, CANNOT_EXECUTE, "install the full python3, or leave it out")
    if posix.getppid() != parent:
        # It ended just before.
        posix.kill(posix.getpid(), number)


def _prctl(option: int, value: int) -> bool:
    try:
        import ctypes  # missing in python3-minimal

        return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False
