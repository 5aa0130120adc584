"""One start after the other in the same place, and what each comes to."""

import contextlib
import signal as signals
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from entrykit.system import log
from entrykit.testing import report
from entrykit.testing.given import Entries, Text
from entrykit.testing.outcome import Outcome
from entrykit.testing.session import Place, TooSlow, exit_status, said, signal_name
from entrykit.testing.stub import Stub

# pytest leaves the frames of this module out of what it shows of a failure.
__tracebackhide__ = True

# How long a start may take, and how long a test waits for a line.
PATIENCE_SECONDS = 60.0


class Start:
    """A place, and one start in it after the other."""

    def __init__(self, session: Place, backend: str, stubs: Sequence[Stub]) -> None:
        self.session = session
        self.backend = backend
        self.outcomes: list[Restartable] = []
        self.stub_directory: Path | None = None
        # What makes an environment of a call's `env`, as for the first start.
        self.entries: Callable[[Mapping[str, Text]], Entries] | None = None
        self._stubs = stubs

    def begin(self, *, runs: bool, environment: Entries | None = None) -> None:
        """Start, with another environment where one is given."""
        changed = {} if environment is None else {"environment": environment}
        self.session.start(runs=runs, **changed)

    def end(self, seconds: float) -> "Restartable":
        """Wait for the end of a start. Raises TooSlow, with the outcome; it is then killed."""
        try:
            self.session.pump(lambda: False, time.monotonic() + seconds)
        except TooSlow as error:
            self.session.signal(signals.SIGKILL)
            self.session.pump(lambda: False, time.monotonic() + PATIENCE_SECONDS)
            outcome = self._take()
            if outcome.started_command:
                outcome.was_ended = True
                error.outcome = outcome
                raise
            outcome.killed_for = f"more than {log.duration(seconds)}"
            where = outcome.hooks[-1].name if outcome.hooks else "the start"
            slow = TooSlow(f"{where} {error}")
            slow.outcome = outcome
            raise slow from None
        return self._take()

    def _take(self) -> "Restartable":
        """Return what a start that has ended came to, and let the stand-ins know their calls."""
        outcome = Restartable(self._raw(), self)
        for stub in self._stubs:
            noted = outcome.stub_calls(stub.key)
            if self.stub_directory is not None:
                with contextlib.suppress(FileNotFoundError):
                    noted = (self.stub_directory / stub.key).read_bytes()
            stub.take(noted)
        self.outcomes.append(outcome)
        return outcome

    def _raw(self) -> dict[str, Any]:
        ended = self.session.ended or {}
        told = report.read(ended["report"])
        if "refused" in told:
            message = f"the start could not be made: {told['refused']}"
            raise RuntimeError(message)
        return {
            "exit_status": exit_status(ended["ended"]),
            "seconds": ended["seconds"],
            "stdout": bytes(self.session.stdout),
            "stderr": bytes(self.session.stderr),
            "hooks": told.get("hooks", []),
            "handoff": told.get("handoff"),
            "changes": ended["changes"],
            "killed_for": ended.get("limit", ""),
        }


class Restartable(Outcome):
    """An outcome in a place where another start finds what this one left."""

    def __init__(self, raw: dict[str, Any], start: Start) -> None:
        super().__init__(raw, start.backend)
        self._start = start

    def restart(self, *, env: Mapping[str, Text] | None = None) -> "Restartable":
        """Start again, on what the first start left; files are told as before the first.

        `env` is the whole environment where it is another, as of a container made anew.
        """
        entries = self._start.entries
        environment = entries(env) if env is not None and entries is not None else None
        self._start.begin(runs=False, environment=environment)
        return self._start.end(PATIENCE_SECONDS)


class Running:
    """A start that goes on, and the command after it; a context manager that ends it."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.outcome: Restartable | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.outcome is None:
            self._start.session.signal(signals.SIGKILL)
            self.wait().was_ended = True

    @property
    def stdout(self) -> str:
        """What stood on standard output so far."""
        return self._start.session.stdout.decode(errors="backslashreplace")

    @property
    def stderr(self) -> str:
        """What stood on standard error so far: the log."""
        return self._start.session.stderr.decode(errors="backslashreplace")

    def wait_for(self, text: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a text stands in its output. Raises AssertionError where it ends before."""
        session = self._start.session
        session.pump(lambda: text in self.stdout or text in self.stderr, time.monotonic() + seconds)
        if text not in self.stdout and text not in self.stderr:
            self.wait()
            session = self._start.session
            message = f"ended without saying {text!r}{said(session.stderr, session.stdout)}"
            raise AssertionError(message)

    def connect(self, where: int | str, seconds: float = PATIENCE_SECONDS) -> socket.socket:
        """Return a connection to a port of its loopback interface, or to a Unix socket's path.

        Waits until something listens there. Raises AssertionError where it ends before, or nothing
        does. Whoever has it closes it.
        """
        return self._start.session.connect(where, time.monotonic() + seconds)

    def signal(self, number: int) -> None:
        """Send a signal to PID 1."""
        self._start.session.signal(number)

    def stop(self, number: int = signals.SIGTERM, seconds: float = PATIENCE_SECONDS) -> Restartable:
        """Send a signal as an engine does to stop it, and wait for its end."""
        self.signal(number)
        try:
            return self.wait(seconds)
        except TooSlow as error:
            message = f"{signal_name(number)} does not end it: {error}"
            raise TooSlow(message) from None

    def wait(self, seconds: float = PATIENCE_SECONDS) -> Restartable:
        """Wait for its end, and return what it came to."""
        if self.outcome is None:
            try:
                self.outcome = self._start.end(seconds)
            except TooSlow as error:
                self.outcome = error.outcome
                raise
        return self.outcome
