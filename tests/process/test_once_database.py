"""Once across hosts: a database remembers, and lends a lock for as long as its holder lives.

Against a real server, Debian's.
"""

import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from .starts import SEARCH_PATH, Entrypoint, Running

# psycopg is in the virtual environment, so starts are made with its Python, from source.
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.root,
    pytest.mark.parametrize(
        "entrypoint", ["run", pytest.param("run-pid1", marks=pytest.mark.namespace)], indirect=True
    ),
]
PASSWORD = "s3cret-of-the-database"  # noqa: S105
WAITS = (
    "entrykit: 20-migrate.sh: waits for another start that runs it and holds its lock in the"
    " database"
)


class Server:
    """A Postgres server of the test run's own, on a port of 127.0.0.1."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = _free_port()
        self._binaries = min(glob.glob("/usr/lib/postgresql/*/bin"))

    def start(self) -> None:
        """Make a cluster and start it."""
        self.place.mkdir(mode=0o777)
        os.chown(self.place, *_postgres())
        password = self.place / "password"
        password.write_text(PASSWORD, encoding="ascii")
        password.chmod(0o644)
        self._as_postgres(
            "initdb", "--no-sync", "--auth=scram-sha-256", f"--pwfile={password}",
            "--username=postgres", f"{self.place}/data",
        )  # fmt: skip
        options = f"-c fsync=off -c listen_addresses=127.0.0.1 -p {self.port} -k {self.place}"
        self._as_postgres(
            "pg_ctl", "-D", f"{self.place}/data", "-w", "-l", f"{self.place}/log", "-o", options,
            "start",
        )  # fmt: skip

    def stop(self) -> None:
        """Stop it at once."""
        self._as_postgres("pg_ctl", "-D", f"{self.place}/data", "-m", "immediate", "-w", "stop")

    def url(self, database: str, user: str = "postgres", password: str = PASSWORD) -> str:
        """Return the URL of a database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def _as_postgres(self, name: str, *arguments: str) -> None:
        user, group = _postgres()
        ended = subprocess.run(
            [f"{self._binaries}/{name}", *arguments],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if name == "initdb" else None,
            user=user,
            group=group,
            extra_groups=[],
            cwd="/",
            env={"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8"},
        )
        assert ended.returncode == 0, ended.stderr


