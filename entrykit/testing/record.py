"""What runs as PID 1 of a test: a real start, whose handoff is recorded.

Run by path, with `-IS`, not imported. Descriptor 3 is the file in which the start is told what it
is, and in which it writes what it came to. A container is given no descriptors: there the first
argument names a directory with that file, and with one for the points that were come to.

Builtin modules only: a start in here loads what it loads elsewhere.
"""

import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import Any

    from entrykit.settings.record import Configuration
    from entrykit.steps.discover import Hook
    from entrykit.steps.inherited import Environment
    from entrykit.steps.state import Start
else:
    import _signal

_REPORT, _BOUNDARIES, _NOTICE = 3, 4, 5


class Recorder:
    """What the start came to: its hooks, and what it handed over; `runs` where it really does."""

    def __init__(self, put: "Any", *, runs: bool) -> None:
        self._put = put
        self._runs = runs
        self.hooks: list[dict[str, Any]] = []
        self.status: int | None = None
        self.is_in_hook = False
        self._hook: dict[str, Any] = {}

    def execute(self, environment: "Environment", path: bytes, argv: list[bytes]) -> None:
        """Record what would be executed, instead of executing it; or before it."""
        if not self._runs:
            _wait_while_more()
        self.write(_handoff(environment, path, argv))
        if not self._runs:
            posix._exit(0)  # noqa: SLF001 - its public name
        environment.execute(path, argv)

    def write(self, handoff: "dict[str, Any] | None") -> None:
        """Write all that is known."""
        # Hooks can write there, too: what a test's process reads is to be no more than data.
        self._put(repr({"handoff": handoff, "hooks": self.hooks}).encode())

    def remember(self, content: bytes, parsed: "Configuration | None") -> None:
        """Spare the start to parse what the test's process has parsed: 30 ms."""
        from entrykit.steps import configure

        parse = configure.parse

        def remembered(given: bytes, name: str) -> "Configuration":
            return parsed if parsed is not None and given == content else parse(given, name)

        vars(configure).update(parse=remembered)

    def watch_hooks(self) -> None:
        """Note each hook's status and time, and what it changed."""
        import time

        from entrykit.steps import hook as step
        from entrykit.system.errors import StartError

        run, run_once = step.run, step._run  # noqa: SLF001 - nobody else is to pay for a way in

        def watched(hook: "Hook", start: "Start") -> None:
            before, words = dict(start.environment.values), start.command.words()
            noted: dict[str, Any] = {
                "name": hook.name,
                "directory": hook.directory,
                "status": None,
            }
            self._hook = noted
            self.hooks.append(noted)
            self.write(None)
            self.is_in_hook = True
            began = time.monotonic()
            try:
                run(hook, start)
            finally:
                self.is_in_hook = False
                noted["seconds"] = time.monotonic() - began
                after, now = start.environment.values, start.command.words()
                noted["environment"] = {
                    name: after.get(name)
                    for name in {**before, **after}
                    if isinstance(name, bytes) and before.get(name) != after.get(name)
                }
                noted["argv"] = None if words == now else now
                # Not only at the end: a start may be killed in the next one.
                self.write(None)

        def noting(*arguments: "Any") -> str:
            try:
                said: str = run_once(*arguments)
            except StartError as error:
                self._hook["status"] = error.status
                raise
            self._hook["status"] = 0
            return said

        vars(step).update(run=watched, _run=noting)


class Boundaries:
    """The points between two steps, counted in a file that forked hooks write in, too.

    At that of number `last` the process says so, by `notice`, and waits to be killed.
    """

    def __init__(self, last: int, notice: bytes) -> None:
        self._last = last
        self._notice = notice
        for descriptor in (_BOUNDARIES, _NOTICE):
            posix.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only

    def reach(self, name: bytes) -> None:
        """Come to a point."""
        size = posix.fstat(_BOUNDARIES).st_size
        number = posix.pread(_BOUNDARIES, size, 0).count(b"\n")
        posix.pwrite(_BOUNDARIES, name.replace(b"\n", b"?") + b"\n", size)
        if number == self._last:
            posix.write(_NOTICE, self._notice)
            while True:
                _signal.pause()

    def watch(self) -> None:
        """Come to points around each hook, and each file that entrykit writes or removes."""
        from entrykit.steps import changes
        from entrykit.steps import hook as step
        from entrykit.system import runtime, writing

        def written(root: int, path: bytes, _: bytes) -> bytes:
            return b"writing %s/%s" % (posix.readlink(b"/proc/self/fd/%d" % root), path)

        self._stand_around(step, "run", lambda hook, _: hook.name)
        self._stand_around(writing, "put", written)
        for name in ("remove", "clear"):
            self._stand_around(writing, name, lambda path: b"removing " + path)
        # What lies in the runtime directory is for one start alone: fewer points will do.
        directories = changes.Directories
        claimed, made = b"making the runtime directory", b"making the directories for changes"
        self._stand_around(runtime, "claim", lambda: claimed, before=False)
        self._stand_around(directories, "make", lambda _: made, before=False)
        self._stand_around(directories, "read", lambda _: b"reading the changes", after=False)
        self._stand_around(directories, "close", lambda _: b"the handoff", after=False)

    def _stand_around(
        self,
        owner: "Any",
        name: str,
        say: "Callable[..., bytes]",
        *,
        before: bool = True,
        after: bool = True,
    ) -> None:
        """Come to a point before and after each call of a function of a module or class."""
        function = getattr(owner, name)

        def watched(*arguments: "Any") -> "Any":
            what = say(*arguments)
            if before:
                self.reach(b"before " + what)
            result = function(*arguments)
            if after:
                self.reach(b"after " + what)
            return result

        setattr(owner, name, watched)


