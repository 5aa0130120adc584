"""Trees of /proc and /sys for tests: those of `cgroups/`, one a file, and any other.

A file of `cgroups/` says in comments what it shows, then what it is worth, `cpus: N` and
`memory: N`, then each file of the tree after a line `== PATH`. Those that say so were recorded, cut
to the files that are read; the others are put together from what engines and kernel document.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PLACE = Path(__file__).with_name("cgroups")
NAMES = sorted(path.stem for path in PLACE.iterdir())


@dataclass(frozen=True)
class Layout:
    """A tree, and what a process in it may use."""

    cpus: int | None
    memory_bytes: int | None
    files: Mapping[str, bytes]

    def write(self, root: Path) -> bytes:
        """Make the tree below a directory; return its path."""
        return write(root, self.files)


def load(name: str) -> Layout:
    """Return a tree of `cgroups/`."""
    head, *parts = (PLACE / f"{name}.txt").read_text(encoding="utf-8").split("\n== ")
    worth = dict(line.split(": ") for line in head.splitlines() if not line.startswith("#"))
    files = {}
    for part in parts:
        path, _, content = part.partition("\n")
        files[path] = (content.removesuffix("\n") + "\n").encode()
    return Layout(_count(worth["cpus"]), _count(worth["memory"]), files)


def write(root: Path, files: Mapping[str, bytes]) -> bytes:
    """Make files below a directory; return its path."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return str(root).encode()


def _count(word: str) -> int | None:
    return None if word == "none" else int(word)
