"""What every start pays for: the modules that are loaded when it hands off.

Pinned by name. Where they come from is the interpreter's: builtin in Debian's, files in another.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from .conftest import bake
from .starts import SEARCH_PATH

# Beside the modules that a bare interpreter has.
BUILTIN = {"errno", "gc"}
OURS = {
    "entrykit", "entrykit.boot", "entrykit.steps", "entrykit.steps.command",
    "entrykit.steps.configure", "entrykit.steps.environment", "entrykit.steps.gate",
    "entrykit.steps.handoff", "entrykit.steps.inherited", "entrykit.steps.search",
    "entrykit.steps.state", "entrykit.system", "entrykit.system.errors", "entrykit.system.files",
    "entrykit.system.log", "entrykit.system.signals",
}  # fmt: skip
UNBAKED = {
    "entrykit.settings", "entrykit.settings.options", "entrykit.settings.record",
    "entrykit.settings.values",
}  # fmt: skip
WITH_HOOKS = {
    "entrykit.steps.changes", "entrykit.steps.discover", "entrykit.steps.hook",
    "entrykit.steps.kinds", "entrykit.steps.order", "entrykit.steps.sourced",
    "entrykit.system.runtime", "entrykit.system.secrets", "entrykit.system.spawn",
    "entrykit.system.writing",
    "entrykit.settings.hook", "entrykit.settings.options", "entrykit.settings.values",
}  # fmt: skip
WITH_USERS = {
    "entrykit.steps.hook_user", "entrykit.system.other_user", "entrykit.system.privileges",
    "entrykit.system.users",
}  # fmt: skip
HOOKS_BUILTIN = {"time", "select", "fcntl"}

NAMES = "print(*sorted(sys.modules), flush=True)"
# A start that is told to print the names of its modules instead of becoming the command.
UNBAKED_START = f"""\
import sys
sys.path.append({{package!r}})
from entrykit import boot
def execute(environment, path, argv):
    {NAMES}
boot.run([b"/bin/true"], None, execute)
"""
# What a launcher's first line runs, and then the one call that would end it.
BAKED_START = f"""\
import posix, sys
def execve(path, argv, environment):
    {NAMES}
    posix._exit(0)
posix.execve = execve
sys.argv = [{{launcher!r}}, "/bin/true"]
exec(compile(open({{launcher!r}}, "rb", 0).read(), {{launcher!r}}, "exec"))
"""

OS_AND_ITS_IMPORTS = {
    "os", "os.path", "posixpath", "genericpath", "stat", "_stat", "abc", "_abc",
    "_collections_abc",
}  # fmt: skip


def modules(python: str, code: str, environment: Sequence[str] = ()) -> set[str]:
    """Return the names that an isolated interpreter prints at the end of some code."""
    entries = dict(entry.split("=", 1) for entry in environment)
    ended = subprocess.run(
        [python, "-IS", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": SEARCH_PATH, **entries},
        cwd="/",
    )
    return set(ended.stdout.split())


@pytest.fixture(scope="session")
def bare(python: str) -> set[str]:
    """Return the modules of an interpreter that does nothing."""
    return modules(python, f"import sys; {NAMES}")


@pytest.fixture(params=["unbaked", "baked"])
def code(request: pytest.FixtureRequest, package: Path, launcher: Path) -> str:
    """Return the code of a start, from source and from a launcher."""
    if request.param == "unbaked":
        return UNBAKED_START.format(package=os.fspath(package))
    return BAKED_START.format(launcher=os.fspath(launcher))


def ours(names: set[str]) -> set[str]:
    """Return the names that are entrykit's."""
    return {name for name in names if name.partition(".")[0] == "entrykit"}


def test_a_plain_start_loads_what_it_needs_and_no_more(
    python: str, code: str, bare: set[str]
) -> None:
    loaded = modules(python, code) - bare
    assert loaded >= OURS
    assert ours(loaded) <= OURS | UNBAKED | {"entrykit.launcher"}
    assert loaded - ours(loaded) <= BUILTIN | {"_signal", "marshal", "posix"}


def test_a_baked_start_loads_nothing_of_the_settings(
    python: str, launcher: Path, bare: set[str]
) -> None:
    loaded = modules(python, BAKED_START.format(launcher=os.fspath(launcher))) - bare
    assert ours(loaded) <= OURS | {"entrykit.launcher"}


@pytest.mark.parametrize("name", ["10-a.sh", "10-a.envsh"])
def test_a_start_with_shell_hooks_loads_builtin_modules_only(
    python: str, code: str, bare: set[str], tmp_path: Path, name: str
) -> None:
    hook = tmp_path / name
    hook.write_text("#!/bin/sh\n", encoding="utf-8")
    hook.chmod(0o755)
    loaded = modules(python, code, [f"ENTRYKIT_HOOKS={tmp_path}"]) - bare
    assert loaded >= {"entrykit.steps.hook"}
    assert ours(loaded) <= OURS | UNBAKED | WITH_HOOKS | {"entrykit.launcher"}
    assert loaded - ours(loaded) <= BUILTIN | HOOKS_BUILTIN | {"_signal", "marshal", "posix"}


