"""The record of a configuration file, checked and complete.

Plain values only, so that the launcher's file can hold it (marshal).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NotRequired, TypedDict

    class Variable(TypedDict):
        """`[env.NAME]`, as far as it was given.

        `min` and `max` in seconds, bytes, characters or as they are; `expects` is what a message
        says that a value is to be, there wherever `type` is; `parts` are a default's literals and
        names of variables, in turns, where it refers to some.
        """

        type: NotRequired[str]
        expects: NotRequired[str]
        min: NotRequired[float]
        max: NotRequired[float]
        choices: NotRequired[list[str]]
        pattern: NotRequired[str]
        deprecated: NotRequired[list[str]]
        exclusive: NotRequired[str]
        required_with: NotRequired[str]
        default: NotRequired[str]
        parts: NotRequired[list[str]]
        required: NotRequired[bool]
        secret: NotRequired[bool]
        file: NotRequired[bool]
        expose: NotRequired[bool]
        help: NotRequired[str]

    class HookSettings(TypedDict):
        """A hook's settings, from its comment and `[hooks."NAME"]`; `timeout` in seconds."""

        timeout: NotRequired[float]
        secrets: NotRequired[list[str]]
        on_error: NotRequired[str]
        once: NotRequired[str]
        on_interrupted: NotRequired[str]
        makes: NotRequired[list[str]]
        user: NotRequired[str]

    class Once(TypedDict):
        """`[once]`: a directory on the volume, or the variable with a database's URL; "" unset."""

        journal: str
        database: str

    class Configuration(TypedDict):
        """What a configuration file says; `timeout` and `grace` in seconds.

        `composed` names the variables whose defaults refer to others, each after those that it
        refers to; `groups` are those that exclude each other. `rewrite` maps signals to those that
        stand for them, 0 for none; `parent_death_signal` is 0 where there is none.
        """

        program: list[str]
        commands: list[str]
        user: str
        umask: int | None
        no_new_privileges: bool
        timeout: float | None
        grace: float
        stop_signals: list[int]
        init: bool
        forward: str
        rewrite: dict[int, int]
        ok_status: list[int]
        parent_death_signal: int
        env: dict[str, Variable]
        env_dirs: list[str]
        env_files: list[str]
        composed: list[str]
        groups: dict[str, list[str]]
        sections: dict[str, dict[str, Any]]
        hooks: dict[str, HookSettings]
        once: Once
        runners: dict[str, list[str]]
        trust: str


def empty() -> "Configuration":
    """Return what holds where there is no configuration file."""
    return {
        "program": [], "commands": [], "user": "", "umask": None, "no_new_privileges": False,
        "timeout": None, "grace": 5.0, "stop_signals": [], "env": {}, "sections": {},
        "hooks": {}, "once": {"journal": "", "database": ""}, "runners": {}, "env_dirs": [],
        "env_files": [], "composed": [], "groups": {}, "trust": "",
        "init": False, "forward": "child", "rewrite": {}, "ok_status": [],
        "parent_death_signal": 0,
    }  # fmt: skip
