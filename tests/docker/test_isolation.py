"""Promise: a baked start loads what was baked, and nothing that a user of the image puts in."""

import pytest

from .engine import Engine, File, pack

pytestmark = pytest.mark.docker

LOUD = "import os\nos.write(2, b'EVIL %s\\n' % __name__.encode())\n"
PACKAGES = "/usr/local/lib/python3.11/dist-packages"
# Modules that entrykit, its htpasswd hook or any interpreter imports.
NAMES = (
    *("bcrypt", "gc", "hashlib", "marshal", "os", "posix", "site", "sitecustomize", "time"),
    *("typing", "usercustomize", "entrykit/__init__", "entrykit/boot", "entrykit/launcher"),
)
EVIL = [File(f"/evil/{name}.py", LOUD, 0o644) for name in NAMES]
VARIABLES = {
    "PYTHONHOME": "/evil",
    "PYTHONINSPECT": "1",
    "PYTHONPATH": "/evil",
    "PYTHONSTARTUP": "/evil/os.py",
    "PYTHONUSERBASE": "/evil",
    "PYTHONVERBOSE": "1",
    "PYTHONWARNINGS": "error",
}
SET_UP = {"YOUP0M_PASSWORD": "admin", "ENTRYKIT_PROGRAM": "true"}


def test_variables_of_python_and_modules_nearby_do_not_get_in(engine: Engine, image: str) -> None:
    loads = File(f"{PACKAGES}/evil.pth", "import sys; sys.stderr.write('EVIL pth')\n", 0o644)
    site = File("/usr/lib/python3/dist-packages/sitecustomize.py", LOUD, 0o644)
    outcome = engine.run(
        image,
        files=[*EVIL, loads, site],
        environment=VARIABLES | SET_UP,
        working_dir="/evil",
    )
    assert outcome.status == 0, outcome.stderr
    assert "EVIL" not in outcome.stderr
    assert outcome.ran == ["10-images.sh", "30-htpasswd.py"]
    assert len(outcome.log) == 2


def test_they_get_into_any_other_python(engine: Engine, image: str) -> None:
    environment = {"PYTHONPATH": "/evil"}
    outcome = engine.run(image, "python3", "-c", "1", environment=environment, files=EVIL)
    assert "EVIL sitecustomize" in outcome.stderr


def test_the_command_gets_those_variables_as_they_are(engine: Engine, image: str) -> None:
    environment = VARIABLES | {"ENTRYKIT_PROGRAM": "env"}
    outcome = engine.run(image, environment=environment, working_dir="/evil", files=EVIL)
    assert set(outcome.stdout.splitlines()) >= {f"{k}={v}" for k, v in VARIABLES.items()}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            'head=$(head -c 6 /entrypoint.baked) && sed -i "1s/^$head/3.99.1/" /entrypoint.baked',
            "it was baked for another Python",
        ),
        (f"echo >>{PACKAGES}/entrykit/boot.py", "another entrykit than this one was baked"),
        ("rm /entrypoint.baked", "the launcher's record cannot be read"),
    ],
    ids=["python", "entrykit", "record"],
)
def test_what_was_baked_for_another_image_is_answered_by_the_source(
    engine: Engine, image: str, change: str, reason: str, request: pytest.FixtureRequest
) -> None:
    lines = ["ARG BASE", "FROM ${BASE}", "USER 0", f"RUN {change}", "USER 10001:0", ""]
    context = pack([File("Dockerfile", "\n".join(lines), 0o644)])
    name = request.node.callspec.id
    changed = engine.build(name, context, BASE=image)
    with engine.server(changed, environment={"YOUP0M_PASSWORD": "admin"}) as server:
        assert server.admin() == [401, 200, 401]
        first = server.ready_log.splitlines()[0]
        end = "loads its source, more slowly (run `entrykit bake` again)"
        assert first == f"entrykit: {reason}: {end}"
    outcome = engine.run(changed, files=EVIL, environment=VARIABLES | SET_UP, working_dir="/evil")
    assert outcome.status == 0, outcome.stderr
    assert "EVIL" not in outcome.stderr


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        ("echo 'progam = \"x\"' >/etc/entrykit.toml", "unknown key progam"),
        (
            "cd /usr/lib/entrykit/hooks.d; printf '#!/bin/sh\\r\\n' >20-a.sh; chmod +x 20-a.sh",
            "CRLF",
        ),
        ("echo 'def hook(:' >/usr/lib/entrykit/hooks.d/20-a.py", "it is not Python"),
    ],
    ids=["configuration", "hook", "python"],
)
def test_a_mistake_in_the_image_ends_its_build(
    engine: Engine, image: str, break_it: str, message: str
) -> None:
    outcome = engine.run(
        image, "-c", f"{break_it}; entrykit bake", entrypoint="/bin/sh", user="0:0"
    )
    assert outcome.status == 78
    assert message in outcome.stderr
    assert "wrote" not in outcome.stderr


def test_a_baked_configuration_that_is_gone_is_no_silent_start(engine: Engine, image: str) -> None:
    files = [File("/etc/entrykit.toml", link="/nowhere")]
    outcome = engine.run(image, files=files)
    assert outcome.status == 78
    assert "cannot read /etc/entrykit.toml: no such file or directory" in outcome.log[-1]
