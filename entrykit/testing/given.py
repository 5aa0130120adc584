"""What a start is given by a test, and by the author's project where the test gives nothing."""

import functools
import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrykit.settings import configuration as settings
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from entrykit.settings.record import Configuration

# pytest leaves the frames of this module out of what it shows of a failure.
__tracebackhide__ = True

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOOK_DIRECTORY = "/docker-entrypoint.d"
CONFIGURATION = "/etc/entrykit.toml"
SECRETS = "/run/secrets"
STUBS = "/run/entrykit-stubs"
# What a start finds where nothing is given: not what the machine happens to have.
HIDDEN = (CONFIGURATION, HOOK_DIRECTORY, "/usr/lib/entrykit/hooks.d")
_KEYS = {"hooks": str, "config": str, "program": str | list, "image": str, "backend": str}
_LINK = stat.S_IFLNK | 0o777

Text = str | bytes
Content = str | bytes | Path
# Names and values of an environment.
Entries = list[tuple[bytes, bytes]]
# A file's content, or its content and mode.
FileGiven = Content | tuple[Content, int]
HooksGiven = str | Path | Mapping[str, FileGiven]


@dataclass(frozen=True)
class Project:
    """What `[tool.entrykit]` of a pyproject.toml says, or what lies beside the tests."""

    hooks: Path | None = None
    config: Path | None = None
    program: Sequence[str] = ()
    image: str = ""
    backend: str = ""


@dataclass(frozen=True)
class Given:
    """What one start is given. `hooks` and `files` are path, content and mode.

    `root` is the directory of another tree of files than the machine's (sandbox only).

    A hook that is a link has the mode of one, and its target as content.
    """

    command: Sequence[Text] = ()
    environment: Mapping[str, Text] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    files: Sequence[tuple[str, bytes, int]] = ()
    hooks: Sequence[tuple[str, bytes, int]] = ()
    config: bytes | None = None
    program: Sequence[str] = ()
    user: str = ""
    network: bool = False
    root: str = ""

    def words(self, *more: str) -> list[bytes]:
        """Return the words after `run`."""
        options = list(more)
        if self.program:
            options += ["--program", " ".join(self.program)]
        if self.user:
            options += ["--user", self.user]
        return [os.fsencode(word) for word in (*options, "--", *self.command)]

    def entries(self, secrets: str = SECRETS) -> Entries:
        """Return the whole environment; `secrets` is the directory of the secrets' files."""
        told: dict[str, Text] = {"PATH": SEARCH_PATH, **self.environment}
        told |= {f"{name}_FILE": f"{secrets}/{name}" for name in self.secrets}
        return [(os.fsencode(name), os.fsencode(value)) for name, value in told.items()]


def read_project(beside: Path, root: Path) -> Project:
    """Return what the project of a test says; the nearest pyproject.toml with a section wins.

    Raises StartError where the section is wrong.
    """
    places = [beside, *beside.parents]
    places = places[: places.index(root) + 1] if root in places else [beside]
    found = Project()
    for place in places:
        section = _section(place / "pyproject.toml")
        if section is not None:
            found = _from_section(place, section)
            break
    hooks, config = found.hooks, found.config
    for place in places:
        hooks = hooks or _existing(place / "docker-entrypoint.d")
        config = config or _existing(place / "entrykit.toml")
    return Project(hooks, config, found.program, found.image, found.backend)


def content(given: Content) -> bytes:
    """Return the content of a file: text, bytes, or what a path holds."""
    if isinstance(given, Path):
        return given.read_bytes()
    return given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given


def pairs(given: Mapping[str, Any], what: str) -> dict[str, bytes]:
    """Return names and raw values. Raises TypeError where one is no text."""
    for name, value in given.items():
        if not isinstance(value, str | bytes):
            message = f"{what}: {name} is {value!r}, and no text"
            raise TypeError(message)
    return {name: os.fsencode(value) for name, value in given.items()}


