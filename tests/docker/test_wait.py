"""Promise: what waits for a server goes on once that server answers, and not before."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from docker.models.containers import Container

from .conftest import build_once
from .engine import PATIENCE_SECONDS, Engine, File, Outcome, pack, wait_for_line

pytestmark = pytest.mark.docker

HUSH = "hush-hush"
ANYWHERE = "0.0.0.0"  # noqa: S104 - in a container
# Redis with something to load; PostgreSQL that starts as a standby without a primary, and so takes
# no connections until it is promoted.
DOCKERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update \\
    && apt-get install -y --no-install-recommends postgresql redis-server \\
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/tmp/db
USER postgres
RUN initdb --no-sync -A trust >/dev/null \\
    && echo 'host all all all trust' >>/tmp/db/pg_hba.conf \\
    && touch /tmp/db/standby.signal
WORKDIR /tmp
RUN redis-server --port 0 --unixsocket /tmp/redis --rdbcompression no --daemonize yes \\
    && until redis-cli -s /tmp/redis ping; do sleep 0.1; done \\
    && redis-cli -s /tmp/redis eval \\
        'for i = 1, 1000 do redis.call("set", i, string.rep("x", 2000)) end' 0 \\
    && redis-cli -s /tmp/redis shutdown save
"""
POSTGRES = ("postgres", "-c", "listen_addresses=*", "-c", "hot_standby=off",
            "-c", "unix_socket_directories=/tmp")  # fmt: skip
REDIS = ("redis-server", "--bind", ANYWHERE, "--requirepass", HUSH, "--key-load-delay", "1000000",
         "--loading-process-events-interval-bytes", "1024")  # fmt: skip


@pytest.fixture(scope="session")
def servers(engine: Engine) -> str:
    """Build the image of Debian's PostgreSQL and Redis."""
    context = pack([File("Dockerfile", DOCKERFILE)])
    return build_once("servers", lambda: engine.build("servers", context))


@contextmanager
def server(
    engine: Engine, image: str, port: int, begins: str, *command: str
) -> Iterator[tuple[Container, int]]:
    """Yield a server that has said how it begins, and its port on 127.0.0.1."""
    ports = {f"{port}/tcp": ("127.0.0.1", 0)}
    with engine.container(image, *command, ports=ports) as container:
        container.start()
        wait_for_line(container, begins)
        container.reload()
        yield container, int((container.ports[f"{port}/tcp"] or [])[0]["HostPort"])


@contextmanager
def waiting(target: str) -> Iterator["subprocess.Popen[str]"]:
    """Yield `entrykit wait` for a target."""
    words = [sys.executable, "-m", "entrykit", "wait", "--timeout", f"{PATIENCE_SECONDS}s", target]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline().removeprefix("entrykit: ").rstrip("\n")


def test_a_postgres_server_is_there_once_it_takes_connections(engine: Engine, servers: str) -> None:
    with server(engine, servers, 5432, "waiting for WAL", *POSTGRES) as (container, port):
        target = f"postgres://127.0.0.1:{port}"
        with waiting(target) as process:
            said = f"{target}: the database system is not accepting connections"
            assert next_line(process) == said
            assert container.exec_run(["pg_ctl", "promote"]).exit_code == 0
            assert next_line(process).startswith(f"{target} is there (")
            assert process.wait(PATIENCE_SECONDS) == 0
        log = container.logs().decode()
    # Nothing but that it was asked too early: no connection was broken off.
    assert "reset by peer" not in log
    assert "unexpected EOF" not in log


@pytest.mark.parametrize("login", ["", f":{HUSH}@"])
def test_a_redis_server_is_there_once_it_has_loaded(
    engine: Engine, servers: str, login: str
) -> None:
    with server(engine, servers, 6379, "RDB memory usage", *REDIS) as (container, port):
        shown = f"redis://127.0.0.1:{port}"
        with waiting(f"redis://{login}127.0.0.1:{port}") as process:
            if login:
                # Without the password it says no more than that it wants one.
                said = "LOADING Redis is loading the dataset in memory"
                assert next_line(process) == f"{shown}: {said}"
                quick = ["redis-cli", "-a", HUSH, "config", "set", "key-load-delay", "0"]
                assert container.exec_run(quick).exit_code == 0
            assert next_line(process).startswith(f"{shown} is there (")
            assert process.wait(PATIENCE_SECONDS) == 0


def test_an_image_waits_for_a_server_that_is_started_after_it(
    engine: Engine, image: str, servers: str
) -> None:
    network = engine.client.networks.create(f"entrykit-{engine.run_name}", labels=engine.labels)
    configuration = '[wait]\ntargets = ["postgres://${DB}/base"]\n'
    try:
        with (
            engine.container(
                image, "echo", "command", network=network.name, environment={"DB": "db"},
                files=[File("/etc/entrykit.toml", configuration, 0o644)],
            ) as app,
            engine.container(servers, *POSTGRES) as db,
        ):  # fmt: skip
            network.connect(db, aliases=["db"])
            app.start()
            wait_for_line(app, "10-wait.py: postgres://db/base: ")
            db.start()
            wait_for_line(app, "the database system is not accepting connections")
            db.exec_run(["pg_ctl", "promote"])
            outcome = engine.outcome(app)
    finally:
        network.remove()
    assert (outcome.status, outcome.stdout) == (0, "command\n")
    assert outcome.log[-1].startswith("entrykit: 10-wait.py: postgres://db/base is there (")


def run_python(engine: Engine, image: str, *lines: str, **options: Any) -> Outcome:
    return engine.run(
        image, "-c", "\n".join(lines), entrypoint="/usr/bin/python3", user="0", **options
    )


@pytest.mark.parametrize("suite", ["image", "trixie"])
def test_a_resolver_that_does_not_answer_does_not_hold_up_the_limit(
    engine: Engine, suite: str, request: pytest.FixtureRequest
) -> None:
    outcome = run_python(
        engine,
        request.getfixturevalue(suite),
        "import socket, subprocess, sys",
        "silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "silent.bind(('127.0.0.1', 53))",
        "words = ['entrykit', 'wait', '--timeout', '500ms', 'tcp://db:5432', '--', 'echo', 'no']",
        "sys.exit(subprocess.run(words).returncode)",
        dns=["127.0.0.1"],
    )
    assert (outcome.status, outcome.stdout) == (124, "")
    assert outcome.log == [
        "entrykit: 1 target is not there: tcp://db:5432 (no answer yet)",
    ]


def test_all_addresses_of_a_name_are_tried(engine: Engine, image: str) -> None:
    outcome = run_python(
        engine,
        image,
        "import socket, subprocess, sys",
        "server = socket.create_server(('127.0.0.3', 5432))",
        "words = ['entrykit', 'wait', '--timeout', '30s', 'tcp://db:5432', '--', 'echo', 'yes']",
        "sys.exit(subprocess.run(words).returncode)",
        extra_hosts=["db:127.0.0.2", "db:127.0.0.3", "db:127.0.0.4"],
    )
    assert (outcome.status, outcome.stdout) == (0, "yes\n")
    assert outcome.log[0].startswith("entrykit: tcp://db:5432 is there (")
