"""What hooks do, the same in each backend of the plugin: thirty tests as authors write them."""

import signal
import tempfile
from pathlib import Path

import pytest

from entrykit.testing import Entrypoint
from entrykit.testing.given import SEARCH_PATH, FileGiven

COMMAND = ["/srv/app", "-x"]
REVERSES = """\
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
connection, _ = server.accept()
connection.sendall(connection.recv(9)[::-1])
"""


def test_the_command_is_what_was_given(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(["/srv/app", "", "two words"], hooks={})
    assert outcome.argv == ["/srv/app", "", "two words"]
    assert outcome.exit_status == 0


def test_a_program_stands_before_options(entrypoint: Entrypoint) -> None:
    assert entrypoint(["-x"], program="/srv/app serve").argv == ["/srv/app", "serve", "-x"]


def test_a_start_without_a_command_fails(entrypoint: Entrypoint) -> None:
    outcome = entrypoint()
    assert (outcome.exit_status, outcome.started_command) == (2, False)
    assert "there is no command" in outcome.log.text


def test_the_environment_reaches_the_command(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, env={"MODE": "fäst", "EMPTY": ""})
    assert outcome.env["MODE"] == "fäst"
    assert outcome.env["EMPTY"] == ""
    assert outcome.env_bytes[b"MODE"] == "fäst".encode()


def test_a_shell_hook_sets_a_variable(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, hooks={"10-a.sh": 'echo 4 >"$ENTRYKIT_ENV/THREADS"\n'})
    assert outcome.env["THREADS"] == "4"


def test_a_shell_hook_unsets_a_variable(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": ': >"$ENTRYKIT_UNSET/DEBUG"\n'}
    assert "DEBUG" not in entrypoint(COMMAND, env={"DEBUG": "1"}, hooks=hooks).env


def test_a_hook_adds_an_option(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": 'echo -v >"$ENTRYKIT_OPTIONS/v"\n'}
    outcome = entrypoint(["-x"], program="/srv/app", hooks=hooks)
    assert outcome.argv == ["/srv/app", "-v", "-x"]


def test_a_hook_adds_an_argument(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, hooks={"10-a.sh": 'echo end >"$ENTRYKIT_ARGS/end"\n'})
    assert outcome.argv == [*COMMAND, "end"]


def test_a_hook_makes_another_command(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, hooks={"10-a.sh": 'echo other >"$ENTRYKIT_COMMAND/0"\n'})
    assert outcome.argv == ["other"]


def test_a_sourced_hook_exports(entrypoint: Entrypoint) -> None:
    assert entrypoint(COMMAND, hooks={"10-a.envsh": "export A=1\n"}).env["A"] == "1"


def test_a_python_hook_sets_a_variable(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.py": 'def hook(start):\n    start.env["A"] = "1"\n'}
    assert entrypoint(COMMAND, hooks=hooks).env["A"] == "1"


def test_hooks_run_in_version_order(entrypoint: Entrypoint) -> None:
    hooks = {"10-c.sh": ":\n", "9-b.sh": ":\n", "1-a.sh": ":\n"}
    names = [hook.name for hook in entrypoint(COMMAND, hooks=hooks).hooks]
    assert names == ["1-a.sh", "9-b.sh", "10-c.sh"]


def test_a_hook_sees_what_those_before_it_set(entrypoint: Entrypoint) -> None:
    hooks = {
        "10-a.sh": 'echo 1 >"$ENTRYKIT_ENV/A"\n',
        "20-b.sh": 'echo "$A$A" >"$ENTRYKIT_ENV/B"\n',
    }
    assert entrypoint(COMMAND, hooks=hooks).env["B"] == "11"


def test_what_a_hook_changed_is_known(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": 'echo 1 >"$ENTRYKIT_ENV/A"\n: >"$ENTRYKIT_UNSET/B"\n'}
    (hook,) = entrypoint(COMMAND, env={"B": "1"}, hooks=hooks).hooks
    assert hook.environment == {"A": "1", "B": None}
    assert (hook.status, hook.argv) == (0, None)
    assert 0 < hook.seconds < 10


def test_a_failing_hook_stops_the_start(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, hooks={"10-a.sh": "echo cannot >&2\nexit 3\n", "20-b.sh": ":\n"})
    assert outcome.exit_status == 3
    assert not outcome.started_command
    assert [(hook.name, hook.status) for hook in outcome.hooks] == [("10-a.sh", 3)]
    assert "cannot" in outcome.log.lines
    assert outcome.log.events[-1].where == "10-a.sh"


def test_a_hook_may_fail_where_it_says_so(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "# entrykit: on-error=continue\nexit 3\n"}
    outcome = entrypoint(COMMAND, hooks=hooks)
    assert outcome.argv == COMMAND
    assert outcome.hooks[0].status == 3


def test_a_hook_that_takes_too_long_is_ended(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "# entrykit: timeout=100ms\nsleep 60\n"}
    assert entrypoint(COMMAND, hooks=hooks).exit_status == 124


def test_a_missing_variable_is_named(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, config="[env.URL]\nrequired = true\n")
    assert outcome.exit_status == 78
    assert "URL" in outcome.log.lines[-1]


def test_a_default_is_set(entrypoint: Entrypoint) -> None:
    assert entrypoint(COMMAND, config='[env.PORT]\ndefault = "80"\n').env["PORT"] == "80"


def test_a_secret_reaches_its_hook_and_not_the_command(entrypoint: Entrypoint) -> None:
    hooks = {
        "10-a.sh": '# entrykit: secrets=PW\n[ "$PW" = geheim ] && echo 1 >"$ENTRYKIT_ENV/SEEN"\n',
        "20-b.sh": '[ -z "$PW" ]\n',
    }
    config = "[env.PW]\nsecret = true\n"
    outcome = entrypoint(COMMAND, secrets={"PW": "geheim\n"}, config=config, hooks=hooks)
    assert outcome.env["SEEN"] == "1"
    assert not {"PW", "PW_FILE"} & outcome.env.keys()
    assert "geheim" not in outcome.log.text


def test_the_configuration_names_the_program(entrypoint: Entrypoint) -> None:
    assert entrypoint(config='program = "/srv/app"\n').argv == ["/srv/app"]


def test_a_broken_configuration_is_named(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, config='programm = "x"\n')
    assert outcome.exit_status == 78
    assert "programm" in outcome.log.text


def test_the_command_inherits_clean_signals(entrypoint: Entrypoint) -> None:
    signals = entrypoint(COMMAND, hooks={"10-a.sh": ":\n"}).signals
    assert signals.ignored == frozenset()
    assert signals.blocked == frozenset()


def test_the_command_inherits_standard_streams_alone(entrypoint: Entrypoint) -> None:
    assert list(entrypoint(COMMAND, hooks={"10-a.sh": ":\n"}).fds) == [0, 1, 2]


def test_the_command_has_directory_and_umask(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, config='umask = "027"\n')
    assert (outcome.cwd, outcome.umask) == ("/", 0o027)


def test_a_stand_in_notes_its_calls(entrypoint: Entrypoint) -> None:
    stub = entrypoint.stub("reload-it", output="ok")
    entrypoint(COMMAND, hooks={"10-a.sh": 'reload-it -t "two words" ""\nreload-it\n'})
    assert stub.calls == [["-t", "two words", ""], []]


def test_a_command_runs_and_is_stopped(entrypoint: Entrypoint) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with entrypoint(["sh", "-c", script], run_command=True) as running:
        running.wait_for("ready")
        outcome = running.stop(signal.SIGTERM)
    assert (outcome.exit_status, outcome.stdout) == (3, b"ready\nbye\n")
    assert outcome.argv == ["sh", "-c", script]


def test_a_command_that_listens_is_talked_to(entrypoint: Entrypoint) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        command = ["python3", "-c", REVERSES, path]
        with entrypoint(command, run_command=True) as running:
            with running.connect(path) as connection:
                connection.sendall(b"abc")
                assert connection.recv(9) == b"cba"
            assert running.wait().exit_status == 0


def test_files_that_a_hook_makes_are_shown(entrypoint: Entrypoint, tmp_path: Path) -> None:
    hooks = {"10-a.sh": f"umask 027\nmkdir -p {tmp_path}/new\necho made >{tmp_path}/new/file\n"}
    outcome = entrypoint(COMMAND, hooks=hooks)
    file = outcome.files[f"{tmp_path}/new/file"]
    assert (file.text, file.mode, file.owner) == ("made\n", 0o640, (0, 0))
    assert set(outcome.files) == {f"{tmp_path}/new/file"}
    assert f"{tmp_path}/new" in outcome.directories


def test_files_that_a_hook_changes_and_removes_are_shown(entrypoint: Entrypoint) -> None:
    files: dict[str, FileGiven] = {
        "/etc/app.conf": "a\n",
        "/etc/app.mode": ("a\n", 0o600),
        "/etc/app.old": b"x",
    }
    hooks = {"10-a.sh": "echo b >/etc/app.conf\nrm /etc/app.old\ntouch /etc/app.mode\n"}
    outcome = entrypoint(COMMAND, files=files, hooks=hooks)
    assert set(outcome.files) == {"/etc/app.conf"}
    assert outcome.removed == {"/etc/app.old"}
    assert outcome.files["/etc/app.conf"].diff("/etc/app.conf").splitlines()[-2:] == ["-a", "+b"]


def test_a_restart_finds_what_the_first_start_left(entrypoint: Entrypoint, tmp_path: Path) -> None:
    count = f"{tmp_path}/count"
    hooks = {"10-a.sh": f"mkdir -p {tmp_path}\necho x >>{count}\n"}
    outcome = entrypoint(COMMAND, hooks=hooks)
    assert outcome.files[count].text == "x\n"
    assert outcome.restart().files[count].text == "x\nx\n"


def test_a_file_that_was_there_is_told_as_it_was(entrypoint: Entrypoint) -> None:
    # A backend that shows no files skips this before a hook writes any.
    assert dict(entrypoint(COMMAND, hooks={}).files) == {}
    hooks = {"10-a.sh": "umask 077\nread -r old </etc/issue\nrm /etc/issue\necho b >/etc/issue\n"}
    outcome = entrypoint(COMMAND, hooks=hooks)
    assert set(outcome.files) == {"/etc/issue"}
    file = outcome.files["/etc/issue"]
    assert (file.text, file.mode) == ("b\n", 0o600)
    assert file.before is not None
    assert file.before.text.startswith("Debian")
    assert file.before.mode == 0o644


def test_a_hook_that_adds_each_time_is_found_by_killing_the_start(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "echo x >>/srv/count\n"}
    with pytest.raises(AssertionError) as failure:
        entrypoint.crash_everywhere(COMMAND, hooks=hooks)
    points = "killed before reading the changes, after 10-a.sh, before the handoff"
    wrong = r"/srv/count: content is b'x\nx\n'; else b'x\n'"
    assert str(failure.value) == f"{points}: a restart comes to something else: files: {wrong}"


def test_the_environment_is_what_was_given_and_nothing_more(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, env={"A": b"\xff"}, hooks={})
    assert outcome.env_bytes == {b"PATH": SEARCH_PATH.encode(), b"A": b"\xff"}


def test_a_link_to_dev_null_masks_a_hook(entrypoint: Entrypoint) -> None:
    config = '[wait]\ntargets = ["file:/bin/sh"]\n'
    outcome = entrypoint(COMMAND, config=config, hooks={"10-wait.py": Path("/dev/null")})
    assert outcome.hooks == []


def test_a_restart_may_have_another_environment(entrypoint: Entrypoint) -> None:
    stub = entrypoint.stub("note-it")
    hooks = {"10-a.sh": 'note-it "$MODE"\n'}
    config = "[env.PW]\nsecret = true\n"
    env = {"MODE": "a", "OLD": "1"}
    outcome = entrypoint(COMMAND, config=config, hooks=hooks, env=env, secrets={"PW": "geheim"})
    again = outcome.restart(env={"MODE": "b"})
    assert stub.calls == [["a"], ["b"]]
    assert again.env.keys() - {"PATH"} == {"MODE"}
    assert again.restart().env["MODE"] == "a"


def test_a_stock_hook_is_switched_on_by_its_section(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, config='[wait]\ntargets = ["file:/bin/sh"]\n')
    assert [hook.name for hook in outcome.hooks] == ["10-wait.py"]
    assert outcome.argv == COMMAND


def test_a_start_with_an_init_hands_over_the_same(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": 'echo 4 >"$ENTRYKIT_ENV/THREADS"\n', "20-b.py": "def hook(start): pass\n"}
    outcome = entrypoint(COMMAND, config="init = true\n", hooks=hooks)
    plain = entrypoint(COMMAND, hooks=hooks)
    assert (outcome.exit_status, outcome.argv, outcome.env) == (0, plain.argv, plain.env)
    assert [hook.status for hook in outcome.hooks] == [hook.status for hook in plain.hooks]


def test_a_hook_that_fails_behind_an_init_is_told(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(COMMAND, env={"ENTRYKIT_INIT": "1"}, hooks={"10-a.sh": "exit 3\n"})
    assert outcome.exit_status == 3
    assert [hook.status for hook in outcome.hooks] == [3]
    assert not outcome.started_command


def test_a_command_behind_an_init_is_stopped_through_it(entrypoint: Entrypoint) -> None:
    command = ["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done"]
    with entrypoint(command, config="init = true\n", run_command=True) as running:
        running.wait_for("ready")
        outcome = running.stop()
    assert (outcome.exit_status, outcome.argv) == (7, command)
