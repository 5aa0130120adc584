"""What the tests of this tier ask of a Docker engine, and what they get back.

All of it is made with the label of the test run and removed at the run's end. Nothing of the host
is mounted, and servers are reached through ports of 127.0.0.1: the tests also run in a container
that has the engine's socket and the host's network.
"""

import base64
import contextlib
import http.client
import io
import itertools
import re
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import docker
from docker.models.containers import Container

ROOT = Path(__file__).resolve().parents[2]
LABEL = "entrykit.tests"
# The suites of Debian that the example is built for.
SUITES = ("bookworm", "trixie")
READY = "youp0m: listening on"
DONE = re.compile(r"^entrykit: (.+?): .* \([0-9.]+ m?s\)$", re.MULTILINE)
# No test waits longer for anything; what takes that long has hung.
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class File:
    """A file to put into a container: executable, unless told otherwise; a link with a `link`."""

    path: str
    content: str | bytes = ""
    mode: int = 0o755
    link: str = ""
    owner: int = 0

    def add_to(self, archive: tarfile.TarFile) -> None:
        """Add the file to an archive."""
        content = self.content.encode() if isinstance(self.content, str) else self.content
        entry = tarfile.TarInfo(self.path.lstrip("/"))
        entry.mode, entry.uid, entry.gid = self.mode, self.owner, self.owner
        if self.link:
            entry.type, entry.linkname = tarfile.SYMTYPE, self.link
        elif self.path.endswith("/"):
            entry.type = tarfile.DIRTYPE
        else:
            entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


