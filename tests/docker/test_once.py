"""Promise: what is to be made once is made once and whole, whoever is killed meanwhile.

With the image of examples/postgres, and with one on top of it whose hook migrates a database.
"""

import contextlib
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import docker.errors
import psycopg
import pytest
from docker.models.containers import Container

from .conftest import build_once
from .engine import ROOT, Engine, File, Outcome, Server, pack, wait_for_line

pytestmark = pytest.mark.docker

PASSWORD = "not in the log"  # noqa: S105
READY = "database system is ready to accept connections"
MOMENTS = 20
CONTAINERS = 20
# The tests pull no plug: what is lost with the machine's power may be lost.
NO_SYNC = {
    "POSTGRES_PASSWORD": PASSWORD,
    "POSTGRES_INITDB_ARGS": "--no-sync",
    "POSTGRES_INIT_OPTIONS": "-c fsync=off",
}
# Each needs the one before it; the first takes a while, to be killed in.
SCRIPTS = [
    File(
        "/docker-entrypoint-initdb.d/10-table.sql", "CREATE TABLE t (n int PRIMARY KEY);\n", 0o644
    ),
    File(
        "/docker-entrypoint-initdb.d/20-rows.sql",
        "".join(f"INSERT INTO t SELECT {n}; SELECT pg_sleep(0.01);\n" for n in range(1, 31)),
        0o644,
    ),
    File(
        "/docker-entrypoint-initdb.d/30-whole.sql",
        "CREATE VIEW whole AS SELECT count(*), sum(n) FROM t;\n",
        0o644,
    ),
]
WHOLE = b"30|465\n"
WAITS = "20-database.sh: waits for another start that runs it"

MIGRATION = """
# entrykit: once=migrate on-interrupted=redo secrets=DATABASE_URL
import os, time
import psycopg

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    connection.execute("INSERT INTO runs SELECT %s", [os.uname().nodename])
    while not connection.execute("SELECT FROM gate").rowcount:
        time.sleep(0.05)
    connection.execute("INSERT INTO migrations DEFAULT VALUES")
"""
MIGRATED = """\
ARG BASE
FROM ${BASE}
USER 0:0
COPY entrykit.toml /etc/entrykit.toml
COPY 20-migrate.py /usr/lib/entrykit/hooks.d/20-migrate.py
RUN rm /usr/lib/entrykit/hooks.d/20-database.sh && entrykit bake
USER 999:999
"""


@pytest.fixture(scope="session")
def postgres(engine: Engine) -> str:
    """Build the image of examples/postgres; its tag keeps its layers in the cache."""
    dockerfile = "examples/postgres/Dockerfile"
    return build_once("postgres", lambda: engine.build_from_root("postgres-bookworm", dockerfile))


@pytest.fixture(scope="session")
def migrated(engine: Engine, postgres: str) -> str:
    """Build an image whose hook migrates a database, once."""
    configuration = '[once]\ndatabase = "DATABASE_URL"\n'
    files = [
        File("Dockerfile", MIGRATED),
        File("entrykit.toml", configuration, 0o644),
        File("20-migrate.py", MIGRATION.lstrip(), 0o644),
    ]
    return build_once("migrated", lambda: engine.build("migrated", pack(files), BASE=postgres))


def on(volume: str, **options: Any) -> dict[str, Any]:
    """Return the options of a container on a volume."""
    bind = {volume: {"bind": "/var/lib/postgresql", "mode": "rw"}}
    return {"environment": NO_SYNC, "volumes": bind} | options


def new_volume(engine: Engine) -> str:
    """Return an empty volume; the engine gives it the owner and mode that the image has there."""
    name: str | None = engine.client.volumes.create(labels=engine.labels).name
    assert name
    return name


@contextlib.contextmanager
def serving(engine: Engine, image: str, volume: str) -> Iterator[Container]:
    """Run a server on a volume."""
    options = on(volume, ports={"5432/tcp": ("127.0.0.1", 0)})
    with engine.container(image, "-c", "fsync=off", files=SCRIPTS, **options) as container:
        container.start()
        wait_for_line(container, READY, times=_times_ready(container))
        yield container


def _times_ready(container: Container) -> int:
    """Return whose line is the server's own: the second one where the hook has had another."""
    log = wait_for_line(container, "entrykit: 20-database.sh: ")
    while "entrykit: 20-database.sh: done (" not in log and ": not run" not in log:
        log = wait_for_line(container, "entrykit: 20-database.sh: ", log.count("entrykit: 20-") + 1)
    return 1 if ": not run" in log else 2


def logs(container: Container) -> bytes:
    """Return what a container has said so far."""
    return container.logs()


