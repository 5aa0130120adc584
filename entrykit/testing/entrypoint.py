"""The fixture's object: starts with what a test gives, in the backend that was chosen."""

import contextlib
import signal as signals
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack, overload

from entrykit.testing import given as giving
from entrykit.testing import process, report, sandbox
from entrykit.testing.given import FileGiven, Given, HooksGiven, Project
from entrykit.testing.outcome import Outcome, Unseen
from entrykit.testing.session import Place, Session, TooSlow, exit_status, signal_name

# How long a start may take, and how long a test waits for a line.
PATIENCE_SECONDS = 60.0
BACKENDS = ("sandbox", "process", "docker")
_STUB = """\
#!/bin/sh
umask 0
printf '%s\\0' "$#" "$@" >>"{place}"
{output}exit {status}
"""


class Told(TypedDict, total=False):
    """What a call may say of a start; what it does not say comes from the project."""

    env: Mapping[str, str]
    secrets: Mapping[str, str]
    files: Mapping[str, FileGiven]
    hooks: HooksGiven
    config: str | Path
    program: str | Sequence[str]
    user: str
    network: bool


class Stub:
    """A stand-in for a program, and the arguments of each of its calls in the latest starts."""

    def __init__(self, name: str, status: int, output: str) -> None:
        self.name = name
        self.status = status
        self.output = output
        self.calls: list[list[str]] = []

    @property
    def key(self) -> str:
        """The name of the file in which its calls are noted."""
        return f"{self.name.strip('/').replace('/', '-')}.calls"

    def script(self, directory: str) -> bytes:
        """Return the program."""
        quoted = self.output.replace("'", "'\\''")
        output = f"printf '%s' '{quoted}'\n" if self.output else ""
        place = f"{directory}/{self.key}"
        return _STUB.format(place=place, output=output, status=self.status).encode()

    def take(self, noted: bytes | None) -> None:
        """Read the calls that were noted: each a count, and as many arguments."""
        words = [word.decode() for word in (noted or b"").split(b"\0")[:-1]]
        self.calls = []
        while words:
            end = 1 + int(words[0])
            self.calls.append(words[1:end])
            words = words[end:]


class Start:
    """A place, and one start in it after the other."""

    def __init__(self, session: Place, backend: str, stubs: Sequence[Stub]) -> None:
        self.session = session
        self.backend = backend
        self.outcomes: list[Outcome] = []
        self.stub_directory: Path | None = None
        self._stubs = stubs

    def begin(self, *, runs: bool) -> None:
        """Start."""
        self.session.start(runs=runs)

    def end(self, seconds: float) -> Outcome:
        """Wait for the end of a start. Raises TooSlow; it is then killed."""
        try:
            self.session.pump(lambda: False, time.monotonic() + seconds)
        except TooSlow:
            self.session.signal(signals.SIGKILL)
            raise
        outcome = Outcome(self._raw(), self.backend)
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

    def __init__(self, outcome: Outcome, start: Start) -> None:
        vars(self).update(vars(outcome))
        self._start = start

    def restart(self) -> "Restartable":
        """Start again, on what the first start left; files are told as before the first."""
        self._start.begin(runs=False)
        return Restartable(self._start.end(PATIENCE_SECONDS), self._start)


