"""With what a start runs: this process's own Python, also where the tree has another, or none."""

import os
import sys
from pathlib import Path
from typing import Any

import entrykit
from entrykit.testing.layers import INTERPRETER

_RECORDER = Path(__file__).with_name("record.py")


def told(root: str) -> dict[str, Any]:
    """Return what the keeper is told of it.

    In a tree of its own a start sees nothing of the machine but what is `shown` below INTERPRETER:
    Python, its modules, and the libraries that this process has loaded, with their own dynamic
    linker. The tree's libc may be another, or of another version.
    """
    # Its links may lead through what a start does not see.
    python = os.path.realpath(sys.executable)
    paths = module_path()
    if not root:
        return {"python": [python], "recorder": str(_RECORDER), "paths": paths, "shown": []}
    linker, libraries = _loaded()
    standard = os.path.dirname(os.__file__)
    shown = _outermost([python, linker, standard, *libraries, *filter(os.path.exists, paths)])
    words = [
        f"{INTERPRETER}{linker}",
        "--library-path",
        ":".join(f"{INTERPRETER}{directory}" for directory in libraries),
        "--argv0",
        f"{INTERPRETER}{python}",
        f"{INTERPRETER}{python}",
    ]
    return {
        "python": words if linker else [f"{INTERPRETER}{python}"],
        "recorder": f"{INTERPRETER}{_RECORDER}",
        "paths": [f"{INTERPRETER}{path}" for path in paths],
        "shown": shown,
    }


def module_path() -> list[str]:
    """Return where a start's hooks find modules: where this process does."""
    package = str(Path(entrykit.__file__).parents[1])
    standard = os.path.dirname(os.__file__)
    return [package] + [
        path
        for path in sys.path
        if os.path.isabs(path)
        and path != package
        and not path.startswith(f"{standard}/lib-dynload")
        and path != standard
        and not path.endswith(".zip")
    ]


def _loaded() -> tuple[str, list[str]]:
    """Return the dynamic linker, "" of a static Python, and the directories of the libraries."""
    import re

    linker, directories = "", dict[str, None]()
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            path = line.rstrip("\n").split(maxsplit=5)[5:]
            name = os.path.basename(path[0]) if path else ""
            if re.fullmatch(r"ld-.*\.so[.0-9]*", name):
                linker = path[0]
            elif re.search(r"\.so[.0-9]*$", name):
                directories[os.path.dirname(path[0])] = None
    # The machine's last: it may have another version of what Python brought along.
    return linker, sorted(directories, key=lambda one: one == os.path.dirname(linker))


def _outermost(paths: list[str]) -> list[str]:
    """Return the paths that lie in none of the others."""
    found: list[str] = []
    for path in sorted({path for path in paths if path}, key=len):
        if not any(path == one or path.startswith(f"{one}/") for one in found):
            found.append(path)
    return found
