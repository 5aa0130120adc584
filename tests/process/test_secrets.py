"""What a start holds in its memory is shown to none of its children, and not to others of its user.

The kernel shows a process's environment in /proc/PID/environ, and lets processes of one user look
into each other's memory. Each kind of hook tries.
"""

import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from .probe import Probe, variables
from .starts import SEARCH_PATH, Entrypoint, Given, given_environment
from .test_hooks import said

PATH = b"PATH=" + SEARCH_PATH.encode()
SECRET = ("[env.PASSWORD]", "secret = true")
# Prints what the kernel shows of the environment of the start.
LOOKS = """\
import os
try:
    with open(f"/proc/{os.getppid()}/environ", "rb") as file:
        print(file.read().replace(b"\\0", b""))
except PermissionError:
    print(b"")
"""
SHELL_LOOKS = "echo \"b'$({ tr -d '\\000' </proc/$PPID/environ; } 2>/dev/null)'\"\n"
HOOKS = {
    "10-a.sh": f"#!/bin/sh\n{SHELL_LOOKS}",
    "20-b.envsh": SHELL_LOOKS,
    "30-c.py": LOOKS,
    "40-d.py": f"#!{sys.executable} -IS\n{LOOKS}",
}
# Says whether the start can be attached to, and whether it itself can be looked into.
ATTACHES = """\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
done = libc.ptrace(16, os.getppid(), None, None)
print("attached" if done == 0 else os.strerror(ctypes.get_errno()))
if done == 0:
    os.waitpid(os.getppid(), 0x40000000)
    libc.ptrace(17, os.getppid(), None, None)
try:
    open(f"/proc/{os.getppid()}/environ", "rb").read()
    print("read")
except OSError as error:
    print(error.strerror)
print("dumpable", libc.prctl(3, 0, 0, 0, 0))
"""
REFUSED = ["Operation not permitted", "Permission denied", "dumpable 1"]
SHOWN = ["attached", "read", "dumpable 1"]
DUMPABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
# Root as an engine starts it: without the capabilities to look into everything (capabilities(7)).
LOOKING = "-sys_ptrace,-perfmon,-sys_admin"
AS_IN_AN_ENGINE = ("setpriv", f"--bounding-set={LOOKING}", f"--inh-caps={LOOKING}")


def add_hooks(start: Entrypoint) -> None:
    """Add a hook of each kind, each of which looks."""
    for name, content in HOOKS.items():
        start.hooks.add(name, content)


def as_user(start: Entrypoint, words: tuple[str, ...], launcher: Path, package: Path) -> Entrypoint:
    """Let these words run the start, and whom they name read what that needs.

    By the launcher in each mode: nobody may search the directories of the tests' own interpreter.
    """
    for place in (start.scratch, launcher, package):
        for directory in (place, *place.parents):
            if str(directory) not in ("/", tempfile.gettempdir()):
                directory.chmod(directory.stat().st_mode | 0o055)
    start.words = [*words, str(launcher)]
    return start


def test_the_kernel_shows_no_hook_the_environment_of_the_start(entrypoint: Entrypoint) -> None:
    add_hooks(entrypoint)
    ended = entrypoint.with_environment(A="1").run("sh", "-c", "echo $A")
    assert (ended.status, ended.stdout) == (0, b"1\n")
    assert said(ended.lines) == ["b''"] * 4


def test_the_kernel_shows_no_hook_a_secret(entrypoint: Entrypoint) -> None:
    entrypoint.configure(*SECRET, 'deprecated = ["OLD"]')
    add_hooks(entrypoint)
    ended = entrypoint.with_environment(OLD="geheim").run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert "geheim" not in ended.stderr.decode()
    assert said(ended.lines) == ["b''"] * 4


@pytest.mark.parametrize("name", ["10-a.py", "10-a.sh", "10-a.envsh"])
def test_hooks_and_their_children_have_their_environment_all_the_same(
    entrypoint: Entrypoint, name: str
) -> None:
    """Those that ask the C library too: os.system hands on what that has."""
    entrypoint.configure(*SECRET, "[env.TOKEN]", "secret = true")
    shows = "env | LC_ALL=C sort | grep -v -e ^PWD -e ^_= -e ^SHLVL -e ^OLDPWD -e ^ENTRYKIT_"
    script = f"import os\nos.system({shows!r})\n" if name.endswith(".py") else f"{shows}\n"
    entrypoint.hooks.shell("05-first.sh", ': >"$ENTRYKIT_UNSET/B"', 'echo 3 >"$ENTRYKIT_ENV/C"')
    entrypoint.hooks.add(name, "# entrykit: secrets=PASSWORD\n" + script)
    entrypoint.hooks.add(f"20-{name}", script)
    given = dict.fromkeys("ABZ", "1") | {"PASSWORD": "geheim", "TOKEN": "token", "E": ""}
    ended = entrypoint.with_environment(**given).run("true")
    seen = ["A=1", "C=3", "E=", "HOME=/", f"PATH={SEARCH_PATH}", "Z=1"]
    assert said(ended.lines) == [*seen[:4], "PASSWORD=geheim", *seen[4:], *seen]


ODD = [b"no equals sign", b"A=1", b"PASSWORD=geheim", b"=", b"A=2", b"PASSWORD=geheim too", b""]


def test_a_secret_between_entries_that_are_no_variables_is_wiped(
    entrypoint: Entrypoint, probe: Probe
) -> None:
    entrypoint.configure(*SECRET)
    for name in ("10-a.sh", "20-b.envsh", "30-c.py"):
        entrypoint.hooks.add(name, HOOKS[name])
    shown = probe.run(entrypoint, given=given_environment(*ODD))
    expected = [entry for entry in ODD if not entry.startswith(b"PASSWORD")]
    assert variables(shown) == [PATH, *expected]
    ended = entrypoint.run("true", given=given_environment(*ODD))
    assert ended.status == 0
    assert "geheim" not in ended.stderr.decode()
    assert sum("no equals sign" in line for line in said(ended.lines)) in (0, 3)


