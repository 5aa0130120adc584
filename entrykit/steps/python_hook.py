"""Python hooks: a file run by entrykit's own interpreter, in a forked child.

The file runs as `__main__`, then its `hook(start)` if it defines one. What that returns, a string,
becomes the hook's line in the log. `HookStart` is `start`: the public face of a start.

Not part of a plain start: loaded where there is a Python hook; its children share it. Builtin
modules only: what the start itself holds, each fork copies.
"""

import gc
import marshal
import posix
import sys

from entrykit.steps import kinds
from entrykit.steps.changes import Changes
from entrykit.steps.configure import PREFIX
from entrykit.system import files, log, spawn, writing
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType
    from typing import Any

    from entrykit.steps.discover import Hook
    from entrykit.steps.state import Start
    from entrykit.system.errors import Problem

    # A hook's code, and whether it can use files of entrykit's making.
    Compiled = tuple[CodeType, bool]

SOURCE_LIMIT_BYTES = 16 << 20
# A larger one is compiled in its own process, which a stop ends at once.
_QUICK_LIMIT_BYTES = 1 << 16
# The report of a hook that asks for nothing and says nothing.
_NOTHING = b"entrykit: nothing"
# What any other report begins with. Without it marshal would take some stray text for a tuple of
# thousands of millions.
_BEGINNING = b"entrykit: report "
CHANGES, PROBLEMS = "changes", "problems"
# What a source can make compile() raise.
COMPILE_ERRORS = (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError)

# A source without any of these words reaches neither its environment nor other programs: it has
# no use for the directories of changes nor for the place that they lie in. They take 1.5 ms.
_REACHING_OUT = (b"import", b"exec", b"eval", b"compile", b"runtime_directory")

# By path: what the file was when it was compiled, and its code.
_ahead: "dict[bytes, tuple[tuple[int, ...], Compiled]]" = {}


class Log:
    """`start.log`: lines of the hook's own in entrykit's log, with the hook's name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, message: str) -> None:
        """Write a line that only shows with ENTRYKIT_LOG=debug."""
        log.debug(message, self._name)

    def info(self, message: str) -> None:
        """Write a line."""
        log.info(message, self._name)

    def warning(self, message: str, hint: str = "") -> None:
        """Write a line that also shows with ENTRYKIT_LOG=quiet; `hint` says the mend."""
        log.warn(message, self._name, hint)


class HookStart:
    """What a Python hook is given: `def hook(start)`.

    `env`: the command's environment as it stands so far, a dict of strings; what the hook changes
    in it reaches the command. Bytes that are no UTF-8 are surrogate escapes, as in `os.environ`.
    `options`: a list; its words are put right after the program.
    `args`: a list; its words are put at the end of the command.
    `command`: the command's words so far; assign a list to replace it.
    `config`: the hook's section of the configuration, {} for a hook without one.
    `log`: `debug`, `info` and `warning`, each a line.
    `secrets`: the names of those in `env` that are secret: what they hold is not to be shown.
    `runtime_directory`: where files for the command may lie, "" where there is no such place.
    `uid`, `gid`: whom the command will run as: who is to be able to read what is made for it.
    `sysroot`: what stands before /sys and /proc, "" but in tests.
    """

    def __init__(self, hook: "Hook", start: "Start", place: bytes) -> None:
        self._changes = Changes()
        self._command = [_text(word) for word in start.view(hook).command.words()]
        # Less entrykit's own variables, which are the hook's and not the command's.
        self._given = {
            _text(name): _text(value)
            for name, value in posix.environ.items()
            if not name.startswith(PREFIX)
        }
        self.env = dict(self._given)
        self.options: list[str] = []
        self.args: list[str] = []
        self.config: dict[str, Any] = dict(
            start.settings.configuration["sections"].get(hook.section, {})
        )
        self.log = Log(log.text(hook.name))
        self.secrets = frozenset(_text(name) for name in start.secrets & hook.secrets)
        self.runtime_directory = _text(place)
        self.uid, self.gid = start.ids_of_command()
        self.sysroot = _text(start.settings.sysroot)

    @property
    def command(self) -> list[str]:
        """The command's words so far, a copy; assign a list of strings to replace it."""
        return list(self._command)

    @command.setter
    def command(self, words: list[str]) -> None:
        self._changes.command = _raw_words(words, "start.command")
        self._command = list(words)

    def _asked(self) -> Changes:
        for name, value in self.env.items():
            if self._given.get(name) != value:
                (raw_name, raw_value) = _raw_words([name, value], f"start.env[{name!r}]")
                self._changes.set[raw_name] = raw_value
        self._changes.unset = [_raw(name) for name in self._given if name not in self.env]
        self._changes.options = _raw_words(self.options, "start.options")
        self._changes.args = _raw_words(self.args, "start.args")
        self._changes.check()
        return self._changes


