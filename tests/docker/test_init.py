"""Init in containers: nothing but a variable, or one line of the configuration, is needed."""

import re
import time
from typing import Any

import pytest

from .engine import Engine, File, wait_for_line

pytestmark = pytest.mark.docker

INIT = {"ENTRYKIT_INIT": "1"}
# As little as a container can have.
CONFINED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


@pytest.fixture(params=["image", "trixie"])
def suite(request: pytest.FixtureRequest) -> str:
    """Return the example's image on each suite of Debian, each with another Python."""
    tag: str = request.getfixturevalue(request.param)
    return tag


@pytest.mark.parametrize("confined", [{}, CONFINED], ids=["plain", "confined"])
def test_a_command_that_ignores_term_as_pid1_ends_on_it(
    engine: Engine, suite: str, confined: dict[str, Any]
) -> None:
    command = ("sh", "-c", "echo ready; exec sleep 300")
    with engine.container(suite, *command, environment=INIT, **confined) as container:
        container.start()
        wait_for_line(container, "ready")
        began = time.monotonic()
        container.stop(timeout=30)
        assert time.monotonic() - began < 10
        assert engine.outcome(container).status == 143


@pytest.mark.parametrize("confined", [{}, CONFINED], ids=["plain", "confined"])
def test_orphans_are_reaped_and_the_status_is_the_commands(
    engine: Engine, suite: str, confined: dict[str, Any]
) -> None:
    script = (
        "until grep -qx entrykit /proc/1/comm; do :; done;"
        " for i in 1 2 3 4 5; do (sleep 0 &); done;"
        " while grep -qs '^State:.Z' /proc/[0-9]*/status; do :; done; exit 9"
    )
    outcome = engine.run(suite, "sh", "-c", script, environment=INIT, **confined)
    assert outcome.status == 9


def test_pid1_steps_down_with_the_command_and_still_signals_it(engine: Engine, suite: str) -> None:
    """Of root's capabilities only those of a step-down are there, not KILL."""
    script = (
        "trap 'grep -h Uid /proc/1/status; exit 3' USR1; echo ready; while :; do sleep 0.1; done"
    )
    options: dict[str, Any] = {"cap_drop": ["ALL"], "cap_add": ["SETUID", "SETGID"], "user": "0:0"}
    configuration = File("/etc/other.toml", 'init = true\nuser = "nobody"\n', 0o644)
    with engine.container(
        suite, "sh", "-c", script, files=[configuration],
        environment={"ENTRYKIT_CONFIG": "/etc/other.toml"}, **options,
    ) as container:  # fmt: skip
        container.start()
        wait_for_line(container, "ready")
        container.kill(signal="USR1")
        outcome = engine.outcome(container)
    assert outcome.status == 3
    assert outcome.stdout.split()[-4:] == ["65534"] * 4


@pytest.mark.parametrize("user", ["", "nobody"])
def test_docker_exec_gets_the_environment_of_the_command(
    engine: Engine, suite: str, user: str
) -> None:
    """That of PID 1 is empty; what hooks have left, its children too, is not the command."""
    lines = ("init = true", *([f'user = "{user}"'] if user else []), "")
    files = [
        File("/etc/other.toml", "\n".join(lines), 0o644),
        File("/hooks/10-a.sh", '#!/bin/sh\necho 4 >"$ENTRYKIT_ENV/MADE"\nsetsid sleep 1000 &\n'),
    ]
    environment = {"ENTRYKIT_CONFIG": "/etc/other.toml", "ENTRYKIT_HOOKS": "/hooks"}
    with engine.server(
        suite, "sh", "-c", "sleep 1000 & echo ready >&2; wait", ready="ready",
        files=files, environment=environment, user="0:0",
    ) as server:  # fmt: skip
        told = server.read("entrykit", "exec", "--env-of", "1", "--", "env").decode()
        assert "MADE=4" in told.splitlines()
        assert not re.search("^ENTRYKIT_", told, re.MULTILINE)
        left = server.ready_log
    assert re.search(r"10-a\.sh: leaves running: \d+ \((sleep|setsid|10-a\.sh)\)", left)


def test_a_stop_ends_a_hook_of_another_user(engine: Engine, suite: str) -> None:
    hook = (
        "#!/bin/sh\n# entrykit: user=games\n"
        "trap 'echo cleans up; exit 1' TERM\necho ready\nsleep 1000 & wait\n"
    )
    files = [File("/etc/other.toml", 'user = "nobody"\n', 0o644), File("/hooks/10-a.sh", hook)]
    environment = {"ENTRYKIT_CONFIG": "/etc/other.toml", "ENTRYKIT_HOOKS": "/hooks", **INIT}
    options: dict[str, Any] = {"cap_drop": ["ALL"], "cap_add": ["SETUID", "SETGID"], "user": "0:0"}
    with engine.container(
        suite, "true", files=files, environment=environment, **options
    ) as container:
        container.start()
        wait_for_line(container, "ready")
        container.stop(timeout=30)
        outcome = engine.outcome(container)
    assert outcome.status == 143
    assert outcome.log[-2:] == [
        "cleans up",
        "entrykit: stopped by SIGTERM during 10-a.sh; the command was not started",
    ]
