"""Environment: `_FILE` secrets, defaults, what is required; all problems reported together.

An empty value counts as unset for all three; with none of them it passes unchanged.

Imported by every start: builtin modules only.
"""

from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.settings.record import Configuration, Variable
    from entrykit.steps.inherited import Environment


def secret_names(configuration: "Configuration") -> set[bytes]:
    """Return the names of the variables that are declared secret."""
    return {name.encode() for name, declared in configuration["env"].items() if is_secret(declared)}


def is_secret(declared: "Variable") -> bool:
    """Tell whether a variable is declared secret."""
    return declared.get("secret", False)


def resolve(environment: "Environment", configuration: "Configuration") -> None:
    """Give each declared variable its value: its own, its `_FILE`'s, its default.

    Raises StartError, status 78, with all problems: both given, a file that cannot be read, a
    required variable that is missing.
    """
    problems: list[errors.Problem] = []
    for text_name, declared in configuration["env"].items():
        name = text_name.encode()
        try:
            value = _own_or_from_file(environment, name, declared)
        except StartError as error:
            problems.extend((text_name, message, hint) for _, message, hint in error.problems)
            continue
        if value:
            continue
        if declared.get("default"):
            environment.set(name, declared["default"].encode("utf-8", "surrogateescape"))
        elif declared.get("required"):
            hint = _how_to_set(text_name, declared)
            problems.append((text_name, "is required and not set", hint))
    if problems:
        raise errors.together(problems)


def hide_from_command(environment: "Environment", configuration: "Configuration") -> None:
    """Remove what the command is not to see: secrets, unless declared `expose`, and their files."""
    for text_name, declared in configuration["env"].items():
        if is_secret(declared):
            name = text_name.encode()
            environment.unset(name + b"_FILE")
            if not declared.get("expose"):
                environment.unset(name)


def _own_or_from_file(
    environment: "Environment", name: bytes, declared: "Variable"
) -> bytes | None:
    """Return a variable's value, taken from the file that `NAME_FILE` names where it is given."""
    value = environment.get(name)
    if not (is_secret(declared) or declared.get("file")):
        return value
    file_name = name + b"_FILE"
    path = environment.get(file_name)
    if not path:
        return value
    if value:
        message = f"is set, and so is {file_name.decode()}"
        raise StartError(message, hint="set one of the two")
    value = _read_value(path, file_name)
    environment.unset(file_name)
    environment.set(name, value)
    return value


def _read_value(path: bytes, file_name: bytes) -> bytes:
    """Return what a secret's file holds, without the newlines at its end and one CR before them.

    What is no absolute path is not shown: it may be the secret itself, by mistake.
    """
    try:
        content = files.read(path, files.SECRET_LIMIT_BYTES)
    except StartError:
        if path.startswith(b"/"):
            raise
        message = f"cannot read the file that {file_name.decode()} names"
        raise StartError(message, hint="it is no absolute path") from None
    value = content.rstrip(b"\n").removesuffix(b"\r")
    if b"\0" in value:
        raise StartError(f"cannot use {log.text(path)}: it holds a NUL byte")
    return value


def _how_to_set(name: str, declared: "Variable") -> str:
    how = f"set it or {name}_FILE" if is_secret(declared) or declared.get("file") else "set it"
    return f"{how}: {declared['help']}" if declared.get("help") else how
