"""Stock hook: variables that tell runtimes what CPUs and memory the container may use.

[limits]
set = ["GOMAXPROCS", "GOMEMLIMIT"]   # what runtimes know; those that have a value keep it
cpus = ["NGINX_WORKERS"]             # variables of any name: the number of CPUs
memory = ["CACHE_LIMIT"]             # and the memory limit in bytes
"""

from entrykit.steps.python_hook import HookStart
from entrykit.stock import limits


def hook(start: HookStart) -> str:
    return limits.set_up(start)