class Migrated:
    """A database of one test's own, and a hook that migrates it."""

    def __init__(self, entrypoint: Entrypoint, server: Server, name: str, notes: Path) -> None:
        self.entrypoint = entrypoint
        self.url = server.url(name)
        self.notes = notes
        entrypoint.configure(
            "[once]", 'database = "DATABASE_URL"', "[env.DATABASE_URL]", "expose = false"
        )
        entrypoint.with_environment(DATABASE_URL=self.url)

    def hook(self, *lines: str, settings: str = "") -> None:
        """Write the hook: it notes that it runs, then does what `lines` say."""
        self.entrypoint.hooks.shell(
            "20-migrate.sh", f"# entrykit: once=migrate {settings}", f"echo run >>'{self.notes}'",
            *lines,
        )  # fmt: skip

    def number_of_runs(self) -> int:
        """Return how often the hook was begun."""
        return len(self.notes.read_text().split()) if self.notes.exists() else 0

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Return the rows of a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def do(self, statement: str) -> None:
        """Execute a statement without rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def gate(self, settings: str = "") -> Path:
        """Let the hook say `ready`, and go on when something is written into a FIFO."""
        path = self.notes.with_name("gate")
        os.mkfifo(path)
        self.hook("echo ready", f"read go <'{path}'", settings=settings)
        return path


def kill_whole(running: Running) -> None:
    """Kill a start and its children; as PID 1 they go with it."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    for process in (running.pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _postgres() -> tuple[int, int]:
    import pwd

    entry = pwd.getpwnam("postgres")
    return entry.pw_uid, entry.pw_gid


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a server."""
    # The test run's own directory lets root in alone.
    place = Path(f"/tmp/entrykit-postgres-{os.getpid()}")  # noqa: S108
    server = Server(place)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def database(
    entrypoint: Entrypoint, server: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Migrated]:
    """Make a database, and remove it with all that hold it."""
    name = "db" + re.sub(r"\W", "_", request.node.name)[-50:].lower()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield Migrated(entrypoint, server, name, tmp_path / "runs")
        entrypoint.close()
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def test_a_hook_runs_once(database: Migrated) -> None:
    database.hook()
    first = database.entrypoint.run("echo", "command")
    assert (first.status, first.stdout) == (0, b"command\n"), first.stderr
    # Nor is what holds the lock named as something that the hook has left.
    assert not any("leaves running" in line for line in first.lines)
    second = database.entrypoint.run("echo", "command")
    assert (second.status, second.stdout) == (0, b"command\n")
    (line,) = second.lines
    assert re.fullmatch(r"entrykit: 20-migrate.sh: was done on [0-9TZ:-]+: not run", line)
    assert database.number_of_runs() == 1
    ((state, hook),) = database.query("SELECT state, hook FROM entrykit_once")
    assert (state, hook) == ("done", "20-migrate.sh")


def test_the_url_reaches_neither_the_command_nor_the_hook_nor_the_log(database: Migrated) -> None:
    database.hook("env")
    ended = database.entrypoint.run("env")
    assert ended.status == 0
    assert PASSWORD.encode() not in ended.stdout + ended.stderr


def test_nothing_of_the_holder_is_left_to_the_command(database: Migrated) -> None:
    database.hook()
    show = 'read -r children </proc/$$/task/$$/children; echo "[$children]"; ls /proc/$$/fd'
    ended = database.entrypoint.run("sh", "-c", f"{show}; true")
    assert ended.stdout.split() == [b"[]", b"0", b"1", b"2"]
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert database.query(held) == [(0,)]


def test_of_many_starts_at_once_one_runs_the_hook(database: Migrated) -> None:
    database.hook("sleep 0.2")
    starts = [database.entrypoint.start("echo", "command") for _ in range(6)]
    ended = [one.end() for one in starts]
    assert [(one.status, one.stdout) for one in ended] == [(0, b"command\n")] * 6
    assert database.number_of_runs() == 1


def test_where_the_holder_is_killed_another_takes_over(database: Migrated) -> None:
    gate = database.gate("on-interrupted=redo")
    first = database.entrypoint.start("true")
    first.wait_for("ready")
    second = database.entrypoint.start("echo", "second")
    second.wait_for(WAITS)
    kill_whole(first)
    second.wait_for("ready")
    gate.write_text("go\n")
    ended = second.end()
    assert (ended.status, ended.stdout) == (0, b"second\n")
    assert database.number_of_runs() == 2


def test_an_interrupted_run_is_refused_with_its_mend(database: Migrated) -> None:
    database.hook("exit 3")
    assert database.entrypoint.run("true").status == 3
    ended = database.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert "20-migrate.sh: was interrupted in its run of " in ended.last_line
    mend = re.search(r"UPDATE .*?'migrate'", ended.last_line)
    assert mend
    database.do(mend[0])
    assert database.entrypoint.run("true").status == 0
    assert database.number_of_runs() == 1


def test_a_failed_run_is_redone_where_the_hook_says_so(database: Migrated) -> None:
    database.hook("exit 3", settings="on-interrupted=redo")
    assert database.entrypoint.run("true").status == 3
    ended = database.entrypoint.run("true")
    assert ended.status == 3
    assert "was interrupted in its run of " in ended.lines[0]
    assert database.number_of_runs() == 2


def test_a_hook_whose_lock_is_lost_is_ended_and_not_taken_for_done(database: Migrated) -> None:
    database.hook("echo ready", "sleep 300")
    running = database.entrypoint.start("echo", "command")
    running.wait_for("ready")
    end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    assert database.query(end) == [(True,)]
    ended = running.end()
    assert (ended.status, ended.stdout) == (78, b"")
    assert "was ended, since the lock that it runs under was lost after " in ended.last_line
    assert any("administrator command" in line for line in ended.lines)
    assert database.query("SELECT state FROM entrykit_once") == [("started",)]


def test_a_lock_that_is_lost_at_the_end_is_no_done(database: Migrated) -> None:
    """As a pooler does that gives each transaction another session."""
    gate = database.gate()
    running = database.entrypoint.start("echo", "command")
    running.wait_for("ready")
    database.do("UPDATE entrykit_once SET started_at = started_at - interval '1s'")
    gate.write_text("go\n")
    ended = running.end()
    assert (ended.status, ended.stdout) == (78, b"")
    assert "is not noted as done" in ended.last_line


def test_a_stop_signal_ends_a_start_that_waits_for_the_lock(database: Migrated) -> None:
    gate = database.gate()
    first = database.entrypoint.start("true")
    first.wait_for("ready")
    second = database.entrypoint.start("echo", "second")
    second.wait_for(WAITS)
    second.signal(signal.SIGTERM)
    ended = second.end_promptly()
    assert (ended.status, ended.stdout) == (143, b"")
    gate.write_text("go\n")
    assert first.end().status == 0


def test_a_stop_signal_ends_a_start_whose_database_does_not_answer(database: Migrated) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database.entrypoint.with_environment(DATABASE_URL=f"postgresql://127.0.0.1:{port}/x")
        database.hook()
        running = database.entrypoint.start("true")
        connection, _ = silent.accept()
        with connection:
            running.signal(signal.SIGTERM)
            assert running.end_promptly().status == 143


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "DATABASE_URL, which [once] names, is not set"),
        ("postgresql://postgres:wr0ng@127.0.0.1:{port}/postgres", "user or password is wrong"),
        ("postgresql://u:wr0ng@127.0.0.1:1/x", "connection refused"),
        ("postgresql://u:wr0ng/@127.0.0.1:1/x", "DATABASE_URL"),
        ("postgresql://u:p@wr0ng@127.0.0.1:1/x", "DATABASE_URL"),
        ("wr0ng", "DATABASE_URL is no Postgres URL"),
        ("postgresql+psycopg://u:wr0ng@h/x", "DATABASE_URL is no Postgres URL"),
        ("postgresql://u:wr0ng@127.0.0.1:99999/x", "a value in it is not valid"),
        ("postgresql://u:wr0ng@127.0.0.1:1/x?sslmode=wr0ng", "a value in it is not valid"),
        ("host=wr0ng.invalid", "its host name is not known"),
        ("postgresql://u:wr0ng%zz@127.0.0.1/x", "DATABASE_URL is no Postgres URL"),
    ],
)
def test_a_database_that_cannot_be_had_is_told_without_its_url(
    database: Migrated, server: Server, url: str, message: str
) -> None:
    database.entrypoint.with_environment(DATABASE_URL=url.format(port=server.port))
    database.hook()
    ended = database.entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert message in ended.last_line
    assert b"wr0ng" not in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert database.number_of_runs() == 0


def test_a_server_that_has_no_connection_left_for_its_user_says_so(
    database: Migrated, server: Server
) -> None:
    database.do("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    name = database.url.rpartition("/")[2]
    database.entrypoint.with_environment(DATABASE_URL=server.url(name, "guest", "guest"))
    database.hook()
    with contextlib.ExitStack() as stack:
        # As many as others than superusers may have.
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(server.url(name, "guest", "guest")))
        ended = database.entrypoint.run("true")
    database.do("DROP ROLE guest")
    assert ended.status == 78
    assert "the server has too many connections" in ended.last_line


def test_what_the_server_refuses_is_told_with_its_mend(database: Migrated) -> None:
    database.hook()
    read_only = f"{database.url}?options=-c%20default_transaction_read_only%3Don"
    database.do("CREATE TABLE entrykit_once (name text PRIMARY KEY)")
    ended = database.entrypoint.run("true")
    assert ended.status == 78
    assert "does not exist, in" in ended.last_line
    assert "(entrykit_once is somebody else's table: " in ended.last_line
    database.do("DROP TABLE entrykit_once")
    database.entrypoint.with_environment(DATABASE_URL=read_only)
    ended = database.entrypoint.run("true")
    assert ended.status == 78
    assert "(name the primary server, and a user that may write)" in ended.last_line
    assert database.number_of_runs() == 0


def test_a_user_who_may_not_make_the_table_is_told_the_statement(
    database: Migrated, server: Server
) -> None:
    database.do("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    database.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        name = database.url.rpartition("/")[2]
        database.entrypoint.with_environment(DATABASE_URL=server.url(name, "guest", "guest"))
        database.hook()
        ended = database.entrypoint.run("true")
        assert ended.status == 78
        assert "make it once: CREATE TABLE IF NOT EXISTS entrykit_once (" in ended.last_line
    finally:
        database.do("DROP ROLE guest")
