"""Promise: volumes get the owner that is declared, whatever lies and is mounted in them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from .engine import ROOT, Engine, File, Outcome

pytestmark = pytest.mark.docker

TOML = """\
program = ["find", "/data", "-printf", "%p %U:%G\\\\n"]
[owner]
directories = ["/data"]
uid = "PUID"
gid = "PGID"
"""
CONFIGURATION = File("/etc/entrykit.toml", TOML, 0o644)
# An empty directory: the image's own hook has nothing to do with it.
ENVIRONMENT = {"PUID": "1500", "PGID": "1600", "ENTRYKIT_HOOKS": "/media"}


@pytest.fixture
def volume(engine: Engine, image: str) -> str:
    """Return a volume of root's, with a file in a directory."""
    return engine.volume(File("inner/file"), script="chown -R 0:0 .", image=image)


class Owning:
    """Starts as root with a volume at /data."""

    def __init__(self, engine: Engine, image: str, volume: str) -> None:
        self.engine = engine
        self.image = image
        self.volumes = {volume: {"bind": "/data", "mode": "rw"}}

    def __call__(self, *files: File, **options: Any) -> Outcome:
        """Start with PUID and PGID, unless told otherwise, to the end."""
        given = {"environment": ENVIRONMENT, "user": "0:0", "volumes": self.volumes, **options}
        return self.engine.run(self.image, files=files or [CONFIGURATION], **given)


@pytest.fixture
def owning(engine: Engine, image: str, volume: str) -> Iterator[Owning]:
    """Return starts with the volume, which they remove."""
    yield Owning(engine, image, volume)
    engine.client.volumes.get(volume).remove(force=True)


def owners(outcome: Outcome) -> dict[str, str]:
    """Return what the command saw: the owner of each file."""
    assert outcome.status == 0, outcome.stderr
    return dict(line.rsplit(" ", 1) for line in outcome.stdout.splitlines())


def without_time(line: str) -> str:
    """Return a line of the log without the time that it took."""
    return re.sub(r" \([0-9.]+ m?s\)$", "", line)


def shown() -> set[str]:
    """Return the lines of a log that the page shows."""
    page = (ROOT / "docs/owner.md").read_text(encoding="utf-8")
    return {without_time(line) for line in page.splitlines() if line.startswith("entrykit: ")}


def test_a_volume_is_given_once(owning: Owning) -> None:
    first = owning()
    assert owners(first) == dict.fromkeys(("/data", "/data/inner", "/data/inner/file"), "1500:1600")
    assert "50-owner.py: /data: 3 of 3 files given to 1500:1600 (" in first.log[0]
    second = owning()
    assert owners(second) == owners(first)
    assert "50-owner.py: /data: 3 files, nothing to change (" in second.log[0]
    assert {without_time(line) for line in first.log + second.log} <= shown()


def test_a_mount_of_the_same_file_system_in_it_is_left_and_said(
    owning: Owning, engine: Engine, image: str
) -> None:
    inner = engine.volume(File("kept"), script="chown 7:7 . kept", image=image)
    owning.volumes[inner] = {"bind": "/data/inner", "mode": "rw"}
    outcome = owning()
    assert owners(outcome) == {
        "/data": "1500:1600", "/data/inner": "7:7", "/data/inner/kept": "7:7",
    }  # fmt: skip
    assert outcome.log[0] == (
        "entrykit: 50-owner.py: mounted in /data, so left as they are: /data/inner"
    )


def test_without_the_capability_it_ends_with_the_mend(owning: Owning) -> None:
    outcome = owning(cap_drop=["ALL"])
    assert outcome.status == 78
    assert "cannot change the owner of /data/inner/file: operation not permitted" in outcome.log[-1]
    assert "root needs the capability CHOWN" in outcome.log[-1]
    allowed = owning(cap_drop=["ALL"], cap_add=["CHOWN"])
    assert set(owners(allowed).values()) == {"1500:1600"}
    # Where all is right, nothing is needed.
    assert "nothing to change" in owning(cap_drop=["ALL"]).stderr


def test_a_read_only_volume_ends_with_the_mend_unless_all_is_right(owning: Owning) -> None:
    (mount,) = owning.volumes.values()
    mount["mode"] = "ro"
    outcome = owning()
    assert outcome.status == 78
    message = "cannot change the owner of /data/inner/file: read-only file system"
    assert message in outcome.log[-1]
    assert outcome.log[-1].endswith(" (mount it writable, or set the owner from outside)")
    mount["mode"] = "rw"
    owning()
    mount["mode"] = "ro"
    assert set(owners(owning()).values()) == {"1500:1600"}


def test_another_user_than_root_is_kept_and_told_what_it_cannot_write_to(owning: Owning) -> None:
    outcome = owning(user="1500:1600")
    assert set(owners(outcome).values()) == {"0:0"}
    assert outcome.log[0] == (
        "entrykit: 50-owner.py: uid 1500 cannot write to /data"
        " (give it this owner from outside, or start as root)"
    )
    assert "the start is uid 1500, not root: owners stay as they are (" in outcome.log[1]
    assert {without_time(line) for line in outcome.log} <= shown()
    owning()
    assert len(owning(user="1500:1600").log) == 1


def test_a_user_whose_uid_means_leave_it_is_an_error(owning: Owning) -> None:
    toml = TOML.replace('uid = "PUID"\ngid = "PGID"', 'user = "bad"')
    accounts = "root:x:0:0::/:/bin/sh\nbad:x:4294967295:4294967295::/:/bin/sh\n"
    outcome = owning(File("/etc/entrykit.toml", toml, 0o644), File("/etc/passwd", accounts, 0o644))
    assert outcome.status == 78
    broken = "/etc/passwd:2: the line is broken: its uid is not a whole number from 0 to 4294967294"
    assert broken in outcome.log[-1]


def test_a_missing_directory_on_a_tmpfs_is_made(engine: Engine, image: str) -> None:
    toml = TOML.replace("/data", "/run/app")
    volume = engine.volume(File("entrykit.toml", toml, 0o644), image=image)
    outcome = engine.run(
        image,
        environment=ENVIRONMENT | {"ENTRYKIT_CONFIG": "/v/entrykit.toml"},
        user="0:0",
        volumes={volume: {"bind": "/v", "mode": "ro"}},
        read_only=True,
        tmpfs={"/run": ""},
    )
    assert owners(outcome) == {"/run/app": "1500:1600"}
