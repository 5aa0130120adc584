"""The table `entrykit_once` of a Postgres database: which hooks are done, and who runs one.

A session-level advisory lock goes with the connection: with the process that has it, or when the
server finds that it cannot be reached
(https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
"""

import hashlib
import os
import random
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from entrykit.system import log
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

_TABLE = """\
CREATE TABLE IF NOT EXISTS entrykit_once (name text PRIMARY KEY,
 state text NOT NULL CHECK (state IN ('started', 'done')), hook text, digest text, host text,
 started_at timestamptz, done_at timestamptz)"""
# The lock of this session: of a pooler that hands out sessions by transaction, it is another's.
_HOLDS = """\
EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
 AND classid::bigint = %(high)s AND objid::bigint = %(low)s AND objsubid = 1)"""
_DATE = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
_SELECT = f"""\
SELECT state, coalesce(digest, ''), coalesce(host, 'an unknown host'),
 coalesce({_DATE.format("started_at")}, 'an unknown date'), coalesce({_DATE.format("done_at")}, '')
 FROM entrykit_once WHERE name = %(name)s"""  # noqa: S608 - two column names
_START = """\
INSERT INTO entrykit_once (name, state, hook, digest, host, started_at)
 VALUES (%(name)s, 'started', %(hook)s, %(digest)s, %(host)s, clock_timestamp())
 ON CONFLICT (name) DO UPDATE SET (state, hook, digest, host, started_at, done_at) =
 ('started', excluded.hook, excluded.digest, excluded.host, excluded.started_at, NULL)
 RETURNING started_at"""
_FINISH = f"""\
UPDATE entrykit_once SET state = 'done', done_at = clock_timestamp()
 WHERE name = %(name)s AND state = 'started' AND started_at = %(started)s AND {_HOLDS}"""  # noqa: S608
# This side gives a dead connection up after 6 s, the server after 30: the hook is ended first.
_CONNECTION = {
    "connect_timeout": "10", "keepalives_idle": "3", "keepalives_interval": "1",
    "keepalives_count": "3", "tcp_user_timeout": "5000", "application_name": "entrykit",
}  # fmt: skip
_SESSION = """\
SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 30000; SET synchronous_commit = on; SET statement_timeout = '30s'"""
_HEARTBEAT_MS = 1000
_LONGEST_PAUSE_MS = 500
# What the library says, and what it means; it may quote a part of the URL beside it.
_REASONS = {
    "onnection refused": "connection refused",
    "could not translate host name": "its host name is not known",
    "failed to resolve host": "its host name is not known",
    "timeout": "it does not answer",
    "authentication failed": "user or password is wrong",
    "no password supplied": "it wants a password",
    "no pg_hba.conf entry": "pg_hba.conf does not let this host in",
    "starting up": "the server is still starting up",
    "too many": "the server has too many connections",
    "connection slots": "the server has too many connections",
    "ertificate": "the certificates do not fit: see sslrootcert, sslcert and sslmode",
    "does not exist": "the database or the user does not exist",
    "No such file": "its socket is not there",
    "session is": "the server is not of the kind that target_session_attrs asks for",
    "nvalid": "a value in it is not valid",
    "SSL": "the server and this side do not agree about SSL",
}


# The mends of what a server says, by SQLSTATE
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_HINTS = {
    "25006": "name the primary server, and a user that may write",
    "42501": "GRANT SELECT, INSERT, UPDATE ON entrykit_once to the URL's user",
    "42703": "entrykit_once is somebody else's table: name another database or schema",
}


@dataclass(frozen=True)
class Run:
    """A run of a hook that is to be the only one under its name."""

    name: str
    hook: str
    digest: str
    redoes: bool

    def numbers(self) -> dict[str, int]:
        """Return the two halves of the lock's number."""
        key = hashlib.sha256(b"entrykit once " + self.name.encode()).digest()
        return {"high": int.from_bytes(key[:4], "big"), "low": int.from_bytes(key[4:8], "big")}

    def values(self) -> dict[str, Any]:
        """Return what the statements refer to."""
        own = {"name": self.name, "hook": self.hook, "digest": self.digest}
        return own | {"host": os.uname().nodename} | self.numbers()


class _End(Exception):  # noqa: N818 - no fault
    """The start is gone, or done with its holder."""


def hold(run: Run, variable: str, url: bytes, requests: int, replies: int) -> int:
    """Hold the lock of a run until it is done; say on `replies` how things stand.

    `waits`, `redoes DATE` and `run`, or `done DATE DIGEST`; at the end `finished`. Otherwise
    `failed MESSAGE HINT`. Returns the exit status of this process.
    """
    try:
        import psycopg
    except ImportError:
        message = "cannot reach a database: the package psycopg is missing"
        _reply(replies, "failed", message, "install entrykit[postgres], or python3-psycopg")
        return 1
    is_running = False
    try:
        with _connect(variable, url) as connection:
            connection.execute(_SESSION)
            done = _enter(connection, run, requests, replies)
            if done:
                _reply(replies, "done", *done)
                return 0
            started = connection.execute(_START, run.values()).fetchone()
            is_running = True
            _reply(replies, "run")
            _wait_for_end(connection, run, requests)
            values = run.values() | {"started": started and started[0]}
            _finish(connection, values)
            _reply(replies, "finished")
    except _End:
        pass
    except StartError as error:
        _, message, hint = error.problems[0]
        _reply(replies, "failed", message, hint)
    except psycopg.Error as error:
        message, hint = _told(error, variable)
        if is_running:
            log.warn(message, run.hook, hint)
        _reply(replies, "failed", message, hint)
    return 0


