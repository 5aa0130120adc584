"""Promise: the official nginx image's hook scripts, unchanged, do here what they do there.

Both ways run in one image: Debian's nginx where the official image has its own.
"""

import hashlib
import io
import re
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from docker.models.containers import Container

from .conftest import build_once
from .engine import Engine, File, Outcome, pack

pytestmark = [pytest.mark.docker, pytest.mark.official_nginx]

SCRIPTS = Path(__file__).with_name("nginx-official")
HOOKS = (
    "10-listen-on-ipv6-by-default.sh", "15-local-resolvers.envsh", "20-envsubst-on-templates.sh",
    "30-tune-worker-processes.sh",
)  # fmt: skip
# The server of the official image's default.conf, and the entry in dpkg's records by which
# 10-listen-on-ipv6-by-default.sh knows that file as the packaged one.
DOCKERFILE = r"""
ARG BASE
FROM ${BASE}
USER 0:0
RUN apt-get update \
    && apt-get install -y --no-install-recommends gettext-base libnginx-mod-stream nginx \
    && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/* /usr/lib/entrykit/hooks.d/*
COPY default.conf /etc/nginx/conf.d/
RUN sum="$(md5sum /etc/nginx/conf.d/default.conf | cut -d ' ' -f 1)" \
    && sed -i "/^Package: nginx$/a Conffiles:\n /etc/nginx/conf.d/default.conf $sum" \
        /var/lib/dpkg/status
COPY docker-entrypoint.sh /
COPY entrykit.toml /etc/
RUN entrykit bake
"""
DEFAULT_CONF = "server {\n    listen       80;\n    server_name  localhost;\n}\n"
TOML = 'program = "nginx"\ncommands = ["env"]\n'
TEMPLATES = (
    File("/etc/nginx/templates/", mode=0o755),
    File(
        "/etc/nginx/templates/site.conf.template",
        "server {\n    listen ${NGINX_PORT};\n    server_name $NGINX_HOST ${OTHER_NAME};\n"
        "    location / { return 200 '$uri $host ${request_uri} é$'; }\n}\n",
        0o640,
    ),
    File("/etc/nginx/templates/sub/", mode=0o700),
    File("/etc/nginx/templates/sub/inner.conf.template", "# $NGINX_HOST ${UNDEFINED}\n", 0o644),
    File("/etc/nginx/templates/other.conf.tpl", "# $NGINX_PORT\n", 0o644),
    File("/etc/nginx/templates/note.txt", "$NGINX_PORT\n", 0o644),
)
RESOLVER = File(
    "/etc/nginx/templates/resolver.conf.template", "resolver ${NGINX_LOCAL_RESOLVERS};\n", 0o644
)
STREAM = File(
    "/etc/nginx/templates/dns.conf.stream-template",
    "server { listen ${NGINX_PORT}1; return $NGINX_HOST; }\n",
    0o644,
)
VARIABLES = {"NGINX_HOST": "example.org", "NGINX_PORT": "8080", "OTHER_NAME": "www.example.org"}


