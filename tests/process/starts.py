"""A start as a real process: what it is given, how it runs, and how it ended."""

import marshal
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

# No promise is as slow as this: what takes longer hangs.
PATIENCE_SECONDS = 30
# Between what is promised to be prompt (0.1 s) and the shortest wait that it would else be (5 s).
PROMPT_SECONDS = 2
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEW_NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def program(name: str) -> str:
    """Return the path of a program that the tests run."""
    found = shutil.which(name, path=SEARCH_PATH)
    assert found, f"the tests need {name}"
    return found


@dataclass(frozen=True)
class Given:
    """What a process is given beside its words.

    `environment` are raw entries in place of the default ones. `descriptors` maps numbers to
    files, `closed` are numbers. `terminal` is the path of one to control.
    """

    environment: Sequence[bytes] | None = None
    descriptors: Mapping[int, Path] = field(default_factory=dict)
    closed: Collection[int] = ()
    ignored: Collection[int] = ()
    blocked: Collection[int] = ()
    pending: Collection[int] = ()
    umask: int = 0o022
    directory: Path = Path("/")
    limits: Mapping[int, int] = field(default_factory=dict)
    terminal: str = ""

    def marshalled(self, words: Sequence[bytes], environment: Sequence[bytes]) -> bytes:
        """Return what setting.py reads."""
        return marshal.dumps(
            {
                "words": list(words),
                "environment": list(environment),
                "descriptors": {
                    number: os.fsencode(path) for number, path in self.descriptors.items()
                },
                "closed": list(self.closed),
                "ignored": [int(number) for number in self.ignored],
                "blocked": [int(number) for number in self.blocked],
                "pending": [int(number) for number in self.pending],
                "umask": self.umask,
                "directory": os.fsencode(self.directory),
                "limits": dict(self.limits),
                "terminal": os.fsencode(self.terminal),
            }
        )


