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
    from entrykit.steps.inherited import Environment, Inherited
    from entrykit.system.users import Identity


class Start:
    """One start. `environment` and `command` are the command's, as they stand so far.

    `directories` are there from the first hook on; `following` are those after the one
    that runs. `identity` is whom to step down to, None where the user stays; `keeps_home` says
    that a hook has changed HOME. `init_report` is the descriptor by which the init learns what
    becomes of the command, -1 where there is none.
    """

    __slots__ = (
        "command", "directories", "following", "identity", "inherited", "init_report", "keeps_home",
        "secrets", "settings",
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

    def close(self) -> None:
        """Remove what the hooks needed and the command does not."""
        if hasattr(self, "directories"):
            self.directories.close()

    def abandon(self) -> None:
        """Remove all that the start has made in its runtime directory."""
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

    def search_path(self) -> bytes:
        """Return the PATH of the environment as it stands."""
        return self.environment.search_path()

    def environment_for(self, hook: "Hook", *, directories: bool = True) -> dict[bytes, bytes]:
        """Return a hook's environment.

        Less the secrets that it does not name; plus what tells it its name, the program, and
        where to ask for changes; `directories` tells whether it can use what lies there.
        """
        environment = self.environment.plain(self.secrets - hook.secrets)
        environment[b"ENTRYKIT_HOOK"] = hook.name
        environment[b"ENTRYKIT_PROGRAM"] = self.command.words()[0]
        if directories:
            self.directories.make()
        environment.update(self.directories.variables)
        return environment

    def apply(self, changes: "Changes") -> None:
        """Make a hook's changes, all or none. Raises StartError, status 78."""
        command = self.command
        if changes.command is not None:
            command = commands.complete(changes.command, self.settings.program)
        if changes.options and not command.program:
            raise self._no_place_for_options(command)
        command.options += changes.options
        command.rest += changes.args
        self.command = command
        for name, value in changes.set.items():
            self.environment.set(name, value)
        for name in changes.unset:
            self.environment.unset(name)
        if b"HOME" in changes.set or b"HOME" in changes.unset:
            self.keeps_home = True

    def _no_place_for_options(self, command: "Command") -> StartError:
        name = log.text(command.words()[0])
        if self.settings.program:
            program = log.text(b" ".join(self.settings.program))
            message = f"asks for options, but the command {name} does not begin with {program}"
        else:
            message = f"asks for options for {name}, but no program is configured"
        hint = "options need a `program` to stand after; arguments go to the end of any command"
        return StartError(message, hint=hint)