def query(container: Container, statement: str) -> bytes:
    """Return what psql in a container says."""
    words = ["psql", "-h", "localhost", "-U", "postgres", "-tAc", statement]
    answer = container.exec_run(words, environment={"PGPASSWORD": PASSWORD}).output
    return cast("bytes", answer)


def test_the_database_is_made_once_and_the_server_becomes_pid_1(
    engine: Engine, postgres: str
) -> None:
    volume = new_volume(engine)
    for number in (1, 2):
        with serving(engine, postgres, volume) as container:
            assert query(container, "SELECT * FROM whole") == WHOLE
            server = Server(container, "", 5432)
            assert server.read("readlink", "/proc/1/exe").endswith(b"/bin/postgres\n")
            environment = server.read("cat", "/proc/1/environ")
            container.stop()
            outcome = engine.outcome(container)
            assert outcome.status == 0
            assert PASSWORD not in outcome.stderr + environment.decode()
            scripts = [line for line in outcome.log if line.startswith("/docker-entrypoint-initdb")]
            assert scripts == ([script.path for script in SCRIPTS] if number == 1 else [])


def test_a_first_start_killed_at_any_moment_is_completed_by_the_next(
    engine: Engine, postgres: str
) -> None:
    """The example cleans and redoes, so that nobody has to be called."""
    command = ["-C", "data_directory"]
    volume = new_volume(engine)
    began = time.monotonic()
    assert engine.run(postgres, *command, files=SCRIPTS, **on(volume)).status == 0
    took = time.monotonic() - began
    seed = random.randrange(1 << 32)  # noqa: S311
    print(f"seed {seed}")  # noqa: T201 - shown where it fails
    moments = random.Random(seed)  # noqa: S311
    with ThreadPoolExecutor(4) as threads:
        redone = threads.map(
            lambda moment: _kill_and_start_again(engine, postgres, moment),
            [moments.uniform(0, took) for _ in range(MOMENTS)],
        )
        assert sum(redone) > MOMENTS // 4


def _kill_and_start_again(engine: Engine, image: str, moment: float) -> bool:
    """Kill a first start after so many seconds; tell whether the next one had to redo it."""
    volume = new_volume(engine)
    command = ["-C", "data_directory"]
    with engine.container(image, *command, files=SCRIPTS, **on(volume)) as container:
        container.start()
        time.sleep(moment)
        with contextlib.suppress(docker.errors.APIError):
            container.kill()
        killed = engine.outcome(container)
    with serving(engine, image, volume) as container:
        assert query(container, "SELECT * FROM whole") == WHOLE, killed
        return b"was interrupted in its run of" in logs(container)


def test_an_interrupted_first_start_is_refused_where_the_image_says_so(
    engine: Engine, postgres: str
) -> None:
    volume = new_volume(engine)
    settings = '[hooks."20-database.sh"]\non-interrupted = "fail"\n'
    configuration = (ROOT / "examples/postgres/entrykit.toml").read_text() + settings
    files = [*SCRIPTS, File("/etc/entrykit.toml", configuration, 0o644)]
    with engine.container(postgres, files=files, **on(volume)) as container:
        container.start()
        wait_for_line(container, "10-table.sql")
        container.kill()
    outcome = engine.run(postgres, files=files, **on(volume))
    assert (outcome.status, outcome.stdout) == (78, "")
    assert "entrykit: 20-database.sh: was interrupted in its run of" in outcome.log[-1]
    assert READY not in outcome.stderr


def test_of_two_containers_on_one_volume_one_makes_the_database(
    engine: Engine, postgres: str
) -> None:
    volume = new_volume(engine)
    command = ["-C", "data_directory"]
    with (
        engine.container(postgres, *command, files=SCRIPTS, **on(volume)) as first,
        engine.container(postgres, *command, files=SCRIPTS, **on(volume)) as second,
    ):
        first.start()
        wait_for_line(first, "10-table.sql")
        second.start()
        wait_for_line(second, WAITS)
        outcomes = [engine.outcome(one) for one in (first, second)]
    assert [(one.status, one.stdout) for one in outcomes] == [(0, "/var/lib/postgresql/data\n")] * 2
    assert outcomes[0].ran == ["20-database.sh"]
    assert "20-database.sh: was done on " in outcomes[1].log[-1]


def test_a_password_of_several_lines_is_refused_rather_than_cut(
    engine: Engine, postgres: str
) -> None:
    environment = NO_SYNC | {"POSTGRES_PASSWORD": "one\ntwo"}
    outcome = engine.run(
        postgres, "-C", "data_directory", **on(new_volume(engine), environment=environment)
    )
    assert (outcome.status, outcome.stdout) == (78, "")
    assert "POSTGRES_PASSWORD has more than one line" in outcome.stderr