class Running:
    """A start that goes on, and the command after it; a context manager that ends it."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.outcome: Outcome | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.outcome is None:
            self._start.session.signal(signals.SIGKILL)
            self.wait()

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
            message = f"ended without saying {text!r}; it said:\n{self.stdout}{self.stderr}"
            raise AssertionError(message)

    def signal(self, number: int) -> None:
        """Send a signal to PID 1."""
        self._start.session.signal(number)

    def stop(self, number: int = signals.SIGTERM, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Send a signal as an engine does to stop it, and wait for its end."""
        self.signal(number)
        try:
            return self.wait(seconds)
        except TooSlow as error:
            message = f"{signal_name(number)} does not end it: {error}"
            raise TooSlow(message) from None

    def wait(self, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Wait for its end, and return what it came to."""
        if self.outcome is None:
            self.outcome = self._start.end(seconds)
        return self.outcome


class Entrypoint:
    """What a test starts: called with what a start is given, it returns the outcome."""

    def __init__(self, backend: str, project: Project, image: str = "") -> None:
        self.backend = backend
        self.project = project
        self.starts: list[Start] = []
        self._image = image or project.image
        self._stubs: list[Stub] = []
        self._closing = contextlib.ExitStack()

    def stub(self, name: str, status: int = 0, output: str = "") -> Stub:
        """Put a stand-in for a program on the PATH of the starts to come, or at a path.

        It notes its arguments, prints `output` and exits with `status`.
        """
        stub = Stub(name, status, output)
        self._stubs.append(stub)
        return stub

    @overload
    def __call__(
        self,
        command: Sequence[str] = ...,
        *,
        run_command: Literal[False] = ...,
        seconds: float = ...,
        **told: Unpack[Told],
    ) -> Restartable: ...

    @overload
    def __call__(
        self,
        command: Sequence[str] = ...,
        *,
        run_command: Literal[True],
        seconds: float = ...,
        **told: Unpack[Told],
    ) -> Running: ...

    def __call__(
        self,
        command: Sequence[str] = (),
        *,
        run_command: bool = False,
        seconds: float = PATIENCE_SECONDS,
        **told: Unpack[Told],
    ) -> Restartable | Running:
        """Start, and return the outcome; with `run_command` a running command.

        `env` is the whole environment but for PATH; `secrets` are files, named by NAME_FILE;
        `files` are paths and contents, or contents and modes; `hooks` a directory, or names and
        contents; `config` TOML or a path; `network` the machine's own, instead of none.
        """
        given = self._given(command, told)
        start = self._open(given)
        self.starts.append(start)
        start.begin(runs=run_command)
        if run_command:
            return Running(start)
        return Restartable(start.end(seconds), start)

    def crash_everywhere(
        self, command: Sequence[str] = (), *, ignoring: Collection[str] = (), **told: Unpack[Told]
    ) -> list[str]:
        """Kill the start at each point, start again, and compare with an undisturbed one.

        The points are before and after each hook, and each file that entrykit writes; `told` is
        what a call is told, `ignoring` are patterns of paths that differ each time (fnmatch).
        Returns the names of the points. Raises AssertionError that names all after which a restart
        comes to something else.
        """
        if self.backend != sandbox.NAME:
            message = f"the {self.backend} backend does not kill a start at a given point"
            raise Unseen(message)
        all_of_it = self._given(command, told)
        undisturbed, names = self._crash(all_of_it, -1)
        if not undisturbed.started_command:
            message = f"undisturbed, too: {undisturbed.summary}\n{undisturbed.log.text}"
            raise AssertionError(message)
        wrong = []
        for number, name in enumerate(names):
            outcome, _ = self._crash(all_of_it, number)
            if difference := outcome.difference(undisturbed, ignoring):
                wrong.append(f"killed {name}, a restart comes to something else: {difference}")
        if wrong:
            raise AssertionError("\n".join(wrong))
        return names

    def close(self) -> None:
        """End all that goes on, and remove what the starts were given."""
        self._closing.close()

    def _crash(self, given: Given, number: int) -> tuple[Outcome, list[str]]:
        """Kill a start at a point and start again; return what came of it, and all points."""
        start = self._open(given)
        start.session.start(runs=False, crash=number)
        outcome = start.end(PATIENCE_SECONDS)
        reached = (start.session.ended or {})["boundaries"].decode(errors="backslashreplace")
        if number >= 0:
            start.begin(runs=False)
            outcome = start.end(PATIENCE_SECONDS)
        start.session.close()
        return outcome, reached.splitlines()

    def _given(self, command: Sequence[str], told: Told) -> Given:
        program = told.get("program")
        hooks, config = told.get("hooks"), told.get("config")
        return Given(
            [command] if isinstance(command, str) else command,
            told.get("env", {}),
            told.get("secrets", {}),
            giving.files(told.get("files", {})),
            giving.hooks(self.project.hooks if hooks is None else hooks),
            giving.configuration(self.project.config if config is None else config),
            self.project.program if program is None else giving.words(program),
            told.get("user", ""),
            told.get("network", False),
        )

    def _open(self, given: Given) -> Start:
        if self.backend == "docker":
            from entrykit.testing import container  # imports the SDK

            stubs = {stub.name: stub.script(giving.STUBS) for stub in self._stubs}
            place = container.ContainerSession(self._image, given, stubs)
            self._closing.enter_context(contextlib.closing(place))
            return Start(place, self.backend, tuple(self._stubs))
        directory: Path | None = None
        if self.backend == process.NAME:
            directory = Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
            noted = directory / "calls"
            noted.mkdir()
            stubs = {stub.name: stub.script(str(noted)) for stub in self._stubs}
            told = process.told(given, stubs, directory)
        else:
            stubs = {stub.name: stub.script(giving.STUBS) for stub in self._stubs}
            told = sandbox.told(given, stubs)
        session = self._closing.enter_context(contextlib.closing(Session(told)))
        start = Start(session, self.backend, tuple(self._stubs))
        start.stub_directory = directory / "calls" if directory else None
        return start


@contextlib.contextmanager
def opened(backend: str, project: Project, image: str) -> Iterator[Entrypoint]:
    """Yield an entrypoint, and close it."""
    entrypoint = Entrypoint(backend, project, image)
    try:
        yield entrypoint
    finally:
        entrypoint.close()
