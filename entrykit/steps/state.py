"""The state of one start: what was given, and what the hooks have made of it so far.

Imported by every start: builtin modules only.
"""

import posix

from entrykit.steps import command as commands
from entrykit.system import log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.changes import Changes, Directories
    from entrykit.steps.command import Command
    from entrykit.steps.configure import Settings
    from entrykit.steps.discover import Hook
    from entrykit.steps.hook_user import UserDirectories
    from entrykit.steps.inherited import Environment, Inherited
    from entrykit.system.users import Identity

    # Of a hook with another user: its uid, and all its groups.
    Rights = tuple[int, tuple[int, ...]]


class View:
    """Environment and command as the hooks of one user see them."""

    __slots__ = ("command", "environment")

    def __init__(self, environment: "Environment", command: "Command") -> None:
        self.environment = environment
        self.command = command


class Start:
    """One start. `environment` and `command` are the command's, as they stand so far.

    `directories` are there from the first hook on; `following` are those after the one
    that runs. `identity` is whom to step down to, None where the user stays; `keeps_home` says
    that a hook has changed HOME. `init_report` is the descriptor by which the init learns what
    becomes of the command, -1 where there is none. `orphans_parent` is the process to which all
    goes that a hook leaves behind: this one as PID 1, or the init; 0 where that is not known.
    Where hooks have users, `views` are what those of each uid and groups see, None for those of the
    start's own, and `users_directories` theirs.
    """

    __slots__ = (
        "command", "directories", "following", "identity", "inherited", "init_report", "keeps_home",
        "orphans_parent", "secrets", "settings", "users_directories", "views",
    )  # fmt: skip

    def __init__(self, inherited: "Inherited", settings: "Settings", command: "Command") -> None:
        self.inherited = inherited
        self.settings = settings
        self.command = command
        self.directories: Directories
        self.following: list[Hook] = []
        self.secrets: set[bytes] = set()
        self.identity: Identity | None = None
        self.keeps_home = False
        self.init_report = -1
        self.orphans_parent = 1 if posix.getpid() == 1 else 0
        self.views: dict[Rights | None, View] = {}
        self.users_directories: dict[tuple[int, int], UserDirectories] = {}

    def close(self) -> None:
        """Remove what the hooks needed and the command does not."""
        for directories in self.users_directories.values():
            directories.close()
        if hasattr(self, "directories"):
            self.directories.close()

    def abandon(self) -> None:
        """Remove all that the start has made in its runtime directory."""
        for directories in self.users_directories.values():
            directories.abandon()
        if hasattr(self, "directories"):
            self.directories.abandon()

    def tell_init(self, *, becomes_command: bool) -> None:
        """Tell the init, where there is one, that the command is executed now, or could not be.

        The init takes the ids that this process has by then.
        """
        if self.init_report < 0:
            return
        line = b"0\n"
        if becomes_command:
            ids = posix.getuid(), posix.getgid(), *posix.getgroups()
            line = b"1 %s\n" % b" ".join(b"%d" % one for one in ids)
        try:
            posix.write(self.init_report, line)
        except OSError:
            # The init was killed: nobody wants to know.
            pass

    @property
    def not_for_hooks(self) -> list[int]:
        """The descriptors above 2 that a hook without an exec is not to have."""
        own = [self.init_report] if self.init_report >= 0 else []
        return [*self.inherited.descriptors, *own]

    @property
    def has_run_hooks(self) -> bool:
        """Whether a hook was run, or is about to be."""
        return hasattr(self, "directories")

    @property
    def environment(self) -> "Environment":
        """The environment of the command."""
        return self.inherited.environment

    def ids_of_command(self) -> tuple[int, int]:
        """Return the uid and gid that the command will have: a hook may have changed them."""
        if self.identity:
            from entrykit.system import users  # loaded already

            try:
                return users.resolve(self.settings.user)
            except StartError:
                # A hook that is still to come may make it again; else the start will say so.
                return self.identity.uid, self.identity.gid
        return posix.geteuid(), posix.getegid()

    def search_path(self) -> bytes:
        """Return the PATH of the environment as it stands."""
        return self.environment.search_path()

    def view(self, hook: "Hook | None" = None) -> "View | Start":
        """Return what a hook sees of the environment and the command; None: one without a user.

        All of it, where no hook has another user.
        """
        return self.views.get(hook.rights if hook else None, self)

    def directories_of(self, hook: "Hook") -> "Directories":
        """Return the directories in which a hook asks for changes, made or not yet."""
        if hook.identity is None:
            return self.directories
        key = hook.identity.uid, hook.identity.gid
        if key not in self.users_directories:
            from entrykit.steps import hook_user  # loaded already

            made = hook_user.UserDirectories(self.directories, hook.identity)
            self.users_directories[key] = made
        return self.users_directories[key]

    def environment_for(self, hook: "Hook", *, directories: bool = True) -> dict[bytes, bytes]:
        """Return a hook's environment.

        Less the secrets that it does not name; plus what tells it its name, the program, and
        where to ask for changes; `directories` tells whether it can use what lies there.
        """
        view = self.view(hook)
        environment = view.environment.plain(self.secrets - hook.secrets)
        if hook.home is not None:
            environment[b"HOME"] = hook.home
        environment[b"ENTRYKIT_HOOK"] = hook.name
        environment[b"ENTRYKIT_PROGRAM"] = view.command.words()[0]
        asked = self.directories_of(hook)
        if directories:
            asked.make()
        environment.update(asked.variables)
        return environment

    def apply(self, changes: "Changes", hook: "Hook | None" = None) -> None:
        """Make a hook's changes, all or none. Raises StartError, status 78.

        For the command, and for the hooks that are to see them: those of the start's own hooks all,
        those of another user's hooks the ones of the same uid that have no other groups.
        """
        command = self.command
        if changes.command is not None:
            command = commands.complete(changes.command, self.settings.program)
        if changes.options and not command.program:
            raise self._no_place_for_options(command)
        own = hook.rights if hook else None
        seeing = [view for key, view in self.views.items() if _has_no_more(key, own)]
        self._change(self, changes)
        for view in seeing:
            self._change(view, changes)
        if b"HOME" in changes.set or b"HOME" in changes.unset:
            self.keeps_home = True

    def _change(self, view: "View | Start", changes: "Changes") -> None:
        if changes.command is not None:
            view.command = commands.complete(list(changes.command), self.settings.program)
        if view.command.program:
            # The command may have the program that a view of it lacks.
            view.command.options += changes.options
        view.command.rest += changes.args
        for name, value in changes.set.items():
            view.environment.set(name, value)
        for name in changes.unset:
            view.environment.unset(name)

    def _no_place_for_options(self, command: "Command") -> StartError:
        name = log.text(command.words()[0])
        if self.settings.program:
            program = log.text(b" ".join(self.settings.program))
            message = f"asks for options, but the command {name} does not begin with {program}"
        else:
            message = f"asks for options for {name}, but no program is configured"
        hint = "options need a `program` to stand after; arguments go to the end of any command"
        return StartError(message, hint=hint)


def _has_no_more(rights: "Rights | None", own: "Rights | None") -> bool:
    """Tell whether who has `rights` could do nothing that who has `own` cannot; None: all."""
    if rights is None or own is None:
        return own is None
    return rights[0] == own[0] and set(rights[1]) <= set(own[1])
