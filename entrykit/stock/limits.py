"""Variables that tell runtimes what the container may use: the stock hook `20-limits.py`.

Its rule: a variable that has a value keeps it, whoever gave it. An empty one has none, as for
defaults. A start pays for it: no module that is not needed.
"""

import sys

from entrykit.stock import cgroup, section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from entrykit.steps.python_hook import HookStart
    from entrykit.stock.cgroup import Limits

# Of the memory limit, for the heap of V8 and of the JVM: stacks, code, buffers and what else lies
# outside take the rest. The size that Node's own documentation advises.
_HEAP_PERCENT = 75


def set_up(start: "HookStart") -> str:
    """Set the variables that the section names and that have no value; return what was done.

    A variable whose limit does not exist is left unset.
    """
    limits = cgroup.read(start.sysroot.encode(sys.getfilesystemencoding(), "surrogateescape"))
    for line in limits.found:
        start.log.debug(line)
    values = computed(section.of(start), limits)
    given = [name for name in values if start.env.get(name)]
    lacking = [name for name, value in values.items() if not value and name not in given]
    made = {name: value for name, value in values.items() if value and name not in given}
    start.env.update(made)
    parts = [" ".join(f"{name}={_quoted(value)}" for name, value in made.items())]
    if given:
        parts.append(f"already set: {', '.join(given)}")
    if lacking:
        parts.append(f"no limit for {', '.join(lacking)}")
    return f"{'; '.join(part for part in parts if part)} ({_shown(limits)})"


def computed(config: dict[str, list[str]], limits: "Limits") -> dict[str, str]:
    """Return the value of each variable that a section names, "" where its limit does not exist."""
    values = {name: KNOWN[name](limits) for name in config["set"]}
    values |= {name: _cpus(limits) for name in config["cpus"]}
    values |= {name: _text(limits.memory_bytes) for name in config["memory"]}
    return values


def _text(count: int | None) -> str:
    return str(count) if count else ""


def _cpus(limits: "Limits") -> str:
    return _text(limits.cpus)


def _go_memory(limits: "Limits") -> str:
    """Return nine tenths of the limit, in bytes: it is soft, and Go's own (runtime/debug)."""
    return _text(limits.memory_bytes and limits.memory_bytes - limits.memory_bytes // 10)


def _java_options(limits: "Limits") -> str:
    """Return options of the JVM, before those of its command line, which win.

    A share and no -Xmx, which a -XX:MaxRAMPercentage of the command line could not undo. Only with
    a limit: the default of a quarter suits a whole machine.
    """
    options = []
    if limits.cpus:
        options.append(f"-XX:ActiveProcessorCount={limits.cpus}")
    if limits.memory_bytes:
        options.append(f"-XX:MaxRAMPercentage={_HEAP_PERCENT}.0")
    return " ".join(options)


def _node_options(limits: "Limits") -> str:
    """Return the option that bounds the heap, in MiB, of which 0 would be no bound."""
    if not limits.memory_bytes:
        return ""
    return f"--max-old-space-size={limits.memory_bytes * _HEAP_PERCENT // 100 >> 20 or 1}"


# What the section's `set` can name, and how its value comes about.
KNOWN: "dict[str, Callable[[Limits], str]]" = {
    "GOMAXPROCS": _cpus,
    "GOMEMLIMIT": _go_memory,
    "WEB_CONCURRENCY": _cpus,
    "OMP_NUM_THREADS": _cpus,
    "JAVA_TOOL_OPTIONS": _java_options,
    "NODE_OPTIONS": _node_options,
}


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _shown(limits: "Limits") -> str:
    cpus = "unknown CPUs" if limits.cpus is None else cgroup.counted(limits.cpus)
    memory = "no memory limit"
    if limits.memory_bytes:
        memory = cgroup.amount(limits.memory_bytes)
    return f"{cpus}, {memory}"