def test_the_log_of_the_readme_is_what_is_said(engine: Engine, postgres: str) -> None:
    text = (ROOT / "examples/postgres/README.md").read_text(encoding="utf-8")
    shown = re.findall(r"entrykit: .*$", text, re.MULTILINE)
    assert shown
    volume = new_volume(engine)
    with engine.container(postgres, files=SCRIPTS, **on(volume)) as container:
        container.start()
        wait_for_line(container, "10-table.sql")
        container.kill()
        # The same container again, as its restart policy would.
        container.start()
        wait_for_line(container, "entrykit: 20-database.sh: done (")
        container.kill()
        container.start()
        said = wait_for_line(container, ": not run")
    outcome = engine.run(postgres, environment={})
    said += outcome.stderr
    assert {_plain(line) for line in shown} <= set(map(_plain, said.splitlines()))


def _plain(line: str) -> str:
    """Return a line without what differs from run to run, and what others left unended before."""
    line = line[max(line.find("entrykit: "), 0) :]
    return re.sub(r"\([0-9.]+ m?s\)", "(N s)", re.sub(r"[0-9-]{10}T[0-9:]{8}Z", "DATE", line))


def test_a_volume_that_cannot_be_written_to_serves_what_is_done(
    engine: Engine, postgres: str
) -> None:
    volume = new_volume(engine)
    command = ["-C", "data_directory"]
    read_only = on(volume, volumes={volume: {"bind": "/var/lib/postgresql", "mode": "ro"}})
    outcome = engine.run(postgres, *command, **read_only)
    assert outcome.status == 78
    assert "cannot make /var/lib/postgresql/once: read-only file system" in outcome.log[-1]
    assert engine.run(postgres, *command, **on(volume)).status == 0
    outcome = engine.run(postgres, *command, **read_only)
    assert (outcome.status, len(outcome.log)) == (0, 1)


def test_of_20_containers_one_migrates_and_where_it_is_killed_another_takes_over(
    engine: Engine, postgres: str, migrated: str
) -> None:
    volume = new_volume(engine)
    with (
        serving(engine, postgres, volume) as server,
        _connection(server) as connection,
        contextlib.ExitStack() as stack,
        ThreadPoolExecutor(CONTAINERS) as threads,
    ):
        for table in ("runs (host text)", "gate ()", "migrations (n int)"):
            connection.execute(f"CREATE TABLE {table}".encode())
        url = f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@localhost/postgres"
        options: dict[str, Any] = {
            "environment": {"DATABASE_URL": url},
            "network_mode": f"container:{server.id}",
        }
        containers = [
            stack.enter_context(engine.container(migrated, "echo", "command", **options))
            for _ in range(CONTAINERS)
        ]
        list(threads.map(Container.start, containers))
        # All but one. Their host names say nothing: they are the server's, whose network they use.
        _wait(lambda: sum(map(_waits, containers)) == CONTAINERS - 1)
        (first,) = [one for one in containers if not _waits(one)]
        assert len(_wait(lambda: _column(connection, "SELECT host FROM runs"))) == 1
        first.kill()
        _wait(lambda: len(_column(connection, "SELECT host FROM runs")) == 2)
        connection.execute("INSERT INTO gate DEFAULT VALUES")
        outcomes: list[Outcome] = list(threads.map(engine.outcome, containers))
        assert _column(connection, "SELECT count(*) FROM migrations") == [1]
        assert len(_column(connection, "SELECT host FROM runs")) == 2
        others = [one for one in outcomes if one.status != 137]
        assert [(one.status, one.stdout) for one in others] == [(0, "command\n")] * (CONTAINERS - 1)
        assert sum(one.ran == ["20-migrate.py"] for one in others) == 1
        assert all(PASSWORD not in one.stderr for one in outcomes)


def _waits(container: Container) -> bool:
    return b"20-migrate.py: waits for another start" in logs(container)


@contextlib.contextmanager
def _connection(server: Container) -> "Iterator[psycopg.Connection[tuple[Any, ...]]]":
    server.reload()
    port = cast("Any", server.ports)["5432/tcp"][0]["HostPort"]
    with psycopg.connect(
        host="127.0.0.1", port=port, user="postgres", password=PASSWORD, autocommit=True
    ) as connection:
        yield connection


def _column(connection: "psycopg.Connection[tuple[Any, ...]]", statement: str) -> list[Any]:
    return [row[0] for row in connection.execute(statement.encode()).fetchall()]


def _wait(look: Callable[[], Any]) -> Any:
    """Return what `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
