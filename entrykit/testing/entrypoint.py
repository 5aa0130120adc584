"""The fixture's object: starts with what a test gives, in the backend that was chosen."""

import contextlib
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypedDict, Unpack, overload

from entrykit.testing import given as giving
from entrykit.testing import process, sandbox
from entrykit.testing.given import FileGiven, Given, HooksGiven, Project, Text
from entrykit.testing.outcome import Outcome, unseen
from entrykit.testing.session import Place, Session
from entrykit.testing.start import PATIENCE_SECONDS, Restartable, Running, Start
from entrykit.testing.stub import Stub

# pytest leaves the frames of this module out of what it shows of a failure.
__tracebackhide__ = True


class Told(TypedDict, total=False):
    """What a call may say of a start; what it does not say comes from the project."""

    env: Mapping[str, Text]
    secrets: Mapping[str, Text]
    files: Mapping[str, FileGiven]
    hooks: HooksGiven
    config: str | Path
    program: str | Sequence[str]
    user: str
    network: bool


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
        command: Sequence[Text] = ...,
        *,
        run_command: Literal[False] = ...,
        seconds: float = ...,
        **told: Unpack[Told],
    ) -> Restartable: ...

    @overload
    def __call__(
        self,
        command: Sequence[Text] = ...,
        *,
        run_command: Literal[True],
        seconds: float = ...,
        **told: Unpack[Told],
    ) -> Running: ...

    def __call__(
        self,
        command: Sequence[Text] = (),
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
        return start.end(seconds)

    def crash_everywhere(
        self, command: Sequence[Text] = (), *, ignoring: Collection[str] = (), **told: Unpack[Told]
    ) -> list[str]:
        """Kill the start at each point, start again, and compare with an undisturbed one.

        The points are before and after each hook, and each file that entrykit writes or removes,
        and where it makes and reads the directories for changes; `told` is what a call is told,
        `ignoring` are patterns of paths that differ each time (fnmatch).
        Returns the names of the points. Raises AssertionError that names all after which a restart
        comes to something else.
        """
        if self.backend == process.NAME:
            unseen("the process backend does not begin anew: what a start wrote stays")
        all_of_it = self._given(command, told)
        undisturbed, names = self._crash(all_of_it, -1)
        if not undisturbed.started_command:
            message = f"undisturbed, too, {undisturbed.failure()}"
            raise AssertionError(message)
        wrong: dict[str, list[str]] = {}
        for number in range(len(names)):
            outcome, reached = self._crash(all_of_it, number)
            if difference := outcome.difference(undisturbed, ignoring):
                wrong.setdefault(difference, []).append(reached[-1])
        if wrong:
            lines = [
                f"killed {', '.join(points)}: a restart comes to something else: {difference}"
                for difference, points in wrong.items()
            ]
            raise AssertionError("\n".join(lines))
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

    def _given(self, command: Sequence[Text], told: Told) -> Given:
        if unknown := told.keys() - Told.__annotations__.keys():
            known = ", ".join(Told.__annotations__)
            message = f"a start is told nothing of `{min(unknown)}`; it is told of {known}"
            raise TypeError(message)
        program = told.get("program")
        hooks, config = told.get("hooks"), told.get("config")
        return Given(
            [command] if isinstance(command, str | bytes) else command,
            giving.pairs(told.get("env", {}), "env"),
            giving.pairs(told.get("secrets", {}), "secrets"),
            giving.files(told.get("files", {})),
            giving.hooks(self.project.hooks if hooks is None else hooks),
            giving.configuration(self.project.config if config is None else config),
            self.project.program if program is None else giving.words(program),
            told.get("user", ""),
            told.get("network", False),
        )

    def _open(self, given: Given) -> Start:
        start = self._open_plain(given) if self.backend == process.NAME else self._open_whole(given)
        self._closing.enter_context(contextlib.closing(start.session))
        return start

    def _open_whole(self, given: Given) -> Start:
        """Open a place in which a start finds all at the paths of an image."""
        told = sandbox.told(given, {stub.name: stub.script(giving.STUBS) for stub in self._stubs})
        place: Place
        if self.backend == sandbox.NAME:
            place = Session(told)
        else:
            from entrykit.testing import container  # imports the SDK

            place = container.ContainerSession(self._image, told)
        start = Start(place, self.backend, tuple(self._stubs))
        start.entries = lambda env: _with_environment(given, env).entries()
        return start

    def _open_plain(self, given: Given) -> Start:
        directory = Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
        noted = directory / "calls"
        noted.mkdir()
        stubs = {stub.name: stub.script(str(noted)) for stub in self._stubs}
        told = process.told(given, stubs, directory)
        start = Start(Session(told), self.backend, tuple(self._stubs))
        start.stub_directory = noted
        start.entries = lambda env: process.entries(_with_environment(given, env), stubs, directory)
        return start


def _with_environment(given: Given, env: Mapping[str, Text]) -> Given:
    return replace(given, environment=giving.pairs(env, "env"))


@contextlib.contextmanager
def opened(backend: str, project: Project, image: str) -> Iterator[Entrypoint]:
    """Yield an entrypoint, and close it."""
    entrypoint = Entrypoint(backend, project, image)
    try:
        yield entrypoint
    finally:
        entrypoint.close()
