"""The configuration of a plan: each setting with where its value comes from."""

from typing import TYPE_CHECKING

from entrykit.plan.redaction import Redaction
from entrykit.settings import init, lines, options
from entrykit.steps import configure, search
from entrykit.system import files, log, signals
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.plan.record import Setting
    from entrykit.steps.configure import Settings

DEFAULT = "default"


class Sources:
    """Says where a start's settings come from."""

    def __init__(self, settings: "Settings", words: list[bytes]) -> None:
        """Take a start's settings, and the words after `run`."""
        self._told = settings.told
        self._options = options.read_options(words)[0]
        self.file = log.text(settings.path)
        self.lines: dict[tuple[str, ...], int] = {}
        self.has_file = True
        try:
            content = files.read(settings.path, configure.CONFIGURATION_LIMIT_BYTES)
            self.lines = lines.find(content.decode("utf-8", "replace"))
        except StartError:
            self.has_file = False

    def of(self, name: str) -> str:
        """Return what sets a setting: an option, a variable, a line of the file, or nothing."""
        if self._told.get(name, b"").strip():
            return f"--{name}" if name in self._options else f"ENTRYKIT_{name.upper()}"
        return self.line(name) or DEFAULT

    def line(self, *path: str) -> str:
        """Return file and line of a key of the configuration, "" where it is not there."""
        number = self.lines.get(path)
        return f"{self.file}:{number}" if number else ""


def settings(given: "Settings", sources: Sources, redaction: Redaction) -> "Iterator[Setting]":
    """Yield the settings of a start."""
    configuration = given.configuration
    directories = given.hook_directories
    umask = configuration["umask"]
    death_signal = configuration["parent_death_signal"]
    values: dict[str, str | float | list[str] | None] = {
        "config": sources.file if sources.has_file else None,
        "hooks": redaction.words(search.HOOK_DIRECTORIES if directories is None else directories),
        "skip": redaction.words(given.skip),
        "program": redaction.words(given.program),
        "commands": redaction.words(given.other_commands),
        "env-dirs": configuration["env_dirs"],
        "env-files": configuration["env_files"],
        "timeout": given.timeout_seconds,
        "grace": configuration["grace"],
        "stop-signals": [signals.name(number) for number in configuration["stop_signals"]],
        "user": given.user or None,
        "init": "true" if configuration["init"] else "false",
        "forward": configuration["forward"],
        "rewrite": [
            f"{init.name(one)}={init.name(other)}"
            for one, other in configuration["rewrite"].items()
        ],
        "ok-status": [str(status) for status in configuration["ok_status"]],
        "parent-death-signal": init.name(death_signal) if death_signal else None,
        "umask": None if umask is None else f"{umask:04o}",
        "no-new-privileges": "true" if given.no_new_privileges else "false",
        "log": redaction.shown(given.told.get("log") or b"info"),
    }
    if given.sysroot:
        values["sysroot"] = redaction.shown(given.sysroot)
    for name, value in values.items():
        # [hooks] in the file is another thing than hook directories.
        source = sources.of(name)
        if name == "hooks" and directories is None:
            source = DEFAULT
        yield {"name": name, "value": value, "source": source}
    for key, written in configuration["once"].items():
        if written:
            yield {
                "name": f"once.{key}",
                "value": str(written),
                "source": sources.line("once", key),
            }
    for suffix, words in configuration["runners"].items():
        source = sources.line("runners", suffix) or sources.file
        value = redaction.words(word.encode("utf-8", "surrogateescape") for word in words)
        yield {"name": f'runners."{suffix}"', "value": value, "source": source}
