"""`make demo`: the example image, from its Dockerfile to a server that answers.

Where a Docker engine answers, Dockerfile.example is built and run in it. Elsewhere the same hooks
and the same configuration are run by `entrykit run` as plain processes, with standin.py in the
place of the Go server. Exit status 0 where all three answers are as they should be.

Nothing of the host is mounted, so it also works from a container that has the engine's socket and
the host's network.
"""

import base64
import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import docker
import docker.errors
from docker.models.containers import Container

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "youp0m"
IMAGE = "entrykit-demo"
BASE = ("debian", "bookworm-slim")
PASSWORD = "admin"  # noqa: S105 - the demo's
READY = "youp0m: listening on "
# What is asked for, the credentials, and the status that is right.
CHECKS = (
    ("without credentials", "", 401),
    (f"as admin:{PASSWORD}", f"admin:{PASSWORD}", 200),
    ("with a wrong password", "admin:wrong", 401),
)


class NoEngineError(Exception):
    """There is no engine to use, or no base image in it; the text says why."""


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


def main() -> int:
    """Run the demo in an engine, else as plain processes; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        try:
            how, right = run_in_engine()
        except NoEngineError as reason:
            say(f"{reason}: running the same hooks as plain processes instead")
            how, right = run_as_processes()
    except DemoError as error:
        say(f"failed: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing is left running")
        return 130
    say(f"this was {how}")
    say("all three answers are right" if right else "failed: an answer is not what it should be")
    return 0 if right else 1


def run_in_engine() -> tuple[str, bool]:
    """Build the image, run it, ask it; return what was run, and whether the answers are right."""
    try:
        client = docker.from_env(timeout=600)
    except docker.errors.DockerException as error:
        to_us = " to this user" if "Permission denied" in str(error) else ""
        reason = f"no Docker engine answers{to_us}"
        raise NoEngineError(reason) from None
    with contextlib.closing(client):
        try:
            version = client.version()["Version"]
            need_base_image(client)
            build_image(client)
            container = client.containers.create(
                IMAGE,
                environment={"YOUP0M_PASSWORD": PASSWORD},
                ports={"8080/tcp": ("127.0.0.1", 0)},
            )
            try:
                serve(container)
                command = cast("bytes", container.exec_run(["cat", "/proc/1/cmdline"]).output)
                how = f"{IMAGE} in Docker {version}, its PID 1 {show_words(command)}"
                return how, ask(published_port(container))
            finally:
                container.remove(force=True, v=True)
        except docker.errors.APIError as error:
            message = f"the engine says: {error.explanation or error}"
            raise DemoError(message) from None


def need_base_image(client: docker.DockerClient) -> None:
    """Have the image that Dockerfile.example begins with. Raises NoEngineError."""
    name = ":".join(BASE)
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        say(f"fetching {name}")
        try:
            client.images.pull(*BASE)
        except docker.errors.APIError as error:
            say(f"error: {name} is not there and cannot be fetched: {error.explanation or error}")
            raise NoEngineError("Docker answers, but has no base image") from None


def build_image(client: docker.DockerClient) -> None:
    """Build the image with the engine's classic builder, a line for each step."""
    say("building Dockerfile.example; the first time this takes a few minutes, then a second")
    began = time.monotonic()
    last = [""]
    step = ""
    for message in client.api.build(
        path=str(ROOT), dockerfile="Dockerfile.example", tag=IMAGE, rm=True, decode=True
    ):
        if "error" in message:
            print(*last[-20:], sep="\n")
            text = f"the image cannot be built: {message['error'].strip()}"
            raise DemoError(text)
        for line in filter(str.strip, str(message.get("stream", "")).splitlines()):
            # What is in the builder's cache, and what takes no time, is not worth a line.
            if step and "Using cache" not in line:
                print(f"  {time.monotonic() - began:4.0f} s  {shorten(step)}", flush=True)
            step = line if re.match(r"Step \S+ : (COPY|RUN) ", line) else ""
            last.append(line)
    say(f"built {IMAGE} in {time.monotonic() - began:.0f} s")


