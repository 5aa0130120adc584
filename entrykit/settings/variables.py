"""Reads `[env.NAME]`: what each variable may be, and how variables hang together.

Not part of a plain start: a launcher brings what this has made.
"""

from typing import TYPE_CHECKING, Any, cast

from entrykit.settings import schema, typed, values
from entrykit.settings.reader import Path, Reader, shown
from entrykit.system import log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.settings.record import Configuration, Variable

# By type: what a message says that a value is to be, and what `min` and `max` are.
PHRASES = {
    "str": ("a string", "a number of characters"),
    "int": ("an integer", "an integer"),
    "float": ("a number", "a number"),
    "bool": ("true or false, 1 or 0, yes or no, on or off", ""),
    "enum": ("one of", ""),
    "url": ("a URL (SCHEME://HOST)", ""),
    "host-port": ("HOST:PORT", ""),
    "port": ("a port", "a number of a port"),
    "path": ("an absolute path", ""),
    "duration": ("a duration (30s, 500ms, 5m)", "a duration"),
    "size": ("a size (512, 64k, 10MiB)", "a size"),
    "json": ("JSON", ""),
    "regex": ("a regular expression", ""),
}
_BOUNDED = tuple(kind for kind, (_, bound) in PHRASES.items() if bound)
_UNMATCHED = ("enum", "bool")
_PREFIX = "ENTRYKIT_"
_ENDS = ("min", "max")


def read(reader: Reader, configuration: "Configuration", table: dict[str, object]) -> None:
    """Read the variables, each for itself."""
    for name, given in table.items():
        path = ("env", name)
        if not values.is_variable_name(name):
            reader.problem(path, f"{name!r} is not the name of a variable")
        elif name.startswith(_PREFIX):
            reader.problem(path, f"{name}: names that begin with ENTRYKIT_ are entrykit's own")
        variable: dict[str, Any] = {}
        before = len(reader.problems)
        for key, value in reader.table(path, given).items():
            if key in schema.VARIABLE:
                checked = reader.value((*path, key), schema.VARIABLE[key], value)
                variable[key.replace("-", "_")] = checked
            else:
                reader.unknown((*path, key), tuple(schema.VARIABLE))
        if isinstance(variable.get("help"), str):
            # It stands in a line of the log, and in a cell of a table.
            variable["help"] = " ".join(variable["help"].split())
        declared = cast("Variable", variable)
        if len(reader.problems) == before:
            _check_rules(reader, path, variable)
        if len(reader.problems) == before and "default" in declared:
            _read_default(reader, path, declared)
        configuration["env"][name] = declared


def _check_rules(reader: Reader, path: Path, variable: dict[str, Any]) -> None:
    """Check that type and rules go together, and complete them with what a start needs."""
    if not any(key in variable for key in ("type", "choices", "pattern", *_ENDS)):
        return
    kind = variable.setdefault("type", "str")
    if kind not in PHRASES:
        near = values.nearest(kind, list(PHRASES))
        hint = f"did you mean {near}?" if near else f"known are {', '.join(PHRASES)}"
        reader.problem((*path, "type"), f"{shown((*path, 'type'))}: unknown type {kind!r}", hint)
        return
    before = len(reader.problems)
    for key, message, hint in _contradictions(variable, kind):
        reader.problem((*path, key), f"{shown((*path, key))}: {message}", hint)
    if len(reader.problems) > before:
        return
    if kind == "port":
        variable.setdefault("min", "1")
        variable.setdefault("max", "65535")
    given = [key for key in _ENDS if key in variable]
    bounds = {key: _measure(reader, (*path, key), kind, variable[key]) for key in given}
    if None not in bounds.values() and len(bounds) == 2 and bounds["max"] < bounds["min"]:
        reader.problem((*path, "max"), f"{shown((*path, 'max'))}: it is less than min")
    if "pattern" in variable:
        try:
            typed.compiled(variable["pattern"])
        except ValueError as error:
            message = f"{shown((*path, 'pattern'))}: it is no regular expression: {error}"
            reader.problem((*path, "pattern"), message)
    variable["expects"] = _phrase(variable)
    variable.update(bounds)
    if len(reader.problems) > before:
        # By rules that are wrong no default can be checked.
        del variable["expects"]


