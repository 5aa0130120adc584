"""The gate: which commands get the set-up, and what the others are told."""

from pathlib import Path

import pytest

from .starts import Entrypoint, given_environment

TOOL = '#!/bin/sh\necho "$0 $*"\n'


@pytest.fixture
def server(entrypoint: Entrypoint) -> Path:
    """Return the image's program, beside which there is one hook."""
    path = entrypoint.scratch / "server"
    path.write_text(TOOL, encoding="utf-8")
    path.chmod(0o755)
    entrypoint.configure(f'program = "{path}"', "[env.NEEDED]", 'default = "d"')
    entrypoint.hooks.shell("10-hook.sh", 'echo "hook ran"')
    return path


def assert_opens(entrypoint: Entrypoint, *command: str, runs: str) -> None:
    """Run a command whose hooks are to run."""
    ended = entrypoint.run(*command)
    assert (ended.status, ended.stdout.decode()) == (0, runs + "\n")
    assert "hook ran" in ended.lines


def test_an_empty_command_is_the_program(entrypoint: Entrypoint, server: Path) -> None:
    assert_opens(entrypoint, runs=f"{server} ")


def test_a_flag_first_command_is_the_programs(entrypoint: Entrypoint, server: Path) -> None:
    assert_opens(entrypoint, "-bind", ":80", runs=f"{server} -bind :80")


def test_the_programs_path_opens(entrypoint: Entrypoint, server: Path) -> None:
    assert_opens(entrypoint, str(server), "x", runs=f"{server} x")


def test_the_programs_name_opens_and_becomes_its_path(entrypoint: Entrypoint, server: Path) -> None:
    assert_opens(entrypoint, "server", "x", runs=f"{server} x")


@pytest.mark.parametrize("command", [("/bin/echo", "hello  world"), ("echo", "hello  world")])
def test_a_foreign_command_gets_nothing_but_one_line(
    entrypoint: Entrypoint, server: Path, command: tuple[str, ...]
) -> None:
    ended = entrypoint.run(*command)
    assert (ended.status, ended.stdout) == (0, b"hello  world\n")
    assert ended.lines == [
        f"entrykit: the command is {command[0]}, not {server}: hooks not run: 10-hook.sh"
    ]


def test_a_foreign_command_with_the_programs_base_name_stays_closed(
    entrypoint: Entrypoint, server: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "server"
    other.parent.mkdir()
    other.write_text(TOOL, encoding="utf-8")
    other.chmod(0o755)
    ended = entrypoint.run(str(other))
    assert ended.stdout == f"{other} \n".encode()
    assert "hook ran" not in ended.lines
    assert str(server) in ended.last_line


@pytest.mark.parametrize("question", ["--help", "--version"])
@pytest.mark.parametrize("named", [False, True])
def test_a_question_for_help_alone_closes(
    entrypoint: Entrypoint, server: Path, question: str, *, named: bool
) -> None:
    ended = entrypoint.run(*(["server"] if named else []), question)
    assert ended.stdout == f"{server} {question}\n".encode()
    assert "hook ran" not in ended.lines
    assert ended.lines == [
        f"entrykit: {server} is only asked for its help or version: hooks not run: 10-hook.sh"
    ]


@pytest.mark.parametrize("arguments", [("--help", "x"), ("-help",), ("-h",), ("x", "--version")])
def test_any_other_argument_opens(
    entrypoint: Entrypoint, server: Path, arguments: tuple[str, ...]
) -> None:
    assert_opens(entrypoint, "server", *arguments, runs=f"{server} {' '.join(arguments)}")


def test_a_closed_gate_sets_no_default_and_reads_no_secret(
    entrypoint: Entrypoint, server: Path
) -> None:
    entrypoint.configure(
        f'program = "{server}"', "[env.A]", 'default = "a"', "[env.B]", "required = true",
        "[env.C]", "secret = true",
    )  # fmt: skip
    entrypoint.with_environment(C="geheim", C_FILE="/no/such/file", ENTRYKIT_LOG="info")
    ended = entrypoint.run(
        "sh", "-c", 'echo "${A-none} ${C-none} ${C_FILE-none} ${ENTRYKIT_LOG-none}"'
    )
    assert (ended.status, ended.stdout) == (0, b"none none none none\n")


def test_more_commands_open_where_they_are_configured(entrypoint: Entrypoint, server: Path) -> None:
    entrypoint.configure(f'program = "{server}"', 'commands = ["echo"]')
    assert_opens(entrypoint, "echo", "x", runs="x")
    entrypoint.configure(f'program = "{server}"', 'commands = ["*"]')
    assert_opens(entrypoint, "/bin/echo", "x", runs="x")


def test_without_a_program_every_command_opens(entrypoint: Entrypoint, server: Path) -> None:
    assert server
    entrypoint.configure()
    assert_opens(entrypoint, "echo", "x", runs="x")


def test_a_variable_names_another_program(entrypoint: Entrypoint, server: Path) -> None:
    assert server
    entrypoint.with_environment(ENTRYKIT_PROGRAM="echo two")
    assert_opens(entrypoint, "-x", runs="two -x")


def test_a_program_of_several_words_opens_with_all_of_them(
    entrypoint: Entrypoint, server: Path
) -> None:
    entrypoint.configure(f'program = ["{server}", "run"]')
    assert_opens(entrypoint, "-x", runs=f"{server} run -x")
    assert_opens(entrypoint, "server", "run", "-x", runs=f"{server} run -x")
    ended = entrypoint.run("server", "stop")
    assert ended.status == 127
    assert "hook ran" not in ended.lines


def test_the_line_of_a_closed_gate_is_not_written_where_nothing_is_not_run(
    entrypoint: Entrypoint, server: Path
) -> None:
    (entrypoint.hooks.path / "10-hook.sh").unlink()
    assert server
    assert entrypoint.run("echo", "x").lines == []


def test_a_quiet_log_leaves_the_line_out(entrypoint: Entrypoint, server: Path) -> None:
    assert server
    ended = entrypoint.with_environment(ENTRYKIT_LOG="quiet").run("echo", "x")
    assert ended.lines == []


def test_the_program_is_looked_up_in_the_commands_own_path(
    entrypoint: Entrypoint, server: Path
) -> None:
    entrypoint.configure('program = "server"')
    entrypoint.hooks.shell("20-path.sh", f"echo '{server.parent}' >\"$ENTRYKIT_ENV/PATH\"")
    ended = entrypoint.run(given=given_environment())
    assert ended.stdout == f"{server} \n".encode()
