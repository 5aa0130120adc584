"""Configure: defaults < the configuration file < ENTRYKIT_* < options of `run`.

The configuration file comes parsed from the launcher, or is parsed here where it differs from
what was baked.

Imported by every start: builtin modules only.
"""

import posix

from entrykit.system import files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.settings.record import Configuration
    from entrykit.steps.inherited import Environment

    # The path of the configuration file that was baked, its content (None: there was none), and
    # what it says (None: to be parsed afresh).
    BakedConfiguration = tuple[bytes, bytes | None, Configuration | None]

DEFAULT_PATH = b"/etc/entrykit.toml"
CONFIGURATION_LIMIT_BYTES = 1 << 20
PREFIX = b"ENTRYKIT_"


class Settings:
    """All that a start was told: the file's configuration, and what stands above it.

    `hook_directories` is None for the default ones, of which a missing one is no error. `sysroot`
    stands before /sys and /proc where a hook looks for limits; b"" but in tests. `plan` is the form
    of the plan that is wanted instead of the start, "" for none. `user` is whom to step down to, ""
    for nobody. `told` is what variables and options have said, by the settings' names; `path` is
    the configuration file's, which `is_baked` where it says what it said when the image was built.
    """

    __slots__ = (
        "configuration", "hook_directories", "is_baked", "no_new_privileges", "other_commands",
        "path", "plan", "program", "skip", "sysroot", "timeout_seconds", "told", "user",
    )  # fmt: skip

    def __init__(
        self, given: dict[str, bytes], configuration: "Configuration", path: bytes = DEFAULT_PATH
    ) -> None:
        self.configuration = configuration
        self.path = path
        self.is_baked = False
        self.told = given
        self.plan = ""
        self.program = _raw(configuration["program"])
        self.other_commands = _raw(configuration["commands"])
        self.hook_directories: list[bytes] | None = None
        self.skip: list[bytes] = []
        self.sysroot = b""
        self.timeout_seconds = configuration["timeout"]
        self.user = configuration["user"]
        self.no_new_privileges = configuration["no_new_privileges"]
        if given:
            self._put_above(given)

    def _put_above(self, given: dict[str, bytes]) -> None:
        if given.get("program", b"").strip():
            self.program = given["program"].split()
        if given.get("hooks"):
            self.hook_directories = [path for path in given["hooks"].split(b":") if path]
        self.skip = [name for name in given.get("skip", b"").split(b",") if name]
        self.sysroot = given.get("sysroot", b"")
        from entrykit.settings import options  # loaded already

        if given.get("timeout"):
            self.timeout_seconds = options.timeout_seconds(given["timeout"])
        if "user" in given:
            self.user = options.user(given["user"])
        if given.get("no-new-privileges"):
            self.no_new_privileges = options.no_new_privileges(given["no-new-privileges"])
        self.plan = options.plan_form(given.get("plan", b""))
        if of_init := options.init_settings(given):
            self.configuration = {**self.configuration, **of_init}  # type: ignore[typeddict-item]
            unused = ", ".join(f"--{key.replace('_', '-')}" for key in of_init if key != "init")
            if unused and not self.configuration["init"]:
                log.warn(f"there is no init, to which {unused} would say something", hint="--init")


def _raw(words: list[str]) -> list[bytes]:
    return [word.encode("utf-8", "surrogateescape") for word in words]


def read_own_variables(environment: "Environment") -> dict[str, bytes]:
    """Return the settings that ENTRYKIT_* variables give, and take these variables away.

    None of them reaches a hook or the command.
    """
    own = [name for name in environment.names() if name.startswith(PREFIX)]
    if not own:
        return {}
    from entrykit.settings import options  # most starts have none

    given = options.read_variables((name, environment.get(name) or b"") for name in own)
    for name in own:
        environment.unset(name)
    return given


def load(given: dict[str, bytes], baked: "BakedConfiguration | None") -> Settings:
    """Return the settings of a start, its configuration file read. Raises StartError."""
    if given:
        from entrykit.settings import options  # loaded already

        options.check(given)
    baked_path, baked_content, baked_configuration = baked or (DEFAULT_PATH, None, None)
    path = given.get("config") or baked_path
    was_baked = path == baked_path and baked_content is not None
    content = _read_configuration(path, must_exist=was_baked or bool(given.get("config")))
    if baked_configuration is not None and content == baked_content:
        settings = Settings(given, baked_configuration, path)
        settings.is_baked = path == baked_path
        return settings
    if content is None:
        from entrykit.settings import record  # a baked start has it

        return Settings(given, record.empty(), path)
    return Settings(given, parse(content, log.text(path)), path)


def parse(content: bytes, name: str) -> "Configuration":
    """Return the configuration that a file's content says; `name` is the file's in messages.

    Raises StartError, status 78.
    """
    from entrykit.settings import configuration  # tomllib costs 9 ms

    return configuration.parse(content, name)


def _read_configuration(path: bytes, *, must_exist: bool) -> bytes | None:
    try:
        return files.read(path, CONFIGURATION_LIMIT_BYTES)
    except StartError as error:
        if not must_exist and not _exists(path):
            return None
        ((_, message, hint),) = error.problems
        mend = hint or "it is the configuration: put it there, or change ENTRYKIT_CONFIG (--config)"
        raise StartError(message, hint=mend) from None


def _exists(path: bytes) -> bool:
    try:
        posix.lstat(files.place(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
