"""Stock hook: an htpasswd file from names and passwords in the environment.

[htpasswd]                      # or [[htpasswd]], once for each file
username = "YOUP0M_USERNAME"    # the variables that hold one user, or whose _FILEs do
password = "YOUP0M_PASSWORD"
users = "YOUP0M_USERS"          # a variable with lines: name:password
entries = "YOUP0M_HTPASSWD"     # a variable with the lines of an htpasswd file
file = "htpasswd"               # a bare name lies in the runtime directory
option = "-htpasswd"            # the program's option that is given the file's path
"""

from entrykit.steps.python_hook import HookStart
from entrykit.stock import htpasswd


def hook(start: HookStart) -> str:
    return htpasswd.set_up(start)
