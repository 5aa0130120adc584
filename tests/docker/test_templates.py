"""Promise: templates become files as the image's user, with a read-only root file system too."""

from typing import Any

import pytest

from .conftest import build_once
from .engine import Engine, File, pack

pytestmark = pytest.mark.docker

DOCKERFILE = """\
ARG BASE
FROM $BASE
USER root
COPY entrykit.toml /etc/entrykit.toml
COPY templates /templates
RUN chown 10001:0 /templates/secret.template && entrykit bake
USER 10001:0
"""
CONFIGURATION = """\
program = ["sh", "-c", "cd {to} && stat -c '%n %a %u:%g' * && cat *"]
[templates]
from = "/templates"
to = "{to}"
secrets = ["PASSWORD"]
check = ["sh", "-c", "grep -h name $1/*.conf", "sh", "{{}}"]
"""
TEMPLATES = [
    File("templates/a.conf.template", "server_name $NAME; # $host\n", 0o644),
    File("templates/b.conf.j2", "{{ NAME | nginx_quote }} # name\n", 0o644),
    File("templates/secret.template", "$PASSWORD\n", 0o640),
]
VARIABLES = {"NAME": "example.org", "PASSWORD": "hush"}
MADE = """\
a.conf 644 10001:0
b.conf 644 10001:0
secret 640 10001:0
server_name example.org; # $host
"example.org" # name
hush
"""


def image_that_writes_to(engine: Engine, base: str, name: str, to: str) -> str:
    """Build an image with templates for a directory."""
    configuration = File("entrykit.toml", CONFIGURATION.format(to=to), 0o644)
    context = pack([File("Dockerfile", DOCKERFILE), configuration, *TEMPLATES])
    return build_once(name, lambda: engine.build(name, context, BASE=base))


@pytest.fixture(scope="session")
def shared_memory(engine: Engine, image: str) -> str:
    """Return an image whose templates go to /dev/shm, where engines let everybody write."""
    return image_that_writes_to(engine, image, "templates-shm", "/dev/shm/site")  # noqa: S108


@pytest.fixture(scope="session")
def etc(engine: Engine, image: str) -> str:
    """Return an image whose templates go to a directory of root's."""
    return image_that_writes_to(engine, image, "templates-etc", "/etc/site")


@pytest.mark.parametrize("options", [{}, {"cap_drop": ["ALL"]}, {"user": "12345:0"}])
def test_a_read_only_root_file_system_is_no_hindrance(
    engine: Engine, shared_memory: str, options: dict[str, Any]
) -> None:
    outcome = engine.run(shared_memory, environment=VARIABLES, read_only=True, **options)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == MADE.replace("10001", str(options.get("user", "10001")).split(":")[0])
    assert outcome.log[1:3] == ["server_name example.org; # $host", '"example.org" # name']
    assert outcome.log[3].startswith("entrykit: 40-templates.py: 3 files in /dev/shm/site (")
    assert outcome.ran == ["10-images.sh", "40-templates.py"]


def test_root_gives_files_their_templates_owners(engine: Engine, shared_memory: str) -> None:
    outcome = engine.run(shared_memory, environment=VARIABLES, user="0:0")
    assert outcome.status == 0, outcome.stderr
    owners = ["a.conf 644 0:0", "b.conf 644 0:0", "secret 640 10001:0"]
    assert outcome.stdout.splitlines()[:3] == owners


def test_root_without_capabilities_keeps_what_it_can(engine: Engine, shared_memory: str) -> None:
    """Another's file of mode 0640 in root's own group; with CHOWN gone, root is the owner."""
    outcome = engine.run(shared_memory, environment=VARIABLES, user="0:0", cap_drop=["ALL"])
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.splitlines()[2] == "secret 640 0:0"


def test_a_directory_that_cannot_be_written_says_what_to_do(engine: Engine, etc: str) -> None:
    outcome = engine.run(etc, environment=VARIABLES, read_only=True)
    assert (outcome.status, outcome.stdout) == (78, "")
    assert "cannot make /etc/site: read-only file system" in outcome.log[-1]
    assert outcome.log[-1].endswith("(mount a tmpfs or a volume there)")
    with_tmpfs = {"/etc/site": "uid=10001"}
    outcome = engine.run(etc, environment=VARIABLES, read_only=True, tmpfs=with_tmpfs)
    assert (outcome.status, outcome.stdout) == (0, MADE), outcome.stderr


def test_a_restarted_container_finds_its_files_unchanged(engine: Engine, etc: str) -> None:
    with engine.container(etc, environment=VARIABLES, user="0:0") as container:
        container.start()
        assert engine.outcome(container).status == 0
        container.start()
        outcome = engine.outcome(container)
    assert outcome.status == 0
    said = outcome.log[-1].partition(" (")[0]
    assert said == "entrykit: 40-templates.py: 3 files in /etc/site, unchanged"
