"""Promise: in a container, as an engine starts it, /proc shows no hook a secret."""

from typing import Any

import pytest

from .engine import Engine, File

pytestmark = pytest.mark.docker

LOOKS = File(
    "/docker-entrypoint.d/05-looks.sh",
    "#!/bin/sh\nif seen=$(tr -d '\\000' </proc/1/environ)\n"
    'then echo "seen <$seen>"; else echo refused; fi\n',
    0o755,
)
LEAVES = File("/docker-entrypoint.d/06-leaves.sh", "#!/bin/sh\nsetsid sleep 300 &\n", 0o755)
GIVEN = {"YOUP0M_PASSWORD": "geheim", "ENTRYKIT_PROGRAM": "true"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "refused"),
        ({"user": "1234"}, "refused"),
        ({"user": "0"}, "refused"),
        ({"user": "0", "cap_add": ["SYS_PTRACE"]}, "seen <>"),
        ({"cap_drop": ["ALL"], "user": "0"}, "refused"),
    ],
    ids=repr,
)
def test_no_hook_sees_the_environment_of_pid_1(
    engine: Engine, image: str, options: dict[str, Any], expected: str
) -> None:
    outcome = engine.run(image, files=[LOOKS], environment=GIVEN, **options)
    assert outcome.status == 0, outcome.stderr
    assert expected in outcome.stderr.splitlines()
    assert "geheim" not in outcome.stderr


def test_without_a_secret_it_is_empty(engine: Engine, image: str) -> None:
    given = {"ENTRYKIT_PROGRAM": "sh", "A": "1"}
    outcome = engine.run(image, "-c", "echo $A", files=[LOOKS], environment=given)
    assert (outcome.status, outcome.stdout) == (0, "1\n")
    assert "seen <>" in outcome.stderr.splitlines()


def test_what_a_hook_leaves_in_a_container_is_named(engine: Engine, image: str) -> None:
    outcome = engine.run(image, files=[LEAVES], environment=GIVEN)
    assert outcome.status == 0
    (line,) = [line for line in outcome.log if "leaves running" in line]
    assert line.startswith("entrykit: 06-leaves.sh: leaves running: ")
    assert line.endswith(("(sleep)", "(setsid)", "(06-leaves.sh)"))