def _handoff(environment: "Environment", path: bytes, argv: list[bytes]) -> "dict[str, Any]":
    """Return what a program that is executed now is given."""
    umask = posix.umask(0)
    posix.umask(umask)
    entries = [
        key[1] if isinstance(key, tuple) else key + b"=" + value
        for key, value in environment.values.items()
    ]
    ignored, default = _signal.SIG_IGN, _signal.SIG_DFL
    numbers = sorted(set(range(1, 65)) - {32, 33})
    return {
        "path": path,
        "argv": argv,
        "environment": entries,
        "directory": posix.getcwdb(),
        "umask": umask,
        "uids": posix.getresuid(),
        "gids": posix.getresgid(),
        "groups": posix.getgroups(),
        "ignored": [one for one in numbers if _signal.getsignal(one) == ignored],
        "caught": [one for one in numbers if _signal.getsignal(one) not in (ignored, default)],
        "blocked": [int(one) for one in _signal.pthread_sigmask(_signal.SIG_BLOCK, ())],
        "descriptors": _descriptors(),
    }


def _wait_while_more() -> None:
    """Wait as long as what hooks have left running becomes more: the keeper ends a fork bomb.

    Else PID 1, and all with it, would often have ended before it is counted.
    """
    import time

    if 1 not in (posix.getpid(), posix.getppid()):
        return
    # With an init it is two.
    before = posix.getpid()
    for _ in range(100):
        found = sum(name.isdigit() for name in posix.listdir("/proc"))
        if found <= before:
            return
        before = found
        time.sleep(0.02)


def _descriptors() -> dict[int, bytes]:
    """Return the descriptors that an exec leaves open, and what they show."""
    found = {}
    for name in posix.listdir("/proc/self/fd"):
        try:
            if posix.get_inheritable(int(name)):
                found[int(name)] = posix.readlink(b"/proc/self/fd/" + name.encode())
        except OSError:
            continue
    return found


def main() -> int:
    """Be told, start, and say what came of it; return the start's exit status."""
    if sys.argv[1:]:
        for descriptor, name in ((_REPORT, "report"), (_BOUNDARIES, "boundaries")):
            opened = posix.open(f"{sys.argv[1]}/{name}", posix.O_RDWR)
            if opened != descriptor:
                posix.dup2(opened, descriptor, False)  # noqa: FBT003 - positional only
        posix.dup2(2, _NOTICE, False)  # noqa: FBT003 - positional only
    posix.set_inheritable(_REPORT, False)  # noqa: FBT003 - positional only
    told = marshal.loads(posix.pread(_REPORT, posix.fstat(_REPORT).st_size, 0))
    if len(sys.argv) == 2:
        # Again, without what the image and its engine add to the environment.
        words = [sys.executable, "-BI", __file__, sys.argv[1], "again"]
        posix.execve(words[0], words, dict(told["environment"]))
    mask = _signal.pthread_sigmask(
        _signal.SIG_BLOCK, (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
    )

    def put(content: bytes) -> None:
        posix.ftruncate(_REPORT, 0)
        written = 0
        while written < len(content):
            written += posix.pwrite(_REPORT, content[written:], written)

    sys.path += told["paths"]
    # Before what an image has of its own.
    sys.path[:0] = told.get("first", [])
    from entrykit import boot

    recorder = Recorder(put, runs=told["runs"])
    # A start with an init goes on in a child.
    posix.register_at_fork(
        after_in_child=lambda: posix.close(_REPORT) if recorder.is_in_hook else None
    )
    put(b"")
    recorder.watch_hooks()
    if told.get("parsed"):
        recorder.remember(*told["parsed"])
    if told.get("crash") is not None:
        Boundaries(told["crash"], told.get("notice", b"+")).watch()
    status = boot.run(told["words"], None, recorder.execute, mask)
    recorder.write(None)
    return status


if __name__ == "__main__":
    sys.exit(main())
