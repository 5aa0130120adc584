"""Hooks with `user=`: with whose ids a hook runs, and what of it reaches whom.

No ladder: what such a hook asks for is made for the command and for the hooks of the same uid that
have no other groups. A hook of the start's own user, one of a third, and one with a group more sees
neither its variables nor its words: a PATH or an LD_PRELOAD of its making would let it run what it
likes with their rights. So each user has a view of its own of the environment and the command
(state.View). What the start's own hooks ask for is in all of them.

And nothing that such a hook can write to is followed or believed: its directories are read with
its own rights, its report is read as text.

Part of a start only where a hook has a user: builtin modules only.
"""

import posix

from entrykit.steps import kinds, sourced
from entrykit.steps.changes import Changes, Directories
from entrykit.steps.command import Command
from entrykit.steps.inherited import Environment
from entrykit.steps.state import View
from entrykit.system import errors, files, log, other_user, privileges, users, writing
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from entrykit.steps.discover import Discovery, Hook
    from entrykit.steps.state import Start
    from entrykit.system.errors import Problem
    from entrykit.system.users import Identity


def resolve(found: "Discovery") -> None:
    """Find out whom the hooks' users are, and whether they may read and run their hooks.

    What is wrong is added to the problems of `found`. Only root has a choice: any other user keeps
    its ids, for hooks as for the command, and whom the image knows under a name is no matter then.
    """
    for hook in found.hooks:
        if not hook.user or posix.geteuid() != 0:
            continue
        try:
            identity = users.identity(hook.user)
        except StartError as error:
            found.problems.extend(
                (log.text(hook.name), f"{where}: {message}" if where else message, hint)
                for where, message, hint in error.problems
            )
            continue
        hook.home = identity.home
        if privileges.is_already(identity):
            continue
        hook.identity = identity
        found.problems.extend((log.text(hook.name), *one) for one in _faults(hook, identity))


def _faults(hook: "Hook", identity: "Identity") -> "list[tuple[str, str]]":
    """Return what keeps a user from running a hook that root could run, and the mends."""
    needs = _needs(hook)
    try:
        with other_user.ActingAs(identity):
            missing = [(path, what) for path, mode, what in needs if not other_user.may(path, mode)]
    except StartError:
        # It lacks a capability, as a build may: a start will say so.
        return []
    shown = privileges.shown(identity)
    return [
        (
            f"its user {shown} may not {what} {log.text(path)}",
            f"give it the right to {what} it, and to search the directories on the way",
        )
        for path, what in missing
    ]


def _needs(hook: "Hook") -> "list[tuple[bytes, int, str]]":
    """Return the files that a hook's user must be able to read or execute."""
    to_read = (hook.path, posix.R_OK, "read")
    if hook.kind == kinds.PYTHON:
        from entrykit.steps import python_apart

        return [to_read, *python_apart.needs()]
    to_execute = (hook.words[0], posix.X_OK, "execute")
    is_binary = hook.words[0] == hook.path and files.read(hook.path, 2, cut=True) != b"#!"
    return [to_execute] if is_binary else [to_read, to_execute]


def prepare(start: "Start", hooks: "list[Hook]") -> None:
    """Get ready for hooks of which some have a user: check, say who keeps its own, make views.

    Raises StartError, status 126, where the process lacks a capability that it takes.
    """
    say_kept(hooks)
    if problems := refusals(hooks):
        raise errors.together(problems, errors.CANNOT_EXECUTE)
    for key in {None, *(one.rights for one in hooks)}:
        start.views[key] = View(
            copied_environment(start.environment), copied_command(start.command)
        )


def say_kept(hooks: "list[Hook]") -> None:
    """Say in one line which hooks have a user that they do not run as."""
    kept = [log.text(hook.name) for hook in hooks if hook.user and _is_kept(hook)]
    if kept:
        who = f"uid {posix.geteuid()}, which this start has"
        log.info(f"run as {who}: only root could become their user", ", ".join(kept))


def _is_kept(hook: "Hook") -> bool:
    if hook.identity is not None:
        return False
    try:
        return not privileges.is_already(users.identity(hook.user))
    except StartError:
        return True


def refusals(hooks: "list[Hook]") -> "list[Problem]":
    """Return the problems of those hooks whose users this process may not become."""
    problems: list[Problem] = []
    for hook in hooks:
        if hook.identity is not None:
            try:
                privileges.check(hook.identity)
            except StartError as error:
                problems += [(log.text(hook.name), *problem[1:]) for problem in error.problems]
    return problems


def copied_environment(environment: Environment) -> Environment:
    """Return an environment with the same entries."""
    return Environment(
        [
            name[1] if isinstance(name, tuple) else name + b"=" + value
            for name, value in environment.values.items()
        ]
    )


