"""The backend `process`: a plain process, for machines that forbid namespaces; never by itself.

What a hook writes is written to the machine: whoever asks for this backend knows. What the test
itself gives lies in a directory of its own.
"""

import os
import stat
from pathlib import Path
from typing import Any

from entrykit.testing.given import Entries, Given, parsed
from entrykit.testing.outcome import unseen

NAME = "process"


def told(given: Given, stubs: dict[str, bytes], place: Path) -> dict[str, Any]:
    """Return what the keeper is told; write what the start is given below `place`.

    Raises unittest.SkipTest where it would have to be written elsewhere.
    """
    outside = [path for path, _, _ in given.files if not Path(path).is_relative_to(place)]
    outside += [name for name in stubs if os.path.isabs(name)]
    if outside:
        message = f"the process backend writes no files to the machine, as {outside[0]}"
        unseen(message)
    hooks, secrets, programs = place / "hooks", place / "secrets", place / "stubs"
    for directory in (hooks, secrets, programs):
        directory.mkdir()
    for name, inner, mode in given.hooks:
        _write(hooks / name, inner, mode)
    for name, value in given.secrets.items():
        _write(secrets / name, value, 0o444)
    for name, script in stubs.items():
        _write(programs / name, script, 0o755)
    config = place / "entrykit.toml"
    _write(config, given.config or b"", 0o644)
    return {
        "sandboxed": False,
        "words": given.words("--config", str(config), "--hooks", str(hooks)),
        "parsed": parsed(given.config),
        "environment": entries(given, stubs, place),
        "directory": "/",
    }


def entries(given: Given, stubs: dict[str, bytes], place: Path) -> Entries:
    """Return the whole environment, for what `told` has written below `place`."""
    found = dict(given.entries(str(place / "secrets")))
    if stubs:
        found[b"PATH"] = os.fsencode(place / "stubs") + b":" + found[b"PATH"]
    return list(found.items())


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        path.symlink_to(os.fsdecode(content))
        return
    path.write_bytes(content)
    path.chmod(mode)
