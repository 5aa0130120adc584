"""Promise: the command cannot tell that entrykit was there."""

import re
from typing import Any

import pytest

from .engine import Engine, File

pytestmark = pytest.mark.docker

# What a process sees of itself: each is PID 1 of a container, without a shell that would stir it.
PROC = "/proc/self"
OF_ITSELF = ("cgroup", "cmdline", "environ", "limits", "oom_score_adj", "status")
CAT = ["cat", *(f"{PROC}/{name}" for name in OF_ITSELF)]
READLINK = ["readlink", f"{PROC}/cwd", f"{PROC}/root", *(f"{PROC}/fd/{n}" for n in range(20))]
# What differs from one process to the next, and the container's name in its cgroup.
CHANGING = re.compile(
    r"/docker/|^(Mems|Pid|Rss|SigQ|Speculation|Tgid|Threads|Vm|nonvol|vol)|(pipe|socket):",
)
HOOKS = [
    File("/etc/entrykit.toml", "", 0o644),
    File("/docker-entrypoint.d/10-images.sh", link="/dev/null"),
    File("/docker-entrypoint.d/20-nothing.sh", "cd /tmp; umask 0; ulimit -n 64; export X=1\n"),
    File("/docker-entrypoint.d/30-nothing.envsh", "cd /tmp; umask 0; ulimit -n 64; X=1\n"),
    File("/docker-entrypoint.d/40-nothing.py", "import os\nos.chdir('/tmp')\nos.umask(0)\n"),
]
SURROUNDINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "many": {"environment": {f"VARIABLE_{number}": str(number) for number in range(2000)}},
    "long": {"environment": {"A": "x" * 100_000, "B": "a\nb\n", "C": "", "Ü": "ü", "d.e": "1"}},
    "python's": {"environment": {"LC_ALL": "C", "PYTHONHASHSEED": "1", "LANG": "POSIX"}},
    "terminal": {"tty": True, "stdin_open": True},
    "limits": {
        "cap_drop": ["ALL"],
        "group_add": ["7", "12"],
        "oom_score_adj": 100,
        "security_opt": ["no-new-privileges"],
        "user": "12345:54321",
        "working_dir": "/srv",
    },
}


@pytest.mark.parametrize("files", [[], HOOKS], ids=["foreign", "with-hooks"])
@pytest.mark.parametrize("how", SURROUNDINGS)
def test_a_probe_sees_what_it_sees_in_a_direct_start(
    engine: Engine, image: str, how: str, files: list[File]
) -> None:
    options = SURROUNDINGS[how] | {"hostname": "same"}
    environment = options.get("environment", {})
    for probe in (CAT, READLINK):
        direct = engine.run(image, *probe[1:], entrypoint=probe[:1], **options)
        own = {"ENTRYKIT_LOG": "quiet", "ENTRYKIT_PROGRAM": probe[0] if files else ""}
        told = options | {"environment": own | environment}
        through = engine.run(image, *probe, files=files, **told)
        assert len(direct.stdout) > 10
        assert lines_of(through.stdout) == lines_of(direct.stdout)
        # It is said of the descriptors that are not there.
        assert (through.status, through.stderr) == (direct.status, direct.stderr)


def lines_of(said: str) -> list[str]:
    """Return the lines that are the same for two processes that are started in the same way."""
    return [line for line in said.splitlines() if not CHANGING.search(line)]
