"""Configure: defaults < the configuration file < ENTRYKIT_* < options of `run`.

One table names each setting of a start, as option and as variable. The configuration file comes
parsed from the launcher, or is parsed here where it differs from what was baked.

Imported by every start: builtin modules only.
"""

import posix

from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrykit.settings.record import Configuration

    # The path of the file that was baked, its content (None: there was none), and what it says.
    BakedConfiguration = tuple[bytes, bytes | None, Configuration]

DEFAULT_PATH = b"/etc/entrykit.toml"
HOOK_DIRECTORIES = (b"/usr/lib/entrykit/hooks.d", b"/docker-entrypoint.d")
CONFIGURATION_LIMIT_BYTES = 1 << 20

# Name, whether it is a switch, whether a variable ENTRYKIT_NAME has it too, and what it does.
SETTINGS = (
    ("config", False, True, "the configuration file; default /etc/entrykit.toml"),
    ("hooks", False, True, "hook directories, separated by `:`, instead of the default two"),
    ("skip", False, True, "file names of hooks not to run, separated by `,`"),
    ("log", False, True, "form and level of the log: `text`, and `quiet`, `info` or `debug`"),
    ("plan", True, True, "say what would run, without running it (not available yet)"),
    ("init", True, True, "stay as PID 1, the command as a child (not available yet)"),
    ("program", False, True, "the image's program, its words separated by blanks"),
    ("user", False, False, "step down to this user at the handoff (not available yet)"),
    ("timeout", False, False, "time limit of each hook that sets none of its own: 30s, 5m"),
)
# What hooks are given; in a start's own environment they come from a start around it.
GIVEN_TO_HOOKS = (
    b"ENTRYKIT_HOOK", b"ENTRYKIT_ENV", b"ENTRYKIT_UNSET", b"ENTRYKIT_OPTIONS", b"ENTRYKIT_ARGS",
    b"ENTRYKIT_COMMAND",
)  # fmt: skip
PREFIX = b"ENTRYKIT_"


def read_options(words: list[bytes]) -> tuple[dict[str, bytes], list[bytes]]:
    """Split the words after `run` into its options and the command.

    Options end at `--` or at the first word that is none. Raises StartError, status 2.
    """
    options: dict[str, bytes] = {}
    kinds = {b"--" + name.encode(): (name, switch) for name, switch, _, _ in SETTINGS}
    rest = list(words)
    while rest:
        word, equals, value = rest[0].partition(b"=")
        if word not in kinds:
            break
        name, switch = kinds[word]
        rest.pop(0)
        if switch and not equals:
            value = b"1"
        elif not equals:
            if not rest:
                message = f"option --{name} needs a value"
                raise StartError(message, errors.USAGE, "see `entrykit run --help`")
            value = rest.pop(0)
        options[name] = value
    if rest and rest[0] == b"--":
        rest.pop(0)
    return options, rest


def read_variables(variables: "Mapping[bytes | tuple[int, bytes], bytes]") -> dict[str, bytes]:
    """Return the settings that ENTRYKIT_* variables give; an empty one is unset."""
    names = {PREFIX + name.upper().encode(): name for name, _, has, _ in SETTINGS if has}
    found: dict[str, bytes] = {}
    for variable, value in variables.items():
        if not isinstance(variable, bytes) or not variable.startswith(PREFIX):
            continue
        if variable in names:
            if value:
                found[names[variable]] = value
        elif variable not in GIVEN_TO_HOOKS:
            _warn_of_unknown(variable, names)
    return found


class Settings:
    """All that a start was told: the file's configuration, and what stands above it."""

    __slots__ = ("configuration", "hook_directories", "program", "skip", "timeout_seconds")

    def __init__(self, given: dict[str, bytes], configuration: "Configuration") -> None:
        self.configuration = configuration
        self.program = given["program"].split() if given.get("program") else [
            word.encode("utf-8", "surrogateescape") for word in configuration["program"]
        ]
        # None: the default ones, of which a missing one is no error.
        self.hook_directories = (
            [path for path in given["hooks"].split(b":") if path] if given.get("hooks") else None
        )
        self.skip = [name for name in given.get("skip", b"").split(b",") if name]
        self.timeout_seconds = configuration["timeout"]
        if given.get("timeout"):
            self.timeout_seconds = _timeout(given["timeout"])


def log_level(given: "Mapping[str, bytes]") -> int:
    """Return the level of the log, from `text` and a level, separated by `,`. Raises StartError."""
    level = log.INFO
    for word in log.text(given.get("log", b"")).split(","):
        form = word.strip()
        if form == "json":
            message = "the JSON log is not available in this version"
            raise StartError(message, hint="leave `json` out of ENTRYKIT_LOG")
        if form in log.LEVELS:
            level = log.LEVELS[form]
        elif form not in ("text", ""):
            message = f"unknown form or level of the log: {form}"
            raise StartError(message, hint="known are text, quiet, info and debug")
    return level


def load(given: dict[str, bytes], baked: "BakedConfiguration | None") -> Settings:
    """Return the settings of a start, its configuration file read. Raises StartError."""
    _refuse_what_is_to_come(given)
    baked_path, baked_content, baked_configuration = baked or (DEFAULT_PATH, None, None)
    path = given.get("config") or baked_path
    was_baked = path == baked_path and baked_content is not None
    content = _read_configuration(path, must_exist=was_baked or bool(given.get("config")))
    if baked_configuration is not None and content == baked_content:
        return Settings(given, baked_configuration)
    if content is None:
        from entrykit.settings import record  # noqa: PLC0415 - a baked start has it

        return Settings(given, record.empty())
    from entrykit.settings import configuration  # noqa: PLC0415 - tomllib costs 9 ms

    return Settings(given, configuration.parse(content, log.text(path)))


def _read_configuration(path: bytes, *, must_exist: bool) -> bytes | None:
    try:
        return files.read(path, CONFIGURATION_LIMIT_BYTES)
    except StartError:
        if not must_exist and not _exists(path):
            return None
        raise


def _exists(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _refuse_what_is_to_come(given: dict[str, bytes]) -> None:
    if given.get("user"):
        message = "--user is not available in this version"
        raise StartError(message, hint="give the image a USER, or use `docker run --user`")
    for name in ("plan", "init"):
        if given.get(name) and _switch(name, given[name]):
            message = f"--{name} (ENTRYKIT_{name.upper()}) is not available in this version"
            raise StartError(message, hint="leave it out")


def _switch(name: str, value: bytes) -> bool:
    from entrykit.settings import values  # noqa: PLC0415 - only where it is given

    try:
        return values.boolean(value.decode("ascii", "replace"))
    except ValueError:
        message = f"--{name} (ENTRYKIT_{name.upper()}) is neither true nor false"
        raise StartError(message, hint="write 1 or 0") from None


def _timeout(written: bytes) -> float:
    from entrykit.settings import values  # noqa: PLC0415 - only where it is given

    try:
        return values.duration_seconds(written.decode("ascii", "replace"))
    except ValueError:
        message = f"--timeout is no duration: {log.text(written)}"
        raise StartError(message, errors.USAGE, "write for instance 30s, 500ms or 5m") from None


def _warn_of_unknown(variable: bytes, names: dict[bytes, str]) -> None:
    from entrykit.settings import values  # noqa: PLC0415 - only a mistake needs it

    near = values.nearest(log.text(variable), [name.decode() for name in names])
    hint = f"did you mean {near}?" if near else "it is not passed on to the command"
    log.warn(f"{log.text(variable)} is not a variable of entrykit", hint=hint)
