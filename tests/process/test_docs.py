"""The hooks that the pages show do what the pages say of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .starts import SEARCH_PATH, Entrypoint, HookDirectory, program

ROOT = Path(__file__).parents[2]


def block(page: str, first_words: str) -> str:
    """Return the one fenced block of a page that holds some words."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (found,) = [each for each in fenced if first_words in each]
    assert isinstance(found, str)
    return found


def test_a_shell_hook_sets_unsets_and_adds_arguments(entrypoint: Entrypoint) -> None:
    printenv = program("printenv")
    entrypoint.configure(f'program = ["{program("sh")}", "-c", \'{printenv}; echo "$@"\', "sh"]')
    entrypoint.hooks.add("10-ask", block("docs/hooks.md", "ENTRYKIT_UNSET/DEBUG"))
    entrypoint.environment["DEBUG"] = "1"
    ended = entrypoint.start("-own").end()
    assert ended.status == 0, ended.stderr
    lines = ended.stdout.decode().splitlines()
    assert "GOMAXPROCS=4" in lines
    assert not [line for line in lines if line.startswith("DEBUG=")]
    assert lines[-1] == "-verbose -own /srv/data"


@pytest.mark.parametrize("skip", ["", "1"])
def test_a_sourced_hook_exports_and_unsets(entrypoint: Entrypoint, skip: str) -> None:
    entrypoint.hooks.add("10-defaults.envsh", block("docs/hooks.md", "SKIP_IT"), 0o644)
    entrypoint.environment |= {"DEBUG": "1", "SKIP_IT": skip}
    ended = entrypoint.start(program("printenv")).end()
    assert ended.status == 0, ended.stderr
    lines = ended.stdout.decode().splitlines()
    assert "GOTRACEBACK=all" in lines
    assert not [line for line in lines if line.startswith(("DEBUG=", "CACHE="))]


def test_a_python_hook_asks_for_changes_and_says_what_it_did(entrypoint: Entrypoint) -> None:
    entrypoint.configure(f'program = ["{program("sh")}", "-c", \'echo "$WORKERS $*"\', "sh"]')
    entrypoint.hooks.add("10-size.py", block("docs/hooks.md", "def hook(start)"), 0o644)
    entrypoint.environment["CPUS"] = "2"
    ended = entrypoint.start("-own").end()
    assert ended.lines[0].startswith("entrykit: 10-size.py: sized for the machine (")
    assert ended.stdout == b"4 -verbose -own\n"


@pytest.mark.parametrize("page", ["docs/wait.md"])
def test_commands_say_what_the_page_shows(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
    environment = {"PATH": f"{Path(sys.executable).parent}:{SEARCH_PATH}"}
    said = []
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", f"{command} 2>&1"],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )
        said += [f"$ {command}", *done.stdout.splitlines()]
    times = re.compile(r"\([0-9]+ ms\)")
    assert [times.sub("(N)", line) for line in said] == times.sub("(N)", shown).splitlines()


def test_the_plan_that_is_shown_is_what_is_printed(tmp_path: Path) -> None:
    page = (ROOT / "docs/plan.md").read_text(encoding="utf-8")
    (tmp_path / "entrykit.toml").write_text(block("docs/plan.md", "[htpasswd]\nusername"), "utf-8")
    hooks = HookDirectory(tmp_path / "docker-entrypoint.d")
    hooks.add("20-cpus.sh", block("docs/plan.md", "nproc"))
    hooks.add("60-users.sql", "select 1\n", 0o644)
    (shown,) = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    command, lines = shown
    done = subprocess.run(
        ["sh", "-c", f"umask 022; {command}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # As the page's own has it, but for where entrykit lies.
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )
    said = done.stdout.replace(str(tmp_path), "/home/me/youp0m")
    said = said.replace(f"{Path(sys.executable).parent}:", "").replace(
        "  PWD=/home/me/youp0m\n", ""
    )
    user = re.compile("  user .*")
    assert user.sub("", said) == user.sub("", lines)
