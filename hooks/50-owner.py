"""Stock hook: directories that belong to the user whom the server runs as.

[owner]
directories = ["/data"]
user = "app"                    # name, uid, name:group or uid:gid
uid = "PUID"                    # the variables that say another one
gid = "PGID"
"""

from entrykit.steps.python_hook import HookStart
from entrykit.stock import owner


def hook(start: HookStart) -> str:
    return owner.set_up(start)
