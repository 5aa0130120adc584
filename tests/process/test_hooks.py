"""Each file of a hook directory is run, in order, by what it is, or said to be skipped and why."""

import os
import sys
from pathlib import Path

import pytest

from .starts import Entrypoint, HookDirectory

SCRIPT = "#!/bin/sh\necho {}\n"


def said(lines: list[str]) -> list[str]:
    """Return the lines that hooks wrote, without entrykit's own."""
    return [line for line in lines if not line.startswith("entrykit: ")]


def test_all_kinds_run_in_one_order(entrypoint: Entrypoint) -> None:
    entrypoint.configure("[runners]", '".txtt" = ["cat"]', '".sh.run" = ["sh", "-u"]')
    add = entrypoint.hooks.add
    add("100-last.sh", SCRIPT.format("last"))
    add("1-elf", Path("/bin/true").read_bytes())
    add("2-shell.sh", SCRIPT.format("shell"))
    add("2-bash.sh", "#!/bin/bash\na=(b ash)\necho ${a[0]}${a[1]}\n")
    add("3-no-first-line.sh", "echo 'no first line'\n")
    add("4-no-dot", "echo 'no dot'\n")
    add("5-python.py", "print('python')\n", 0o644)
    add("6-python.py", f"#!{sys.executable} -IS\nprint('own python')\n")
    add("7-sourced.envsh", "echo sourced\n", 0o644)
    add("8-run.txtt", "by a runner\n", 0o644)
    add("9-run.sh.run", "echo 'by the longest suffix'\n", 0o644)
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert said(ended.lines) == [
        "bash", "shell", "no first line", "no dot", "python", "own python", "sourced",
        "by a runner", "by the longest suffix", "last",
    ]  # fmt: skip
    assert sum("done (" in line for line in ended.lines) == 11


def test_a_later_directory_replaces_by_name(entrypoint: Entrypoint, tmp_path: Path) -> None:
    first, second = (HookDirectory(tmp_path / name) for name in ("first", "second"))
    first.shell("10-a.sh", "echo replaced")
    first.shell("20-b.sh", "echo first b")
    second.shell("10-a.sh", "echo second a")
    second.shell("15-c.sh", "echo second c")
    entrypoint.with_environment(ENTRYKIT_HOOKS=f"{first.path}:{second.path}")
    assert said(entrypoint.run("true").lines) == ["second a", "second c", "first b"]


def test_a_link_to_the_null_device_masks(entrypoint: Entrypoint, tmp_path: Path) -> None:
    first, second = (HookDirectory(tmp_path / name) for name in ("first", "second"))
    first.shell("10-masked.sh", "echo masked")
    second.shell("20-runs.sh", "echo runs")
    (second.path / "10-masked.sh").symlink_to("/dev/null")
    entrypoint.with_environment(ENTRYKIT_HOOKS=f"{first.path}:{second.path}")
    ended = entrypoint.run("true")
    assert said(ended.lines) == ["runs"]
    assert f"10-masked.sh: skipped: masked by {second.path}/10-masked.sh" in ended.lines[0]


def test_an_empty_file_masks_nothing_and_is_warned_of(
    entrypoint: Entrypoint, tmp_path: Path
) -> None:
    first, second = (HookDirectory(tmp_path / name) for name in ("first", "second"))
    first.shell("10-a.sh", "echo runs")
    second.add("10-a.sh", "")
    entrypoint.with_environment(ENTRYKIT_HOOKS=f"{first.path}:{second.path}")
    ended = entrypoint.run("true")
    assert said(ended.lines) == ["runs"]
    assert "10-a.sh: skipped: " in ended.lines[0]
    assert "is empty" in ended.lines[0]


