"""A Python hook ends as an interpreter does, and never without having said what it changed."""

import re

import pytest

from .starts import Entrypoint, given_environment
from .test_failure import assert_failed
from .test_hooks import said

UNSAID = "ended without saying what it changed"
# More than the parser takes; the compiler of some versions ends in another error than a syntax's.
TOO_DEEP = "x = " + "-" * 200_000 + "1\n"


@pytest.mark.parametrize(
    "ending",
    ["os._exit(0)", "os.execv('/bin/true', ['true'])"],
)
def test_a_hook_that_ends_before_it_has_said_what_it_changed_has_failed(
    entrypoint: Entrypoint, ending: str
) -> None:
    entrypoint.hooks.add(
        "10-ends.py",
        f"import os\ndef hook(start):\n    start.env['A'] = 'lost'\n    {ending}\n",
    )
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert ended.last_line.startswith(f"entrykit: 10-ends.py: {UNSAID}; exit status 78 after ")
    assert "os._exit" in ended.last_line


def test_a_thread_of_a_hook_is_waited_for(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add(
        "10-thread.py",
        "import threading\n"
        "def work(start):\n"
        "    threading.main_thread().join()\n"
        "    print('worked')\n"
        "def hook(start):\n"
        "    threading.Thread(target=work, args=[start]).start()\n",
    )
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert said(ended.lines) == ["worked"]


def test_a_source_that_is_too_deep_for_the_compiler_fails_its_hook(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("10-deep.py", TOO_DEEP)
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (1, b"")
    # Which of the two, only the version of Python knows.
    kinds = ("MemoryError", "RecursionError")
    begins = tuple(f"entrykit: 10-deep.py: raised {kind}; exit status 1 after " for kind in kinds)
    assert ended.last_line.startswith(begins), ended.lines


@pytest.mark.parametrize("junk", ["junk", ".", "N", "(x) a text", "[1, 2]"])
def test_junk_on_others_descriptors_fails_the_hook(entrypoint: Entrypoint, junk: str) -> None:
    entrypoint.hooks.add(
        "10-writes.py",
        "import contextlib, os\n"
        "for descriptor in range(3, 20):\n"
        "    with contextlib.suppress(OSError):\n"
        f"        os.write(descriptor, {junk.encode()!r})\n",
    )
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert ended.last_line.startswith(f"entrykit: 10-writes.py: {UNSAID}; exit status 78 after ")
    assert "descriptors" in ended.last_line


def test_a_hook_that_closes_others_descriptors_says_why_it_failed(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("10-closes.py", "import os\nos.closerange(3, 100)\n")
    lines = assert_failed(entrypoint, 1, "10-closes.py: failed with exit status 1")
    reason = "cannot say what it changed: bad file descriptor"
    hint = "it has closed a descriptor that is not its own"
    assert lines[:-1] == [f"entrykit: 10-closes.py: {reason} ({hint})"]


@pytest.mark.parametrize(
    "lines",
    [
        "async def hook(start):\n    start.env['A'] = '1'\n",
        "def hook(start):\n    yield\n",
        "async def hook(start):\n    yield\n",
        "async def work(start): ...\nhook = lambda start: work(start)\n",
    ],
)
def test_a_hook_of_which_a_call_runs_nothing_is_refused(entrypoint: Entrypoint, lines: str) -> None:
    entrypoint.hooks.add("10-later.py", lines)
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (1, b"")
    assert len(ended.lines) == 1
    assert ended.last_line.startswith("entrykit: 10-later.py: nothing of hook() was run: ")
    assert "asyncio.run" in ended.last_line


@pytest.mark.parametrize("entry", [b"=x", b"="])
def test_a_variable_without_a_name_is_no_matter(entrypoint: Entrypoint, entry: bytes) -> None:
    entrypoint.hooks.add(
        "10-a.py", "def hook(start):\n    start.env['A'] = '1'\n    print('ran')\n"
    )
    ended = entrypoint.run("sh", "-c", "echo $A", given=given_environment(b"B=2", entry))
    assert (ended.status, ended.stdout) == (0, b"1\n")
    assert said(ended.lines) == ["ran"]


@pytest.mark.parametrize("what", ["command", "options", "args"])
@pytest.mark.parametrize("value", ["'-x'", "['-x', 1]", "[b'-x']", "None"])
def test_anything_but_a_list_of_strings_is_refused(
    entrypoint: Entrypoint, what: str, value: str
) -> None:
    entrypoint.configure('program = "echo"')
    entrypoint.hooks.add("10-asks.py", f"def hook(start):\n    start.{what} = {value}\n")
    ended = entrypoint.run("-n")
    assert (ended.status, ended.stdout) == (1, b"")
    assert re.match(
        f"entrykit: 10-asks.py: start.{what} is to be a list of strings; exit status 1 after ",
        ended.last_line,
    )
    assert len(ended.lines) == 1