def _contradictions(variable: dict[str, Any], kind: str) -> "Iterator[tuple[str, str, str]]":
    """Yield key, message and mend of each rule that does not go with the type."""
    for key in _ENDS:
        if key in variable and kind not in _BOUNDED:
            yield key, f"type {kind} has none", f"it goes with {', '.join(_BOUNDED)}"
    if kind == "enum" and "choices" not in variable:
        yield "type", "an enum needs choices", 'write for instance choices = ["a", "b"]'
    if kind != "enum" and "choices" in variable:
        yield "choices", f"type {kind} has none", 'write type = "enum"'
    if kind in _UNMATCHED and "pattern" in variable:
        yield "pattern", f"type {kind} has none", "leave it out"


def _measure(reader: Reader, path: Path, kind: str, written: str) -> Any:
    """Return the measure of a bound; None, and a problem noted, where it has none."""
    try:
        # A string is bounded by a number of characters.
        measure = typed.measured(written, "int" if kind == "str" else kind)
    except ValueError:
        measure = None
    if measure is None or (kind == "str" and measure < 0):
        expected = PHRASES[kind][1]
        reader.problem(path, f"{shown(path)}: expected {expected}, found {written!r}")
        return None
    return measure


def _phrase(variable: dict[str, Any]) -> str:
    """Return what a message says that a value is to be."""
    kind = variable["type"]
    phrase, _ = PHRASES[kind]
    if kind == "enum":
        phrase += " " + ", ".join(variable["choices"])
    limits = [variable.get(key) for key in _ENDS]
    of, unit = (" of", " characters") if kind == "str" else ("", "")
    if None not in limits:
        phrase += f"{of or ' from'} {limits[0]} to {limits[1]}{unit}"
    elif limits[0] is not None:
        phrase += f"{of or ' of'} at least {limits[0]}{unit}"
    elif limits[1] is not None:
        phrase += f"{of or ' of'} at most {limits[1]}{unit}"
    if "pattern" in variable:
        phrase += f", matching {variable['pattern']}"
    return log.text(phrase.encode())


def _read_default(reader: Reader, path: Path, variable: "Variable") -> None:
    """Split a default into what it refers to and what stands between."""
    key = (*path, "default")
    parts = _split(variable["default"])
    if parts is None:
        message = f"{shown(key)}: a ${{ in it begins no ${{NAME}}"
        reader.problem(key, message, "write $${ for ${ itself")
        # It is not to be checked as it stands.
        variable["default"] = ""
    elif len(parts) > 1:
        variable["parts"] = parts
    else:
        variable["default"] = parts[0]


def _split(default: str) -> list[str] | None:
    """Return literals and names in turns, the first and the last a literal; None for a fault."""
    parts = [""]
    rest = default
    while rest:
        literal, opening, rest = rest.partition("${")
        parts[-1] += literal
        if not opening:
            break
        if literal.endswith("$"):
            parts[-1] += "{"
            continue
        name, closing, rest = rest.partition("}")
        if not closing or not values.is_variable_name(name):
            return None
        parts += [name, ""]
    return parts


def relate(reader: Reader, configuration: "Configuration") -> None:
    """Check how the variables hang together; note in which order their defaults are made."""
    declared = configuration["env"]
    _check_old_names(reader, declared)
    _check_file_names(reader, declared)
    for name, variable in declared.items():
        if variable.get("exclusive"):
            configuration["groups"].setdefault(variable["exclusive"], []).append(name)
        other = variable.get("required_with")
        key = ("env", name, "required-with")
        if other == name:
            reader.problem(key, f"{shown(key)}: it is the variable itself")
        elif other and other not in declared:
            near = values.nearest(other, list(declared))
            hint = f"did you mean {near}?" if near else f"declare it: [env.{other}]"
            reader.problem(key, f"{shown(key)}: {other} is not declared", hint)
    for members in configuration["groups"].values():
        _check_group(reader, declared, members)
    for name, variable in declared.items():
        if variable.get("default") and "parts" not in variable and "expects" in variable:
            _check_constant(reader, ("env", name, "default"), variable)
    _check_references(reader, declared)
    configuration["composed"] = _order(reader, declared)