@dataclass(frozen=True)
class Outcome:
    """How a container ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def log(self) -> list[str]:
        """The lines on standard error."""
        return self.stderr.splitlines()

    @property
    def ran(self) -> list[str]:
        """The hooks that ended well, in order."""
        return DONE.findall(self.stderr)


@dataclass(frozen=True)
class Server:
    """A container that is ready to answer."""

    container: Container
    ready_log: str
    port: int

    def get(self, path: str, credentials: str = "") -> int:
        """Return the status of the answer to a GET."""
        self.container.reload()
        published = self.container.ports[f"{self.port}/tcp"] or []
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(published[0]["HostPort"]), timeout=10
        )
        with contextlib.closing(connection):
            token = base64.b64encode(credentials.encode()).decode()
            headers = {"Authorization": f"Basic {token}"} if credentials else {}
            connection.request("GET", path, headers=headers)
            with connection.getresponse() as answer:
                return answer.status

    def admin(self) -> list[int]:
        """Return the answers of /admin/: without credentials, with the right and wrong ones."""
        return [self.get("/admin/", who) for who in ("", "admin:admin", "admin:wrong")]

    def read(self, *command: str) -> bytes:
        """Return what a command in the container prints."""
        return cast("bytes", self.container.exec_run(list(command)).output)

    def arguments(self) -> list[str]:
        """Return the argument vector of PID 1."""
        return self.read("cat", "/proc/1/cmdline").decode().rstrip("\0").split("\0")

    def environment(self) -> dict[str, str]:
        """Return the environment of PID 1."""
        words = self.read("cat", "/proc/1/environ").decode().rstrip("\0").split("\0")
        return dict(word.split("=", 1) for word in words)


class Engine:
    """The engine, and what one test run makes in it."""

    def __init__(self, run: str) -> None:
        """Connect; `run` is the label's value."""
        self.client = docker.from_env(timeout=600)
        self.run_name = run
        self.labels = {LABEL: run}
        self._numbers = itertools.count(1)

    def build(
        self, name: str, context: bytes, dockerfile: str = "Dockerfile", **arguments: str
    ) -> str:
        """Build an image from a tar archive by the classic builder; return its tag."""
        tag = f"entrykit-test-{self.run_name}:{name}"
        self.client.images.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            dockerfile=dockerfile,
            tag=tag,
            labels=self.labels,
            buildargs=arguments,
            rm=True,
            forcerm=True,
        )
        return tag

    def build_example(self, suite: str, dockerfile: str = "Dockerfile.example") -> str:
        """Build an example's image for a suite of Debian; return the tag."""
        example = dockerfile.split("/")[-2] + "-" if "/" in dockerfile else ""
        tag = f"entrykit-test-{self.run_name}:{example}{suite}"
        self.client.images.build(
            path=str(ROOT),
            dockerfile=dockerfile,
            tag=tag,
            labels=self.labels,
            buildargs={"SUITE": suite},
            rm=True,
            forcerm=True,
        )
        return tag

    def build_from_root(self, name: str, dockerfile: str, **arguments: str) -> str:
        """Build a Dockerfile whose context is the whole project; return the tag."""
        tag = f"entrykit-test-{self.run_name}:{name}"
        self.client.images.build(
            path=str(ROOT),
            dockerfile=dockerfile,
            tag=tag,
            labels=self.labels,
            buildargs=arguments,
            rm=True,
            forcerm=True,
        )
        return tag

    @contextlib.contextmanager
    def container(
        self, image: str, *command: str, files: Iterable[File] = (), **options: Any
    ) -> Iterator[Container]:
        """Yield a container that is made and not started, with files in it."""
        container = self.client.containers.create(
            image, list(command) or None, labels=self.labels, **options
        )
        try:
            self.put(container, files)
            yield container
        finally:
            container.remove(force=True, v=True)

    def put(self, container: Container, files: Iterable[File]) -> None:
        """Put files into a container."""
        if archive := pack(files):
            container.put_archive("/", archive)

    def run(self, image: str, *command: str, files: Iterable[File] = (), **options: Any) -> Outcome:
        """Run a container to its end."""
        with self.container(image, *command, files=files, **options) as container:
            container.start()
            return self.outcome(container)

    def outcome(self, container: Container) -> Outcome:
        """Wait for a container's end; return how it was."""
        status = container.wait(timeout=PATIENCE_SECONDS)["StatusCode"]
        return Outcome(
            status,
            container.logs(stdout=True, stderr=False).decode(errors="surrogateescape"),
            container.logs(stdout=False, stderr=True).decode(errors="surrogateescape"),
        )

    @contextlib.contextmanager
    def server(
        self,
        image: str,
        *command: str,
        port: int = 8080,
        files: Iterable[File] = (),
        ready: str = READY,
        **options: Any,
    ) -> Iterator[Server]:
        """Run a container, and yield it as soon as a line of its log says that it is `ready`."""
        options["ports"] = {f"{port}/tcp": ("127.0.0.1", 0)}
        with self.container(image, *command, files=files, **options) as container:
            container.start()
            yield Server(container, wait_for_line(container, ready), port)

    def volume(self, *files: File, script: str = "", image: str) -> str:
        """Return the name of a new volume with these files, and what a script makes in it."""
        name = f"entrykit-test-{self.run_name}-{next(self._numbers)}-{time.monotonic_ns()}"
        self.client.volumes.create(name, labels=self.labels)
        inside = [replace(file, path=f"/v/{file.path}") for file in files]
        with self.container(
            image, "-c", script or ":", entrypoint="/bin/sh", user="0:0", files=inside,
            volumes={name: {"bind": "/v", "mode": "rw"}}, working_dir="/v",
        ) as container:  # fmt: skip
            if script:
                container.start()
                outcome = self.outcome(container)
                assert outcome.status == 0, outcome
        return name

    def remove_all(self) -> None:
        """Remove whatever this run has made; the builder's cache of the examples stays."""
        mine: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={self.run_name}"}
        for container in self.client.containers.list(all=True, filters=mine):
            container.remove(force=True, v=True)
        for volume in self.client.volumes.list(filters=mine):
            volume.remove(force=True)
        tags = [tag for image in self.client.images.list(filters=mine) for tag in image.tags]
        # What was built on the example's images goes first.
        for tag in sorted(tags, key=is_example):
            self.client.images.remove(tag, force=True, noprune=is_example(tag))

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def is_example(tag: str) -> bool:
    """Tell whether an image is an example's own, not one on top of it."""
    return tag.endswith(SUITES)


def pack(files: Iterable[File]) -> bytes:
    """Return a tar archive of files; nothing for none."""
    files = list(files)
    if not files:
        return b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            file.add_to(archive)
    return buffer.getvalue()


def wait_for_line(container: Container, wanted: str, times: int = 1) -> str:
    """Return a container's log up to the line that holds `wanted`, for the n-th time."""
    stream = container.logs(stream=True, follow=True)
    log = ""
    try:
        for piece in stream:
            log += piece.decode(errors="surrogateescape")
            if log.count(wanted) >= times:
                return log
    finally:
        # Its own close() leaves the socket to the garbage collector.
        cast("Any", stream)._response.close()  # noqa: SLF001
    raise AssertionError(f"it ended before it said {wanted!r}:\n{log}")