def _raw_words(words: list[str], what: str) -> list[bytes]:
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        kind = "a string" if what.startswith("start.env") else "a list of strings"
        raise StartError(f"{what} is to be {kind}", 1)
    return [_raw(word) for word in words]


def _raw(text: str) -> bytes:
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode(sys.getfilesystemencoding(), "surrogateescape")


def start_child(hook: "Hook", start: "Start", report: int) -> int:
    """Run a Python hook in a forked child and return its process id.

    What can be done here is done here, once: the first compilation of a process costs 0.5 ms, and
    so does the first change of its environment; each child would be the first, and pays for each
    page that it is the first to write to. All Python hooks are compiled before the first fork:
    from then on each page that the start writes to costs. What cannot be compiled the child tries
    again, where the error is the hook's output.
    """
    if sys.stdout is not None and not sys.stdout.line_buffering:
        # What a hook prints is to stand in the log in the order in which it came.
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if not _ahead:
        codes = [_compiled(one) for one in (hook, *start.following) if _is_forked(one)]
        if any("os" in code.co_names for code, _ in filter(None, codes)):
            # Each child would load it, 0.7 ms.
            import os  # noqa: F401
        # The children's collector leaves alone what is here now: to look at it copies its pages.
        gc.freeze()
    code, reaches_out = _compiled(hook) or (None, True)
    set_environment(start.environment_for(hook, directories=reaches_out))
    given = HookStart(hook, start, start.directories.runtime() if reaches_out else b"")
    return spawn.fork(lambda kept: _run(hook, given, code, kept), report, start.not_for_hooks)


def _is_forked(hook: "Hook") -> bool:
    return hook.kind == kinds.PYTHON and hook.identity is None


def read_report(raw: bytes, changes: Changes) -> str:
    """Put what a Python hook asked for into `changes`; return what it says it did.

    Raises StartError where it ended without having said it.
    """
    if raw == _NOTHING:
        return ""
    try:
        _, changes.set, changes.unset, changes.options, changes.args, changes.command, said = _load(
            raw
        )
    except (EOFError, TypeError, ValueError):
        message = "ended without saying what it changed"
        hint = "it was replaced or ended at once (exec, os._exit), or wrote to others' descriptors"
        raise StartError(message, hint=hint) from None
    return str(said)


def _load(raw: bytes) -> "Any":
    if not raw.startswith(_BEGINNING):
        raise ValueError(raw)
    return marshal.loads(raw[len(_BEGINNING) :])


def read_problems(raw: bytes) -> "Sequence[Problem]":
    """Return the problems that a Python hook has ended by, () where it reported none."""
    try:
        kind, problems = _load(raw)
    except (EOFError, TypeError, ValueError):
        return ()
    return problems if kind == PROBLEMS else ()


def _compiled(hook: "Hook") -> "Compiled | None":
    """Return what a hook compiles to, done ahead if its file is still the same; None without."""
    try:
        status = posix.stat(hook.path)
        version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if _ahead.get(hook.path, (None, None))[0] != version:
            _ahead[hook.path] = version, _compile(hook, _QUICK_LIMIT_BYTES)
        return _ahead[hook.path][1]
    except (OSError, StartError, *COMPILE_ERRORS):
        return None


def _compile(hook: "Hook", limit_bytes: int = SOURCE_LIMIT_BYTES) -> "Compiled":
    source = files.read(hook.path, limit_bytes)
    code = compile(source, _text(hook.path), "exec", dont_inherit=True)
    return code, any(word in source for word in _REACHING_OUT)


def _run(hook: "Hook", given: HookStart, code: "CodeType | None", report: int) -> int:
    """Be the child: run the hook, write its report, return its exit status."""
    status, content = run_to_end(hook, given, code)
    try:
        writing.write_all(
            report, _NOTHING if content is None else _BEGINNING + marshal.dumps(content)
        )
    except OSError as error:
        reason = f"cannot say what it changed: {os_reason(error)}"
        log.warn(reason, log.text(hook.name), "it has closed a descriptor that is not its own")
        return status or 1
    return status


