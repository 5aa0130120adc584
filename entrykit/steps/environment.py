"""Environment: what is declared gets its values; what the command is not to see is taken away.

Imported by every start: builtin modules only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

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
    environment: "Environment", configuration: "Configuration", secrets: "Collection[bytes]"
) -> None:
    """Remove what the command is not to see: secrets, unless declared `expose`, and their files.

    Where the gate is closed nothing was resolved, and the deprecated names of secrets are there
    still.
    """
    declared = configuration["env"]
    for name in secrets:
        if not declared.get(name.decode(), {}).get("expose"):
            environment.unset(name)
    for text_name, variable in declared.items():
        if not variable.get("secret"):
            continue
        for spelling in (text_name, *variable.get("deprecated", ())):
            name = spelling.encode()
            environment.unset(name + b"_FILE")
            if not variable.get("expose"):
                environment.unset(name)