_LOST = "the lock in the database was lost while it ran"
_LOST_HINT = "through PgBouncer, use pool_mode=session, or connect to the server directly"

_MEND = (
    "if that is whole: UPDATE entrykit_once SET state = 'done' WHERE name = '{name}'; if not, mend"
    " it and DELETE FROM entrykit_once WHERE name = '{name}'; on-interrupted=redo runs it again by"
    " itself"
)


def _connect(variable: str, url: bytes) -> "Connection":
    """Connect. Raises StartError, which says nothing of the URL: it holds a password."""
    import psycopg
    from psycopg import conninfo

    try:
        text = url.decode()
        given = conninfo.conninfo_to_dict(text)
    except (UnicodeError, psycopg.Error):
        hint = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %-escapes where needed"
        raise StartError(f"{variable} is no Postgres URL", hint=hint) from None
    more: dict[str, Any] = {key: one for key, one in _CONNECTION.items() if key not in given}
    try:
        return psycopg.connect(text, autocommit=True, prepare_threshold=None, **more)
    except (psycopg.Error, UnicodeError, ValueError) as error:
        told = str(error)
        reason = next((one for text, one in _REASONS.items() if text in told), "it fails")
        message = f"cannot connect to the database that {variable} names: {reason}"
        raise StartError(
            message, hint="correct the URL, or let an earlier hook wait for it"
        ) from None


def _enter(
    connection: "Connection", run: Run, requests: int, replies: int
) -> tuple[str, str] | None:
    """Return date and digest where the run was done; else return None, with the lock had."""
    _make_table(connection)
    entry = _entry(connection, run)
    if entry and entry[0] == "done":
        return entry[4], entry[1]
    _take_lock(connection, run, requests, replies)
    # Whoever had the lock may have done it meanwhile.
    entry = _entry(connection, run)
    if entry and entry[0] == "done":
        return entry[4], entry[1]
    if entry and not run.redoes:
        begun = f"{entry[3]} on {entry[2]}"
        message = f"was interrupted in its run of {begun}: what it makes may be half there"
        raise StartError(message, hint=_MEND.format(name=run.name))
    if entry:
        _reply(replies, "redoes", entry[3])
    return None


def _make_table(connection: "Connection") -> None:
    from psycopg import errors

    (is_there,) = connection.execute(
        "SELECT to_regclass('entrykit_once') IS NOT NULL"
    ).fetchone() or (False,)
    if is_there:
        return
    try:
        connection.execute(_TABLE)
    except (errors.UniqueViolation, errors.DuplicateTable):
        # Another start has made it at the same moment: IF NOT EXISTS does not wait for it.
        return
    except errors.InsufficientPrivilege:
        message = "may not make the table entrykit_once in the database"
        raise StartError(message, hint=f"make it once: {' '.join(_TABLE.split())}") from None


def _entry(connection: "Connection", run: Run) -> tuple[str, ...] | None:
    return connection.execute(_SELECT, run.values()).fetchone()


def _take_lock(connection: "Connection", run: Run, requests: int, replies: int) -> None:
    """Ask for the lock until it is had.

    Not by one call that waits: where its asker is killed, the server would go on waiting, and
    take the lock for nobody.
    """
    statement = "SELECT pg_try_advisory_lock((%(high)s::bigint << 32) | %(low)s::bigint)"
    pause_ms = 50
    is_first = True
    while connection.execute(statement, run.values()).fetchone() != (True,):
        if is_first:
            _reply(replies, "waits")
            is_first = False
        # Many wait for the same lock.
        if _is_told(requests, int(pause_ms * random.uniform(0.5, 1))):  # noqa: S311
            raise _End
        pause_ms = min(pause_ms * 2, _LONGEST_PAUSE_MS)


def _wait_for_end(connection: "Connection", run: Run, requests: int) -> None:
    """Return when the hook is done; meanwhile look each second that the lock is still had."""
    while not _is_told(requests, _HEARTBEAT_MS):
        if connection.execute(f"SELECT {_HOLDS}", run.values()).fetchone() != (True,):
            log.warn(_LOST, run.hook, _LOST_HINT)
            raise StartError(_LOST, hint=_LOST_HINT)
    if os.read(requests, 16) != b"done\n":
        raise _End


def _finish(connection: "Connection", values: dict[str, Any]) -> None:
    if connection.execute(_FINISH, values).rowcount != 1:
        raise StartError(f"is not noted as done: {_LOST}", hint=_LOST_HINT)


def _is_told(requests: int, timeout_ms: int) -> bool:
    """Tell whether the start has said something in time, if only by its end."""
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    return bool(poll.poll(timeout_ms))


def _told(error: "psycopg.Error", variable: str) -> tuple[str, str]:
    """Return what a statement's error means: the server's own words, or that it is gone."""
    if error.sqlstate and error.diag.message_primary:
        return f"the database that {variable} names says: {error.diag.message_primary}", _HINTS.get(
            error.sqlstate, ""
        )
    return f"the connection to the database that {variable} names was lost", "see its own log"


def _reply(replies: int, *fields: str) -> None:
    """Say something in one line; the start may be gone."""
    line = "\t".join(" ".join(field.split()) for field in fields) + "\n"
    try:
        os.write(replies, line.encode())
    except OSError:
        return
