"""Promise: in a container hooks are tried where it allows that; where not, it says what would."""

import pytest

from .engine import Engine, File

pytestmark = pytest.mark.docker
HOOK = b"#!/bin/sh\necho a >/etc/made\n"
UNCONFINED = {"security_opt": ["seccomp=unconfined", "apparmor=unconfined"]}
WORDS = ("-m", "entrykit", "try", "/srv/hooks", "--", "true")


@pytest.fixture(params=["image", "trixie"])
def debian(request: pytest.FixtureRequest) -> str:
    """Return an image with entrykit, on each Debian."""
    tag: str = request.getfixturevalue(request.param)
    return tag


@pytest.mark.parametrize("user", ["0:0", "4711:4711"])
def test_it_works_where_namespaces_are_allowed(engine: Engine, debian: str, user: str) -> None:
    files = [File("srv/hooks/10-it.sh", HOOK, 0o755)]
    outcome = engine.run(
        debian, *WORDS, entrypoint="/usr/bin/python3", user=user, files=files, **UNCONFINED
    )
    assert outcome.status == 0, outcome.stderr
    assert "made: /etc/made, 0644 0:0" in outcome.stdout
    assert outcome.stdout.splitlines()[-1].startswith("would start: true (uid 0, gid 0")


@pytest.mark.parametrize("user", ["0:0", "4711:4711"])
def test_without_more_rights_it_names_them(engine: Engine, debian: str, user: str) -> None:
    files = [File("srv/hooks/10-it.sh", HOOK, 0o755)]
    outcome = engine.run(debian, *WORDS, entrypoint="/usr/bin/python3", user=user, files=files)
    assert outcome.status == 1
    assert outcome.stderr.startswith("entrykit: this machine allows no sandbox: unshare: Operation")
    assert "seccomp=unconfined and apparmor=unconfined" in outcome.stderr


def test_root_without_capabilities_is_told_which(engine: Engine, image: str) -> None:
    files = [File("srv/hooks/10-it.sh", HOOK, 0o755)]
    outcome = engine.run(
        image,
        *WORDS,
        entrypoint="/usr/bin/python3",
        user="0:0",
        files=files,
        cap_drop=["ALL"],
        **UNCONFINED,
    )
    assert outcome.status == 1
    assert "root needs SETGID, SETUID, SETFCAP for it" in outcome.stderr
