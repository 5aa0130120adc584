"""The htpasswd files of the stock hook `30-htpasswd.py`.

Each has the user of `username` and `password`, those of the lines of `users`, and the lines of
`entries`, in this order. What is in a file already and still right stays as it is, byte for byte.
"""

import hashlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from entrykit.stock import passwords, section
from entrykit.system import batch, descent, errors, files, log, privileges, runtime, writing
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entrykit.steps.python_hook import HookStart
    from entrykit.system.errors import Problem

MODE = 0o640
_FILE_LIMIT_BYTES = 1 << 20


class User(NamedTuple):
    """A user of a file: with a password to hash, or with the `entry` that follows the name."""

    where: str
    name: bytes
    password: bytes = b""
    entry: bytes = b""


class Wanted(NamedTuple):
    """What a table asks for; `path` is empty where it has no users, and `lack` says why."""

    table: dict[str, Any]
    users: list[User]
    path: bytes
    lack: str


def set_up(start: "HookStart") -> str:
    """Write the files and ask for their options; return what was done, for the log.

    Without any user there is no file, and a stale one of ours is removed. Raises StartError,
    status 78, where names or passwords cannot be used, with all of them and nothing written, or
    a file cannot be written.
    """
    problems: list[Problem] = []
    config = section.of(start)
    tables = config.get("tables", [config])
    wanted = [_read(start, table, problems) for table in tables]
    if problems:
        raise errors.together(problems)
    return "; ".join(_set_up_file(start, one) for one in wanted)


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


def _read(start: "HookStart", table: dict[str, Any], problems: "list[Problem]") -> Wanted:
    """Return what a table asks for; add what is wrong to `problems`."""
    before = len(problems)
    users = list(_users(start, table, problems))
    if not users:
        return Wanted(table, [], b"", ", ".join(_lacks(start, table)))
    _check_once(users, problems)
    path = b""
    try:
        path = _place(table["file"], start.runtime_directory)
    except StartError as error:
        problems[before:before] = error.problems
    return Wanted(table, users, path, "")


def _users(
    start: "HookStart", table: dict[str, Any], problems: "list[Problem]"
) -> "Iterator[User]":
    if password := _value(start, table["password"]):
        username = _value(start, table["username"])
        try:
            _check(username, table["username"], password, table["password"])
        except StartError as error:
            problems.extend(error.problems)
        yield User(table["username"], username, password)
    if not (table["users"] or table["entries"]):
        return
    from entrykit.stock import htpasswd_lines  # re costs 4 ms, and few have more than one user

    content = _value(start, table["users"])
    for where, name, password in htpasswd_lines.read_users(content, table["users"], problems):
        yield User(where, name, password)
    content = _value(start, table["entries"])
    for where, name, entry in htpasswd_lines.read_entries(content, table["entries"], problems):
        yield User(where, name, entry=entry)


def _check(username: bytes, username_variable: str, password: bytes, variable: str) -> None:
    if not username:
        hint = f"set it, or {username_variable}_FILE"
        raise StartError(f"{username_variable} is not set", hint=hint)
    passwords.check_username(username, username_variable)
    passwords.check_password(password, variable)


def _value(start: "HookStart", variable: str | None) -> bytes:
    return os.fsencode(start.env.get(variable, "")) if variable else b""


def _lacks(start: "HookStart", table: dict[str, Any]) -> "Iterator[str]":
    """Say of each variable why no user comes of it."""
    for variable in (table["password"], table["users"], table["entries"]):
        if variable and variable not in start.env:
            yield f"{variable} is not set"
        elif variable:
            yield f"{variable} {'holds no user' if start.env[variable] else 'is empty'}"


def _check_once(users: list[User], problems: "list[Problem]") -> None:
    first: dict[bytes, str] = {}
    for user in users:
        if user.name in first:
            message = f"the user {log.text(user.name)} stands in {first[user.name]} and again in"
            problems.append(("", f"{message} {user.where}", "name each user once"))
        else:
            first[user.name] = user.where


def _place(file: str, runtime_directory: str) -> bytes:
    if "/" in file:
        return os.fsencode(file)
    if not runtime_directory:
        message = "there is no place for the htpasswd file in /run, /dev/shm or /tmp"
        raise StartError(message, hint=runtime.mend())
    return os.fsencode(f"{runtime_directory}/{file}")