@pytest.mark.parametrize(
    "entries",
    [[b"odd", b"PASSWORD=a", b"Z=1"], [b"odd", b"PASSWORD=a", b"Z=1", b"PASSWORD=b"]],
    ids=["once", "twice"],
)
def test_a_secret_that_the_command_is_to_have_reaches_it_as_it_was(
    entrypoint: Entrypoint, probe: Probe, entries: list[bytes]
) -> None:
    entrypoint.configure(*SECRET, "expose = true")
    for name in ("10-a.sh", "20-b.envsh"):
        entrypoint.hooks.add(name, HOOKS[name])
    assert variables(probe.run(entrypoint, given=given_environment(*entries))) == [PATH, *entries]


def test_a_python_hook_has_its_secret_beside_odd_entries(entrypoint: Entrypoint) -> None:
    entrypoint.configure(*SECRET)
    hook = "# entrykit: secrets=PASSWORD\nimport os\nos.system('echo $PASSWORD')\n"
    entrypoint.hooks.add("10-a.py", hook)
    entrypoint.hooks.add("20-b.py", hook.partition("\n")[2])
    given = given_environment(b"odd", b"PASSWORD=geheim")
    assert said(entrypoint.run("true", given=given).lines) == ["geheim", ""]


@pytest.mark.root
@pytest.mark.parametrize("words", [NOBODY, AS_IN_AN_ENGINE], ids=["nobody", "root"])
@pytest.mark.parametrize("is_held", [True, False], ids=["secret", "no secret"])
def test_a_start_that_holds_secrets_is_not_to_be_looked_into(
    entrypoint: Entrypoint,
    words: tuple[str, ...],
    launcher: Path,
    package: Path,
    python: str,
    *,
    is_held: bool,
) -> None:
    entrypoint.configure(*SECRET)
    entrypoint.hooks.add("10-a", f"#!{python} -IS\n{ATTACHES}")
    entrypoint.with_environment(**({"PASSWORD": "geheim"} if is_held else {}))
    ended = as_user(entrypoint, words, launcher, package).run(python, "-c", DUMPABLE)
    assert (ended.status, ended.stdout) == (0, b"1\n")
    assert said(ended.lines) == (REFUSED if is_held else SHOWN)


@pytest.mark.root
def test_all_works_for_a_user_whose_own_files_in_proc_are_roots(
    entrypoint: Entrypoint, probe: Probe, launcher: Path, package: Path
) -> None:
    """As they are for a start that holds secrets: what it reads of itself is for all to read."""
    entrypoint.configure(*SECRET, "[once]", f'journal = "{entrypoint.scratch}/once"')
    entrypoint.hooks.shell("10-set.sh", 'echo new >"$ENTRYKIT_ENV/B"')
    entrypoint.hooks.add("20-set.envsh", "export C=c\n")
    entrypoint.hooks.add("30-set.py", "def hook(start):\n    start.env['D'] = 'd'\n")
    entrypoint.hooks.shell("40-once.sh", "# entrykit: once=a", "echo once")
    os.chown(entrypoint.scratch, 65534, 65534)
    given = given_environment(
        b"odd", b"B=1", b"PASSWORD=geheim", b"B=2",
        base=Given(descriptors={7: Path("/dev/null")}, ignored=[signal.SIGHUP]),
    )  # fmt: skip
    shown = probe.run(as_user(entrypoint, NOBODY, launcher, package), given=given)
    assert sorted(variables(shown)) == [b"B=new", b"C=c", b"D=d", PATH, b"odd"]
    descriptors = shown["descriptors"]
    assert isinstance(descriptors, dict)
    assert sorted(descriptors) == [0, 1, 2, 3, 7]


@pytest.mark.root
def test_a_start_without_proc_goes_on(pid1: Entrypoint) -> None:
    pid1.configure(*SECRET)
    pid1.hooks.shell("10-a.sh", "echo ran")
    without = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc; exec "$@"', "sh")
    pid1.words = [*without, *pid1.words]
    pid1.with_environment(PASSWORD="geheim")  # noqa: S106 - a test's
    ended = pid1.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert said(ended.lines) == ["ran"]


def test_a_wiped_environment_is_as_long_as_it_was(entrypoint: Entrypoint) -> None:
    """More than a page of it, and more than what one write takes."""
    entrypoint.hooks.add("10-a.sh", HOOKS["10-a.sh"])
    given = given_environment(*(b"A_%d=%s" % (n, b"x" * 1000) for n in range(1500)))
    ended = entrypoint.run("sh", "-c", "echo $A_1499", given=replace(given, umask=0o077))
    assert said(ended.lines) == ["b''"]
    assert ended.stdout == b"x" * 1000 + b"\n"


def test_a_python_that_lacks_ctypes_starts_all_the_same(entrypoint: Entrypoint) -> None:
    """As python3-minimal does: it says so, where somebody looks for a fault."""
    entrypoint.configure(*SECRET)
    entrypoint.hooks.shell("10-a.sh", "echo ran")
    hidden = entrypoint.scratch / "path"
    hidden.mkdir()
    (hidden / "_ctypes.py").write_text("raise ImportError\n", encoding="utf-8")
    blocked = {"PYTHONPATH": os.fspath(hidden), "ENTRYKIT_LOG": "debug", "PASSWORD": "geheim"}
    ended = entrypoint.with_environment(**blocked).run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    if entrypoint.words[0] == sys.executable:
        assert any("install the full python3" in line for line in ended.lines)