def files(given: Mapping[str, FileGiven]) -> list[tuple[str, bytes, int]]:
    """Return files with their modes, 0644 where none is given. Raises ValueError."""
    found = []
    for path, one in given.items():
        if not os.path.isabs(path):
            message = f"files: {path!r} is no absolute path"
            raise ValueError(message)
        inner, mode = one if isinstance(one, tuple) else (one, 0o644)
        found.append((os.path.normpath(path), content(inner), mode))
    return found


def hooks(given: HooksGiven | None) -> list[tuple[str, bytes, int]]:
    """Return the hooks of a directory or a mapping; with `#!` those of a mapping are executable.

    Links are followed, but for those that lead to no file: one to /dev/null masks a hook, in a
    mapping as `Path("/dev/null")`. Raises ValueError where there is no such directory.
    """
    if given is None:
        return []
    if isinstance(given, Mapping):
        found = []
        for name, one in given.items():
            if one == Path(os.devnull):
                found.append((name, os.fsencode(os.devnull), _LINK))
                continue
            inner = content(one[0] if isinstance(one, tuple) else one)
            usual = 0o755 if inner.startswith(b"#!") or name.endswith(".sh") else 0o644
            found.append((name, inner, one[1] if isinstance(one, tuple) else usual))
        return found
    directory = Path(given)
    if not directory.is_dir():
        message = f"hooks: {directory} is no directory"
        raise ValueError(message)
    return [
        _hook(path, str(path.relative_to(directory)))
        for path in sorted(directory.rglob("*"))
        if (path.is_file() or (path.is_symlink() and not path.is_dir()))
        and "__pycache__" not in path.relative_to(directory).parts
    ]


def words(given: str | Sequence[str]) -> Sequence[str]:
    """Return the words of a program: a list, or one text that blanks separate.

    Raises ValueError where a word has a blank: no option gives such a one.
    """
    if isinstance(given, str):
        return given.split()
    if odd := [word for word in given if len(word.split()) != 1]:
        message = f"program: {odd[0]!r} is not one word; only the configuration can have it"
        raise ValueError(message)
    return given


def configuration(given: str | Path | None) -> bytes | None:
    """Return the configuration: TOML, or a path."""
    if given is None:
        return None
    return given.read_bytes() if isinstance(given, Path) else given.encode()


@functools.lru_cache
def parsed(config: bytes | None) -> "tuple[bytes, Configuration | None]":
    """Return a configuration and what it says, None where it is wrong: the start says what is."""
    content = config or b""
    try:
        return content, settings.parse(content, "")
    except StartError:
        return content, None


def _section(path: Path) -> dict[str, Any] | None:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read {path}: {error}") from None
    section: dict[str, Any] | None = told.get("tool", {}).get("entrykit")
    return section


def _from_section(place: Path, section: dict[str, Any]) -> Project:
    def error(message: str) -> StartError:
        return StartError(f"[tool.entrykit] {message}", where=str(place / "pyproject.toml"))

    if unknown := sorted(section.keys() - _KEYS.keys()):
        raise error(f"has no key `{unknown[0]}`; it has {', '.join(sorted(_KEYS))}")
    for key, value in section.items():
        if not isinstance(value, _KEYS[key]):
            raise error(f"{key} is {value!r}; expected text{' or a list' * (key == 'program')}")
        if key in ("hooks", "config") and not (place / value).exists():
            raise error(f"{key}: there is no {place / value}")
    return Project(
        place / section["hooks"] if "hooks" in section else None,
        place / section["config"] if "config" in section else None,
        words(section.get("program", ())),
        section.get("image", ""),
        section.get("backend", ""),
    )


def _hook(path: Path, name: str) -> tuple[str, bytes, int]:
    if path.is_file():
        return name, path.read_bytes(), path.stat().st_mode & 0o7777
    return name, os.fsencode(os.readlink(path)), _LINK


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