def _set_up_file(start: "HookStart", wanted: Wanted) -> str:
    """Write or remove one file, and ask for its option; return what was done."""
    file, option = wanted.table["file"], wanted.table["option"]
    if not wanted.users:
        # In the runtime directory no old one can be: a start begins by emptying it.
        has_removed = "/" in file and _remove_own(os.fsencode(file))
        removed = ", the old one is removed" if has_removed else ""
        return f"{wanted.lack}: no htpasswd file{removed}"
    kept = _write(wanted.path, wanted.users, start)
    count = len(wanted.users)
    said = f"{count} {'user' if count == 1 else 'users'} in {log.text(wanted.path)}{kept}"
    if option and has_option(start.command[1:], option):
        return f"{said}; the command has an {option} of its own"
    if option:
        start.options += [option, os.fsdecode(wanted.path)]
    return said


def _write(path: bytes, users: list[User], start: "HookStart") -> str:
    """Write a note of the file's digest and the file; return how much of an earlier start's stays.

    Its group is the command's, which may read it. If all stays, nothing is written. No note in the
    runtime directory, which the next start empties.
    """
    old = _own_content(path)
    old_lines = old.split(b"\n")
    lines = _lines(users, dict(line.partition(b":")[::2] for line in old_lines))
    content = b"".join(lines)
    if content == old and _has_right_mode(path, start.gid):
        return ", unchanged"
    if path.rpartition(b"/")[0] != os.fsencode(start.runtime_directory):
        # Before the file, and with the old one's: killed in between, the next start knows it too.
        known = _digest(content) + (_digest(old) if old else b"")
        writing.write(_note(path), known, 0o600)
        _remove_leftovers(path)
    if start.gid != os.getegid():
        privileges.create_with_group(start.gid)
    writing.write(path, content, MODE, start.gid)
    kept = len({*lines} & {line + b"\n" for line in old_lines})
    return f", {kept} of them unchanged" if kept and content != old else ""


def _lines(users: list[User], old: dict[bytes, bytes]) -> list[bytes]:
    """Return the users' lines: an old hash where it is still the password's, else a new one."""

    def line(user: User) -> bytes:
        entry = user.entry or old.get(user.name, b"")
        # Of another cost is one that came from `entries`.
        is_right = user.entry or (
            entry.startswith(b"$2y$%d$" % passwords.COST)
            and passwords.verify_bcrypt(user.password, entry)
        )
        if is_right:
            return user.name + b":" + entry + b"\n"
        return passwords.line(user.name, user.password)

    if sum(not user.entry for user in users) < 2:
        return [line(user) for user in users]
    # bcrypt lets go of the interpreter: ten users take 256 ms on two cores, 507 ms in turn.
    from concurrent.futures import ThreadPoolExecutor  # costs 5 ms

    try:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(line, users))
    except RuntimeError:
        # A container's limit of processes counts threads too (setrlimit(2), cgroup pids.max).
        return [line(user) for user in users]


def _has_right_mode(path: bytes, gid: int) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    # What is another user's has been given away, with its group: by `50-owner.py`, for instance.
    is_given = status.st_uid != os.geteuid()
    return status.st_mode & 0o7777 == MODE and (is_given or status.st_gid == gid)


def _remove_own(path: bytes) -> bool:
    """Remove the file if an earlier start made it: never one that somebody else has put there."""
    if not _own_content(path):
        return False
    # The note last: without it the file would never be ours again.
    is_removed = writing.remove(path)
    writing.remove(_note(path))
    return is_removed


def _own_content(path: bytes) -> bytes:
    """Return the file's content if it is as an earlier start wrote it, by the note beside it.

    Its form alone would not tell: a user's own file with one name in it looks the same.
    """
    try:
        noted = files.read(_note(path), 256, follow=False)
        content = files.read(path, _FILE_LIMIT_BYTES, follow=False)
    except StartError:
        return b""
    return content if _digest(content) in noted.splitlines(keepends=True) else b""


def _remove_leftovers(path: bytes) -> None:
    """Remove what starts left beside the file that were killed writing it: it holds hashes too."""
    try:
        directory, name = descent.open_parent(path)
    except OSError:
        return
    try:
        batch.remove_leftovers(directory, [name, _note(name)])
    finally:
        os.close(directory)


def _note(path: bytes) -> bytes:
    parent, slash, name = path.rpartition(b"/")
    return parent + slash + b"." + name + b".entrykit"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n"
