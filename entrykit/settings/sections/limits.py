"""`[limits]`: what the container may use, as variables (20-limits.py)."""

from collections.abc import Iterator
from typing import Any

from entrykit.settings import checks, values
from entrykit.settings.sections.section import Section
from entrykit.stock import limits


def _variables(value: object) -> list[str]:
    """Take a list of names of variables that a command can be given."""
    names = checks.words(value)
    for name in names:
        if not values.is_variable_name(name) or name.startswith("ENTRYKIT_"):
            raise values.Named(f"a list of names of variables, which {name!r} is not")
    return names


def _problems(table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in table["set"]:
        if name not in limits.KNOWN:
            near = values.nearest(name, tuple(limits.KNOWN))
            known = f"known are {', '.join(limits.KNOWN)}; others go into `cpus` or `memory`"
            yield "set", f"{name} is not known", f"did you mean {near}?" if near else known
    names = [name for key in ("set", "cpus", "memory") for name in table[key]]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            key = next(key for key in ("memory", "cpus", "set") if name in table[key])
            yield key, f"{name} stands there twice or in two lists", "name it once"
    if not names:
        yield "set", "there is nothing to set", f"known are {', '.join(limits.KNOWN)}"


SECTION = Section(
    keys={"set": (_variables, []), "cpus": (_variables, []), "memory": (_variables, [])},
    problems=_problems,
)
