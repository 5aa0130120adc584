"""Stock hook: files from templates and the environment, as `entrykit render` makes them.

[templates]                     # or [[templates]], several times
from = "/etc/nginx/templates"   # *.template as by envsubst, *.j2 with Jinja2; the rest is left
to = "/etc/nginx/conf.d"
names = "^NGINX_"               # variables that *.template see; all without it
required = "^NGINX_"            # those that *.template may not refer to in vain
secrets = ["DB_PASSWORD"]       # secrets that templates use
check = ["nginx", "-t", "-c", "{}/nginx.conf"]  # before anything changes; {}: the new files
"""

from entrykit.steps.python_hook import HookStart
from entrykit.stock import templates


def hook(start: HookStart) -> str:
    return templates.set_up(start)
