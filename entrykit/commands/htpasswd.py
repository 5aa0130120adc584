"""`entrykit htpasswd`: make and edit htpasswd files, and verify passwords against them."""

import argparse
import contextlib
import fcntl
import getpass
import os
import signal
import stat
import sys
import warnings
from typing import TYPE_CHECKING

from entrykit.stock import htpasswd_lines, passwords, schemes
from entrykit.system import errors, files, log, writing
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

DESCRIPTION = """\
Make and edit htpasswd files, and verify passwords against them. The password is asked for at the
terminal, without echo; where standard input is no terminal, it is the one line that is read there.
Exit status 0, 1 where `verify` says no, 2 for a mistake of usage, 78 where it cannot be done."""

MODE = 0o640
_FILE_LIMIT_BYTES = 16 << 20
# bcrypt's own least is 4; at 17 one request would take a server 6 seconds.
_COSTS = range(4, 18)
# What an unknown user's password is hashed against, where a file has nothing else.
_STAND_IN = b"$2y$10$gfh.gLTXV.WMbsoKFx/rMOUzbCJmrYQtOV8Ceh1LksZp2dAKXzdQm"

_STAYS = "All other lines, and the file's mode and owner, stay as they are."
_ACTIONS = {
    "create": (
        "make a new file with one user",
        "Make a new file with one user, mode 0640. A file that is there is never overwritten.",
    ),
    "add": (
        "add a user to a file, or give one another password",
        f"Add a user at the file's end, or replace the hash where the user has one. {_STAYS}",
    ),
    "delete": ("delete a user from a file", f"Delete a user's lines from a file. {_STAYS}"),
    "verify": (
        "verify a user's password",
        "Exit status 0 where it is right, 1 where it is wrong or there is no such user.",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `htpasswd`, each with its arguments."""
    subparsers = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, (summary, description) in _ACTIONS.items():
        subparser = subparsers.add_parser(action, help=summary, description=description)
        subparser.add_argument("file", metavar="FILE", help="the htpasswd file")
        subparser.add_argument("name", metavar="NAME", help="the name of the user")
        if action != "delete":
            subparser.add_argument(
                "--password-file",
                metavar="FILE",
                help="read the password from a file or pipe, without the newlines at its end",
            )
        if action in ("create", "add"):
            subparser.add_argument(
                "--scheme",
                choices=schemes.TO_MAKE,
                default=schemes.BCRYPT,
                help="the scheme of the hash; default bcrypt. The others need the extra"
                " `passlib`, and not every server knows them",
            )
            subparser.add_argument(
                "--cost",
                type=int,
                choices=_COSTS,
                metavar="N",
                help=f"bcrypt's cost, {_COSTS[0]} to {_COSTS[-1]}; default {passwords.COST}, some"
                " 50 ms at each request; one more doubles it",
            )


def execute(arguments: argparse.Namespace) -> int:
    """Do what the action says; return the exit status."""
    actions: dict[str, Callable[[argparse.Namespace, bytes, bytes], int]] = {
        "create": _create, "add": _add, "delete": _delete, "verify": _verify,
    }  # fmt: skip
    name = os.fsencode(arguments.name)
    return actions[arguments.action](arguments, os.fsencode(arguments.file), name)


def _create(arguments: argparse.Namespace, path: bytes, name: bytes) -> int:
    _check_is_free(path)
    hashed = _hash(arguments, name)
    with _alone(path):
        _check_is_free(path)
        writing.write(path, htpasswd_lines.put(b"", name, hashed), MODE)
    log.info(f"{log.text(path)}: made, with {log.text(name)}")
    return 0


def _add(arguments: argparse.Namespace, path: bytes, name: bytes) -> int:
    # Before a password is asked for.
    _check_is_own(path)
    hashed = _hash(arguments, name)
    with _alone(path):
        content, status = _read(path)
        known = htpasswd_lines.find(content, name) is not None
        _write(path, htpasswd_lines.put(content, name, hashed), status)
    what = "has another password" if known else "is added"
    log.info(f"{log.text(path)}: {log.text(name)} {what}")
    return 0


def _delete(_: argparse.Namespace, path: bytes, name: bytes) -> int:
    with _alone(path):
        content, status = _read(path)
        if htpasswd_lines.find(content, name) is None:
            raise StartError(f"there is no user {log.text(name)} in {log.text(path)}")
        _write(path, htpasswd_lines.remove(content, name), status)
    log.info(f"{log.text(path)}: {log.text(name)} is deleted")
    return 0


def _verify(arguments: argparse.Namespace, path: bytes, name: bytes) -> int:
    # Through links: a mounted Secret or ConfigMap has nothing else.
    content = files.read(path, _FILE_LIMIT_BYTES)
    password = _password(arguments, name, is_new=False)
    where = f"{log.text(path)}: {log.text(name)}"
    entry = htpasswd_lines.find(content, name)
    hashed = _stand_in(content) if entry is None else entry.partition(b":")[0]
    schemes.check_password(password, htpasswd_lines.scheme(hashed), "the password")
    if schemes.verify(password, hashed, where) and entry is not None:
        log.info(f"{where}: that is the password")
        return 0
    log.info(f"{where}: that is not the password, or there is no such user")
    return 1


def _stand_in(content: bytes) -> bytes:
    """Return a hash of the scheme of the file's first user, whose verifying takes as long."""
    hashes = htpasswd_lines.hashes(content)
    known = (one for one in hashes if htpasswd_lines.scheme(one) in schemes.TO_VERIFY)
    return next(known, _STAND_IN)


def _hash(arguments: argparse.Namespace, name: bytes) -> bytes:
    """Return the hash of the password that is given or asked for."""
    if not name:
        raise StartError("the name is empty")
    passwords.check_username(name, "the name")
    cost = arguments.cost
    if cost is not None and arguments.scheme != schemes.BCRYPT:
        raise StartError(f"--cost is bcrypt's, not that of {arguments.scheme}", errors.USAGE)
    password = _password(arguments, name, is_new=True)
    passwords.check_typed(password, "the password")
    schemes.check_password(password, arguments.scheme, "the password")
    return schemes.make(arguments.scheme, password, cost or passwords.COST)


def _password(arguments: argparse.Namespace, name: bytes, *, is_new: bool) -> bytes:
    """Return the password: from its file, asked for at a terminal, or from standard input."""
    if arguments.password_file is not None:
        path = os.fsencode(arguments.password_file)
        return _one_line(_read_password_file(path), log.text(path))
    if sys.stdin is None or not sys.stdin.isatty():
        pipe = None if sys.stdin is None else sys.stdin.buffer
        return _one_line(_read_pipe(pipe, "standard input"), "standard input")
    password = _ask(f"Password of {log.text(name)}: ")
    if is_new and _ask("Again: ") != password:
        raise StartError("the two passwords differ")
    return password


def _read_password_file(path: bytes) -> bytes:
    """Read a regular file, or a pipe to its end: `<(pass show ann)` of a shell is one."""
    try:
        if not stat.S_ISFIFO(os.stat(path).st_mode):
            return files.read(path, files.SECRET_LIMIT_BYTES)
        with open(path, "rb") as pipe:
            return _read_pipe(pipe, log.text(path))
    except OSError as error:
        raise files.cannot("read", path, error) from None


def _read_pipe(pipe: "IO[bytes] | None", what: str) -> bytes:
    limit_bytes = files.SECRET_LIMIT_BYTES
    try:
        content = b"" if pipe is None else pipe.read(limit_bytes + 1)
    except OSError as error:
        raise StartError(f"cannot read {what}: {errors.os_reason(error)}") from None
    if len(content) > limit_bytes:
        raise StartError(f"{what} holds more than {limit_bytes} bytes")
    return content


def _one_line(content: bytes, what: str) -> bytes:
    password = content.rstrip(b"\n").removesuffix(b"\r")
    if b"\n" in password:
        raise StartError(f"{what} holds more than one line", hint="give the password alone")
    return password


def _ask(prompt: str) -> bytes:
    """Ask for a word at the terminal, without echo. Raises StartError."""
    # By an exception, so that getpass switches the echo on again.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(errors.SIGNALLED + number))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return os.fsencode(getpass.getpass(prompt))
    except EOFError:
        raise StartError("no password was given") from None
    except getpass.GetPassWarning:
        hint = "use --password-file, or standard input"
        raise StartError("cannot switch off the terminal's echo", hint=hint) from None
    except UnicodeError:
        encoding = sys.getfilesystemencoding()
        message = f"the password is not {encoding}, the encoding of this locale"
        raise StartError(message, hint="use --password-file, or standard input") from None


def _check_is_free(path: bytes) -> None:
    if os.path.lexists(path):
        raise StartError(f"{log.text(path)} is there already", hint="add a user to it with `add`")


def _check_is_own(path: bytes) -> None:
    """Raise StartError where a file is missing, a link, or another user's.

    To go where a link leads would write into a directory that nobody named.
    """
    try:
        status, place = os.lstat(path), os.path.realpath(path)
    except FileNotFoundError:
        message = f"cannot read {log.text(path)}: no such file or directory"
        raise StartError(message, hint="make it with `create`") from None
    except OSError as error:
        raise files.cannot("read", path, error) from None
    if stat.S_ISLNK(status.st_mode):
        hint = f"name the file itself: {log.text(place)}"
        raise StartError(f"cannot write {log.text(path)}: it is a link", hint=hint)
    if os.geteuid() not in (0, status.st_uid):
        message = f"cannot write {log.text(path)}: it is owned by uid {status.st_uid}"
        raise StartError(message, hint="run this as its owner, or as root")


def _read(path: bytes) -> tuple[bytes, os.stat_result]:
    _check_is_own(path)
    # Of what is read, not of what lies at the path: its content goes to whom it has been.
    return files.read_with_status(path, _FILE_LIMIT_BYTES, follow=False)


def _write(path: bytes, content: bytes, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    writing.write(path, content, mode, status.st_gid, status.st_uid)


@contextlib.contextmanager
def _alone(path: bytes) -> "Iterator[None]":
    """Keep others of this command from the file meanwhile, so that none overwrites another's user.

    The lock is on the directory (flock(2)): the file is replaced, and may not be there yet.
    """
    try:
        directory = os.open(os.path.dirname(path) or b".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise files.cannot("write", path, error) from None
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
        except OSError as error:
            raise files.cannot("lock the directory of", path, error) from None
        yield
    finally:
        os.close(directory)