def run_to_end(
    hook: "Hook", given: HookStart, code: "CodeType | None" = None
) -> "tuple[int, tuple[Any, ...] | None]":
    """Run a hook in this process; return its exit status and its report, None for nothing."""
    try:
        status, content = _outcome(hook, given, code)
    except BaseException as error:  # noqa: BLE001 - whatever a hook raises is the hook's
        _print_traceback()
        status, content = 1, (PROBLEMS, (_raised(error, _text(hook.path)),))
    _finish()
    return status, content


def _raised(error: BaseException, path: str) -> "Problem":
    """Return what a hook has ended by. Not its text, which may hold what is secret."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and not line:
        return "", f"is not Python: {error.msg}, line {error.lineno}", "correct it"
    where = f" in line {line}" if line else ""
    name = _named(error, path)
    what = f": {log.text(_raw(name))}" if name else ""
    kind = log.text(_raw(type(error).__name__))
    return "", f"raised {kind}{where}{what}", "its traceback stands above"


def _named(error: BaseException, path: str) -> str:
    """Return the name that an exception is about, "" where it may be a value that is secret.

    That is a module, a name of Python's, and a key (`os.environ["NAME"]`) or a file that stands in
    the source as it is, in quotes.
    """
    if isinstance(error, (ImportError, NameError)):
        return error.name or ""
    name = error.args[0] if isinstance(error, KeyError) and error.args else None
    name = name or getattr(error, "filename", None)
    if not isinstance(name, str):
        return ""
    try:
        source, raw = files.read(_raw(path), SOURCE_LIMIT_BYTES), _raw(name)
    except (StartError, UnicodeError):
        return ""
    return name if b"'%s'" % raw in source or b'"%s"' % raw in source else ""


def _outcome(
    hook: "Hook", given: HookStart, code: "CodeType | None"
) -> "tuple[int, tuple[Any, ...] | None]":
    """Run the hook; return its exit status and its report."""
    try:
        try:
            said = _call(hook, code or _compile(hook)[0], given)
        except SystemExit as end:
            if end.code not in (None, 0):
                return _failed_exit(end.code), None
            said = ""
        asked = given._asked()  # noqa: SLF001 - not for hooks
    except StartError as error:
        return error.status, (PROBLEMS, tuple(error.problems))
    if not said and asked.is_empty():
        return 0, None
    return 0, (
        CHANGES, asked.set, asked.unset, asked.options, asked.args, asked.command, said,
    )  # fmt: skip


def _call(hook: "Hook", code: "CodeType", given: HookStart) -> str:
    """Run the file as `__main__`, then its `hook(start)`; return what that says it did."""
    path = _text(hook.path)
    module = type(sys)("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = [path]
    exec(code, module.__dict__)  # noqa: S102 - the hook
    function = getattr(module, "hook", None)
    said = function(given) if callable(function) else None
    if type(said).__name__ in ("coroutine", "generator", "async_generator"):
        # Else Python adds that it was never awaited.
        getattr(said, "close", bool)()
        message = "nothing of hook() was run: it is an `async def`, or has a `yield`"
        raise StartError(message, 1, "make it a plain function; asyncio.run() runs what is async")
    return " ".join(said.split()) if isinstance(said, str) else ""


def _failed_exit(code: object) -> int:
    """Return the status of `sys.exit(code)`, a text printed, as Python itself does."""
    if isinstance(code, int):
        return code & 0xFF or 1
    sys.stderr.write(f"{code}\n")
    return 1


def set_environment(wanted: dict[bytes, bytes]) -> None:
    """Let `os.environ` and the C library's environment be what a hook is to see.

    The start itself never looks there: it holds the command's environment in its own record.
    """
    # What os.environ keeps its values in, now or once a hook imports os.
    held = posix.environ
    # Of an entry that begins with `=`; nothing can unset that (unsetenv(3)).
    held.pop(b"", None)
    for name in held.keys() - wanted.keys():
        posix.unsetenv(name)
        del held[name]
    for name, value in wanted.items():
        if held.get(name) != value:
            posix.putenv(name, value)
            held[name] = value


def _print_traceback() -> None:
    """Print the traceback of the hook's exception, without the frames that called the hook."""
    import traceback  # costs 10 ms, and only a failure needs it

    kind, error, trace = sys.exc_info()
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(kind, error, trace)


def _finish() -> None:
    """Do what an interpreter does at its end: the child ends by _exit."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()  # noqa: SLF001 - waits for those that are no daemons
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()  # noqa: SLF001 - what Python's own end calls
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue
