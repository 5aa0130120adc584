"""What a start is given by a test, and by the author's project where the test gives nothing."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entrykit.system.errors import StartError

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOOK_DIRECTORY = "/docker-entrypoint.d"
CONFIGURATION = "/etc/entrykit.toml"
SECRETS = "/run/secrets"
STUBS = "/run/entrykit-stubs"
# What a start finds where nothing is given: not what the machine happens to have.
HIDDEN = (CONFIGURATION, HOOK_DIRECTORY, "/usr/lib/entrykit/hooks.d")
_KEYS = {"hooks", "config", "program", "image", "backend"}

Content = str | bytes | Path
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
    """

    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
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

    def entries(self, secrets: str = SECRETS) -> list[tuple[bytes, bytes]]:
        """Return the whole environment; `secrets` is the directory of the secrets' files."""
        told = {"PATH": SEARCH_PATH, **self.environment}
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
    return given.encode() if isinstance(given, str) else given


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
    """Return the hooks of a directory, links followed, or of a mapping; executable with `#!`."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        found = []
        for name, one in given.items():
            inner = content(one[0] if isinstance(one, tuple) else one)
            usual = 0o755 if inner.startswith(b"#!") or name.endswith(".sh") else 0o644
            found.append((name, inner, one[1] if isinstance(one, tuple) else usual))
        return found
    directory = Path(given)
    return [
        (str(path.relative_to(directory)), path.read_bytes(), path.stat().st_mode & 0o7777)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def words(given: str | Sequence[str]) -> Sequence[str]:
    """Return the words of a program: a list, or one text that blanks separate."""
    return given.split() if isinstance(given, str) else given


def configuration(given: str | Path | None) -> bytes | None:
    """Return the configuration: TOML, or a path."""
    if given is None:
        return None
    return given.read_bytes() if isinstance(given, Path) else given.encode()


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
    if unknown := sorted(section.keys() - _KEYS):
        message = f"[tool.entrykit] has no key `{unknown[0]}`; it has {', '.join(sorted(_KEYS))}"
        raise StartError(message, where=str(place / "pyproject.toml"))
    return Project(
        place / section["hooks"] if "hooks" in section else None,
        place / section["config"] if "config" in section else None,
        words(section.get("program", ())),
        section.get("image", ""),
        section.get("backend", ""),
    )


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
