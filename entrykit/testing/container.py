"""The backend `docker`: a container of a given image, whatever machine its engine is on.

All that a start is given is copied in, as nothing of this machine may be there to be mounted. The
image needs a python3 that entrykit runs on, and no entrykit: this one is brought along.
"""

import contextlib
import io
import marshal
import os
import stat
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import entrykit
from entrykit.testing import tree
from entrykit.testing.outcome import unseen
from entrykit.testing.session import Refused, TooSlow, said

# pytest leaves the frames of this module out of what it shows of a failure.
__tracebackhide__ = True

NAME = "docker"
# What a pytest that was killed leaves behind is found by it.
LABEL = "entrykit-testing"
_PLACE = "/entrykit-testing"
# What has become of a path (the engine's API, ContainerChanges).
_ADDED, _REMOVED = 1, 2
# What a start writes on standard error where it waits to be killed: no text.
_NOTICE = b"\0entrykit waits\0"


class ContainerSession:
    """A container, and one start at a time in it."""

    def __init__(self, image: str, told: dict[str, Any]) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.ended: dict[str, Any] | None = None
        self._told = told
        self._image = image
        self._arrived = threading.Condition()
        self._closed = True
        self._crash: int | None = None
        self._reader = threading.Thread()
        self._client = _client(image)
        self._container: Any = None
        # Another one that is never started: it shows what was there before.
        self._untouched: Any = None
        try:
            words = ["python3", "-BI", f"{_PLACE}/site/entrykit/testing/record.py", _PLACE]
            network = "host" if told["network"] else "none"
            self._container = self._create(entrypoint=words, network_mode=network)
            self._container.put_archive("/", _package())
            self._container.put_archive("/", _archive(self._told["files"]))
        except BaseException:
            self.close()
            raise

    def start(self, **told: Any) -> None:
        """Start, with what is special to this start. Raises Refused."""
        from docker.errors import APIError

        self.stdout.clear()
        self.stderr.clear()
        self.ended = None
        self._crash = told.get("crash")
        whole = {
            "words": self._told["words"],
            "environment": self._told["environment"],
            "paths": [],
            "first": [f"{_PLACE}/site"],
            "notice": _NOTICE,
            **told,
        }
        report = (f"{_PLACE}/report", marshal.dumps(whole, 4), 0o666, 0, 0)
        boundaries = (f"{_PLACE}/boundaries", b"", 0o666, 0, 0)
        self._container.put_archive("/", _archive([report, boundaries]))
        stream = self._container.attach(stdout=True, stderr=True, stream=True, demux=True)
        self._closed = False
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._began = time.monotonic()
        try:
            self._container.start()
        except APIError as error:
            stream._response.close()  # noqa: SLF001
            self._closed = True
            message = f"cannot start a container of {self._image}: {error.explanation}"
            raise Refused(message) from None
        self._reader.start()

    def pump(self, done: Callable[[], bool], deadline: float) -> None:
        """Wait until `done`, or the start has ended. Raises TooSlow."""
        with self._arrived:
            while not done() and not self._closed:
                if not self._arrived.wait(deadline - time.monotonic()):
                    message = f"goes on and on{said(self.stderr, self.stdout)}"
                    raise TooSlow(message)
                if self._crash is not None and _NOTICE in self.stderr:
                    self.signal(9)
                    self._crash = None
            if not self._closed:
                return
        self._reader.join()
        if self.ended is not None:
            return
        seconds = time.monotonic() - self._began
        status = self._container.wait()["StatusCode"]
        self.ended = {
            "ended": status << 8,
            "seconds": seconds,
            "report": self._content(f"{_PLACE}/report"),
            "boundaries": self._content(f"{_PLACE}/boundaries"),
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
        """Remove the containers."""
        from docker.errors import NotFound

        try:
            for one in (self._container, self._untouched):
                if one is not None:
                    with contextlib.suppress(NotFound):
                        one.remove(force=True, v=True)
            if self._reader.ident is not None:
                self._reader.join()
        finally:
            self._container = self._untouched = None
            self._client.close()

    def _create(self, **how: Any) -> Any:
        from docker.errors import APIError

        labels = {LABEL: str(os.getpid())}
        try:
            return self._client.containers.create(
                self._image, command=[], working_dir="/", labels=labels, **how
            )
        except APIError as error:
            message = f"cannot make a container of {self._image}: {error.explanation}"
            raise Refused(message) from None

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

    def _changes(self) -> "list[tree.Change]":
        """Return what is other than in the image, and than what was given.

        What lies in a volume of the image, an engine does not tell.
        """
        given: dict[str, tree.Entry] = {}
        for path, content, mode, owner, group in self._told["files"]:
            is_link = stat.S_ISLNK(mode)
            given[path] = (
                tree.LINK if is_link else tree.FILE, stat.S_IMODE(mode), owner, group, content,
            )  # fmt: skip
        kinds = {
            one["Path"]: one["Kind"]
            for one in self._container.diff() or []
            if not f"{one['Path']}/".startswith(f"{_PLACE}/")
        }
        # What was given and came to go is in no difference from the image.
        found: list[tree.Change] = []
        for path in {*kinds, *given}:
            before, after = given.get(path), None
            if kinds.get(path) != _REMOVED:
                after = self._entry(self._container, path)
            if before is None and kinds[path] != _ADDED:
                before = self._entry(self._before(), path)
            # A directory above what was given came with that.
            is_parent = any(one.startswith(f"{path}/") for one in given)
            if before != after and not (before is None and is_parent):
                found.append((path, before, after))
        return sorted(found, key=lambda one: one[0])

    def _before(self) -> Any:
        if self._untouched is None:
            self._untouched = self._create()
        return self._untouched

    def _content(self, path: str) -> bytes:
        entry = self._entry(self._container, path)
        return entry[4] if entry else b""

    def _entry(self, container: Any, path: str) -> "tree.Entry | None":
        """Return what lies at a path; of a directory, nothing of what it holds is fetched."""
        from docker.errors import NotFound

        try:
            pieces, _ = container.get_archive(path, chunk_size=1 << 16)
        except NotFound:
            return None
        try:
            with tarfile.open(fileobj=_Pieces(pieces), mode="r|") as archive:  # type: ignore[call-overload]
                member = next(iter(archive))
                mode, owner = member.mode & 0o7777, (member.uid, member.gid)
                if member.isdir():
                    return tree.DIRECTORY, mode, *owner, b""
                if member.issym():
                    return tree.LINK, mode, *owner, os.fsencode(member.linkname)
                if not member.isfile():
                    return tree.OTHER, mode, *owner, b""
                if member.size > tree.CONTENT_LIMIT_BYTES:
                    return tree.FILE, mode, *owner, b"(%d bytes)" % member.size
                content = archive.extractfile(member)
                return tree.FILE, mode, *owner, content.read() if content else b""
        finally:
            pieces.close()


class _Pieces:
    """A stream for tarfile, made of what an engine sends."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _client(image: str) -> Any:
    """Return a client of the engine. Raises Refused."""
    if not image:
        hint = "--entrykit-image=IMAGE, or `image` in [tool.entrykit]"
        message = f"the backend docker needs an image: {hint}"
        raise Refused(message)
    try:
        import docker
    except ImportError:
        message = "the backend docker needs the docker SDK: pip install 'entrykit[testing]'"
        raise Refused(message) from None
    from docker.errors import DockerException

    try:
        return docker.from_env()
    except DockerException as error:
        message = f"the backend docker needs an engine: {error}"
        raise Refused(message) from None


def _archive(files: Sequence[tuple[str, bytes, int, int, int]]) -> bytes:
    """Return a tar of files, with the directories above them where these are not there."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for path, content, mode, owner, group in files:
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), stat.S_IMODE(mode)
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