@pytest.mark.root
@pytest.mark.parametrize("name", ["10-a.sh", "10-a.envsh"])
def test_a_hook_with_a_user_costs_builtin_modules_only(
    python: str, code: str, bare: set[str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "20-b.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "20-b.sh").chmod(0o755)
    hook = tmp_path / name
    hook.write_text("#!/bin/sh\n# entrykit: user=1 on-error=continue\n", encoding="utf-8")
    hook.chmod(0o755)
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    loaded = modules(python, code, [f"ENTRYKIT_HOOKS={tmp_path}"]) - bare
    assert loaded >= WITH_USERS
    ours_only = OURS | UNBAKED | WITH_HOOKS | WITH_USERS | {"entrykit.launcher"}
    assert ours(loaded) <= ours_only
    assert loaded - ours(loaded) <= BUILTIN | HOOKS_BUILTIN | {"_signal", "marshal", "posix"}


@pytest.mark.parametrize(
    ("source", "costs"), [("import json\n", set()), ("import os, json\n", OS_AND_ITS_IMPORTS)]
)
def test_a_python_hook_costs_os_at_most(
    python: str, code: str, bare: set[str], tmp_path: Path, source: str, costs: set[str]
) -> None:
    """In the start itself: what the hook imports is its child's alone, but for os."""
    (tmp_path / "10-a.py").write_text(source, encoding="utf-8")
    loaded = modules(python, code, [f"ENTRYKIT_HOOKS={tmp_path}"]) - bare
    foreign = loaded - ours(loaded) - BUILTIN - HOOKS_BUILTIN - {"_signal", "marshal", "posix"}
    assert foreign <= costs | {"gc"}
    assert ("os" in foreign) == bool(costs)


LIGHT = (
    '[env.A]\ntype = "int"\nmin = 1\n[env.B]\ntype = "enum"\nchoices = ["x"]\n'
    '[env.C]\ntype = "bool"\n[env.D]\ntype = "port"\n[env.E]\ntype = "duration"\n'
    '[env.F]\ntype = "size"\n[env.G]\ntype = "host-port"\n[env.H]\ntype = "url"\n'
    '[env.I]\ntype = "path"\n[env.J]\ntype = "str"\nmax = 9\n[env.K]\ntype = "float"\n'
)
GIVEN = [
    "A=1", "B=x", "C=on", "D=80", "E=5s", "F=64k", "G=[::1]:80", "H=http://[::1]:80/", "I=/", "J=j",
    "K=1e3",
]  # fmt: skip
VARIABLES = {"entrykit.steps.variables"}
TYPES = {"entrykit.settings", "entrykit.settings.typed", "entrykit.settings.values"}


@pytest.mark.parametrize(
    ("toml", "environment", "loads"),
    [
        ("[env.A]\n", ["A=1"], VARIABLES),
        ("[env.A]\n", [], VARIABLES | {"entrykit.steps.near_misses"}),
        (LIGHT, GIVEN, VARIABLES | TYPES),
        ("[env.A]\npattern = 'x'\n", ["A=x"], VARIABLES | TYPES | {"re"}),
        ("[env.A]\ntype = 'json'\n", ["A=1"], VARIABLES | TYPES | {"json", "re"}),
        ("env-dirs = ['/no']\n", [], VARIABLES | {"entrykit.steps.sources"}),
    ],
    ids=["untyped", "not given", "light types", "pattern", "json", "env-dirs"],
)
def test_a_baked_start_pays_only_for_what_is_declared(
    python: str,
    package: Path,
    bare: set[str],
    tmp_path: Path,
    toml: str,
    environment: list[str],
    loads: set[str],
) -> None:
    launcher, file = tmp_path / "entrypoint", tmp_path / "e.toml"
    file.write_text(toml, encoding="utf-8")
    baked = bake(python, package, "--config", str(file), "--output", str(launcher))
    assert baked.returncode == 0, baked.stderr
    loaded = modules(python, BAKED_START.format(launcher=os.fspath(launcher)), environment) - bare
    assert ours(loaded) - {"entrykit.launcher"} == OURS | ours(loads)
    heavy = {name.partition(".")[0] for name in loaded - ours(loaded)}
    heavy -= BUILTIN | {"_signal", "marshal", "posix"}
    # What `re` and `json` import themselves comes with them.
    assert heavy & {"re", "json", "difflib", "typing"} == loads & {"re", "json"}
    assert bool(heavy) == bool(loads & {"re", "json"})


# To say whose files may be obeyed takes what finds hooks.
STEP_DOWN = {
    "entrykit.steps.climbing", "entrykit.steps.step_down", "entrykit.system.mounts",
    "entrykit.system.privileges", "entrykit.system.users", "entrykit.system.writers",
}  # fmt: skip


@pytest.mark.root
def test_a_step_down_costs_builtin_modules_only(
    python: str, package: Path, bare: set[str], tmp_path: Path
) -> None:
    launcher, file = tmp_path / "entrypoint", tmp_path / "e.toml"
    file.write_text('user = "1500"\n', encoding="utf-8")
    baked = bake(python, package, "--config", str(file), "--output", str(launcher))
    assert baked.returncode == 0, baked.stderr
    loaded = modules(python, BAKED_START.format(launcher=os.fspath(launcher))) - bare
    assert ours(loaded) - {"entrykit.launcher"} == OURS | STEP_DOWN
    assert loaded - ours(loaded) <= BUILTIN | {"_signal", "marshal", "posix"}


def test_a_hook_that_was_done_costs_builtin_modules_only(
    python: str, code: str, bare: set[str], tmp_path: Path
) -> None:
    hook = tmp_path / "hooks" / "10-a.sh"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\n# entrykit: once=a\n", encoding="utf-8")
    hook.chmod(0o755)
    configuration = tmp_path / "entrykit.toml"
    configuration.write_text(f'[once]\njournal = "{tmp_path}/once"\n', encoding="utf-8")
    told = [f"ENTRYKIT_HOOKS={hook.parent}", f"ENTRYKIT_CONFIG={configuration}"]
    first, second = (modules(python, code, told) - bare for _ in range(2))
    # tomllib reads the configuration here, and imports half the library; a launcher brings it.
    assert "ctypes" in first
    assert "ctypes" not in second
    assert "hashlib" not in second
    assert second >= {"entrykit.steps.once"}
    assert "entrykit.steps.holder" not in second
