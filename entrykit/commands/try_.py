"""`entrykit try`: run a start in a sandbox of this machine, and show what came of it."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from entrykit.system import errors, log
from entrykit.system.errors import StartError

DESCRIPTION = """\
Run the hooks of DIR (default: docker-entrypoint.d) in a sandbox, and show what came of it: the log,
what each hook changed in the environment and the command, the files that were made, changed and
removed, and the command that would have been started. Nothing of it touches this machine. Where
hooks changed nothing and said nothing, one line says so.

Exit status: 0 the command would have been started; 1 not, or there is no sandbox; 2 usage; 130
after Ctrl-C and 143 after SIGTERM, which end the start, and show what came of it so far."""
TAKES_COMMAND = True
# A start that goes on for longer is killed.
_LIMIT_SECONDS = 600.0
_DIRECTORY = "docker-entrypoint.d"
_CONFIGURATION = "entrykit.toml"
_HIDDEN = "***"
# What a secret of several lines has in common with other texts is shown.
_SHORTEST_LINE = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `try`."""
    parser.usage = "entrykit try [OPTIONS] [DIR ...] [-- CMD ...]"
    parser.add_argument("directories", nargs="*", metavar="DIR", help="a hook directory")
    parser.add_argument(
        "--config", metavar="FILE", help=f"the configuration; default {_CONFIGURATION}, if any"
    )
    for name, what in (("env", "a variable"), ("secret", "a secret, given as a file")):
        parser.add_argument(
            f"--{name}", metavar="NAME=VALUE", action="append", default=[], type=_pair, help=what
        )
    parser.add_argument(
        "--root",
        metavar="TREE",
        default="",
        help="start on the root file system in this directory, such as an unpacked image, instead"
        " of this machine's own; it is not changed",
    )
    parser.add_argument("--user", metavar="USER", default="", help="as of `entrykit run`")
    parser.add_argument("--network", action="store_true", help="let hooks use this machine's")
    parser.add_argument("--json", action="store_true", help="show it as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Try; return 0 where a command would have been started. Raises StartError."""
    # Heavier than all other commands' imports.
    from entrykit.testing import sandbox
    from entrykit.testing.session import Refused, Session
    from entrykit.testing.start import Start

    given = _given(arguments)
    try:
        session = Session(sandbox.told(given, {}))
    except Refused as error:
        message = f"this machine allows no sandbox: {error}"
        raise StartError(message, 1, sandbox.mend()) from None
    try:
        outcome, status = _outcome(Start(session, sandbox.NAME, ()))
    finally:
        session.close()
    values = _secrets(given, arguments)
    if arguments.json:
        told = json.dumps(_without(_record(outcome, session.notes), values), indent=2)
    else:
        told = _without(_text(outcome, session.notes), values)
    # A hook writes what it likes: bytes that are no text, too.
    sys.stdout.buffer.write(f"{told}\n".encode(errors="backslashreplace"))
    sys.stdout.buffer.flush()
    return status


def _outcome(start: Any) -> tuple[Any, int]:
    """Start, and return what came of it, and the exit status."""
    from entrykit.testing.session import TooSlow

    before = signal.signal(signal.SIGTERM, _stop)
    try:
        start.begin(runs=False)
        outcome = start.end(_LIMIT_SECONDS)
    except TooSlow as error:
        outcome = error.outcome
    except KeyboardInterrupt as stop:
        is_term = isinstance(stop, _Stopped)
        # Another one ends the waiting, too.
        signal.signal(signal.SIGTERM, before)
        start.session.signal(signal.SIGKILL)
        outcome = start.end(_LIMIT_SECONDS)
        outcome.killed_for = "SIGTERM" if is_term else "Ctrl-C"
        return outcome, errors.SIGNALLED + (signal.SIGTERM if is_term else signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)
    return outcome, 0 if outcome.started_command else 1


class _Stopped(KeyboardInterrupt):
    """SIGTERM, as CI services and timeout(1) send it."""


def _stop(_number: int, _frame: object) -> None:
    raise _Stopped


def _secrets(given: Any, arguments: argparse.Namespace) -> list[str]:
    """Return what is not to be shown, the longest first: one may be a part of another.

    The values of secrets, also of declared ones that `--env` gives, as a whole and line by line,
    and as they are written in a line of text and for a shell.
    """
    from entrykit.testing.given import parsed

    content = _root(arguments.root)[1] if given.config is None else given.config
    # The start says what is wrong with it, and reads no variable then.
    declared = (parsed(content)[1] or {"env": {}})["env"]
    names = {
        spelling
        for name, variable in declared.items()
        if variable.get("secret")
        for spelling in (name, *variable.get("deprecated", ()))
    }
    values = [value for name, value in arguments.env if name in names]
    values += [value for _, value in arguments.secret]
    found = {line for value in values for line in value.splitlines() if len(line) >= _SHORTEST_LINE}
    found |= {line.replace("'", "'\"'\"'") for line in found.union(values)}.union(values)
    found |= {show(one) for one in found for show in (_shown, _escaped)}
    return sorted(found - {""}, key=len, reverse=True)


def _given(arguments: argparse.Namespace) -> Any:
    from entrykit.testing import given

    directories = arguments.directories or [_DIRECTORY] * os.path.isdir(_DIRECTORY)
    config = arguments.config or (_CONFIGURATION if os.path.exists(_CONFIGURATION) else None)
    hooks: dict[str, tuple[str, bytes, int]] = {}
    try:
        for directory in directories:
            os.listdir(directory)
            # The same name in a later one replaces the earlier.
            hooks |= {one[0]: one for one in given.hooks(directory)}
        content = given.configuration(Path(config)) if config else None
        root, of_root = _root(arguments.root)
    except OSError as error:
        reason = errors.os_reason(error)
        raise StartError(f"cannot read {error.filename}: {reason}", errors.USAGE) from None
    configured = of_root if content is None else content
    return given.Given(
        # Without a command and a program there would be nothing to hand over to.
        arguments.cmd or ([] if b"program" in configured else ["true"]),
        dict(arguments.env),
        given.pairs(dict(arguments.secret), "secrets"),
        (),
        list(hooks.values()),
        content,
        user=arguments.user,
        network=arguments.network,
        root=root,
    )


def _root(tree: str) -> tuple[str, bytes]:
    """Return the path of a tree, and what it has for configuration. Raises OSError."""
    from entrykit.testing.given import CONFIGURATION

    if not tree:
        return "", b""
    os.listdir(tree)
    whole = os.path.realpath(tree).rstrip("/")
    try:
        return whole, Path(f"{whole}{CONFIGURATION}").read_bytes()
    except OSError:
        return whole, b""


def _pair(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{written!r} is not NAME=VALUE")
    return name, value


def _text(outcome: Any, notes: list[str]) -> str:
    took = log.duration(outcome.duration)
    if not outcome.started_command:
        why = f"no command was started: exit status {outcome.exit_status}"
        last = f"{outcome.summary if outcome.killed_for else why} ({took})"
    else:
        who = f"uid {outcome.uid}, gid {outcome.gid}, umask {outcome.umask:04o}"
        last = f"would start: {_words(outcome.argv)} ({who}, in {outcome.cwd}; {took})"
        if not _differs(outcome):
            return f"nothing differs; {last}"
    lines = [outcome.log.text.rstrip()] if outcome.log.text else []
    if outcome.stdout:
        lines.append(outcome.stdout.decode(errors="backslashreplace").rstrip())
    for hook in outcome.hooks:
        for name, value in hook.environment.items():
            change = f"-{_shown(name)}" if value is None else f"+{_shown(f'{name}={value}')}"
            lines.append(f"environment: {change} ({hook.name})")
        if hook.argv is not None:
            lines.append(f"command: {_words(hook.argv)} ({hook.name})")
    for path, directory in outcome.directories.items():
        lines.append(f"directory: {_shown(path)}, {_mode(directory)}")
    for path, file in outcome.files.items():
        lines.append(f"{'changed' if file.before else 'made'}: {_shown(path)}, {_mode(file)}")
        if file.kind == "file" and (difference := file.diff("")):
            lines += [f"    {_shown(line)}" for line in difference.splitlines()[2:]]
    lines += [f"removed: {_shown(path)}" for path in sorted(outcome.removed)]
    # Such as `/srv is read-only`, where it may be why a hook failed.
    told = [note for note in notes if note.partition(" ")[0] in outcome.log.text]
    lines += [f"in the sandbox, {_shown(note)}" for note in told]
    return "\n".join([*lines, last])


def _differs(outcome: Any) -> bool:
    """Tell whether hooks changed or said something; entrykit's own "done" is nothing."""
    return bool(
        outcome.changes
        or outcome.stdout
        or any(hook.environment or hook.argv for hook in outcome.hooks)
        or len(outcome.log.lines) != sum(": done (" in line for line in outcome.log.lines)
    )


def _record(outcome: Any, notes: list[str]) -> dict[str, Any]:
    files = {**outcome.directories, **outcome.files}
    return {
        "format": 1,
        "exit_status": outcome.exit_status,
        "killed_for": outcome.killed_for,
        "seconds": outcome.duration,
        "log": outcome.log.lines,
        "differs": not outcome.started_command or _differs(outcome),
        "hooks": [vars(hook) for hook in outcome.hooks],
        "files": {
            path: {
                "kind": file.kind,
                "mode": f"{file.mode:04o}",
                "owner": list(file.owner),
                "was_there": file.before is not None,
                "diff": file.diff(path) if file.kind == "file" else "",
            }
            for path, file in files.items()
        },
        "removed": sorted(outcome.removed),
        "command": outcome.argv if outcome.started_command else None,
        "environment": outcome.env if outcome.started_command else None,
        "sandbox": notes,
    }


def _without(told: Any, values: list[str]) -> Any:
    """Return what is to be shown without the values of secrets."""
    if isinstance(told, dict):
        return {name: _without(value, values) for name, value in told.items()}
    if isinstance(told, list):
        return [_without(one, values) for one in told]
    if isinstance(told, str):
        for value in values:
            told = told.replace(value, _HIDDEN)
    return told


def _mode(file: Any) -> str:
    return f"{file.mode:04o} {file.owner[0]}:{file.owner[1]}"


def _shown(told: str) -> str:
    """Return one line that a terminal shows as it is; tabs stay."""
    return "\t".join(_escaped(part) for part in told.split("\t"))


def _escaped(told: str) -> str:
    return log.text(os.fsencode(told))


def _words(words: list[str]) -> str:
    import shlex

    return _escaped(shlex.join(words))
