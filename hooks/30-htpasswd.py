"""Stock hook: an htpasswd file from a user name and a password.

[htpasswd]
username = "YOUP0M_USERNAME"    # the variables that hold them, or whose _FILEs do
password = "YOUP0M_PASSWORD"
file = "htpasswd"               # a bare name lies in the runtime directory
option = "-htpasswd"            # the program's option that is given the file's path
"""

from entrykit.steps.python_hook import HookStart
from entrykit.stock import htpasswd


def hook(start: HookStart) -> str:
    return htpasswd.set_up(start)