class Case(NamedTuple):
    """What both are given."""

    name: str
    environment: dict[str, str]
    files: tuple[File, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it


CASES = [
    Case("nothing", {}),
    Case("templates", VARIABLES, TEMPLATES),
    Case("quiet", VARIABLES | {"NGINX_ENTRYPOINT_QUIET_LOGS": "1"}, TEMPLATES),
    Case("filter", VARIABLES | {"NGINX_ENVSUBST_FILTER": "^NGINX_"}, TEMPLATES),
    Case(
        "places",
        VARIABLES
        | {
            "NGINX_ENVSUBST_TEMPLATE_DIR": "/etc/nginx/templates/sub",
            "NGINX_ENVSUBST_OUTPUT_DIR": "/etc/nginx",
        },
        TEMPLATES,
    ),
    Case("suffix", VARIABLES | {"NGINX_ENVSUBST_TEMPLATE_SUFFIX": ".tpl"}, TEMPLATES),
    Case("stream", VARIABLES | {"NGINX_PORT": "80"}, (*TEMPLATES, STREAM)),
    Case(
        "stream-places",
        VARIABLES
        | {
            "NGINX_ENVSUBST_STREAM_TEMPLATE_SUFFIX": ".template",
            "NGINX_ENVSUBST_STREAM_OUTPUT_DIR": "/etc/nginx/streams",
        },
        TEMPLATES,
    ),
    Case("resolvers", VARIABLES | {"NGINX_ENTRYPOINT_LOCAL_RESOLVERS": "1"},
         (*TEMPLATES, RESOLVER)),
    Case("no-resolvers", VARIABLES, (*TEMPLATES, RESOLVER)),
    Case("workers", {"NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE": "1"},
         options={"nano_cpus": 1_000_000_000}),
    Case("another-user", VARIABLES, TEMPLATES, {"user": "10001:0"}),
    Case("values", VARIABLES | {"NGINX_HOST": "a b'\"\\ $OTHER_NAME \n;é", "EMPTY": ""}, TEMPLATES),
]  # fmt: skip


@pytest.fixture(scope="session")
def nginx(engine: Engine, image: str) -> str:
    """Build the image."""
    context = pack([
        File("Dockerfile", DOCKERFILE),
        File("default.conf", DEFAULT_CONF, 0o644),
        File("docker-entrypoint.sh", (SCRIPTS / "docker-entrypoint.sh").read_bytes()),
        File("entrykit.toml", TOML, 0o644),
    ])  # fmt: skip
    return build_once("official-nginx", lambda: engine.build("official-nginx", context, BASE=image))


class Nginx:
    """Containers with the scripts mounted as the hook directory."""

    def __init__(self, engine: Engine, image: str) -> None:
        self.engine = engine
        self.image = image
        scripts = [File(name, (SCRIPTS / name).read_bytes()) for name in HOOKS]
        volume = engine.volume(*scripts, image=image)
        self.volumes = {volume: {"bind": "/docker-entrypoint.d", "mode": "ro"}}

    def run(self, case: Case, entrypoint: str, starts: int = 1) -> "Left":
        """Run `nginx -t`, perhaps again and again, and return what that leaves."""
        with self.engine.container(
            self.image, "nginx", "-t", entrypoint=entrypoint, environment=case.environment,
            files=case.files, volumes=self.volumes, **case.options,
        ) as container:  # fmt: skip
            for _ in range(starts):
                container.start()
                outcome = self.engine.outcome(container)
            return Left(outcome, tree(container))


class Left(NamedTuple):
    """How a start ended, and /etc/nginx after it."""

    outcome: Outcome
    files: dict[str, tuple[int, int, int, bytes]]


@pytest.fixture(scope="module")
def scripts(engine: Engine, nginx: str) -> Nginx:
    """Return containers of the image."""
    return Nginx(engine, nginx)


def tree(container: Container) -> dict[str, tuple[int, int, int, bytes]]:
    """Return mode, owner and content of each file below /etc/nginx.

    Without the times that two of the scripts write into nginx.conf.
    """
    chunks, _ = container.get_archive("/etc/nginx")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        for entry in archive:
            file = archive.extractfile(entry) if entry.isreg() else None
            content = file.read() if file else entry.linkname.encode()
            content = re.sub(rb"(?m)^(# (?:added by|Commented out by) .+ on ).*$", rb"\1", content)
            found[entry.name] = entry.mode, entry.uid, entry.gid, content
    return found


def test_the_scripts_are_unchanged() -> None:
    sums = (SCRIPTS / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    assert {line.split()[1] for line in sums} == {*HOOKS, "docker-entrypoint.sh"}
    for line in sums:
        digest, name = line.split()
        assert hashlib.sha256((SCRIPTS / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_they_leave_the_same_files(scripts: Nginx, case: Case) -> None:
    there = scripts.run(case, "/docker-entrypoint.sh")
    here = scripts.run(case, "/entrypoint")
    assert here.files == there.files
    assert here.outcome.status == there.outcome.status
    assert here.outcome.ran == list(HOOKS)


def test_they_leave_the_same_files_at_the_second_start(scripts: Nginx) -> None:
    environment = VARIABLES | {"NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE": "1"}
    case = Case("all", environment, (*TEMPLATES, STREAM))
    there = scripts.run(case, "/docker-entrypoint.sh", starts=2)
    here = scripts.run(case, "/entrypoint", starts=2)
    assert here.files == there.files


def test_what_is_compared_is_what_the_scripts_make(scripts: Nginx) -> None:
    environment = VARIABLES | {
        "NGINX_ENTRYPOINT_LOCAL_RESOLVERS": "1",
        "NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE": "1",
    }
    case = Case("all", environment, (*TEMPLATES, RESOLVER, STREAM), {"nano_cpus": 1_000_000_000})
    files = {
        name: content for name, (*_, content) in scripts.run(case, "/entrypoint").files.items()
    }
    assert b"listen  [::]:80;" in files["nginx/conf.d/default.conf"]
    assert b"server_name example.org www.example.org;" in files["nginx/conf.d/site.conf"]
    assert files["nginx/conf.d/sub/inner.conf"] == b"# example.org ${UNDEFINED}\n"
    assert re.fullmatch(rb"resolver [0-9a-f].+;\n", files["nginx/conf.d/resolver.conf"])
    assert (
        files["nginx/stream-conf.d/dns.conf"] == b"server { listen 80801; return example.org; }\n"
    )
    assert b"\nworker_processes 1;\n" in files["nginx/nginx.conf"]
    assert b"include /etc/nginx/stream-conf.d/*.conf;" in files["nginx/nginx.conf"]


def test_what_the_envsh_exports_reaches_the_command(scripts: Nginx) -> None:
    engine = scripts.engine
    resolvers = {"NGINX_ENTRYPOINT_LOCAL_RESOLVERS": "1"}
    show = ["sh", "-c", "awk '$1 == \"nameserver\" {print $2}' /etc/resolv.conf"]
    known = engine.run(scripts.image, *show, entrypoint=[]).stdout.split()
    assert known
    for environment, expected in (({}, []), (resolvers, known)):
        outcome = engine.run(scripts.image, "env", environment=environment, volumes=scripts.volumes)
        assert outcome.status == 0, outcome.stderr
        seen = dict(line.split("=", 1) for line in outcome.stdout.splitlines())
        found = seen.get("NGINX_LOCAL_RESOLVERS", "").split()
        assert [address.strip("[]") for address in found] == expected
