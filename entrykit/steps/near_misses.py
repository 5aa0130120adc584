"""Near misses: variables that are set, and named almost like a declared one that is not.

One slip is looked for: a letter, or two in a long name, too many or too few, another letter, two
letters swapped, or lower case. Two names that differ in a digit, as WORKER_1 and WORKER_2, are two
names.

Imported by a start with declared variables: builtin modules only.
"""

from entrykit.steps import variables
from entrykit.system import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.settings.record import Variable
    from entrykit.steps.inherited import Environment

# Set by engines, shells and login everywhere, and meant for nobody here.
WELL_KNOWN = {
    "HOME", "HOSTNAME", "LANG", "LANGUAGE", "LOGNAME", "MAIL", "NO_COLOR", "OLDPWD", "PATH", "PWD",
    "SHELL", "SHLVL", "TERM", "TZ", "USER", "container", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "DEBIAN_FRONTEND",
}  # fmt: skip
_SHORTEST, _LONG = 6, 8


def find(
    environment: "Environment", declared: "dict[str, Variable]", unset: list[str]
) -> "Iterator[tuple[str, str]]":
    """Yield each variable that is set and unknown, and the declared one that it is almost named."""
    known = {one for name in declared for one in variables.spellings(name, declared[name])}
    known |= {f"{name}_FILE" for name in declared}
    meant = [one for name in unset for one in variables.spellings(name, declared[name])]
    for raw in environment.names():
        if not environment.get(raw) or len(raw) < _SHORTEST - 1:
            continue
        name = log.text(raw)
        if name in known or name in WELL_KNOWN:
            continue
        for other in meant:
            if is_near(name, other) and not _is_service_link(raw, environment):
                yield name, other
                break


def is_near(name: str, other: str) -> bool:
    """Tell whether one name is the other but for one slip."""
    if abs(len(name) - len(other)) > 2 or len(other) < _SHORTEST:
        return False
    if name.upper().replace("-", "_").replace(".", "_") == other.upper():
        return True
    start, shortest = 0, min(len(name), len(other))
    while start < shortest and name[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and name[-1 - end] == other[-1 - end]:
        end += 1
    more, less = name[start : len(name) - end], other[start : len(other) - end]
    if (more + less).isdigit():
        return False
    if not more or not less:
        return len(more + less) <= (2 if len(other) >= _LONG else 1)
    return (len(more) == len(less) == 1) or (len(more) == 2 and more == less[::-1])


def _is_service_link(name: bytes, environment: "Environment") -> bool:
    """Tell whether Kubernetes has set it for a service: `NAME_SERVICE_…`, `NAME_PORT…`."""
    for other in environment.names():
        if other.endswith(b"_SERVICE_HOST"):
            service = other.removesuffix(b"SERVICE_HOST")
            if name.startswith((service + b"SERVICE_", service + b"PORT")):
                return True
    return False
