"""Promise: a hook with `user=` runs as that user, with no more rights than that takes."""

from dataclasses import replace
from typing import Any

import pytest

from .engine import Engine, File, Outcome, pack, wait_for_line

pytestmark = pytest.mark.docker

DIRECTORY = "/docker-entrypoint.d"
USER, UID = "youp0m", 10001
RIGHTS: dict[str, dict[str, Any]] = {
    "all": {},
    "few": {"cap_drop": ["ALL"], "cap_add": ["SETUID", "SETGID"]},
    "read-only": {
        "cap_drop": ["ALL"],
        "cap_add": ["SETUID", "SETGID"],
        "read_only": True,
        "security_opt": ["no-new-privileges:true"],
    },
    "terminal": {"tty": True},
}
CONFIG = f"""
program = "sh"

[env.TOKEN]
secret = true

[htpasswd]
username = "LOGIN"
password = "PASSWORD"
file = "htpasswd"

[hooks."30-htpasswd.py"]
user = "{USER}"
"""
PYTHON = f"""# entrykit: user={USER}
import os
def hook(start):
    start.env["PY"] = str(os.getuid())
    path = start.runtime_directory + "/made"
    with open(path, "w") as file:
        file.write("made")
    start.env["MADE"] = path
"""


def shell(name: str, *lines: str, settings: str = f"user={USER}") -> File:
    """Return a hook for /bin/sh with settings."""
    return File(name, "\n".join(("#!/bin/sh", f"# entrykit: {settings}", *lines, "")))


def placed(*hooks: File) -> list[File]:
    """Return hooks where they lie in a container."""
    return [replace(hook, path=f"{DIRECTORY}/{hook.path}") for hook in hooks]


def start(engine: Engine, image: str, *files: File, script: str = ":", **options: Any) -> Outcome:
    """Start as root with these hooks; the command is a script."""
    options = {"user": "0:0"} | options
    options["environment"] = {
        "ENTRYKIT_CONFIG": "/c/e.toml", "ENTRYKIT_HOOKS": DIRECTORY, "LOGIN": "admin",
        "PASSWORD": "hush", "TOKEN": "hush hush",
    } | options.get("environment", {})  # fmt: skip
    # A read-only root file system takes no files.
    inside = {
        engine.volume(*files, image=image): {"bind": DIRECTORY, "mode": "ro"},
        engine.volume(File("e.toml", CONFIG, 0o644), image=image): {"bind": "/c", "mode": "ro"},
    }
    return engine.run(image, "sh", "-c", script, volumes=inside, **options)


@pytest.mark.parametrize("suite", ["image", "trixie"])
@pytest.mark.parametrize("rights", RIGHTS.values(), ids=RIGHTS)
def test_hooks_of_each_kind_run_as_their_user(
    engine: Engine, request: pytest.FixtureRequest, suite: str, rights: dict[str, Any]
) -> None:
    outcome = start(
        engine,
        request.getfixturevalue(suite),
        shell(
            "40-a.sh",
            "id -u >$ENTRYKIT_ENV/SH; echo HOME=$HOME TOKEN=$TOKEN",
            "cat /proc/1/environ /proc/1/mem; (: </dev/tty); echo to stderr >&2",
            "grep CapEff /proc/self/status",
        ),
        shell("50-b.envsh", "export SOURCED=$(id -u)"),
        File("60-c.py", PYTHON, 0o644),
        File("70-d.sh", '#!/bin/sh\necho "root sees $SH $SOURCED $PY"\n'),
        script='echo "$SH $SOURCED $PY $(id -u) $(cat $MADE) $(ls ${MADE%/*}/htpasswd)"',
        **rights,
    )
    log = outcome.stdout.splitlines() + outcome.log
    assert outcome.status == 0, outcome
    (shown,) = (line for line in log if line.startswith(f"{UID} {UID} {UID} 0 made /"))
    assert shown.endswith(f"/user-{UID}-0/files/htpasswd")
    for line in ("HOME=/images TOKEN=", "to stderr", "root sees   ", "CapEff:\t0000000000000000"):
        assert line in log
    assert sum("Permission denied" in line for line in log) == 2
    assert any("cannot open /dev/tty" in line for line in log)
    assert "hush" not in outcome.stdout + outcome.stderr


