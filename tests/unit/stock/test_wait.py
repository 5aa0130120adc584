"""Waiting for several targets: what is said, when it ends, and that its limit holds."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrykit.stock import targets, wait
from entrykit.system.errors import TIMED_OUT, StartError

from .servers import PATIENCE_SECONDS, Server, black_hole, saying


def wait_for(timeout_seconds: float, *texts: str) -> tuple[str, list[str]]:
    """Wait; return what it says at the end, and the lines that it said before."""
    lines: list[str] = []
    return wait.wait_for(targets.read(texts, {}), timeout_seconds, lines.append), lines


def limit(timeout_seconds: float, *texts: str) -> str:
    """Wait up to the limit; return what is said then.

    A limit of a second is so that each attempt has ended before, on a busy machine too.
    """
    with pytest.raises(StartError) as caught:
        wait_for(timeout_seconds, *texts)
    assert caught.value.status == TIMED_OUT
    ((_, message, _),) = caught.value.problems
    return message


@pytest.fixture
def late() -> Iterator[Server]:
    """Return a server that refuses connections until it listens, and is never loading."""
    server = Server(saying(b"+PONG\r\n", b"PING\r\n")[0])
    yield server
    server.close()


def test_nothing_is_said_where_all_are_there_at_once(late: Server) -> None:
    text = f"redis://127.0.0.1:{late.listen().port}"
    assert wait_for(PATIENCE_SECONDS, text) == (f"{text} is there", [])
    assert wait_for(PATIENCE_SECONDS, text, "file:/") == ("2 targets are there", [])


def test_a_server_that_comes_late_is_waited_for_and_its_changes_are_said(late: Server) -> None:
    text = f"redis://127.0.0.1:{late.port}"
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if line.endswith("refused"):
            late.listen()

    wanted = targets.read([text, "file:/"], {})
    assert wait.wait_for(wanted, PATIENCE_SECONDS, say) == "2 targets are there"
    assert lines[0] == f"{text}: connection refused"
    assert lines[1].startswith(f"{text} is there (")
    assert len(lines) == 2


def test_each_reason_is_said_once() -> None:
    answers = iter([b"-LOADING a\r\n", b"-LOADING b\r\n", b"-LOADING a\r\n", b"+PONG\r\n"])

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(next(answers))

    server = Server(talk).listen()
    try:
        text = f"redis://127.0.0.1:{server.port}"
        _, lines = wait_for(PATIENCE_SECONDS, text)
    finally:
        server.close()
    assert lines[:2] == [f"{text}: LOADING a", f"{text}: LOADING b"]
    assert len(lines) == 3


def test_the_limit_names_what_is_missing_with_its_last_reason(late: Server) -> None:
    with black_hole() as hole:
        message = limit(
            1,
            f"redis://127.0.0.1:{late.port}",
            "file:/",
            f"tcp://127.0.0.1:{hole}",
            "file:/no/such/file",
        )
    assert message.startswith("3 of 4 targets are not there: ")
    assert f"redis://127.0.0.1:{late.port} (connection refused)" in message
    assert "file:/no/such/file (no such file or directory)" in message
    assert f"tcp://127.0.0.1:{hole} (" in message


def test_the_limit_is_kept_where_no_attempt_has_ended() -> None:
    with black_hole() as hole:
        text = f"tcp://127.0.0.1:{hole}"
        assert limit(0.05, text) in (
            f"1 target is not there: {text} (no answer yet)",
            f"1 target is not there: {text} (timed out)",
        )


def test_what_comes_after_the_limit_is_too_late(tmp_path: Path) -> None:
    file = tmp_path / "late"
    began = time.monotonic()
    beyond = threading.Event()

    def say(_: str) -> None:
        # A log that nobody reads until the time is up.
        file.touch()
        beyond.wait(began + 1.1 - time.monotonic())

    with pytest.raises(StartError) as caught:
        wait.wait_for(targets.read([f"file:{file}"], {}), 1, say)
    assert caught.value.status == TIMED_OUT


def test_one_that_is_missing_is_named_without_a_count() -> None:
    assert limit(1, "file:/no") == "1 target is not there: file:/no (no such file or directory)"


def test_what_is_missing_is_said_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_REMINDER_SECONDS", 0.3)
    lines: list[str] = []
    with pytest.raises(StartError):
        wait.wait_for(targets.read(["file:/no", "file:/"], {}), 1, lines.append)
    reminders = [line for line in lines if line.startswith("waiting for ")]
    assert reminders[0].startswith("waiting for file:/no (no such file or directory); ")
    assert reminders[0].endswith(" left")
    assert len(reminders) > 1


def test_fifty_targets_are_waited_for_at_once() -> None:
    # Each conversation goes on until all fifty are held.
    all_here = threading.Barrier(50, timeout=PATIENCE_SECONDS)

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        all_here.wait()
        connection.sendall(b"+PONG\r\n")

    servers = [Server(talk).listen() for _ in range(50)]
    try:
        texts = [f"redis://127.0.0.1:{server.port}" for server in servers]
        said, lines = wait_for(PATIENCE_SECONDS, *texts)
    finally:
        for server in servers:
            server.close()
    assert said == "50 targets are there"
    assert lines == []


def test_a_defect_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (target,) = targets.read(["file:/"], {})
    monkeypatch.setattr(target, "path", None)
    with pytest.raises(TypeError):
        wait.wait_for([target], PATIENCE_SECONDS, print)
