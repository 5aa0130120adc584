"""Images that do not start: what is broken in each, and the last line of its log."""

from collections.abc import Callable
from typing import NamedTuple

from .starts import Entrypoint


class Broken(NamedTuple):
    """An image: how it is made, its command, and what it ends with.

    In `last_line`, `{hooks}`, `{config}` and `{stock}` stand for the paths of its hooks, its
    configuration and the stock hooks.
    """

    name: str
    make: Callable[[Entrypoint], object]
    status: int
    last_line: str
    command: tuple[str, ...] = ("true",)


def _configure(*lines: str) -> Callable[[Entrypoint], object]:
    return lambda image: image.configure(*lines)


def _hook(name: str, content: str | bytes, mode: int = 0o755) -> Callable[[Entrypoint], object]:
    return lambda image: image.hooks.add(name, content, mode)


def _all(*makes: Callable[[Entrypoint], object]) -> Callable[[Entrypoint], object]:
    return lambda image: [make(image) for make in makes]


def _set(**variables: str) -> Callable[[Entrypoint], object]:
    return lambda image: image.with_environment(**variables)


IMAGES = (
    Broken(
        "a key is misspelt",
        _configure('progam = "x"'),
        78,
        "{config}:1: unknown key progam (did you mean program?)",
    ),
    Broken(
        "the configuration is not there",
        _set(ENTRYKIT_CONFIG="/etc/entrykt.toml"),
        78,
        "cannot read /etc/entrykt.toml: no such file or directory (it is the configuration: put "
        "it there, or change ENTRYKIT_CONFIG (--config))",
    ),
    Broken(
        "a value is of another kind",
        _configure("umask = 18"),
        78,
        '{config}:1: umask: expected an octal string ("022"), found an integer',
    ),
    Broken(
        "the configuration is cut off",
        _configure('program = "x'),
        78,
        "{config}:1: it is not valid TOML: Illegal character '\\n' (at line 1, column 13) "
        "(close the string on its line)",
    ),
    Broken(
        "a section lacks a key",
        _configure("[htpasswd]", 'file = "x"'),
        78,
        "{config}:1: htpasswd.password: is missing (so are username, users and entries: "
        "name one at least)",
    ),
    Broken(
        "a required variable is not set",
        _configure("[env.DB_HOST]", "required = true"),
        78,
        "DB_HOST: is required and not set (set it)",
    ),
    Broken(
        "a required secret is not set",
        _configure("[env.DB_PASSWORD]", "required = true", "secret = true"),
        78,
        "DB_PASSWORD: is required and not set (set it or DB_PASSWORD_FILE)",
    ),
    Broken(
        "a number is none",
        _all(_configure("[env.PORT]", 'type = "port"'), _set(PORT="eighty")),
        78,
        'PORT: expected a port from 1 to 65535, found "eighty"',
    ),
    Broken(
        "a variable is out of its choices",
        _all(
            _configure("[env.MODE]", 'type = "enum"', 'choices = ["dev", "prod"]'),
            _set(MODE="test"),
        ),
        78,
        'MODE: expected one of dev, prod, found "test"',
    ),
    Broken(
        "the file of a secret is missing",
        _all(_configure("[env.PW]", "secret = true"), _set(PW_FILE="/run/secrets/pw")),
        78,
        "PW: cannot read /run/secrets/pw: no such file or directory (mount it there, or "
        "change PW_FILE)",
    ),
    Broken(
        "a secret is given twice",
        _all(_configure("[env.PW]", "secret = true"), _set(PW="a", PW_FILE="/dev/null")),
        78,
        "PW: is set, and so is PW_FILE (set one of the two)",
    ),
    Broken(
        "a hook was saved by Windows",
        _hook("10-a.sh", "#!/bin/sh\r\n"),
        78,
        "10-a.sh: its lines end with a carriage return (CRLF), in {hooks} (save it with "
        "Unix line endings, for instance by dos2unix)",
    ),
    Broken(
        "a hook begins with a mark",
        _hook("10-a.sh", b"\xef\xbb\xbf#!/bin/sh\n"),
        78,
        "10-a.sh: it begins with a byte order mark (BOM), in {hooks} (save it as UTF-8 "
        "without BOM)",
    ),
    Broken(
        "an interpreter is missing",
        _hook("10-a.sh", "#!/bin/bahs\n"),
        78,
        "10-a.sh: its interpreter /bin/bahs is missing or not executable, in {hooks} "
        "(install it, or change the hook's first line)",
    ),
    Broken(
        "an interpreter is not in PATH",
        _hook("10-a", "#!/usr/bin/env pyhton3\n"),
        78,
        "10-a: its interpreter pyhton3 is not in PATH, in {hooks} (install it, or change "
        "the hook's first line)",
    ),
    Broken(
        "a setting is misspelt",
        _hook("10-a.sh", "#!/bin/sh\n# entrykit: timout=3s\n"),
        78,
        "10-a.sh: settings comment: unknown setting timout (did you mean timeout?)",
    ),
    Broken(
        "a hook has no place to remember that it ran",
        _hook("10-a.sh", "#!/bin/sh\n# entrykit: once=data\n"),
        78,
        "10-a.sh: once=data has no place to remember that it was done (set journal in "
        "[once] to a directory on the volume, or database to a variable)",
    ),
    Broken(
        "a runner is missing",
        _all(_configure("[runners]", '".sql" = ["psq1"]'), _hook("10-a.sql", "x", 0o644)),
        78,
        "10-a.sql: its runner psq1 is missing or not executable, in {hooks} (install it, "
        "or change [runners])",
    ),
    Broken(
        "a hook fails",
        _hook("10-a.sh", "#!/bin/sh\nexit 3\n"),
        3,
        "10-a.sh: failed with exit status 3 after TIME, in {hooks}; the command was not started",
    ),
    Broken(
        "a hook calls what is missing",
        _hook("10-a.sh", "#!/bin/sh\nset -e\npsq1\n"),
        127,
        "10-a.sh: failed with exit status 127 after TIME, in {hooks}; the command was not "
        "started (it calls a program that is not there: see what it printed)",
    ),
    Broken(
        "a hook is no Python",
        _hook("10-a.py", "def hook(start:\n", 0o644),
        1,
        "10-a.py: is not Python: '(' was never closed, line 1; exit status 1 after TIME, "
        "in {hooks}; the command was not started (correct it)",
    ),
    Broken(
        "a Python hook raises",
        _hook("10-a.py", "open('/none')\n", 0o644),
        1,
        "10-a.py: raised FileNotFoundError in line 1: /none; exit status 1 after TIME, in "
        "{hooks}; the command was not started (its traceback stands above)",
    ),
    Broken(
        "a Python hook needs what is not set",
        _hook("10-a.py", "import os\n\nprint(os.environ['DB_HOST'])\n", 0o644),
        1,
        "10-a.py: raised KeyError in line 3: DB_HOST; exit status 1 after TIME, in {hooks}; the "
        "command was not started (its traceback stands above)",
    ),
    Broken(
        "a Python hook needs a package",
        _hook("10-a.py", "import yaml_\n", 0o644),
        1,
        "10-a.py: raised ModuleNotFoundError in line 1: yaml_; exit status 1 after TIME, in "
        "{hooks}; the command was not started (its traceback stands above)",
    ),
    Broken(
        "a Python hook sets a number",
        _hook("10-a.py", "def hook(start):\n    start.env['N'] = 4\n", 0o644),
        1,
        "10-a.py: start.env['N'] is to be a string; exit status 1 after TIME, in {hooks}; the "
        "command was not started",
    ),
    Broken(
        "a sourced hook ends in a test",
        _hook("10-a.envsh", '[ -n "$DEBUG" ] && export X=1\n', 0o644),
        1,
        "10-a.envsh: failed with exit status 1 after TIME, in {hooks}; the command was not "
        "started (it runs with `set -e`: write `|| :` behind what may fail, its last command too)",
    ),
    Broken(
        "a hook is killed",
        _hook("10-a.sh", "#!/bin/sh\nkill -KILL $$\n"),
        137,
        "10-a.sh: was killed by SIGKILL after TIME, in {hooks}; the command was not started "
        "(the container's memory may have run out)",
    ),
    Broken(
        "a hook's interpreter has an option behind env",
        _hook("10-a", "#!/usr/bin/env sh -e\n"),
        78,
        "10-a: its interpreter sh -e is not in PATH, in {hooks} (env is given all of it as one "
        "name: write #!/usr/bin/env -S …)",
    ),
    Broken(
        "a hook is a link to nothing",
        _all(
            _hook("20-b.sh", "#!/bin/sh\n"),
            lambda image: (image.hooks.path / "10-a.sh").symlink_to("/opt/gone.sh"),
        ),
        78,
        "10-a.sh: cannot follow the link {hooks}/10-a.sh: no such file or directory (correct the "
        "link, or remove it)",
    ),
    Broken(
        "the file of a secret is a directory",
        _all(_configure("[env.PW]", "secret = true"), _set(PW_FILE="/etc")),
        78,
        "PW: cannot read /etc: it is a directory, not a regular file (change PW_FILE)",
    ),
    Broken(
        "a secret itself stands where its path belongs",
        _all(_configure("[env.PW]", "secret = true"), _set(PW_FILE="hush-hush")),
        78,
        "PW: cannot read the file that PW_FILE names: it is no absolute path (a value itself is "
        "PW's)",
    ),
    Broken(
        "the templates are not there",
        _configure("[templates]", 'from = "/no/templates"', 'to = "/run/x"'),
        78,
        "40-templates.py: cannot read the templates in /no/templates: no such file or directory; "
        "exit status 78 after TIME, in {stock}; the command was not started (it is `from` in "
        "[templates]: make it, or name another)",
    ),
    Broken(
        "a hook takes too long",
        _hook("10-a.sh", "#!/bin/sh\n# entrykit: timeout=100ms\nexec sleep 60\n"),
        124,
        "10-a.sh: was ended at its time limit of 100 ms after TIME, in {hooks}; the "
        "command was not started (see what it waits for, or raise its timeout)",
    ),
    Broken(
        "a hook asks for a variable with no name",
        _hook("10-a.sh", '#!/bin/sh\necho 1 >"$ENTRYKIT_ENV/MY-NAME"\n'),
        78,
        "10-a.sh: asked for a variable with an impossible name: MY-NAME; exit status 78 "
        "after TIME, in {hooks}; the command was not started (a name has letters, digits "
        "and _, no digit first)",
    ),
    Broken(
        "the command is missing",
        lambda _: None,
        127,
        "cannot find the command /srv/none (install it in the image, or correct the command)",
        ("/srv/none",),
    ),
    Broken(
        "the command is one word",
        lambda _: None,
        127,
        "cannot find the command nginx -g 'daemon off;' in PATH (it is one word with blanks in "
        "it: give its words one by one, as a list)",
        ("nginx -g 'daemon off;'",),
    ),
    Broken(
        "the command is no program",
        lambda _: None,
        126,
        "cannot run /etc/passwd: permission denied (make it executable, and its "
        "directories searchable)",
        ("/etc/passwd",),
    ),
)
