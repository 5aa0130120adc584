"""`entrykit exec`: step down, and become a command: for hooks, Dockerfiles and `docker exec`.

`start` is what it does. Each call is paid for: no argparse, and builtin modules only.
"""

import posix

from entrykit.steps import handoff, inherited
from entrykit.system import errors, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from entrykit.steps.inherited import Inherited

DESCRIPTION = """\
Become CMD, as another user or with the environment of another process. Options end at `--` or at
the first word that is none. Root alone can become another user; its HOME is then that user's.

Exit status: CMD's own; 126 the user cannot be had or CMD cannot be run, 127 CMD is not there; 78
there is no such user or process; 2 usage."""
_OPTIONS = {
    b"--user": "become this user: `app`, `1500`, `app:staff` or `1500:1500`",
    b"--env-of": "with the environment of this process: 1 is the container's command",
}
_SEE = "see `entrykit exec --help`"


def add_arguments(parser: "argparse.ArgumentParser") -> None:
    """Add what --help shows."""
    parser.usage = "entrykit exec [--user USER] [--env-of PID] [--] CMD ..."
    for (option, text), value in zip(_OPTIONS.items(), ("USER", "PID"), strict=True):
        parser.add_argument(option.decode(), metavar=value, help=text)
    parser.add_argument("cmd", nargs="*", metavar="CMD", help="the command and its arguments")


def execute(_: "argparse.Namespace") -> int:
    """Never run: `entrykit exec` without --help goes to `start`."""
    return errors.USAGE


def start(raw: list[bytes], mask: set[int]) -> int:
    """Become the command that the words after `exec` name; return only where that failed.

    `mask` are the signals that the process was given blocked.
    """
    try:
        _start(inherited.take_over(mask), raw)
    except StartError as error:
        log.report(error)
        return error.status
    return errors.DEFECT


def _start(given: "Inherited", raw: list[bytes]) -> None:
    inherited.configure_log(given.environment)
    options, words = _read_options(raw)
    home_of = None
    if b"--env-of" in options:
        home_of = _take_environment(given, options[b"--env-of"])
    if b"--user" in options:
        _step_down(given, options[b"--user"].decode("utf-8", "surrogateescape"), home_of)
    handoff.execute_command(words, given, handoff.execute)


def _read_options(raw: list[bytes]) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Split the words into options and the command. Raises StartError, status 2."""
    options: dict[bytes, bytes] = {}
    words = list(raw)
    while words and words[0].startswith(b"-"):
        option, equals, value = words.pop(0).partition(b"=")
        if option == b"--" and not equals:
            break
        if option not in _OPTIONS:
            raise StartError(f"unknown option {log.text(option)}", errors.USAGE, _SEE)
        if not equals:
            if not words:
                raise StartError(f"option {log.text(option)} needs a value", errors.USAGE, _SEE)
            value = words.pop(0)
        options[option] = value
    if not words:
        raise StartError("there is no command", errors.USAGE, _SEE)
    return options, words


def _take_environment(given: "Inherited", written: bytes) -> int:
    """Take the environment of a process instead of the own; return the uid that it runs as."""
    if not written.isdigit() or len(written) > 10:
        message = f"--env-of: {log.text(written)} is not the number of a process"
        raise StartError(message, errors.USAGE, _SEE)
    from entrykit.system import process_environment  # only here

    entries, uid = process_environment.read(int(written))
    given.environment = inherited.Environment(entries)
    return uid


def _step_down(given: "Inherited", user: str, home_of: int | None) -> None:
    """Become a user, and set its HOME, unless it is that of a process of this user already."""
    from entrykit.system import privileges, users  # not where only an environment is taken

    identity = users.identity(user)
    if posix.geteuid() == 0:
        privileges.step_down(identity)
    elif not privileges.is_already(identity):
        message = f"cannot become {privileges.shown(identity)}: uid {posix.geteuid()} is not root"
        raise StartError(message, errors.CANNOT_EXECUTE, "call it as root, or leave the user out")
    if home_of != identity.uid or given.environment.get(b"HOME") is None:
        given.environment.set(b"HOME", identity.home)
