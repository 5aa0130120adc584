"""The holder: a process that holds a lock in a database as long as a hook runs under it.

A process of its own: a connection that hangs must not keep a stop signal waiting, and the start
itself never loads the database's library. It says what it has found through one pipe, and is told
through another that the hook is done; that its parent's end of it is closed tells it to end.

Loaded where a hook has `once` and the journal is a database: builtin modules only.
"""

import posix

from entrykit.steps import left_over
from entrykit.steps.once import Pauses
from entrykit.system import log, signals, spawn
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.discover import Hook
    from entrykit.steps.once import Entry
    from entrykit.steps.state import Start

_REPLY_LIMIT_BYTES = 65536


class Holder:
    """What stands between a hook and its entry in a database."""

    __slots__ = (
        "_child",
        "_hook",
        "_replies",
        "_requests",
        "_start",
        "_unread",
        "_where",
        "digest",
    )

    def __init__(self, hook: "Hook", start: "Start", digest: str) -> None:
        self._hook, self._start = hook, start
        self._where = log.text(hook.name)
        self._child = self._replies = self._requests = -1
        self._unread = b""
        self.digest = digest

    def enter(self) -> "Entry | None":
        """Return what the database says where the hook was done; else have the lock, and started.

        Raises StartError, status 78, where it must not run.
        """
        name = self._start.settings.configuration["once"]["database"]
        url = self._start.view().environment.get(name.encode())
        if not url:
            hint = f"set it or {name}_FILE to the URL of a Postgres database"
            raise StartError(f"{name}, which [once] names, is not set", hint=hint)
        try:
            self._fork(name, url)
        except OSError as error:
            message = f"cannot start the process that holds its lock: {os_reason(error)}"
            raise StartError(message) from None
        pauses = Pauses(self._where, f"waits for the database that {name} names")
        while True:
            word, *fields = self._next_reply(pauses)
            if word == "waits":
                what = "waits for another start that runs it and holds its lock in the database"
                log.info(what, self._where)
                pauses = Pauses(self._where, what)
            elif word == "done":
                return {
                    key: field
                    for key, field in zip(("done", "digest"), fields, strict=True)
                    if field
                }
            elif word == "redoes":
                log.warn(f"was interrupted in its run of {fields[0]}: runs again", self._where)
            else:
                return None

    def is_lost(self) -> bool:
        """Tell whether the lock is lost: while the hook runs, the holder says nothing else."""
        return self._reply() is not None

    def finish(self) -> None:
        """Let the holder write that the hook is done. Raises StartError where it could not."""
        try:
            posix.write(self._requests, b"done\n")
        except OSError:
            # The holder has ended, and has said why.
            pass
        self._next_reply(Pauses(self._where, "waits for the database to note that it is done"))

    def leave(self, *, is_done: bool) -> None:  # noqa: ARG002 - the journal's
        """End the holder, and with its connection the lock."""
        for descriptor in (self._requests, self._replies):
            if descriptor >= 0:
                posix.close(descriptor)
        if self._child < 0:
            return
        try:
            # As PID 1 this process reaps whatever has ended; its id may be another's by now.
            if not posix.waitpid(self._child, posix.WNOHANG)[0]:
                posix.kill(self._child, signals.KILL)
                posix.waitpid(self._child, 0)
        except ChildProcessError:
            pass

    def _fork(self, name: str, url: bytes) -> None:
        requests, self._requests = posix.pipe()
        self._replies, replies = posix.pipe()
        posix.set_blocking(self._replies, False)
        closed = [*self._start.not_for_hooks, self._requests, self._replies]
        hook = self._hook

        def hold(report: int) -> int:
            from entrykit.steps import python_hook  # of the child alone, as what follows

            # What the library looks for: PGSSLROOTCERT, PGPASSFILE, HOME.
            python_hook.set_environment(self._start.view().environment.plain(set()))
            from entrykit.stock import once_table

            run = once_table.Run(hook.once, self._where, self.digest, redoes=hook.redoes)
            return once_table.hold(run, name, url, requests, report)

        try:
            self._child = spawn.fork(hold, replies, closed)
        finally:
            posix.close(requests)
            posix.close(replies)
        left_over.note(self._child)

    def _next_reply(self, pauses: Pauses) -> list[str]:
        """Wait for the holder to say something. Raises StartError where it has failed."""
        while True:
            reply = self._reply()
            if reply is None:
                pauses.make(self._start.inherited.signals)
            elif reply[0] == "failed":
                raise StartError(reply[1], hint=reply[2])
            elif reply[0]:
                return reply
            else:
                raise StartError("the process that held its lock has ended")

    def _reply(self) -> list[str] | None:
        """Return the fields of the next line, [""] where there will be none, None if none yet."""
        while b"\n" not in self._unread:
            try:
                piece = posix.read(self._replies, _REPLY_LIMIT_BYTES)
            except BlockingIOError:
                return None
            if not piece:
                return [""]
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode("utf-8", "replace").split("\t")
