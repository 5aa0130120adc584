"""A command that runs: talked to, stopped, and started again."""

import sys

import pytest

from entrykit.testing import Entrypoint

pytestmark = pytest.mark.sandbox
PORT = 8080
SERVES = f"""\
import signal, socket
server = socket.create_server(("127.0.0.1", {PORT}))
connection, _ = server.accept()
connection.sendall(b"served")
signal.pause()
"""


def test_a_port_in_there_is_another_than_the_machines(entrypoint: Entrypoint) -> None:
    command = ["python3", "-c", SERVES]
    with entrypoint(command, run_command=True) as one, entrypoint(command, run_command=True) as two:
        for running in (one, two):
            with running.connect(PORT) as connection:
                assert connection.recv(9) == b"served"


def test_a_port_at_which_nothing_listens_is_named(entrypoint: Entrypoint) -> None:
    with (
        entrypoint(["sh", "-c", "echo here; exec sleep 600"], run_command=True) as running,
        pytest.raises(AssertionError, match=r"(?s)nothing listens at 8080: .*here"),
    ):
        running.connect(PORT, seconds=0.2)


def test_a_command_that_ends_without_listening_is_told(entrypoint: Entrypoint) -> None:
    with entrypoint(["sh", "-c", "echo gone"], run_command=True) as running:
        for _ in range(2):
            with pytest.raises(AssertionError, match=r"(?s)ended before anything .* 8080.*gone"):
                running.connect(PORT)


def test_a_start_after_a_command_has_run_finds_what_that_left(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "[ ! -e /srv/pid ] || echo stale >&2\n"}
    command = ["sh", "-c", "echo $$ >/srv/pid; echo ready; exec sleep 600"]
    with entrypoint(command, hooks=hooks, run_command=True) as running:
        running.wait_for("ready")
        killed = running.stop(9)
    assert (killed.exit_status, killed.files["/srv/pid"].text) == (137, "1\n")
    again = killed.restart()
    assert again.log.lines[0] == "stale"
    assert again.argv == command


def test_a_block_that_is_left_early_ends_what_runs(entrypoint: Entrypoint) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        entrypoint(["sleep", "600"], run_command=True) as running,
    ):
        _ = 1 / 0
    assert running.outcome is not None
    assert (running.outcome.exit_status, running.outcome.was_ended) == (137, True)


def test_a_configuration_that_a_hook_has_changed_is_read_again(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "printf 'program = \"/srv/second\"\\n' >/etc/entrykit.toml\n"}
    first = entrypoint(["-a"], hooks=hooks, config='program = "/srv/first"\n')
    assert first.argv == ["/srv/first", "-a"]
    assert first.restart().argv == ["/srv/second", "-a"]


def test_a_configuration_that_a_hook_has_broken_is_told(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "echo 'program = 3' >/etc/entrykit.toml\n"}
    again = entrypoint(["-a"], hooks=hooks, config='program = "/srv/first"\n').restart()
    assert again.exit_status == 78
    assert "/etc/entrykit.toml:1: program" in again.log.lines[-1]


@pytest.mark.parametrize(
    "words", [["nice", "-n", "5"], ["chrt", "--batch", "0"], ["chrt", "--idle", "0"], ["env"]]
)
def test_a_start_has_the_priority_of_its_test(pytester: pytest.Pytester, words: list[str]) -> None:
    """Also where the keeper has another one, to end a fork bomb."""
    pytester.makepyfile("""
        import os
        HOOKS = {"10-a.py": "import os\\nprint(os.sched_getscheduler(0), os.nice(0))\\n"}
        COMMAND = ["python3", "-c", "import os; print(os.sched_getscheduler(0), os.nice(0))"]
        def test_it(entrypoint):
            with entrypoint(COMMAND, hooks=HOOKS, run_command=True) as running:
                outcome = running.wait()
            own = f"{os.sched_getscheduler(0)} {os.nice(0)}"
            assert own in outcome.log.lines
            assert outcome.stdout_text == f"{own}\\n"
    """)
    run = [*words, sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    pytester.run(*run).assert_outcomes(passed=1)
