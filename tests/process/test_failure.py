"""Never half, never silent: what fails stops the start, and the last line says what it was."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from .starts import PATIENCE_SECONDS, Entrypoint, Given
from .test_signals import Gate

PROMISED_TAIL = r" after [0-9.]+ m?s, in {directory}; the command was not started(?: \(.*\))?"


def assert_failed(entrypoint: Entrypoint, status: int, message: str) -> list[str]:
    """Run a command that must not start; its last line is the message. All lines are returned."""
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (status, b"")
    directory = re.escape(str(entrypoint.hooks.path))
    expected = re.escape(message) + PROMISED_TAIL.format(directory=directory)
    assert re.fullmatch(f"entrykit: {expected}", ended.last_line), ended.lines
    return ended.lines


@pytest.mark.parametrize("status", [1, 2, 70, 78, 124, 126, 127, 130, 255])
@pytest.mark.parametrize("name", ["10-fails.sh", "10-fails.envsh", "10-fails.py"])
def test_a_hooks_own_status_is_the_starts(entrypoint: Entrypoint, name: str, status: int) -> None:
    python = name.endswith(".py")
    entrypoint.hooks.add(name, f"raise SystemExit({status})" if python else f"exit {status}\n")
    entrypoint.hooks.shell("20-next.sh", "echo next")
    lines = assert_failed(entrypoint, status, f"{name}: failed with exit status {status}")
    assert "next" not in lines


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_that_kills_a_hook_is_named(entrypoint: Entrypoint, number: int) -> None:
    entrypoint.hooks.shell("10-dies.sh", f"kill -{int(number)} $$")
    name = signal.Signals(number).name
    assert_failed(entrypoint, 128 + number, f"10-dies.sh: was killed by {name}")


def test_what_a_hook_says_stands_right_above_its_failure(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-fails.sh", "echo out", "echo err >&2", "exit 3")
    lines = assert_failed(entrypoint, 3, "10-fails.sh: failed with exit status 3")
    assert lines[:-1] == ["out", "err"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("10-asks.sh", '#!/bin/sh\necho v >"$ENTRYKIT_ENV/1A"\n'),
        ("10-asks.envsh", 'echo v >"$ENTRYKIT_ENV/1A"\n'),
        ("10-asks.py", "import os\nopen(os.environ['ENTRYKIT_ENV'] + '/1A', 'w').close()\n"),
    ],
)
def test_changes_that_cannot_be_made_are_a_failure_like_any_other(
    entrypoint: Entrypoint, name: str, content: str
) -> None:
    entrypoint.hooks.add(name, content)
    message = f"{name}: asked for a variable with an impossible name: 1A; exit status 78"
    assert_failed(entrypoint, 78, message)


def test_a_command_that_a_sourced_hook_misses_ends_it(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("10-fails.envsh", "false\necho went on\n")
    lines = assert_failed(entrypoint, 1, "10-fails.envsh: failed with exit status 1")
    assert "went on" not in lines


def test_a_time_limit_ends_the_whole_process_group(entrypoint: Entrypoint) -> None:
    entrypoint.configure('grace = "300s"')
    entrypoint.hooks.shell(
        "10-hangs.sh", "# entrykit: timeout=200ms", "sleep 300 &", "sleep 300 | sleep 300"
    )
    message = "10-hangs.sh: was ended at its time limit of 200 ms"
    assert_failed(entrypoint, 124, message)


def test_a_time_limit_is_kept_where_nobody_reaps_orphans(pid1: Entrypoint) -> None:
    """PID 1 is then something that is no init, and what has ended stays a member of its group."""
    parent = (
        "import os, sys; child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ);"
        " os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    pid1.words = [sys.executable, "-ISc", parent, *pid1.words]
    pid1.configure('grace = "300s"', 'timeout = "100ms"')
    pid1.hooks.shell("10-hangs.sh", "sleep 300 &", "sleep 300")
    assert_failed(pid1, 124, "10-hangs.sh: was ended at its time limit of 100 ms")


def test_a_time_limit_kills_what_ignores_its_end(entrypoint: Entrypoint) -> None:
    entrypoint.configure('grace = "100ms"', 'timeout = "100ms"')
    entrypoint.hooks.shell("10-hangs.sh", "trap '' TERM", "sleep 300 &", "sleep 300")
    assert_failed(entrypoint, 124, "10-hangs.sh: was ended at its time limit of 100 ms")


@pytest.mark.parametrize("name", ["10-leaves.py", "10-leaves"])
def test_a_hook_cannot_leave_its_process_group_for_the_starts(
    entrypoint: Entrypoint, name: str
) -> None:
    """There no signal to its group would reach it."""
    entrypoint.configure('timeout = "200ms"', 'grace = "100ms"')
    first = "" if name.endswith(".py") else f"#!{sys.executable} -IS\n"
    leave = "import contextlib, os, signal\nwith contextlib.suppress(OSError):\n"
    leave += "    os.setpgid(0, os.getpgid(os.getppid()))\n"
    entrypoint.hooks.add(name, f"{first}{leave}signal.pause()\n")
    assert_failed(entrypoint, 124, f"{name}: was ended at its time limit of 200 ms")


@pytest.mark.parametrize("source", ["section", "comment"])
def test_a_hooks_own_time_limit_is_above_the_general_one(
    entrypoint: Entrypoint, source: str
) -> None:
    comment = "# entrykit: timeout=300s" if source == "comment" else "#"
    section = '[hooks."10-takes.sh"]\ntimeout = "300s"' if source != "comment" else ""
    entrypoint.configure('timeout = "50ms"', section)
    busy = f"{sys.executable} -ISc 'import time; time.sleep(0.3)'"
    entrypoint.hooks.shell("10-takes.sh", comment, busy)
    assert entrypoint.run("true").status == 0


def test_a_hook_that_ends_well_when_its_time_is_up_has_failed(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell(
        "10-late.sh", "# entrykit: timeout=200ms", "trap 'exit 0' TERM", "sleep 300 &", "wait"
    )
    entrypoint.configure('grace = "100ms"')
    assert_failed(entrypoint, 124, "10-late.sh: was ended at its time limit of 200 ms")


def test_on_error_continue_drops_the_changes_and_goes_on(entrypoint: Entrypoint) -> None:
    ask = 'echo bad >"$ENTRYKIT_ENV/VALUE"; echo bad >"$ENTRYKIT_ARGS/0"'
    entrypoint.hooks.shell("10-fails.sh", "# entrykit: on-error=continue", ask, "exit 5")
    entrypoint.hooks.add(
        "20-fails.envsh", "# entrykit: on-error=continue\nexport VALUE=bad\nexit 6\n"
    )
    entrypoint.hooks.add(
        "30-fails.py",
        "# entrykit: on-error=continue\n"
        "def hook(start):\n    start.env['VALUE'] = 'bad'\n    raise ValueError('no')\n",
    )
    entrypoint.hooks.shell("40-next.sh", 'echo "next: ${VALUE-unset}"')
    ended = entrypoint.run("sh", "-c", 'echo "${VALUE-unset} $#"', "sh")
    assert (ended.status, ended.stdout) == (0, b"unset 0\n")
    assert "next: unset" in ended.lines
    for failure in (
        "10-fails.sh: failed with exit status 5",
        "20-fails.envsh: failed with exit status 6",
        "30-fails.py: raised ValueError in line 4; exit status 1",
    ):
        (line,) = [line for line in ended.lines if line.startswith(f"entrykit: {failure} ")]
        assert f", in {entrypoint.hooks.path}; going on, as on-error=continue says" in line
    assert b"the command was not started" not in ended.stderr


def test_on_error_continue_does_not_hold_up_a_stop_signal(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell(
        "10-sleeps.sh", "# entrykit: on-error=continue", "echo ready", "sleep 300"
    )
    running = entrypoint.start("echo", "command")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    ended = running.end_promptly()
    assert (ended.status, ended.stdout) == (143, b"")


def test_an_exception_in_a_python_hook_is_printed_above(entrypoint: Entrypoint) -> None:
    content = (
        "def hook(start):\n    inner()\n\ndef inner():\n    raise ValueError('an odd value')\n"
    )
    path = entrypoint.hooks.add("10-raises.py", content)
    lines = assert_failed(entrypoint, 1, "10-raises.py: raised ValueError in line 5; exit status 1")
    assert lines[0] == "Traceback (most recent call last):"
    assert f'  File "{path}", line 5, in inner' in lines
    assert lines[-2] == "ValueError: an odd value"
    assert "python_hook" not in "\n".join(lines)


def test_a_python_hook_that_is_no_python_is_printed_above(entrypoint: Entrypoint) -> None:
    path = entrypoint.hooks.add("10-broken.py", "x = 1\ndef broken(:\n")
    message = "10-broken.py: is not Python: invalid syntax, line 2; exit status 1"
    lines = assert_failed(entrypoint, 1, message)
    assert f'  File "{path}", line 2' in lines
    assert any(line.startswith("SyntaxError: ") for line in lines)


@pytest.mark.parametrize(
    ("ending", "status", "says"),
    [
        ("sys.exit()", 0, None),
        ("sys.exit(0)", 0, None),
        ("sys.exit(None)", 0, None),
        ("sys.exit(True)", 1, None),
        ("sys.exit(3)", 3, None),
        ("sys.exit(256 + 4)", 4, None),
        ("sys.exit('told you')", 1, "told you"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("import os; os._exit(9)", 9, None),
        ("print('no newline', end=''); sys.exit(7)", 7, None),
    ],
)
def test_a_python_hook_ends_as_python_does(
    entrypoint: Entrypoint, ending: str, status: int, says: str | None
) -> None:
    entrypoint.hooks.add("10-ends.py", f"import sys\ndef hook(start):\n    {ending}\n")
    ended = entrypoint.run("echo", "command")
    assert ended.status == status
    assert ended.stdout == (b"command\n" if status == 0 else b"")
    assert says is None or says in ended.lines
    failure = f"failed with exit status {status}"
    if says == "KeyboardInterrupt":
        failure = f"raised {says} in line 3; exit status {status}"
    assert failure in ended.last_line or status == 0


def test_a_python_hook_that_ends_well_half_way_keeps_what_it_asked_for(
    entrypoint: Entrypoint,
) -> None:
    entrypoint.hooks.add(
        "10-ends.py",
        "import sys\ndef hook(start):\n    start.env['X'] = 'kept'\n    sys.exit(0)\n",
    )
    assert entrypoint.run("sh", "-c", "echo $X").stdout == b"kept\n"


def test_a_missing_command_is_127(entrypoint: Entrypoint) -> None:
    ended = entrypoint.run("no-such-command", "x")
    assert ended.status == 127
    assert ended.lines == [
        (
            "entrykit: cannot find the command no-such-command in PATH"
            " (install it in the image, or correct the command)"
        )
    ]


@pytest.mark.parametrize("word", ["/no/such/file", "/etc/passwd/x"])
def test_a_missing_path_is_127(entrypoint: Entrypoint, word: str) -> None:
    ended = entrypoint.run(word)
    assert ended.status == 127
    assert word in ended.last_line


def test_an_empty_command_is_127(entrypoint: Entrypoint) -> None:
    assert entrypoint.run("").status == 127


def test_what_cannot_be_executed_is_126(entrypoint: Entrypoint, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n", encoding="utf-8")
    denied, directory = "permission denied", "it is a directory"
    for word, reason in ((str(tool), denied), ("tool", denied), (str(tmp_path), directory)):
        given = Given(environment=[b"PATH=" + bytes(tmp_path)])
        ended = entrypoint.run(word, given=given)
        assert ended.status == 126
        assert reason in ended.last_line


def test_a_file_without_a_first_line_is_126_and_not_given_to_a_shell(
    entrypoint: Entrypoint, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("echo ran\n", encoding="utf-8")
    tool.chmod(0o755)
    ended = entrypoint.run(str(tool))
    assert (ended.status, ended.stdout) == (126, b"")
    assert "no #! line" in ended.last_line


def test_a_missing_interpreter_of_the_command_is_127(
    entrypoint: Entrypoint, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/no/such/interpreter\n", encoding="utf-8")
    tool.chmod(0o755)
    for word in (str(tool), "tool"):
        given = Given(environment=[b"PATH=/no/such/place:" + bytes(tmp_path) + b":/bin"])
        ended = entrypoint.run(word, given=given)
        assert ended.status == 127
        assert f"cannot run {word}: its interpreter or its loader is missing" in ended.last_line


def test_a_missing_command_is_127_where_nobody_reads_the_log(
    entrypoint: Entrypoint, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    entrypoint.hooks.shell("10-waits.sh", "echo ready", gate.wait)
    running = entrypoint.start("no-such-command")
    running.wait_for("ready")
    assert running.process.stderr is not None
    running.process.stderr.close()
    gate.open()
    assert running.process.wait(PATIENCE_SECONDS) == 127


def test_no_command_is_2(entrypoint: Entrypoint) -> None:
    ended = entrypoint.run()
    assert ended.status == 2
    assert ended.last_line.startswith("entrykit: there is no command")


def test_all_problems_of_a_configuration_are_told_with_their_lines(entrypoint: Entrypoint) -> None:
    entrypoint.configure('progam = "x"', 'grace = "soon"', "[env.X]", "requird = true")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    path = entrypoint.scratch / "entrykit.toml"
    assert [line.partition(f"{path}:")[2].partition(":")[0] for line in ended.lines] == [
        "1", "2", "4",
    ]  # fmt: skip
    assert "did you mean program?" in ended.lines[0]
    assert "grace" in ended.lines[1]
    assert "did you mean required?" in ended.lines[2]


def test_all_missing_variables_are_told_together(entrypoint: Entrypoint) -> None:
    entrypoint.configure(
        "[env.A]",
        "required = true",
        'help = "what A is"',
        "[env.B]",
        "required = true",
        "secret = true",
    )
    entrypoint.hooks.shell("10-runs.sh", "echo ran")
    ended = entrypoint.with_environment(A="").run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert [line.split(": ")[1] for line in ended.lines] == ["A", "B"]
    assert "what A is" in ended.lines[0]
    assert "B_FILE" in ended.lines[1]


@pytest.mark.parametrize("what", ["both", "directory", "fifo", "large", "missing"])
def test_a_bad_secret_file_is_78_and_its_value_is_not_shown(
    entrypoint: Entrypoint, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "secret"
    entrypoint.configure("[env.PASSWORD]", "secret = true")
    entrypoint.with_environment(PASSWORD_FILE=str(path))
    if what == "both":
        path.write_text("geheim", encoding="utf-8")
        entrypoint.with_environment(PASSWORD="geheim")  # noqa: S106 - a test's
    elif what == "directory":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "large":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    ended = entrypoint.start("echo", "command").end_promptly()
    assert (ended.status, ended.stdout) == (78, b"")
    assert ended.last_line.startswith("entrykit: PASSWORD")
    assert "geheim" not in ended.stderr.decode()


def test_all_faults_of_files_are_told_before_any_hook_runs(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-runs.sh", "echo ran")
    entrypoint.hooks.add("20-crlf.sh", b"#!/bin/sh\r\necho\r\n")
    entrypoint.hooks.add("30-bom.envsh", b"\xef\xbb\xbfexport A=1\n")
    entrypoint.hooks.add("40-missing.sh", "#!/no/such/shell\n")
    entrypoint.hooks.add("50-env", "#!/usr/bin/env no-such-program\n")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert [line.split(": ")[1] for line in ended.lines] == [
        "20-crlf.sh", "30-bom.envsh", "40-missing.sh", "50-env",
    ]  # fmt: skip
    for line, word in zip(ended.lines, ("CRLF", "BOM", "/no/such/shell", "PATH"), strict=True):
        assert word in line
        assert str(entrypoint.hooks.path) in line


def test_a_hook_directory_that_was_asked_for_and_is_missing_is_78(entrypoint: Entrypoint) -> None:
    ended = entrypoint.with_environment(ENTRYKIT_HOOKS="/no/such/directory").run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert "/no/such/directory" in ended.last_line


def test_a_start_that_cannot_write_its_log_goes_on(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-runs.sh", ":")
    running = entrypoint.start("echo", "command", given=Given(closed=[2]))
    assert running.end().status == 0
    given = Given(environment=[b"PATH=/usr/bin:/bin"], descriptors={2: Path("/dev/full")})
    ended = entrypoint.start("echo", "command", given=given).end()
    assert (ended.status, ended.stdout) == (0, b"command\n")
