"""Owns what posix lacks: prctl(2), through ctypes.

Not part of a plain start: ctypes costs 8 ms, and python3-minimal lacks it.
"""

from entrykit.system.errors import CANNOT_EXECUTE, StartError

_PR_SET_NO_NEW_PRIVS = 38


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
        message = "cannot forbid new privileges, as no-new-privileges = true asks"
        hint = "install the full python3, or use the engine's no-new-privileges option instead"
        raise StartError(message, CANNOT_EXECUTE, hint)
