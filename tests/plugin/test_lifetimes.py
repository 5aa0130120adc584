"""Nothing is left behind: not after two hundred starts, Ctrl-C, or a pytest that was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from entrykit.testing import Entrypoint

pytestmark = pytest.mark.sandbox
PATIENCE_SECONDS = 30
# How long the hooks' processes sleep, so that those of other tests are not taken for theirs.
MARK = str(900_000_000 + os.getpid())
HANGS = f"""\
import pathlib
def test_it(entrypoint):
    hooks = {{"10-a.sh": "sleep {MARK} & sleep {MARK}\\n"}}
    with entrypoint(["true"], hooks=hooks, run_command=True) as running:
        running.wait_for("never")
"""


def processes() -> dict[int, tuple[int, str]]:
    """Return the processes of this machine: their parents and command lines."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (
                (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
            parent = (
                (directory / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
            )
        except OSError:
            continue
        found[int(directory.name)] = int(parent), words
    return found


def left_behind() -> set[str]:
    """Return what these tests' hooks left running, and keepers that nobody minds any more."""
    return {
        words
        for parent, words in processes().values()
        if f"sleep {MARK}" in words or ("/keeper.py" in words and parent == 1)
    }


def descendants(process: int) -> set[int]:
    """Return a process's children, and theirs."""
    found, table = {process}, processes()
    while more := {one for one, (parent, _) in table.items() if parent in found} - found:
        found |= more
    return found - {process}


def mounts() -> set[str]:
    """Return the mounts of this process, less those of Docker's containers."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    return {line for line in text.splitlines() if "docker" not in line}


def wait_until_gone(wanted: Callable[[], object]) -> None:
    """Wait until there is no more of something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := wanted():
        assert time.monotonic() < deadline, left
        os.sched_yield()


@pytest.fixture(params=["sandbox", "process"])
def hanging(request: pytest.FixtureRequest, tmp_path: Path) -> "subprocess.Popen[bytes]":
    """Return a pytest in whose one test a hook goes on."""
    (tmp_path / "test_it.py").write_text(HANGS, encoding="utf-8")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--entrykit-backend={request.param}",
        ],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Of its own, as on a terminal: Ctrl-C goes to all of a group.
        process_group=0,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not left_behind():
        assert time.monotonic() < deadline
        assert process.poll() is None
    return process


def test_two_hundred_starts_leave_nothing(pytester: pytest.Pytester) -> None:
    before = mounts()
    pytester.makepyfile(
        f"""
        import pytest
        HOOKS = {{"10-a.sh": "sleep {MARK} & echo a >/etc/made\\n"}}
        @pytest.mark.parametrize("number", range(200))
        def test_it(entrypoint, number):
            outcome = entrypoint(["true"], hooks=HOOKS)
            assert set(outcome.files) == {{"/etc/made"}}
        """
    )
    ended = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")
    ended.assert_outcomes(passed=200)
    wait_until_gone(left_behind)
    assert mounts() == before
    assert not Path("/etc/made").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_pytest_leaves_nothing(
    hanging: "subprocess.Popen[bytes]", number: int
) -> None:
    before, all_of_it = mounts(), descendants(hanging.pid)
    assert len(all_of_it) >= 4
    if number == signal.SIGINT:
        os.killpg(hanging.pid, number)
    else:
        hanging.kill()
    hanging.wait(PATIENCE_SECONDS)
    wait_until_gone(lambda: all_of_it & processes().keys())
    assert mounts() == before


def test_a_place_is_gone_when_its_test_is_over(entrypoint: Entrypoint) -> None:
    before = descendants(os.getpid())
    entrypoint(["true"])
    assert descendants(os.getpid()) - before
    entrypoint.close()
    assert not descendants(os.getpid()) - before