def shorten(line: str, width: int = 84) -> str:
    """Return a step of a build as one short line."""
    words = " ".join(line.split())
    return words if len(words) <= width else f"{words[: width - 1]}…"


def serve(container: Container) -> None:
    """Start a container and show its log until the server is ready."""
    say(f"docker run -e YOUP0M_PASSWORD={PASSWORD} -p 127.0.0.1::8080 {IMAGE}")
    container.start()
    stream = container.logs(stream=True, follow=True)
    try:
        show_log(lines_of(stream))
    finally:
        stream.close()


def published_port(container: Container) -> int:
    """Return the free port of 127.0.0.1 that the engine has found for the server."""
    container.reload()
    published = container.ports["8080/tcp"] or []
    return int(published[0]["HostPort"])


def run_as_processes() -> tuple[str, bool]:
    """Run the hooks and the stand-in without a container; as run_in_engine()."""
    # Port 0: the stand-in takes a free one and says which. Its `#!` line finds our own Python.
    words = [
        *(sys.executable, "-m", "entrykit", "run", "--config", "entrykit.toml"),
        *("--hooks", "hooks.d", "--program", "./standin.py", "--", "-bind", "127.0.0.1:0"),
    ]
    say(f"YOUP0M_PASSWORD={PASSWORD} entrykit {' '.join(words[3:])}")
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    environment = os.environ | {"PATH": path, "YOUP0M_PASSWORD": PASSWORD}
    with subprocess.Popen(words, cwd=EXAMPLE, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr  # noqa: S101 - for the type checker
            ready = show_log(process.stderr)
            right = ask(int(ready.rpartition(":")[2]))
            how = f"`entrykit run` without a container, process {process.pid}"
            return f"{how} {show_words(command_of(process))}", right
        finally:
            _, _, htpasswd = command_of(process).partition(b"\0-htpasswd\0")
            process.terminate()
            process.wait()
            # The runtime directory, which in a container goes with it.
            made = Path(os.fsdecode(htpasswd.partition(b"\0")[0])).parent
            if made.name.startswith("entrykit"):
                shutil.rmtree(made, ignore_errors=True)


def command_of(process: subprocess.Popen[bytes]) -> bytes:
    """Return the argument vector of a process: that of `entrykit run`, then of its command."""
    return Path(f"/proc/{process.pid}/cmdline").read_bytes()


def show_log(lines: Iterable[bytes]) -> str:
    """Print the log as it comes; return the line that says the server is ready."""
    for raw in lines:
        line = raw.decode(errors="replace").rstrip()
        print(f"  {line}", flush=True)
        if line.startswith(READY):
            return line
    raise DemoError("the server did not start: see the log above")


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines of a stream that comes in pieces."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def ask(port: int) -> bool:
    """Ask for /admin/ in the three ways; print the answers, and tell whether all are right."""
    say(f"asking http://127.0.0.1:{port}/admin/")
    right = True
    for how, credentials, wanted in CHECKS:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            token = base64.b64encode(credentials.encode()).decode()
            headers = {"Authorization": f"Basic {token}"} if credentials else {}
            try:
                connection.request("GET", "/admin/", headers=headers)
                answer = connection.getresponse()
            except OSError as error:
                text = f"no answer from 127.0.0.1:{port}: {error}"
                raise DemoError(text) from None
        verdict = "" if answer.status == wanted else f"  WRONG, not {wanted}"
        print(f"  {how:<22} {answer.status} {answer.reason}{verdict}", flush=True)
        right = right and answer.status == wanted
    return right


def show_words(command: bytes) -> str:
    """Return what stands in /proc/PID/cmdline as it was typed."""
    return command.decode(errors="replace").rstrip("\0").replace("\0", " ")


def say(text: str) -> None:
    """Print a line of the demo's own."""
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