def copied_command(command: Command) -> Command:
    """Return a command with the same words."""
    copied = Command(list(command.program), list(command.rest))
    copied.options = list(command.options)
    return copied


class UserDirectories(Directories):
    """The directories of changes of one user's hooks: made, read and removed with its ids.

    They lie in a directory of root's, in which nobody can put another one in their place.
    """

    __slots__ = ("_has_files", "_identity", "_shared")

    def __init__(self, shared: Directories, identity: "Identity") -> None:
        super().__init__()
        self._shared, self._identity = shared, identity
        self._has_files = False

    def runtime(self) -> bytes:
        """Return the directory in which this user's lie, b"" where there is no place for one."""
        if self._runtime is None:
            self._runtime = b""
            parent = self._shared.runtime()
            if parent:
                path = other_user.place(parent, self._identity)
                try:
                    other_user.make_place(path, self._identity)
                except OSError as error:
                    log.warn(files.cannot("make", path, error).problems[0][1])
                else:
                    self._runtime = path
        return self._runtime

    def for_files(self) -> bytes:
        """Return where this user's hooks may leave files for the command, b"" for no such place."""
        place = self.runtime()
        path = place + b"/files"
        if place and not self._has_files:
            try:
                self._while_open(lambda: writing.make_directory(path, 0o711))
            except OSError as error:
                log.warn(files.cannot("make", path, error).problems[0][1])
                return b""
            self._has_files = True
        return path if place else b""

    def read(self) -> tuple[Changes, bool]:
        """Return what was asked for in the directories, and whether anything was."""
        with other_user.ActingAs(self._identity):
            return super().read()

    def close(self) -> None:
        """Remove all that the command has no use for."""
        self.discard()
        if self._runtime:
            try:
                if self._has_files:
                    posix.rmdir(self._runtime + b"/files")
                posix.rmdir(self._runtime)
            except OSError:
                # It holds something for the command.
                pass

    def abandon(self) -> None:
        """Remove all of this user's: the command is not to be started."""
        self.discard()
        if self._runtime:
            try:
                other_user.remove_place(self._runtime, self._identity)
            except (OSError, StartError) as error:
                # A process that a hook left behind may be writing there.
                log.debug(f"cannot remove {log.text(self._runtime)}: {error}")

    def _make(self, paths: list[bytes]) -> None:
        make = super()._make
        self._while_open(lambda: make(paths))

    def _remove(self, paths: list[bytes]) -> None:
        if paths:
            remove = super()._remove
            try:
                self._while_open(lambda: remove(paths))
            except (OSError, StartError) as error:
                log.debug(f"cannot remove {log.text(paths[0])} and others: {error}")

    def _while_open(self, work: "Callable[[], None]") -> None:
        other_user.while_open(self._runtime or b"", self._identity, work)


def start_child(hook: "Hook", identity: "Identity", start: "Start", report: int) -> int:
    """Start a hook with its user's ids; return the child's process id. Raises OSError."""
    words, environment = hook.words, start.environment_for(hook)
    if hook.kind == kinds.SOURCED:
        command = start.view(hook).command.words()
        words = sourced.argv(hook.words, hook.path, command, environment)
    elif hook.kind == kinds.PYTHON:
        from entrykit.steps import python_apart

        directories = start.directories_of(hook)
        place = directories.for_files() if isinstance(directories, UserDirectories) else b""
        words = python_apart.prepare(hook, start, environment, place, report)
    return other_user.program(
        words, environment, identity, report, reports=hook.kind != kinds.PROGRAM
    )


def read_report(hook: "Hook", raw: bytes, changes: Changes) -> str:
    """Put what a hook asked for in its report into `changes`; return what it says it did.

    Raises StartError: the report is what the hook's user makes of it.
    """
    said = ""
    if hook.kind == kinds.SOURCED:
        try:
            sourced.read_report(raw, changes)
        except (IndexError, ValueError, OverflowError):
            raise StartError("said what it changed in a form that no shell writes") from None
    elif hook.kind == kinds.PYTHON:
        from entrykit.steps import python_apart

        said = python_apart.read_report(raw, changes)
    changes.check()
    return said


def told_failure(hook: "Hook", raw: bytes, status: int) -> "StartError | None":
    """Return what a hook that failed has told of it itself, None for nothing."""
    error = other_user.not_started(raw, status)
    if error is None and hook.kind == kinds.PYTHON:
        from entrykit.steps import python_apart

        problems = [
            (where, f"{message}; exit status {status}", hint)
            for where, message, hint in python_apart.read_problems(raw)
        ]
        error = errors.together(problems, status) if problems else None
    return error