def _check_constant(reader: Reader, key: Path, variable: "Variable") -> None:
    """Check a default by its type; a secret's is not shown."""
    default = variable["default"].encode("utf-8", "surrogateescape")
    if typed.misfit(default, variable) is not None:
        what = "another string" if variable.get("secret") else typed.quoted(default)
        reader.problem(key, f"{shown(key)}: expected {variable['expects']}, found {what}")


def _check_old_names(reader: Reader, declared: "dict[str, Variable]") -> None:
    owners: dict[str, str] = {}
    for name, variable in declared.items():
        key = ("env", name, "deprecated")
        for old in variable.get("deprecated") or ():
            if old.startswith(_PREFIX):
                reader.problem(key, f"{shown(key)}: {old} is a name of entrykit's own")
            elif old in declared:
                reader.problem(key, f"{shown(key)}: {old} is declared itself", "leave one out")
            elif old in owners:
                reader.problem(key, f"{shown(key)}: {old} is {owners[old]}'s already")
            owners[old] = name


def _check_file_names(reader: Reader, declared: "dict[str, Variable]") -> None:
    """Check that no `NAME_FILE` which gives another variable its value is one of its own."""
    readers = {
        f"{spelling}_FILE": name
        for name, variable in declared.items()
        if variable.get("secret") or variable.get("file")
        for spelling in (name, *(variable.get("deprecated") or ()))
    }
    for name, variable in declared.items():
        names: list[tuple[Path, str]] = [(("env", name), name)]
        names += [(("env", name, "deprecated"), old) for old in variable.get("deprecated") or ()]
        for key, one in names:
            if one in readers:
                message = f"{shown(key)}: {readers[one]} is read from the file that {one} names"
                reader.problem(key, message, "leave it out")


def _check_group(reader: Reader, declared: "dict[str, Variable]", members: list[str]) -> None:
    """At most one of a group is set: no two can have defaults, none can be required."""
    if len(members) == 1:
        key = ("env", members[0], "exclusive")
        message = (
            f"{shown(key)}: no other variable is in the group {declared[members[0]]['exclusive']}"
        )
        reader.problem(key, message, "give the others of the group the same word")
    defaults = [name for name in members if declared[name].get("default")]
    for name in defaults[1:]:
        key = ("env", name, "default")
        reader.problem(
            key, f"{shown(key)}: {defaults[0]} of the same group has one", "leave one out"
        )
    for name in members:
        if declared[name].get("required"):
            key = ("env", name, "required")
            message = f"{shown(key)}: it cannot be where another of its group is set"
            reader.problem(key, message, "leave it out")


def references(variable: "Variable") -> list[str]:
    """Return the names that a variable's default refers to."""
    return variable.get("parts", [])[1::2]


def _check_references(reader: Reader, declared: "dict[str, Variable]") -> None:
    """Check that defaults refer to what there can be, and carry no secret to what is none."""
    owners = {
        old: name for name, variable in declared.items() for old in variable.get("deprecated") or ()
    }
    for name, variable in declared.items():
        key = ("env", name, "default")
        for other in references(variable):
            if other.startswith(_PREFIX):
                reader.problem(key, f"{shown(key)}: {other} is entrykit's own, and never there")
            elif other in owners:
                message = f"{shown(key)}: {other} is a deprecated name"
                reader.problem(key, message, f"write ${{{owners[other]}}}")
            elif declared.get(other, {}).get("secret") and not variable.get("secret"):
                message = f"{shown(key)}: {other} is secret, and {name} is not"
                reader.problem(key, message, f"declare {name} secret too")


def _order(reader: Reader, declared: "dict[str, Variable]") -> list[str]:
    """Return the variables with composed defaults, each after those that it refers to."""
    waiting = {
        name: set(references(variable))
        for name, variable in declared.items()
        if "parts" in variable
    }
    order: list[str] = []
    while ready := [name for name, others in waiting.items() if not others & waiting.keys()]:
        for name in ready:
            del waiting[name]
        order += ready
    for name, others in waiting.items():
        if name in _reachable(name, waiting):
            key = ("env", name, "default")
            names = ", ".join(sorted(others & waiting.keys()))
            message = f"{shown(key)}: it refers to {names}, and so, in the end, to itself"
            reader.problem(key, message)
    return order


def _reachable(name: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    unseen = [name]
    while unseen:
        for other in edges.get(unseen.pop(), set()) - found:
            found.add(other)
            unseen.append(other)
    return found
