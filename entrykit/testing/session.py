"""One place in which starts run: the keeper's process, and what it and its starts say.

A test's process does not wait in here longer than it was told: whatever a hook does, it is killed.
"""

import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from entrykit.testing import interpreter

_KEEPER = Path(__file__).with_name("keeper.py")
_PIECE_BYTES = 1 << 16
# What is written to standard output and error is kept in memory.
_OUTPUT_LIMIT_BYTES = 16 << 20
# Between two looks whether something listens.
_PAUSE_SECONDS = 0.01
# pytest leaves the frames of this module out of what it shows of a failure.
__tracebackhide__ = True


class Refused(Exception):  # noqa: N818 - the machine's answer, not a fault
    """What the machine does not allow: the call, and why."""


class TooSlow(AssertionError):  # noqa: N818 - a test fails of it, and no more
    """A start that goes on for longer than a test waits."""

    # What it came to until it was ended for that.
    outcome: Any = None


class Place(Protocol):
    """Where starts run, one at a time; what a backend has to offer."""

    stdout: bytearray
    stderr: bytearray
    # None as long as a start goes on; then its wait status, seconds, report and changes.
    ended: dict[str, Any] | None

    def start(self, **told: Any) -> None:
        """Start, with what is special to this start."""

    def pump(self, done: Callable[[], bool], deadline: float) -> None:
        """Take what comes until `done`, or the start has ended. Raises TooSlow."""

    def signal(self, number: int) -> None:
        """Send a signal to the start."""

    def connect(self, where: int | str, deadline: float) -> socket.socket:
        """Connect to a port or a path in there, when something listens. Raises AssertionError."""

    def close(self) -> None:
        """End all that runs; a second time nothing is left to do."""


class Session:
    """A keeper, and one start at a time in what it keeps."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.ended: dict[str, Any] | None = None
        self.notes: list[str] = []
        self.limit = ""
        self._incoming = bytearray()
        self._passed: list[int] = []
        self._messages: list[dict[str, Any]] = []
        own, other = socket.socketpair()
        with other:
            self._socket = own
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-IS", str(_KEEPER), str(other.fileno())],
                pass_fds=[other.fileno()],
                # Ctrl-C is the test's; what it means for a start, this process says.
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                cwd="/",
            )
        pipes = (self._process.stdout, self._process.stderr)
        self._outputs = {
            pipe.fileno(): taken
            for pipe, taken in zip(pipes, (self.stdout, self.stderr), strict=True)
            if pipe is not None
        }
        for descriptor in self._outputs:
            os.set_blocking(descriptor, False)
        self._send({**told, **interpreter.told(told.get("root", ""))})
        try:
            answer = self._next_message(time.monotonic() + 60)
            if "refused" in answer:
                raise Refused(answer["refused"])  # noqa: TRY301 - closed, whatever happens
        except BaseException:
            self.close()
            raise
        self.notes = answer["notes"]

    def start(self, **told: Any) -> None:
        """Start, with what is special to this start."""
        self.stdout.clear()
        self.stderr.clear()
        self.ended = None
        self.limit = ""
        self._send({"crash": None, **told})

    def pump(self, done: Callable[[], bool], deadline: float) -> None:
        """Take what comes until `done`, or the start has ended. Raises TooSlow."""
        while not done() and self.ended is None:
            self._note_end(self._next_message(deadline, done))

    def signal(self, number: int) -> None:
        """Send a signal to the start."""
        self._send({"signal": int(number)})

    def connect(self, where: int | str, deadline: float) -> socket.socket:
        """Connect to a port or a path in there, when something listens. Raises AssertionError.

        By the keeper, whose network and files are the start's.
        """
        while self.ended is None:
            self._send({"connect": where})
            message: dict[str, Any] = {}
            while "connected" not in message and self.ended is None:
                try:
                    message = self._next_message(deadline)
                except TooSlow as error:
                    why = f"nothing listens at {where}: {error}"
                    raise TooSlow(why) from None
                self._note_end(message)
            if self._passed:
                return socket.socket(fileno=self._passed.pop())
            time.sleep(_PAUSE_SECONDS)
        why = f"ended before anything listened at {where}{self._said()}"
        raise AssertionError(why)

    def close(self) -> None:
        """End all that runs, and wait until it is gone; a second time nothing is left to do."""
        self._socket.close()
        while self._passed:
            os.close(self._passed.pop())
        if self._process.returncode is not None:
            return
        try:
            # Whatever it still writes goes nowhere.
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _send(self, message: dict[str, Any]) -> None:
        body = marshal.dumps(message)
        try:
            self._socket.sendall(len(body).to_bytes(4, "big") + body)
        except (BrokenPipeError, ConnectionResetError):
            self._fail()

    def _next_message(
        self, deadline: float, done: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Return the next message; an empty one where `done` comes before it."""
        while not self._messages:
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                message = f"goes on and on{self._said()}"
                raise TooSlow(message)
            descriptors = [self._socket.fileno(), *self._outputs]
            ready, _, _ = select.select(descriptors, [], [], seconds)
            if self._socket.fileno() in ready:
                self._receive()
            self._take_output()
            if done():
                return {}
        return self._messages.pop(0)

    def _note_end(self, message: dict[str, Any]) -> None:
        if "ended" in message:
            self._take_output()
            self.ended = {**message, "limit": self.limit or message["limit"]}

    def _said(self) -> str:
        return said(self.stderr, self.stdout)

    def _receive(self) -> None:
        flags = socket.MSG_CMSG_CLOEXEC
        piece, passed, _, _ = socket.recv_fds(self._socket, _PIECE_BYTES, 1, flags)
        self._passed += passed
        if not piece:
            self._fail()
        self._incoming += piece
        while len(self._incoming) >= 4:
            end = 4 + int.from_bytes(self._incoming[:4], "big")
            if len(self._incoming) < end:
                break
            self._messages.append(marshal.loads(self._incoming[4:end]))
            del self._incoming[:end]

    def _take_output(self) -> None:
        for descriptor, taken in self._outputs.items():
            try:
                while len(taken) < _OUTPUT_LIMIT_BYTES:
                    if not (piece := os.read(descriptor, _PIECE_BYTES)):
                        break
                    taken.extend(piece)
                else:
                    self._end_of(descriptor, taken)
            except BlockingIOError:
                pass

    def _end_of(self, descriptor: int, taken: bytearray) -> None:
        """Kill a start that has written more than is kept, and throw the rest away."""
        del taken[_OUTPUT_LIMIT_BYTES:]
        while os.read(descriptor, _PIECE_BYTES):
            if not self.limit:
                self.limit = f"more than {_OUTPUT_LIMIT_BYTES >> 20} MB of output"
                self.signal(signal.SIGKILL)

    def _fail(self) -> None:
        self._process.wait()
        self._take_output()
        message = f"defect of entrykit: the keeper of a start has ended{self._said()}"
        raise RuntimeError(message)


def said(*outputs: bytes | bytearray) -> str:
    """Return what was said so far, to stand at the end of a message."""
    text = b"".join(outputs).decode(errors="backslashreplace")
    return f"; so far it has said:\n{text}" if text else "; it has said nothing"


def exit_status(wait_status: int) -> int:
    """Return an exit status as a shell shows it: 128+n for a signal."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def signal_name(number: int) -> str:
    """Return a signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
