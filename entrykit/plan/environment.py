"""The variables of a plan, with where each value comes from, and what the command gets of them."""

from typing import TYPE_CHECKING

from entrykit.plan.redaction import Redaction, tells_a_secret
from entrykit.steps import environment
from entrykit.steps import variables as steps
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.plan.configuration import Sources
    from entrykit.plan.record import Entry, Variable
    from entrykit.settings.record import Variable as Declared
    from entrykit.steps.state import Start
    from entrykit.steps.variables import Origins
    from entrykit.system.errors import Problem

GIVEN, NOT_SET = "given", "not set"
_IS_SECRET = "it is secret"  # noqa: S105 - a reason
_LOOKS_SECRET = "its name is that of a secret"  # noqa: S105 - a reason


def resolve(
    this: "Start", sources: "Sources", redaction: Redaction, *, is_open: bool
) -> "tuple[list[Variable], list[Problem]]":
    """Give the variables their values, as the start does; return them, and what is wrong.

    With the gate closed nothing is resolved, but secrets are hidden all the same.
    """
    declared = this.settings.configuration["env"]
    for name, variable in declared.items():
        if variable.get("secret"):
            redaction.hide(_values(this, {s.encode() for s in _names(name, variable)}))
    if not is_open:
        return [], []
    origins: Origins = {}
    problems: list[Problem] = []
    try:
        this.secrets = environment.resolve(this.environment, this.settings.configuration, origins)
    except StartError as error:
        problems = list(error.problems)
        this.secrets = _secrets_so_far(this, origins, problems)
    redaction.hide(this.environment.get(name) for name in this.secrets)
    names = {name.encode(): None for name in declared} | dict.fromkeys(
        name for name, (source, _) in origins.items() if source in (steps.ENV_DIR, steps.ENV_FILE)
    )
    old = {one.encode() for variable in declared.values() for one in variable.get("deprecated", ())}
    return [
        _variable(this, sources, redaction, origins, name) for name in names if name not in old
    ], problems


def _names(name: str, variable: "Declared") -> list[str]:
    return [name, *variable.get("deprecated", ())]


def _values(this: "Start", names: set[bytes]) -> "Iterator[bytes]":
    """Yield what the environment holds under these names, each of the entries with one name."""
    for key, value in this.environment.values.items():
        name, _, doubled = (key, b"", value) if isinstance(key, bytes) else key[1].partition(b"=")
        if name in names:
            yield doubled


def _secrets_so_far(this: "Start", origins: "Origins", problems: "list[Problem]") -> set[bytes]:
    """Return the names of secrets where the start would have ended before it knew them all."""
    configuration = this.settings.configuration
    secrets = {name for name, (source, _) in origins.items() if source == steps.ENV_DIR}
    for name, variable in configuration["env"].items():
        given_as = {one.encode() for one in steps.spellings(name, variable)}
        if variable.get("secret") or secrets & given_as:
            secrets.add(name.encode())
    if configuration["env_dirs"]:
        # Given there and in the environment too, for instance.
        secrets |= {where.encode("utf-8", "surrogateescape") for where, _, _ in problems}
    return secrets


def _variable(
    this: "Start",
    sources: "Sources",
    redaction: Redaction,
    origins: "Origins",
    raw_name: bytes,
) -> "Variable":
    name = raw_name.decode("utf-8", "surrogateescape")
    value = this.environment.get(raw_name)
    source, origin = origins.get(raw_name, (NOT_SET if value is None else GIVEN, b""))
    shown = origin.decode("utf-8", "surrogateescape")
    if source == steps.DEFAULT:
        shown = sources.line("env", name, "default") or sources.line("env", name)
    elif source == steps.OLD_NAME and origins.get(origin, ("",))[0] == steps.FROM_FILE:
        shown += "_FILE"
    elif source == steps.FROM_FILE:
        # The path itself may be the secret, by mistake; then it is not read.
        shown = redaction.shown(origin) if origin.startswith(b"/") else ""
    hidden = _hidden(this, raw_name) if value else ""
    return {
        "name": name,
        "value": None if value is None or hidden else redaction.shown(value),
        "hidden": hidden,
        "source": source,
        "origin": shown,
    }


def _hidden(this: "Start", name: bytes) -> str:
    """Return why a variable's value is not shown, "" where it is."""
    text = name.decode("utf-8", "surrogateescape")
    if name in this.secrets or this.settings.configuration["env"].get(text, {}).get("secret"):
        return _IS_SECRET
    return _LOOKS_SECRET if tells_a_secret(text) else ""


def of_command(this: "Start", redaction: Redaction) -> "list[Entry]":
    """Take away what the command is not to see, and return the rest, in its order."""
    environment.hide_from_command(this.environment, this.settings.configuration, this.secrets)
    return list(_entries(this, redaction))


def _entries(this: "Start", redaction: Redaction) -> "Iterator[Entry]":
    for key, value in this.environment.values.items():
        # An entry that is no NAME=VALUE, or not the first of its name.
        name, _, doubled = (key, b"", value) if isinstance(key, bytes) else key[1].partition(b"=")
        hidden = _hidden(this, name) if doubled else ""
        shown = None if hidden else redaction.shown(doubled)
        yield {"name": name.decode("utf-8", "surrogateescape"), "value": shown, "hidden": hidden}