@dataclass(frozen=True)
class Ended:
    """How a process ended; `status` is as a shell shows it, 128+n for a signal."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return self.stderr.decode("utf-8", "backslashreplace").splitlines()

    @property
    def last_line(self) -> str:
        """The last line of standard error, "" where there is none."""
        return self.lines[-1] if self.lines else ""


class Running:
    """A process that goes on, and what it has written so far."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        *,
        is_pid1: bool,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.process = process
        self._is_pid1 = is_pid1
        self.patience_seconds = patience_seconds
        self._stderr = b""

    @property
    def pid(self) -> int:
        """The id, as seen from here, of what an engine starts: in a namespace of its PID 1."""
        if not self._is_pid1:
            return self.process.pid
        outer = self.process.pid
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="ascii").split()
        assert len(children) == 1, f"unshare has children {children}"
        return int(children[0])

    def wait_for(self, line: str) -> None:
        """Wait until a line stands on standard error."""
        assert self.process.stderr is not None
        descriptor = self.process.stderr.fileno()
        while line.encode() not in self._stderr.split(b"\n")[:-1]:
            readable, _, _ = select.select([descriptor], [], [], self.patience_seconds)
            piece = os.read(descriptor, 65536) if readable else b""
            if not piece:
                self.kill()
                message = f"no line {line!r} in {self._stderr!r}"
                raise AssertionError(message)
            self._stderr += piece

    def signal(self, number: int) -> None:
        """Send a signal to the start."""
        os.kill(self.pid, number)

    def end(self, stdin: bytes | None = None) -> Ended:
        """Wait until it has ended, and all that hold its standard error are gone."""
        try:
            stdout, stderr = self.process.communicate(stdin, timeout=self.patience_seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            message = f"goes on and on: {self._stderr!r} {error.stderr!r}"
            raise AssertionError(message) from None
        status = self.process.returncode
        return Ended(status if status >= 0 else 128 - status, stdout, self._stderr + stderr)

    def end_promptly(self) -> Ended:
        """Wait until all has ended, in a time in which nobody has waited for a grace time."""
        began = time.monotonic()
        ended = self.end()
        assert time.monotonic() - began < PROMPT_SECONDS
        return ended

    def kill(self) -> None:
        """End it, if it goes on."""
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()


class HookDirectory:
    """A hook directory, made when the first hook is put into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str, content: str | bytes, mode: int = 0o755) -> Path:
        """Write a hook; return its path."""
        self.path.mkdir(parents=True, exist_ok=True)
        hook = self.path / name
        hook.write_bytes(content.encode() if isinstance(content, str) else content)
        hook.chmod(mode)
        return hook

    def shell(self, name: str, *lines: str, mode: int = 0o755) -> Path:
        """Write a hook for /bin/sh from lines."""
        return self.add(name, "\n".join(("#!/bin/sh", *lines, "")), mode)


class Entrypoint:
    """One way to start a command: entrykit's words before it, perhaps as PID 1 of a namespace.

    Its hooks lie in `hooks`, its configuration is what `configure` was given; both are handed over
    by ENTRYKIT_ variables, since a launcher has no options.
    """

    def __init__(self, words: Sequence[str], scratch: Path, *, is_pid1: bool) -> None:
        self.words = list(words)
        self.is_pid1 = is_pid1
        self.scratch = scratch
        self.hooks = HookDirectory(scratch / "hooks.d")
        self.environment: dict[str, str] = {"PATH": SEARCH_PATH, "HOME": "/"}
        self.patience_seconds: float = PATIENCE_SECONDS
        self._configuration = scratch / "entrykit.toml"
        self._running: list[Running] = []

    def configure(self, *lines: str) -> None:
        """Write the configuration file from lines."""
        self._configuration.write_text("\n".join((*lines, "")), encoding="utf-8")

    def start(
        self,
        *command: str | bytes,
        given: Given | None = None,
        directly: bool = False,
        stdin: int = subprocess.DEVNULL,
    ) -> Running:
        """Start a command through entrykit, or without it; both in the same kind of process."""
        given = given or Given()
        entries = list(given.environment or ())
        if given.environment is None:
            entries = [os.fsencode(f"{name}={value}") for name, value in self.environment.items()]
        raw = [os.fsencode(word) for word in (*([] if directly else self.words), *command)]
        if not raw[0].startswith(b"/"):
            raw[0] = os.fsencode(program(os.fsdecode(raw[0])))
        spec = self.scratch / f"given-{len(self._running)}"
        spec.write_bytes(given.marshalled(raw, entries if directly else entries + self._own()))
        setting = [sys.executable, "-I", "-S", str(Path(__file__).with_name("setting.py"))]
        process = subprocess.Popen(
            [*(NEW_NAMESPACE if self.is_pid1 else ()), *setting, str(spec)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={"PATH": SEARCH_PATH},
        )
        running = Running(process, is_pid1=self.is_pid1, patience_seconds=self.patience_seconds)
        self._running.append(running)
        return running

    def run(self, *command: str | bytes, given: Given | None = None, stdin: bytes = b"") -> Ended:
        """Run a command through entrykit until all has ended."""
        return self.start(*command, given=given, stdin=subprocess.PIPE).end(stdin)

    def with_environment(self, **variables: str) -> "Entrypoint":
        """Add variables to what is given; return itself."""
        self.environment |= variables
        return self

    def _own(self) -> list[bytes]:
        own = []
        if self.hooks.path.exists():
            own.append(b"ENTRYKIT_HOOKS=" + os.fsencode(self.hooks.path))
        if self._configuration.exists():
            own.append(b"ENTRYKIT_CONFIG=" + os.fsencode(self._configuration))
        return own

    def close(self) -> None:
        """End all that goes on."""
        for running in self._running:
            running.kill()


def own_environment() -> dict[str, str]:
    """Return the environment of the tests, without what is told to them alone."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ENTRYKIT_")}


def given_environment(*entries: bytes, base: Given | None = None) -> Given:
    """Return what gives these entries after a PATH."""
    return replace(base or Given(), environment=[b"PATH=" + SEARCH_PATH.encode(), *entries])
