"""Take over: what the process was given, so that the command can be given the same.

The environment is read from /proc/self/environ: what Python shows of it has lost doubled and
malformed entries, and has gained LC_CTYPE where Python coerced the locale (PEP 538).

Imported by every start: builtin modules only.
"""

import posix
import sys

from entrykit.system import files, log
from entrykit.system.signals import Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_SEARCH_PATH = b"/bin:/usr/bin"

_COERCED_LOCALES = (b"C.UTF-8", b"C.utf8", b"UTF-8")


class Environment:
    """The environment of the command, in its original order and with its original bytes.

    `values` holds it all; an entry that is not the first of its name, or that is no `NAME=VALUE`,
    lies there under a key of its own, a tuple, which no look-up finds.
    """

    __slots__ = ("_odd_names", "values")

    def __init__(self, entries: list[bytes]) -> None:
        values: dict[bytes | tuple[int, bytes], bytes] = {}
        # Of those entries, as they were given.
        self._odd_names: set[bytes] = set()
        for entry in entries:
            name, equals, value = entry.partition(b"=")
            if name and equals and name not in values:
                values[name] = value
            else:
                values[len(values), entry] = b""
                self._odd_names.add(name)
        self.values = values

    def is_plain(self) -> bool:
        """Tell whether all that was given are variables, each once: as engines do it."""
        return not self._odd_names

    def get(self, name: bytes) -> bytes | None:
        """Return a variable's value, None where it is not set."""
        return self.values.get(name)

    def search_path(self) -> bytes:
        """Return PATH, or what execvp(3) takes where it is not set."""
        path = self.get(b"PATH")
        return DEFAULT_SEARCH_PATH if path is None else path

    def set(self, name: bytes, value: bytes) -> None:
        """Set a variable: where it stood if it was set, else at the end."""
        self._forget_doubles(name)
        self.values[name] = value

    def unset(self, name: bytes) -> None:
        """Unset a variable; nothing happens where it is not set."""
        self._forget_doubles(name)
        self.values.pop(name, None)

    def names(self) -> list[bytes]:
        """Return the names of the variables, in order."""
        return [name for name in self.values if isinstance(name, bytes)]

    def plain(self, less: "Collection[bytes]" = ()) -> dict[bytes, bytes]:
        """Return the variables without those named by `less`, as a hook gets them."""
        return {
            name: value
            for name, value in self.values.items()
            if isinstance(name, bytes) and name not in less
        }

    def execute(self, path: bytes, argv: list[bytes]) -> None:
        """Become the program at `path`; return only by raising OSError (execve(2))."""
        if self.is_plain():
            posix.execve(path, argv, self.plain())
        # Python cannot hand over an entry without `=` or a name that is there twice, so they stay
        # where they are, in the C library's own environment, which is then brought in line. What
        # stands there now, Python knows: its locale and Python hooks have changed it since.
        wanted, held = self.plain(), posix.environ
        # An entry that begins with `=` has an empty name there, which unsetenv(3) refuses.
        for name in held.keys() - {*wanted, b""}:
            posix.unsetenv(name)
        for name, value in wanted.items():
            # What a Python hook was given may stand there already, before the double.
            is_single_now = name in self._odd_names and not self.is_doubled(name)
            if is_single_now:
                posix.unsetenv(name)
            if is_single_now or held.get(name) != value:
                posix.putenv(name, value)
        posix.execv(path, argv)

    def _forget_doubles(self, name: bytes) -> None:
        for key in self._doubles(name):
            del self.values[key]

    def is_doubled(self, name: bytes) -> bool:
        """Tell whether an entry that is no variable has this name too."""
        return bool(self._doubles(name))

    def _doubles(self, name: bytes) -> "list[tuple[int, bytes]]":
        if self.is_plain():
            return []
        keys = [key for key in self.values if isinstance(key, tuple)]
        return [key for key in keys if key[1].partition(b"=")[0] == name]


class Inherited:
    """What the process was given: environment, signals, descriptors.

    `descriptors` are those above 2 that the command is to inherit; until then they are
    close-on-exec.
    """

    __slots__ = ("_closed", "descriptors", "environment", "signals")

    def __init__(self, mask: "set[int] | None" = None) -> None:
        self.signals = Signals(mask)
        self.environment = Environment(_entries_from_kernel() or _entries_from_python())
        self._closed = _open_missing_streams()
        self.descriptors = [
            descriptor
            for descriptor in files.open_descriptors()
            if descriptor > 2 and files.is_inheritable(descriptor)
        ]
        for descriptor in self.descriptors:
            posix.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only

    def restore(self) -> None:
        """Give back descriptors and signals; the last thing before the exec."""
        for descriptor in self.descriptors:
            posix.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only
        for descriptor in self._closed:
            posix.close(descriptor)
        self.signals.restore()


def take_over(mask: "set[int] | None") -> Inherited:
    """Block all signals, and read and set aside what the process was given.

    Signals come first: from here on a stop signal is kept until it is asked for. `mask` is what
    was blocked at first, where the caller has blocked some already.
    """
    return Inherited(mask)


def arguments() -> list[bytes]:
    """Return the words after the program's name with their original bytes."""
    words = sys.argv[1:]
    if all(word.isascii() for word in words):
        return [word.encode() for word in words]
    raw = files.read_kernel_file("/proc/self/cmdline")
    if raw is None:
        return [word.encode(sys.getfilesystemencoding(), "surrogateescape") for word in words]
    return raw.split(b"\0")[:-1][-len(words) :]


def configure_log(environment: Environment) -> None:
    """Let the log be coloured on a terminal, unless NO_COLOR or TERM=dumb forbids it."""
    terminal = environment.get(b"TERM")
    if terminal and terminal != b"dumb" and not environment.get(b"NO_COLOR"):
        log.set_colour(allowed=posix.isatty(2))


def _entries_from_kernel() -> list[bytes] | None:
    raw = files.read_kernel_file("/proc/self/environ")
    return None if raw is None else raw.split(b"\0")[:-1]


def _entries_from_python() -> list[bytes]:
    held = posix.environ
    return [
        name + b"=" + value
        for name, value in held.items()
        if name != b"LC_CTYPE" or value not in _COERCED_LOCALES
    ]


def _open_missing_streams() -> list[int]:
    """Open /dev/null in place of a closed descriptor 0, 1 or 2, and return which were closed.

    Else the next file that is opened becomes somebody's standard output.
    """
    closed = []
    for descriptor in (0, 1, 2):
        try:
            posix.fstat(descriptor)
        except OSError:
            closed.append(descriptor)
    try:
        for _ in closed:
            posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    except OSError as error:
        raise files.cannot("open", b"/dev/null", error) from None
    return closed
