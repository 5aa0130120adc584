"""What a plan consists of: the JSON as it is printed, from which the text is made too.

Strings hold bytes that are no UTF-8 as surrogate escapes. `source` says in words where something
comes from: a file and line, an option, a variable, `default`.
"""

from typing import TypedDict

# Changes where what is there already changes.
FORMAT = 1


class Problem(TypedDict):
    """What the start would end with."""

    where: str
    message: str
    mend: str


class Setting(TypedDict):
    """A setting of the start. `value` is in seconds where it is a time."""

    name: str
    value: str | float | list[str] | None
    source: str


class Variable(TypedDict):
    """A declared variable, or one that an env-dir or env-file gives.

    `source`: `given`, `default`, `file` (NAME_FILE), `env-dir`, `env-file`, `deprecated` (an older
    name), `service-link` (unset, Kubernetes' own) or `not set`. `origin` is the path, the name, or
    the line of the default. `value` is None where there is none or `hidden` says why it is not
    shown.
    """

    name: str
    value: str | None
    hidden: str
    source: str
    origin: str


class Hook(TypedDict):
    """A hook that would run, or would not; `state` says why, and what else is known of that."""

    name: str
    directory: str
    is_stock: bool
    kind: str
    words: list[str]
    section: str
    section_source: str
    replaces: list[str]
    settings: list[Setting]
    runs: bool
    state: str


class Skipped(TypedDict):
    """A file that is named like a hook and none, with the reason."""

    name: str
    reason: str
    mend: str
    replaces: list[str]


class PassedOver(TypedDict):
    """A file that no hook is named like, or a directory; the start says nothing of it."""

    name: str
    directory: str
    reason: str


class Gate(TypedDict):
    """Whether the command gets the set-up, and why."""

    open: bool
    reason: str


class Command(TypedDict):
    """The command as far as it is known: hooks may put options between, and arguments behind.

    Options need a configured program to stand behind. `file` is what the program's name leads to,
    None where it is nothing that can be run.
    """

    program: list[str]
    arguments: list[str]
    takes_options: bool
    is_final: bool
    file: str | None


class Entry(TypedDict):
    """A variable of the command; `value` is None where `hidden` says why."""

    name: str
    value: str | None
    hidden: str


class Process(TypedDict):
    """What the command runs as; `user` names one that is stepped down to, if it has a name."""

    user: str
    uid: int
    gid: int
    groups: list[int]
    umask: str
    directory: str
    no_new_privileges: bool


class Plan(TypedDict):
    """A plan; `log` are the lines that the start would write before its first hook."""

    format: int
    status: int
    problems: list[Problem]
    notes: list[str]
    log: list[str]
    configuration: list[Setting]
    gate: Gate
    variables: list[Variable]
    hooks: list[Hook]
    skipped: list[Skipped]
    passed_over: list[PassedOver]
    command: Command
    environment: list[Entry]
    process: Process
