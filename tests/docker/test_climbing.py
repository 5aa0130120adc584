"""Promise: however it is mounted, root obeys nothing that the command's user can write."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .engine import ROOT, Engine, File, Outcome

pytestmark = pytest.mark.docker

CONFIGURATION = File("/etc/entrykit.toml", 'user = "1001:0"\n', 0o644)
HOOKS = "/docker-entrypoint.d"
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1001:0::/:/bin/sh\n"  # noqa: S105 - no secret
# As a ConfigMap is mounted: all may write its root, and what is in it are links to a directory.
CONFIG_MAP = (
    File("..data_1/10-say.sh", "#!/bin/sh\necho ran as $(id -u)\n", 0o644),
    File("..data", link="..data_1"),
    File("10-say.sh", link="..data/10-say.sh"),
)


@pytest.fixture
def start(engine: Engine, image: str) -> Callable[..., Outcome]:
    """Return what starts `id -u` as root, with a step-down."""

    def run(*files: File, configuration: File = CONFIGURATION, **options: Any) -> Outcome:
        given = [configuration, *files]
        return engine.run(image, "id", "-u", files=given, user="0:0", **options)

    return run


@pytest.fixture
def volume(engine: Engine, image: str) -> Iterator[str]:
    """Return a volume with a hook, that all can write."""
    name = engine.volume(*CONFIG_MAP, script="chmod -R 0777 . && chown -R 0:0 .", image=image)
    yield name
    engine.client.volumes.get(name).remove(force=True)


def mounts(volume: str, *places: tuple[str, str]) -> list[str]:
    """Return a volume's mounts as the engine takes them: places and modes."""
    return [f"{volume}:{place}:{mode}" for place, mode in places]


def refused(outcome: Outcome) -> set[str]:
    """Return the paths that a start refuses to obey."""
    assert (outcome.status, outcome.stdout) == (78, "")
    assert all(" can write it " in line for line in outcome.log)
    return {line.removeprefix("entrykit: ").partition(":")[0] for line in outcome.log}


def test_a_volume_that_all_can_write_is_obeyed_where_it_is_read_only(
    start: Callable[..., Outcome], volume: str
) -> None:
    outcome = start(volumes=mounts(volume, (HOOKS, "ro")))
    assert (outcome.status, outcome.stdout) == (0, "1001\n")
    assert "ran as 0" in outcome.log
    assert refused(start(volumes=mounts(volume, (HOOKS, "rw")))) >= {HOOKS}


def test_a_volume_that_is_mounted_twice_is_as_writable_as_its_other_mount(
    start: Callable[..., Outcome], volume: str
) -> None:
    both = mounts(volume, (HOOKS, "ro"), ("/data", "rw"))
    assert refused(start(volumes=both)) >= {HOOKS}
    assert start(volumes=mounts(volume, (HOOKS, "ro"), ("/data", "ro"))).status == 0


def test_a_volume_in_a_directory_of_the_users_own_stays_where_it_is(
    start: Callable[..., Outcome], volume: str
) -> None:
    own = File("/srv/app/", owner=1001)
    outcome = start(
        own,
        volumes=mounts(volume, ("/srv/app/hooks", "ro")),
        environment={"ENTRYKIT_HOOKS": "/srv/app/hooks"},
    )
    assert (outcome.status, outcome.stdout) == (0, "1001\n")


def test_a_user_that_can_make_itself_root_in_passwd_is_refused(
    start: Callable[..., Outcome],
) -> None:
    configuration = File("/etc/entrykit.toml", 'user = "app"\n', 0o644)
    outcome = start(File("/etc/passwd", PASSWD, 0o664), configuration=configuration)
    said = (
        "entrykit: /etc/passwd: app (uid 1001) can write it through its group, 0, and the start"
        " obeys the ids in it as root (chmod g-w /etc/passwd; or mount it read-only, or set"
        ' trust = "any")'
    )
    assert outcome.log == [said]
    assert said in (ROOT / "docs" / "operators.md").read_text(encoding="utf-8").splitlines()
    assert outcome.status == 78
    trusting = File("/etc/entrykit.toml", 'user = "app"\ntrust = "any"\n', 0o644)
    outcome = start(File("/etc/passwd", PASSWD, 0o664), configuration=trusting)
    assert (outcome.status, outcome.stdout) == (0, "1001\n")


def test_a_user_that_the_engine_has_set_has_nothing_to_climb(
    engine: Engine, image: str, volume: str
) -> None:
    options = {"volumes": mounts(volume, (HOOKS, "rw")), "user": "1001:0"}
    outcome = engine.run(image, "id", "-u", files=[CONFIGURATION], **options)
    assert (outcome.status, outcome.stdout) == (0, "1001\n")
    assert "ran as 1001" in outcome.log
