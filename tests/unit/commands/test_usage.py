"""The command line as people meet it: help, version, and mistakes, which are status 2."""

import subprocess
import sys

import pytest

import entrykit
from entrykit import commands
from entrykit.settings import options


def ended(words: list[str]) -> int | str | None:
    """Return what argparse exits with."""
    with pytest.raises(SystemExit) as end:
        commands.main(words)
    return end.value.code


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["no-such-command"],
        ["--no-such-option"],
        ["bake", "--no-such-option"],
        ["bake", "--output"],
        ["bake", "superfluous"],
        ["htpasswd"],
    ],
)
def test_a_mistake_of_usage_is_status_2_and_said_on_standard_error(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert ended(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: entrykit" in err


def test_help_names_each_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["--help"]) == 0
    out = capsys.readouterr().out
    for name, summary in commands.COMMANDS.items():
        assert name in out
        assert summary in " ".join(out.split())


@pytest.mark.parametrize("name", list(commands.COMMANDS))
def test_each_command_has_its_own_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert ended([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: entrykit {name}")


def test_the_help_of_run_names_each_option_and_its_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(["run", "--help"]) == 0
    out = capsys.readouterr().out
    for name, _, has_variable, _ in options.SETTINGS:
        assert f"--{name}" in out
        assert (f"ENTRYKIT_{name.upper()}" in out) is has_variable


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["--version"]) == 0
    assert capsys.readouterr().out == f"entrykit {entrykit.__version__}\n"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "entrykit", *words],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "there is no command"),
        (["run", "--"], "there is no command"),
        (["run", "--skip"], "option --skip needs a value"),
        (["run", "--timeout", "soon", "true"], "--timeout is no duration: soon"),
    ],
)
def test_a_mistake_of_usage_in_a_start_is_status_2_and_one_line(
    words: list[str], message: str
) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"entrykit: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["run", "--help"]])
def test_the_package_is_a_command(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "entrykit" in done.stdout
