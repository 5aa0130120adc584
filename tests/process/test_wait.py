"""Promise: the command does not start before what it waits for is there, nor after the limit."""

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .starts import Entrypoint

HUSH = "hush-hush"


@pytest.fixture
def late() -> Iterator[socket.socket]:
    """Return a socket whose port refuses connections until it listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def text(late: socket.socket) -> str:
    return f"tcp://127.0.0.1:{late.getsockname()[1]}"


def test_the_command_starts_once_all_are_there(entrypoint: Entrypoint, late: socket.socket) -> None:
    target = text(late)
    entrypoint.configure("[wait]", f'targets = ["{target}", "file:/dev/null"]')
    running = entrypoint.start("echo", "command")
    running.wait_for(f"entrykit: 10-wait.py: {target}: connection refused")
    late.listen()
    ended = running.end()
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert ended.lines[1].startswith(f"entrykit: 10-wait.py: {target} is there (")
    assert ended.lines[2].startswith("entrykit: 10-wait.py: 2 targets are there (")
    assert len(ended.lines) == 3


def test_one_line_is_said_where_all_are_there_at_once(entrypoint: Entrypoint) -> None:
    entrypoint.configure("[wait]", 'targets = ["file:/"]')
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert len(ended.lines) == 1
    assert ended.last_line.startswith("entrykit: 10-wait.py: file:/ is there (")


def test_at_the_limit_the_command_does_not_start(
    entrypoint: Entrypoint, late: socket.socket
) -> None:
    target = text(late)
    entrypoint.configure("[wait]", f'targets = ["{target}", "file:/"]', 'timeout = "1s"')
    entrypoint.hooks.shell("20-never.sh", "echo later")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (124, b"")
    assert ended.last_line.startswith(
        f"entrykit: 10-wait.py: 1 of 2 targets is not there: {target} (connection refused);"
        " exit status 124 after "
    )
    assert ended.last_line.endswith("; the command was not started")
    assert "later" not in ended.lines


def test_only_where_it_is_told_so_the_command_starts_without_what_is_missing(
    entrypoint: Entrypoint, late: socket.socket
) -> None:
    target = text(late)
    entrypoint.configure(
        "[wait]", f'targets = ["{target}"]', 'timeout = "1s"',
        '[hooks."10-wait.py"]', 'on-error = "continue"',
    )  # fmt: skip
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")
    assert f"1 target is not there: {target} (connection refused)" in ended.last_line
    assert ended.last_line.endswith("; going on, as on-error=continue says")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_signal_ends_the_waiting_at_once(
    entrypoint: Entrypoint, late: socket.socket, number: int, status: int
) -> None:
    target = text(late)
    entrypoint.configure('grace = "300s"', "[wait]", f'targets = ["{target}"]')
    running = entrypoint.start("echo", "command")
    running.wait_for(f"entrykit: 10-wait.py: {target}: connection refused")
    running.signal(number)
    ended = running.end_promptly()
    assert (ended.status, ended.stdout) == (status, b"")


def test_targets_are_taken_from_variables_and_secrets(
    entrypoint: Entrypoint, late: socket.socket, tmp_path: Path
) -> None:
    port = late.getsockname()[1]
    secret = tmp_path / "secret"
    secret.write_text(f"redis://:{HUSH}@127.0.0.1:{port}\n")
    entrypoint.configure(
        "[env.CACHE_URL]",
        "secret = true",
        "[env.PW]",
        "secret = true",
        "[wait]",
        'targets = ["${CACHE_URL}", "tcp://${HOST}:${PORT}", "postgres://me:${PW}@${HOST}:${PORT}"]',
        'timeout = "1s"',
    )
    entrypoint.environment |= {
        "CACHE_URL_FILE": str(secret), "PW": HUSH, "HOST": "127.0.0.1", "PORT": str(port),
    }  # fmt: skip
    ended = entrypoint.run("echo", "command")
    assert ended.status == 124
    said = ended.stderr.decode()
    assert HUSH not in said
    for shown in ("${CACHE_URL}", f"tcp://127.0.0.1:{port}", f"postgres://127.0.0.1:{port}"):
        assert f"{shown} (connection refused)" in said


def test_variables_that_are_missing_are_named_together(entrypoint: Entrypoint) -> None:
    entrypoint.configure("[wait]", 'targets = ["tcp://${HOST}:${PORT}", "${URL}"]')
    entrypoint.environment |= {"PORT": "", "URL": f"{HUSH}@db"}
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    expected = ("HOST is not set", "PORT is empty", "it has no scheme")
    for line, part in zip(ended.lines, expected, strict=True):
        assert part in line
        assert line.startswith("entrykit: 10-wait.py: ")
    assert HUSH not in ended.stderr.decode()


def test_a_target_that_can_never_be_there_is_found_before_any_hook(entrypoint: Entrypoint) -> None:
    entrypoint.configure("[wait]", 'targets = ["mysql://db", "db:5432", "tcp://fine:1"]')
    entrypoint.hooks.shell("05-first.sh", "echo ran")
    ended = entrypoint.run("echo", "command")
    assert ended.status == 78
    assert len(ended.lines) == 2
    assert "entrykit.toml:2: wait.targets: mysql://db: its scheme is unknown" in ended.lines[0]
    assert "entrykit.toml:2: wait.targets: db:5432: it has no scheme" in ended.lines[1]


def test_the_log_is_as_the_page_shows_it(entrypoint: Entrypoint, late: socket.socket) -> None:
    page = (Path(__file__).parents[2] / "docs/wait.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    place = text(late).removeprefix("tcp://")
    entrypoint.configure("[wait]", f'targets = ["redis://{place}", "file:/"]')
    running = entrypoint.start("echo", "command")
    running.wait_for(f"entrykit: 10-wait.py: redis://{place}: connection refused")
    late.listen()
    for answer in (b"-LOADING Redis is loading the dataset in memory\r\n", b"+PONG\r\n"):
        connection, _ = late.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)
    said = running.end().stderr.decode().replace(place, "cache")
    times = re.compile(r"\([0-9.]+ m?s\)")
    assert times.sub("(N)", said) == times.sub("(N)", shown)
