"""The backend `docker`: a container of a given image, whatever machine its engine is on.

All that a start is given is copied in, as nothing of this machine may be there to be mounted. The
image needs a python3 that entrykit runs on, and no entrykit: this one is brought along.
"""

import io
import marshal
import os
import stat
import tarfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import entrykit
from entrykit.testing import sandbox, tree
from entrykit.testing.given import Given
from entrykit.testing.outcome import unseen
from entrykit.testing.session import Refused, TooSlow, said

NAME = "docker"
_PLACE = "/entrykit-testing"
_REPORT = f"{_PLACE}/report"
_REMOVED = 2


class ContainerSession:
    """A container, and one start at a time in it."""

    def __init__(self, image: str, given: Given, stubs: dict[str, bytes]) -> None:
        if not image:
            hint = "--entrykit-image=IMAGE, or `image` in [tool.entrykit]"
            message = f"the backend docker needs an image: {hint}"
            raise Refused(message)
        import docker
        import docker.errors

        self.stdout = bytearray()
        self.stderr = bytearray()
        self.ended: dict[str, Any] | None = None
        self.notes: list[str] = []
        self._told = sandbox.told(given, stubs)
        self._arrived = threading.Condition()
        self._closed = True
        self._reader = threading.Thread()
        try:
            self._client: Any = docker.from_env()
        except docker.errors.DockerException as error:
            message = f"the backend docker needs an engine: {error}"
            raise Refused(message) from None
        try:
            self._container: Any = self._client.containers.create(
                image,
                entrypoint=["python3", "-BI", f"{_PLACE}/site/entrykit/testing/record.py", _REPORT],
                command=[],
                environment={
                    os.fsdecode(name): os.fsdecode(value)
                    for name, value in self._told["environment"]
                },
                network_mode="host" if given.network else "none",
                working_dir="/",
            )
        except BaseException:
            self._client.close()
            raise
        self._container.put_archive("/", _package())
        self._first = self._put_given()

    def start(self, **told: Any) -> None:
        """Start, with what is special to this start."""
        self.stdout.clear()
        self.stderr.clear()
        self.ended = None
        keys = {"words": self._told["words"], "paths": [], "first": [f"{_PLACE}/site"], **told}
        report = (_REPORT, marshal.dumps(keys, 4), 0o666, 0, 0)
        self._container.put_archive("/", _archive([report]))
        stream = self._container.attach(stdout=True, stderr=True, stream=True, demux=True)
        self._closed = False
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._began = time.monotonic()
        self._container.start()
        self._reader.start()

    def pump(self, done: Callable[[], bool], deadline: float) -> None:
        """Wait until `done`, or the start has ended. Raises TooSlow."""
        with self._arrived:
            while not done() and not self._closed:
                if not self._arrived.wait(deadline - time.monotonic()):
                    message = f"goes on and on{said(self.stderr, self.stdout)}"
                    raise TooSlow(message)
            if not self._closed:
                return
        self._reader.join()
        seconds = time.monotonic() - self._began
        status = self._container.wait()["StatusCode"]
        self.ended = {
            "ended": status << 8,
            "seconds": seconds,
            "report": self._fetch(_REPORT)[4],
            "changes": self._changes(),
        }

    def signal(self, number: int) -> None:
        """Send a signal to the start; nothing happens where it has ended."""
        from docker.errors import APIError

        try:
            self._container.kill(signal=int(number))
        except APIError as error:
            if error.status_code not in (404, 409):
                raise

    def connect(self, where: int | str, deadline: float) -> NoReturn:  # noqa: ARG002 - as of others
        """Skip the test: what listens in there may be on another machine."""
        unseen(f"the docker backend makes no connection, as one to {where}")

    def close(self) -> None:
        """Remove the container."""
        try:
            self._container.remove(force=True)
            if self._reader.ident is not None:
                self._reader.join()
        finally:
            self._client.close()

    def _read(self, stream: Any) -> None:
        try:
            for out, err in stream:
                with self._arrived:
                    self.stdout += out or b""
                    self.stderr += err or b""
                    self._arrived.notify_all()
        finally:
            # Its own close() leaves the socket to the garbage collector.
            stream._response.close()  # noqa: SLF001
            with self._arrived:
                self._closed = True
                self._arrived.notify_all()

    def _put_given(self) -> "dict[str, tree.Entry]":
        files = self._told["files"]
        self._container.put_archive("/", _archive(files))
        return {
            path: (tree.FILE, mode, owner, group, content)
            for path, content, mode, owner, group in files
        }

    def _changes(self) -> "list[tree.Change]":
        """Return what is other than in the image, but for what was given.

        What was there before, an engine does not tell.
        """
        different = self._container.diff() or []
        # What came and went is in no difference from the image.
        gone = self._first.keys() - {one["Path"] for one in different}
        found: list[tree.Change] = [(path, self._first[path], None) for path in gone]
        for one in different:
            path, is_gone = one["Path"], one["Kind"] == _REMOVED
            if path.startswith(_PLACE):
                continue
            after = None if is_gone else self._fetch(path)
            if after is not None and after[0] == tree.DIRECTORY:
                is_parent = any(given.startswith(f"{path}/") for given in self._first)
                if one["Kind"] == 0 or is_parent:
                    continue
            before = self._first.get(path)
            if before != after:
                found.append((path, before, after))
        return sorted(found)

    def _fetch(self, path: str) -> "tree.Entry":
        pieces, _ = self._container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
            member = archive.getmembers()[0]
            mode = member.mode & 0o7777
            owner = (member.uid, member.gid)
            if member.isdir():
                return tree.DIRECTORY, mode, *owner, b""
            if member.issym():
                return tree.LINK, mode, *owner, os.fsencode(member.linkname)
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                return tree.OTHER, mode, *owner, b""
            return tree.FILE, mode, *owner, content.read()


def _archive(files: Sequence[tuple[str, bytes, int, int, int]]) -> bytes:
    """Return a tar of files, with the directories above them where these are not there."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for path, content, mode, owner, group in files:
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), mode
            member.uid, member.gid = owner, group
            if stat.S_ISLNK(mode):
                member.type, member.linkname, member.size = tarfile.SYMTYPE, os.fsdecode(content), 0
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


@cache
def _package() -> bytes:
    """Return a tar of this entrykit."""
    package = Path(entrykit.__file__).parent
    files = [
        (f"{_PLACE}/site/entrykit/{path.relative_to(package)}", path.read_bytes(), 0o644, 0, 0)
        # Links are followed: of a checkout, the stock hooks are one.
        for directory, _, names in os.walk(package, followlinks=True)
        for path in (Path(directory, name) for name in sorted(names))
        if path.suffix != ".pyc"
    ]
    return _archive(files)
