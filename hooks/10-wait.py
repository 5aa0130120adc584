"""Stock hook: wait until what the command needs answers; fail at the limit, never go on.

[wait]
targets = ["postgres://${DB_HOST}:5432", "redis://cache", "http://auth:8080/health#status=200"]
timeout = "60s"                 # for all of them together
"""

from entrykit.steps.python_hook import HookStart
from entrykit.stock import wait


def hook(start: HookStart) -> str:
    return wait.set_up(start)
