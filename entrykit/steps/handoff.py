"""Hand off: drop privileges, restore what the process was given, and become the command.

Between the last look for a stop signal and the exec lie a few system calls. A signal that arrives
there finds what it would have found in a direct exec: a command that has no handler yet.

Imported by every start: builtin modules only.
"""

import posix

from entrykit.system import errors, log
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from entrykit.steps.inherited import Environment, Inherited
    from entrykit.steps.state import Start

    Execute = Callable[[Environment, bytes, list[bytes]], None]

_NEXT_DIRECTORY = (FileNotFoundError, NotADirectoryError, PermissionError)


def become(start: "Start", execute: "Execute") -> None:
    """Become the command; return only by raising StartError, status 126 or 127."""
    words = start.command.words()
    umask = start.settings.configuration["umask"]
    start.close()
    log.debug(f"becomes {log.text(words[0])}")
    if start.settings.no_new_privileges:
        from entrykit.system import kernel  # ctypes costs 8 ms

        # The command's user may not be allowed to read it.
        kernel.load()
    if start.identity:
        from entrykit.steps import step_down  # loaded already

        step_down.take(start, start.identity)
    if start.settings.no_new_privileges:
        kernel.forbid_new_privileges()
    if umask is not None:
        posix.umask(umask)
    _look_last(start)
    try:
        execute_command(words, start.inherited, execute)
    finally:
        start.tell_init(becomes_command=False)


def execute_command(words: list[bytes], inherited: "Inherited", execute: "Execute") -> None:
    """Restore what was inherited, and run a program; return only by raising StartError.

    The program is looked up in the command's own PATH, as execvp(3) does, but a file that the
    kernel does not know how to run is not given to a shell. Status 126 or 127.
    """
    if not words[0]:
        # Python refuses it with another error than the kernel's.
        raise cannot_run(words[0], words[0], OSError())
    environment = inherited.environment
    found = candidates(words[0], environment.search_path())
    inherited.restore()
    failed, failure, is_there = words[0], OSError(), False
    for candidate in found:
        try:
            execute(environment, candidate, words)
        except OSError as error:
            # The first that is there, and cannot be run, says more than all that are not.
            if not is_there:
                failed, failure, is_there = candidate, error, _is_there(candidate)
            if not isinstance(error, _NEXT_DIRECTORY):
                break
    inherited.signals.expect_broken_pipe()
    raise cannot_run(words[0], failed, failure)


def _look_last(start: "Start") -> None:
    """Raise Stopped if a stop signal has arrived, and drop all others.

    Behind an init that started no hooks all of them stay pending: nothing has happened yet, so that
    they reach the command as in a direct exec.
    """
    if start.init_report < 0 or start.has_run_hooks:
        start.inherited.signals.check()
    start.tell_init(becomes_command=True)


def execute(environment: "Environment", path: bytes, argv: list[bytes]) -> None:
    """Become the program at `path`: what a start does, where a test records instead."""
    environment.execute(path, argv)


def candidates(word: bytes, search_path: bytes) -> list[bytes]:
    """Return the paths that a program may have, in the order in which they are tried."""
    if b"/" in word:
        return [word]
    return [directory + b"/" + word if directory else word for directory in search_path.split(b":")]


def cannot_run(word: bytes, path: bytes, error: OSError) -> StartError:
    """Return the error, status 126 or 127, of a program at `path` that an exec has refused."""
    import errno  # even a builtin module costs 40 µs

    name = log.text(word)
    if not word:
        message = "cannot run the command: its first word is empty"
        return StartError(message, errors.NOT_FOUND, "name a program")
    if isinstance(error, FileNotFoundError):
        if _is_there(path):
            message = f"cannot run {name}: its interpreter or its loader is missing"
            return StartError(message, errors.NOT_FOUND, "see its first line, or `ldd` it")
        hint = "install it in the image, or correct the command"
        if word.startswith(b"-"):
            hint = "an option needs a `program` to stand after: set it in the configuration"
        elif b" " in word.strip():
            hint = "it is one word with blanks in it: give its words one by one, as a list"
        where = "" if b"/" in word else " in PATH"
        return StartError(f"cannot find the command {name}{where}", errors.NOT_FOUND, hint)
    if _is_there(path + b"/"):
        message = f"cannot run {log.text(path)}: it is a directory"
        return StartError(message, errors.CANNOT_EXECUTE, "name a program in it")
    hints = {
        errno.EACCES: "make it executable, and its directories searchable",
        errno.ENOEXEC: "it has no #! line, or it is for another architecture",
        errno.EAGAIN: "its user has as many processes as its limit allows: raise `ulimit -u`",
        errno.E2BIG: "arguments and environment together are larger than the kernel takes",
    }
    status = errors.NOT_FOUND if isinstance(error, NotADirectoryError) else errors.CANNOT_EXECUTE
    hint = hints.get(error.errno or 0, "")
    return StartError(f"cannot run {log.text(path)}: {os_reason(error)}", status, hint)


def _is_there(path: bytes) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True
