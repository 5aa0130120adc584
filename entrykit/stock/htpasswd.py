"""The htpasswd file of the stock hook `30-htpasswd.py`.

bcrypt in its `$2y$` form, cost 10: what nginx, Apache, lighttpd, HAProxy, Caddy, the Docker
registry, Traefik and crypt(3) verify. `$2y$` and `$2b$` name the same algorithm.
"""

import hashlib
import os
from typing import TYPE_CHECKING

import bcrypt

from entrykit.system import files, log, runtime, writing
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrykit.steps.python_hook import HookStart

COST = 10
MODE = 0o640
# bcrypt reads no more of a password; what comes after would be as good as not there.
PASSWORD_LIMIT_BYTES = 72
_FILE_LIMIT_BYTES = 1 << 20


def set_up(start: "HookStart") -> str:
    """Write the file and ask for the option; return what was done, for the log.

    Without a password there is no file, and a stale one of ours is removed. Raises StartError,
    status 78, where name or password cannot be used or the file cannot be written.
    """
    config = start.config
    password = os.fsencode(start.env.get(config["password"], ""))
    # In the runtime directory no old one can be: a start begins by emptying it.
    if not password:
        is_elsewhere = "/" in config["file"]
        has_removed = is_elsewhere and _remove_own(os.fsencode(config["file"]))
        removed = ", the old one is removed" if has_removed else ""
        what = "is empty" if config["password"] in start.env else "is not set"
        return f"{config['password']} {what}: no htpasswd file{removed}"
    path = _place(config["file"], start.runtime_directory)
    username = os.fsencode(start.env.get(config["username"], ""))
    check_username(username, config["username"])
    check_password(password, config["password"])
    is_kept = _write(path, username, password, start.runtime_directory)
    said = f"1 user in {log.text(path)}{', unchanged' if is_kept else ''}"
    option = config["option"]
    if option and has_option(start.command[1:], option):
        return f"{said}; the command has an {option} of its own"
    if option:
        start.options += [option, os.fsdecode(path)]
    return said


def check_username(username: bytes, variable: str) -> None:
    """Raise StartError where an htpasswd file cannot hold a user name."""
    if not username:
        raise StartError(f"{variable} is not set", hint=f"set it, or {variable}_FILE")
    if b":" in username:
        raise StartError(f"{variable} holds a colon", hint="in an htpasswd file that ends the name")
    if username.startswith(b"#"):
        raise StartError(f"{variable} begins with #", hint="in an htpasswd file that is a comment")
    if any(character < 32 or character == 127 for character in username):
        raise StartError(f"{variable} holds a newline or another control character")


def check_password(password: bytes, variable: str) -> None:
    """Raise StartError where bcrypt cannot take a password whole."""
    if len(password) > PASSWORD_LIMIT_BYTES:
        message = f"{variable} has {len(password)} bytes, and bcrypt reads {PASSWORD_LIMIT_BYTES}"
        raise StartError(message, hint="take a shorter one")
    if b"\0" in password:
        raise StartError(f"{variable} holds a NUL byte")


def line(username: bytes, password: bytes) -> bytes:
    """Return the line of an htpasswd file, with a new salt."""
    hashed = bcrypt.hashpw(password, bcrypt.gensalt(COST))
    return username + b":$2y$" + hashed.removeprefix(b"$2b$") + b"\n"


def has_option(words: "Sequence[str]", option: str) -> bool:
    """Tell whether words before any `--` hold an option in one of the spellings of Go's flag.

    `-name`, `--name`, `-name=value` and `--name=value` (https://pkg.go.dev/flag).
    """
    name = option.lstrip("-")
    for word in words:
        if word == "--":
            return False
        if word.startswith("-") and word.partition("=")[0] in (f"-{name}", f"--{name}"):
            return True
    return False


def _place(file: str, runtime_directory: str) -> bytes:
    if "/" in file:
        return os.fsencode(file)
    if not runtime_directory:
        message = "there is no place for the htpasswd file in /run, /dev/shm or /tmp"
        raise StartError(message, hint=runtime.mend())
    return os.fsencode(f"{runtime_directory}/{file}")


def _write(path: bytes, username: bytes, password: bytes, runtime_directory: str) -> bool:
    """Write the file and a note of its digest; tell whether it was right already and stays.

    No note in the runtime directory, which the next start empties.
    """
    if _is_own(path) and _matches(path, username, password):
        return True
    content = line(username, password)
    writing.write(path, content, MODE, os.getegid())
    if path.rpartition(b"/")[0] != os.fsencode(runtime_directory):
        writing.write(_note(path), _digest(content), 0o600)
    return False


def _matches(path: bytes, username: bytes, password: bytes) -> bool:
    status = os.lstat(path)
    if status.st_mode & 0o7777 != MODE or status.st_gid != os.getegid():
        return False
    name, _, hashed = files.read(path, _FILE_LIMIT_BYTES).rstrip(b"\n").partition(b":")
    return name == username and bcrypt.checkpw(password, hashed.replace(b"$2y$", b"$2b$", 1))


def _remove_own(path: bytes) -> bool:
    """Remove the file if an earlier start made it: never one that somebody else has put there."""
    if not _is_own(path):
        return False
    # The note last: without it the file would never be ours again.
    is_removed = writing.remove(path)
    writing.remove(_note(path))
    return is_removed


def _is_own(path: bytes) -> bool:
    """Tell whether the file is as an earlier start wrote it, by the note beside it.

    Its form alone would not tell: a user's own file with one name in it looks the same.
    """
    try:
        noted = files.read(_note(path), 256, follow=False)
        return noted == _digest(files.read(path, _FILE_LIMIT_BYTES, follow=False))
    except StartError:
        return False


def _note(path: bytes) -> bytes:
    parent, slash, name = path.rpartition(b"/")
    return parent + slash + b"." + name + b".entrykit"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n"
