"""The record of a configuration file, checked and complete.

Plain values only, so that the launcher's file can hold it (marshal).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NotRequired, TypedDict

    class Variable(TypedDict):
        """`[env.NAME]`, as far as it was given."""

        default: NotRequired[str]
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

    class Once(TypedDict):
        """`[once]`: a directory on the volume, or the variable with a database's URL; "" unset."""

        journal: str
        database: str

    class Configuration(TypedDict):
        """What a configuration file says; `timeout` and `grace` in seconds."""

        program: list[str]
        commands: list[str]
        umask: int | None
        no_new_privileges: bool
        timeout: float | None
        grace: float
        stop_signals: list[int]
        env: dict[str, Variable]
        sections: dict[str, dict[str, Any]]
        hooks: dict[str, HookSettings]
        once: Once
        runners: dict[str, list[str]]


def empty() -> "Configuration":
    """Return what holds where there is no configuration file."""
    return {
        "program": [], "commands": [], "umask": None, "no_new_privileges": False,
        "timeout": None, "grace": 5.0, "stop_signals": [], "env": {}, "sections": {},
        "hooks": {}, "once": {"journal": "", "database": ""}, "runners": {},
    }  # fmt: skip