def test_a_name_is_skipped_where_it_is_told_to_be(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", "echo a")
    entrypoint.hooks.shell("20-b.sh", "echo b")
    ended = entrypoint.with_environment(ENTRYKIT_SKIP="10-a.sh,30-none.sh").run("true")
    assert said(ended.lines) == ["b"]
    assert "entrykit: 10-a.sh: skipped: named in ENTRYKIT_SKIP or --skip" in ended.lines
    assert any("no such hook: 30-none.sh" in line for line in ended.lines)


def test_a_config_map_runs_each_hook_once(entrypoint: Entrypoint) -> None:
    data = HookDirectory(entrypoint.hooks.path / "..2024_01_01")
    data.add("10-a.sh", SCRIPT.format("a"), 0o644)
    data.add("20-b.py", "print('b')\n", 0o644)
    data.add("30-c.sh", "echo c\n", 0o644)
    data.add("40-values.csv", "a,b\n", 0o644)
    place = entrypoint.hooks.path
    (place / "..data").symlink_to("..2024_01_01")
    for name in ("10-a.sh", "20-b.py", "30-c.sh", "40-values.csv"):
        (place / name).symlink_to(f"..data/{name}")
    ended = entrypoint.run("true")
    assert said(ended.lines) == ["a", "b", "c"]
    (skipped,) = [line for line in ended.lines if "skipped" in line]
    assert skipped == (
        "entrykit: 40-values.csv: skipped: nothing says how to run it"
        " (chmod +x it, or name a runner for .csv in [runners])"
    )


def test_where_all_is_executable_only_hooks_run(entrypoint: Entrypoint) -> None:
    add = entrypoint.hooks.add
    add("10-a.sh", SCRIPT.format("a"), 0o777)
    add("20-b.py", "print('b')\n", 0o777)
    add("30-c.envsh", "echo c\n", 0o777)
    add("users.csv", "touch /tmp/never\n", 0o777)
    add("README.md", "echo never\n", 0o777)
    add("10-a.sh~", "echo never\n", 0o777)
    add(".hidden", "echo never\n", 0o777)
    (entrypoint.hooks.path / "directory").mkdir()
    ended = entrypoint.run("true")
    assert said(ended.lines) == ["a", "b", "c"]
    skipped = [line for line in ended.lines if "skipped" in line]
    assert len(skipped) == 1
    assert "users.csv" in skipped[0]


def test_a_file_without_an_x_bit_is_skipped_with_the_mend(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("10-a.sh", SCRIPT.format("never"), 0o644)
    (line,) = entrypoint.run("true").lines
    assert line == (
        "entrykit: 10-a.sh: skipped: it is not executable"
        " (chmod +x it, or name a runner for .sh in [runners])"
    )


@pytest.mark.parametrize("name", ["10-a.sh", "10-a.envsh", "10-a.py"])
def test_a_hook_that_reads_its_input_takes_nothing_away(entrypoint: Entrypoint, name: str) -> None:
    python = name.endswith(".py")
    entrypoint.hooks.add(
        name, "import sys\nprint(sys.stdin.read() + 'end')\n" if python else "cat; echo end\n"
    )
    entrypoint.hooks.shell("20-b.sh", "cat", "echo b")
    ended = entrypoint.run("cat", stdin=b"for the command")
    assert ended.stdout == b"for the command"
    assert said(ended.lines) == ["end", "b"]


def test_what_hooks_write_goes_to_standard_error(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", "echo a", "echo b >&2")
    entrypoint.hooks.add("20-b.envsh", "echo c\necho d >&2\n")
    entrypoint.hooks.add("30-c.py", "import os\nprint('e', flush=True)\nos.system('echo f')\n")
    ended = entrypoint.run("echo", "two  blanks")
    assert ended.stdout == b"two  blanks\n"
    assert said(ended.lines) == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    "name",
    ["a b.sh", "a\nb.sh", " lead.sh", "trail.sh ", "-n.sh", "$(touch x).sh", "ä€.sh", "*.sh"],
)
def test_any_name_is_a_name(entrypoint: Entrypoint, name: str) -> None:
    entrypoint.hooks.shell(name, 'printf "%s|%s\\n" "$0" "$ENTRYKIT_HOOK"')
    executable = entrypoint.hooks.path / name
    if name.endswith(" "):
        # No suffix says that it is a shell's.
        assert executable.stat().st_mode & 0o111
    ended = entrypoint.run("true")
    assert ended.status == 0
    assert f"{executable}|{name}\n" in ended.stderr.decode()
    shown = name.replace("\n", "\\n")
    assert ended.last_line.startswith(f"entrykit: {shown}: done (")


def test_a_name_that_is_not_utf8_is_a_name(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add(os.fsdecode(b"\xff.sh"), '#!/bin/sh\nprintf "%s\\n" "$ENTRYKIT_HOOK"\n')
    assert b"\xff.sh\n" in entrypoint.run("true").stderr


def test_exit_in_a_sourced_hook_ends_it_alone(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("10-a.envsh", "export A=kept\nexit 0\necho never\n")
    entrypoint.hooks.add("20-b.envsh", "export B=kept\nreturn 0\necho never\n")
    entrypoint.hooks.shell("30-c.sh", "echo c")
    ended = entrypoint.run("sh", "-c", "echo $A $B")
    assert ended.stdout == b"kept kept\n"
    assert said(ended.lines) == ["c"]


def test_nothing_of_a_sourced_hook_leaks_but_its_exports(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add(
        "10-a.envsh",
        ': "${X:=default}"\nlocal_one=1\nset -eu\ncd /\numask 077\ntrap "echo trapped" USR1\n'
        "set -- replaced\nexport PATH=/only\n",
    )
    entrypoint.hooks.add("20-b.envsh", 'echo "${X-unset} ${local_one-unset} $PATH $PWD"\n')
    ended = entrypoint.run("/bin/sh", "-c", "echo ${X-unset} $PATH $*")
    assert ended.stdout == b"unset /only\n"
    assert said(ended.lines) == ["unset unset /only /"]


def test_what_a_sourced_hook_changes_that_was_exported_before_is_kept(
    entrypoint: Entrypoint,
) -> None:
    entrypoint.hooks.add("10-a.envsh", "GIVEN=\"changed 'a' \\$b\"\nunset GONE\n")
    entrypoint.with_environment(GIVEN="1", GONE="1")
    ended = entrypoint.run("sh", "-c", 'echo "$GIVEN ${GONE-unset}"')
    assert ended.stdout == b"changed 'a' $b unset\n"


def test_hooks_get_no_arguments_but_a_sourced_one_sees_the_command(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", 'echo "$# ${1:-default}"')
    entrypoint.hooks.add("20-b.envsh", 'printf "<%s>" "$@"; echo\n')
    entrypoint.hooks.add(
        "30-c.py", "import sys\ndef hook(start):\n    print(sys.argv[1:], start.command)\n"
    )
    ended = entrypoint.run("echo", "a  b", "", "c")
    assert said(ended.lines) == [
        "0 default", "<echo><a  b><><c>", "[] ['echo', 'a  b', '', 'c']",
    ]  # fmt: skip


def test_a_hook_knows_its_own_path(entrypoint: Entrypoint) -> None:
    for name in ("10-a.sh", "20-b.envsh"):
        entrypoint.hooks.add(name, 'echo "$0"\n')
    entrypoint.hooks.add("30-c.py", "import sys\nprint(__file__)\nprint(sys.argv[0], __name__)\n")
    place = entrypoint.hooks.path
    assert said(entrypoint.run("true").lines) == [
        f"{place}/10-a.sh",
        f"{place}/20-b.envsh",
        f"{place}/30-c.py",
        f"{place}/30-c.py __main__",
    ]
