"""The sandbox steps down as a start does: as root to anybody, without root to nobody else."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from entrykit.testing import interpreter

DEBIAN_PYTHON = "/usr/bin/python3"
HOOK = "def hook(start):\n    return f'for {start.uid}:{start.gid}'\n"
TESTS = f"""\
HOOKS = {{"10-a.py": {HOOK!r}}}

def test_the_command_is_that_user(entrypoint):
    outcome = entrypoint(["true"], user="games:users", hooks=HOOKS)
    assert (outcome.uid, outcome.gid, outcome.groups) == (5, 100, [100])
    assert outcome.env["HOME"] == "/usr/games"
    assert "10-a.py: for 5:100" in outcome.log.text

def test_nobody_is_nobody(entrypoint):
    outcome = entrypoint(["true"], user="no-such-user", hooks=HOOKS)
    assert (outcome.started_command, outcome.exit_status) == (False, 78)
    assert not outcome.hooks

def test_the_configuration_is_obeyed(entrypoint):
    assert entrypoint(["true"], config='user = "5:60"', hooks=HOOKS).uid == 5
"""


@pytest.mark.root
@pytest.mark.sandbox
def test_the_fixture_steps_down(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


@pytest.mark.root
@pytest.mark.sandbox
def test_try_shows_whom_the_command_would_run_as(tmp_path: Path) -> None:
    (tmp_path / "10-a.py").write_text(HOOK, encoding="utf-8")
    words = ["try", "--user", "games", str(tmp_path), "--", "true"]
    done = subprocess.run(
        [DEBIAN_PYTHON, "-m", "entrykit", *words],
        check=False, capture_output=True, text=True, env=_environment(),
    )  # fmt: skip
    assert "would start: true (uid 5, gid 60, umask 0022" in done.stdout, done.stderr
    assert "10-a.py: for 5:60" in done.stdout


@pytest.mark.root
@pytest.mark.sandbox
def test_without_root_there_is_no_other_user_in_a_sandbox() -> None:
    """A user namespace of somebody without root maps one id (user_namespaces(7))."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 1000, 1000)
        (Path(name) / "10-a.py").write_text(HOOK, encoding="utf-8")
        done = subprocess.run(
            [DEBIAN_PYTHON, "-m", "entrykit", "try", "--user", "games", name, "--", "true"],
            check=False, capture_output=True, text=True, env=_environment(), cwd="/",
            user=1000, group=1000, extra_groups=[],
        )  # fmt: skip
    assert done.returncode == 1
    assert "cannot become games (5:60): this user namespace does not map these ids" in done.stdout
    assert "no command was started: exit status 126" in done.stdout


def _environment() -> dict[str, str]:
    path = ":".join(interpreter.module_path())
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
