"""Environment: what is declared gets its values; what others are not to see is taken away.

Imported by every start: builtin modules only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.settings.record import Configuration
    from entrykit.steps.inherited import Environment
    from entrykit.steps.variables import Origins


def resolve(
    environment: "Environment", configuration: "Configuration", origins: "Origins | None" = None
) -> set[bytes]:
    """Give each declared variable its value, checked; return the names of all secrets.

    `origins` is told where the values come from. Raises StartError, status 78, with all problems.
    """
    if not (configuration["env"] or configuration["env_dirs"] or configuration["env_files"]):
        return set()
    from entrykit.steps import variables  # a start without any has no need

    return variables.resolve(environment, configuration, {} if origins is None else origins)


def hide_from_command(
    environment: "Environment", configuration: "Configuration", secrets: set[bytes]
) -> None:
    """Remove what the command is not to see: secrets, unless declared `expose`, and their files.

    Where the gate is closed nothing was resolved, and the deprecated names of secrets are there
    still.
    """
    exposed = _exposed(configuration)
    for name in secrets - exposed:
        environment.unset(name)
    for name in _secret_names(configuration):
        environment.unset(name + b"_FILE")
        if name not in exposed:
            environment.unset(name)


def protect_secrets(
    environment: "Environment", configuration: "Configuration", secrets: set[bytes]
) -> None:
    """Let no child see in this process what it is not given: to be called before the first one.

    Entries that are no variables, which no engine gives, cannot be made again and stay where they
    are, so that beside them only the values of secrets are wiped; those but for what `expose` gives
    the command, where that is there twice.
    """
    from entrykit.system import secrets as memory  # a start without hooks has no need

    if environment.is_plain():
        memory.wipe_environment()
    else:
        names = secrets.union(_secret_names(configuration))
        exposed = _exposed(configuration)
        memory.wipe_environment(
            {name for name in names if not (name in exposed and environment.is_doubled(name))}
        )
    if any(environment.get(name) for name in secrets):
        memory.forbid_inspection()


def _secret_names(configuration: "Configuration") -> "Iterator[bytes]":
    """Yield the names under which a declared secret can stand in the environment."""
    for name, variable in configuration["env"].items():
        if variable.get("secret"):
            for spelling in (name, *variable.get("deprecated", ())):
                yield spelling.encode()


def _exposed(configuration: "Configuration") -> set[bytes]:
    """Return the names of the secrets that reach the command, the deprecated ones too."""
    return {
        spelling.encode()
        for name, variable in configuration["env"].items()
        if variable.get("expose")
        for spelling in (name, *variable.get("deprecated", ()))
    }