def test_without_a_place_for_changes_it_runs_all_the_same(engine: Engine, image: str) -> None:
    outcome = start(
        engine,
        image,
        shell(
            "40-a.sh", "id -u; echo x >$ENTRYKIT_ENV/SH", settings=f"user={USER} on-error=continue"
        ),
        shell("50-b.envsh", "export SOURCED=$(id -u)"),
        File("60-c.py", PYTHON.partition("    path")[0]),
        script='echo "$SH $SOURCED $PY"',
        ipc_mode="none",
        environment={"ENTRYKIT_SKIP": "30-htpasswd.py"},
        **RIGHTS["read-only"],
    )
    assert (outcome.status, outcome.stdout) == (0, f" {UID} {UID}\n"), outcome
    assert str(UID) in outcome.log


@pytest.mark.parametrize("rights", [RIGHTS["all"], RIGHTS["few"]], ids=["all", "few"])
def test_a_stop_ends_it_and_its_processes(
    engine: Engine, image: str, rights: dict[str, Any]
) -> None:
    hook = shell("40-a.sh", "trap 'echo asked' TERM", "sleep 600 & echo ready", "wait")
    environment = {"ENTRYKIT_HOOKS": DIRECTORY, "ENTRYKIT_PROGRAM": "env"}
    with engine.container(
        image, "env", files=placed(hook), user="0:0", environment=environment, **rights
    ) as container:
        container.start()
        wait_for_line(container, "ready")
        container.kill("TERM")
        outcome = engine.outcome(container)
    assert outcome.status == 143
    assert "asked" in outcome.log
    assert "stopped by SIGTERM during 40-a.sh" in outcome.log[-1]


def test_a_hook_that_has_used_up_all_processes_is_ended(engine: Engine, image: str) -> None:
    """To signal it takes no further one."""
    outcome = start(
        engine,
        image,
        shell(
            "40-a.sh",
            "trap '' TERM",
            "while sleep 600 & do :; done",
            settings=f"user={USER} timeout=2s on-error=continue",
        ),
        shell("50-b.sh", "echo after"),
        script="echo command",
        pids_limit=30,
        **RIGHTS["few"],
    )
    assert outcome.status == 0
    assert outcome.stdout == "command\n"
    assert "after" in outcome.log


def test_another_users_start_runs_it_as_it_is(engine: Engine, image: str) -> None:
    hook = shell("40-a.sh", "id -u >$ENTRYKIT_ENV/ID", settings="user=nobody")
    outcome = start(engine, image, hook, script="echo $ID", user="1000:0")
    assert (outcome.status, outcome.stdout) == (0, "1000\n")
    kept = "30-htpasswd.py, 40-a.sh: run as uid 1000, which this start has: only root could"
    assert f"entrykit: {kept} become their user" in outcome.log


def test_root_without_the_rights_says_what_it_lacks(engine: Engine, image: str) -> None:
    outcome = start(engine, image, shell("40-a.sh", "echo ran"), cap_drop=["ALL"])
    assert outcome.status == 126
    assert all(
        "the container lacks CAP_SETUID (give it --cap-add SETUID," in line for line in outcome.log
    )
    assert len(outcome.log) == 2


def test_a_restart_removes_what_a_killed_start_has_left(engine: Engine, image: str) -> None:
    """In /run/entrykit, where the first start was ended before it could."""
    hooks = [
        File("10-a.py", PYTHON, 0o644),
        shell("20-b.sh", "echo ready", "[ -e /images/again ] || exec sleep 600"),
    ]
    environment = {
        "ENTRYKIT_HOOKS": DIRECTORY,
        "ENTRYKIT_PROGRAM": "sh",
        "ENTRYKIT_SKIP": "30-htpasswd.py",
    }
    context = pack([File("Dockerfile", f"FROM {image}\nUSER 0:0\nRUN rm -r /run/entrykit\n")])
    image = engine.build("hook-user", context)
    script = "echo $MADE; ls $MADE"
    with engine.container(
        image, "sh", "-c", script, files=placed(*hooks), user="0:0", environment=environment,
        **RIGHTS["few"],
    ) as container:  # fmt: skip
        container.start()
        wait_for_line(container, "ready")
        container.kill("KILL")
        container.wait()
        engine.put(container, [File("/images/again")])
        container.start()
        outcome = engine.outcome(container)
    made = f"/run/entrykit/user-{UID}-0/files/made\n"
    assert (outcome.status, outcome.stdout.replace("\r", "")[-2 * len(made) :]) == (0, 2 * made)
