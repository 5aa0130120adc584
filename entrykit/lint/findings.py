"""Owns what is found: each kind of it has a code, a severity and a line in docs/check.md."""

from dataclasses import dataclass

from entrykit.system import errors, log

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)

# By code: the severity, and what is the matter. A code keeps its meaning from one version to the
# next: people name them in configurations of other tools.
CODES: dict[str, tuple[str, str]] = {
    "configuration": (ERROR, "the configuration file is wrong"),
    "unreadable": (ERROR, "a file or directory cannot be read"),
    "dangling-link": (ERROR, "a hook is a link to nothing"),
    "bom": (ERROR, "a hook begins with a byte order mark"),
    "crlf": (ERROR, "the first line of a hook ends with a carriage return"),
    "interpreter": (ERROR, "the interpreter of a hook is missing"),
    "runner": (ERROR, "the runner of a hook is missing"),
    "not-permitted": (ERROR, "a hook has an x bit but may not be executed"),
    "foreign-program": (ERROR, "a hook is a program for another machine"),
    "settings": (ERROR, "the settings of a hook are wrong"),
    "once": (ERROR, "a hook cannot run once as it is set up"),
    "user": (ERROR, "nobody is named like the user of a hook"),
    "shell-syntax": (ERROR, "a shell refuses the syntax of a hook"),
    "python-syntax": (ERROR, "a hook is not Python"),
    "python-hook": (ERROR, "a call of a Python hook's function runs nothing of it"),
    "template": (ERROR, "a template is wrong"),
    "crlf-line": (WARNING, "a line of a script ends with a carriage return"),
    "encoding": (WARNING, "a script is not UTF-8 text"),
    "not-executable": (WARNING, "a script is skipped for want of an x bit"),
    "not-a-hook": (WARNING, "a file is skipped: nothing says how to run it"),
    "empty": (WARNING, "a file is skipped: it is empty"),
    "unknown-hook": (WARNING, "the configuration names a hook that is not there"),
    "order-tie": (WARNING, "two names differ in nothing that orders them"),
    "climbing": (WARNING, "the user that the command runs as can change what root obeys"),
    "world-writable": (WARNING, "everybody can change what a start runs"),
    "undeclared-secret": (WARNING, "a hook names a secret that is not declared"),
    "secret-not-named": (WARNING, "a hook reads a secret that it does not name"),
    "unread-settings": (WARNING, "a comment that is meant for settings is not read"),
    "misspelt-variable": (WARNING, "a variable is almost named like a declared one"),
    "group-writable": (NOTE, "a group can change what a start runs"),
    "replaced": (NOTE, "a hook stands in the place of another"),
    "masked": (NOTE, "a hook is masked"),
    "undeclared-variable": (NOTE, "a variable that is read is not declared"),
    "secret-name": (NOTE, "a variable looks like a secret and is not declared one"),
    "not-checked": (NOTE, "the syntax of a hook could not be checked"),
}

# By what a start says of a hook. The first that its message has in it tells the code.
_OF_MESSAGES = (
    ("cannot follow the link", "dangling-link"),
    ("cannot read", "unreadable"),
    ("byte order mark", "bom"),
    ("carriage return", "crlf"),
    ("its interpreter ", "interpreter"),
    ("names no interpreter", "interpreter"),
    ("its runner ", "runner"),
    ("may not be executed", "not-permitted"),
    ("it is a program ", "foreign-program"),
    ("settings comment", "settings"),
    ("it is not executable", "not-executable"),
    (" is empty", "empty"),
    ("masked by ", "masked"),
    ("nothing says how to run it", "not-a-hook"),
    ("it is neither a script nor a program", "not-a-hook"),
    ("not a regular file", "not-a-hook"),
    ("once", "once"),
    ("makes", "once"),
    ("on-interrupted", "once"),
)


@dataclass(frozen=True)
class Finding:
    """One fault: where it is (`line` from 1, 0 for the whole file), what it is, and the mend."""

    code: str
    path: bytes
    line: int
    message: str
    mend: str
    severity: str


def make(
    code: str, path: bytes, line: int, message: str, mend: str = "", severity: str = ""
) -> Finding:
    """Return a finding, of its code's severity where none is given."""
    return Finding(code, path, line, _line(message), _line(mend), severity or CODES[code][0])


def _line(text: str) -> str:
    """Return a text as one printable line: a compiler may quote anything."""
    return log.text(" ".join(text.split()).encode("utf-8", "backslashreplace"))


def code_of(message: str) -> str:
    """Return the code of what a start says of a hook."""
    return next((code for part, code in _OF_MESSAGES if part in message), "settings")


def problem(found: Finding, where: str) -> "errors.Problem":
    """Return a finding as a start reports it; `where` is its file."""
    return f"{where}:{found.line}" if found.line else where, found.message, found.mend


def ordered(found: list[Finding]) -> list[Finding]:
    """Return findings without doubles, sorted by file, line and severity."""
    return sorted(
        dict.fromkeys(found),
        key=lambda one: (one.path, one.line, SEVERITIES.index(one.severity), one.code, one.message),
    )
