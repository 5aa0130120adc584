"""Changes: what a hook asks for, in five directories, and the one reader of them.

A file is one value, its content verbatim but for one newline at the end; its name says which. In
any language, with nothing to parse and so nothing to inject:

    echo 4 >"$ENTRYKIT_ENV/GOMAXPROCS"         set a variable
    : >"$ENTRYKIT_UNSET/DEBUG"                 unset one
    echo -v >"$ENTRYKIT_OPTIONS/verbose"       one argument right after the program
    echo out.log >"$ENTRYKIT_ARGS/out"         one argument at the end
    echo sh >"$ENTRYKIT_COMMAND/0"             the command, anew

Imported by every start with a hook: builtin modules only.
"""

import posix

from entrykit.steps import order
from entrykit.steps.configure import PREFIX
from entrykit.system import files, log, runtime, writing
from entrykit.system.errors import StartError

ENV, UNSET, OPTIONS, ARGS, COMMAND = "env", "unset", "options", "args", "command"
KINDS = (ENV, UNSET, OPTIONS, ARGS, COMMAND)
# Of one string, with its NUL, and for a variable with its name and `=` (execve(2),
# MAX_ARG_STRLEN: 32 pages).
STRING_LIMIT_BYTES = 131071
_NOWHERE = b"/dev/null"
# The time of a directory that nothing was put into: none that a clock gives.
_UNTOUCHED_NS = 123_456_789_987_654_321


class Changes:
    """What one hook asks for. `command` is None where it leaves the command as it is."""

    __slots__ = ("args", "command", "options", "set", "unset")

    def __init__(self) -> None:
        self.set: dict[bytes, bytes] = {}
        self.unset: list[bytes] = []
        self.options: list[bytes] = []
        self.args: list[bytes] = []
        self.command: list[bytes] | None = None

    def is_empty(self) -> bool:
        """Tell whether the hook asks for nothing."""
        return not (self.set or self.unset or self.options or self.args or self.command)

    def check(self) -> None:
        """Raise StartError where a name is no variable's or execve would refuse a value."""
        for name in (*self.set, *self.unset):
            check_name(name)
        for name, value in self.set.items():
            _check_value(f"the value of {name.decode()}", value, len(name) + 1)
        both = sorted(self.set.keys() & set(self.unset))
        if both:
            raise StartError(f"asked to set and to unset {both[0].decode()}")
        for what, words in (("option", self.options), ("argument", self.args)):
            for word in words:
                _check_value(f"an {what}", word, 0)
        for word in self.command or ():
            _check_value("a word of the command", word, 0)
        if self.command is not None and not (self.command and self.command[0]):
            message = "asked for a command without a program"
            raise StartError(message, hint="its first word is what to run")


def is_variable_name(name: bytes) -> bool:
    """Tell whether a variable can have this name (POSIX, XBD 3.216): ASCII, no leading digit."""
    return name.isascii() and name.decode().isidentifier()


def check_name(name: bytes) -> None:
    """Raise StartError where a hook cannot set or unset a variable of this name."""
    if not is_variable_name(name):
        message = f"asked for a variable with an impossible name: {log.text(name)}"
        raise StartError(message, hint="a name has letters, digits and _, no digit first")
    if name.startswith(PREFIX):
        raise StartError(f"asked for {name.decode()}: ENTRYKIT_ names are entrykit's own")


def _check_value(what: str, value: bytes, more_bytes: int) -> None:
    if b"\0" in value:
        message = f"{what} holds a NUL byte, which no program can be given"
        raise StartError(message, hint="hand it over in a file")
    if len(value) + more_bytes > STRING_LIMIT_BYTES:
        message = f"{what} has more bytes than a program can be given ({STRING_LIMIT_BYTES})"
        raise StartError(message, hint="hand it over in a file")


class Directories:
    """The five directories, made when a hook that can use them is about to run.

    `had_no_place` tells whether they were to be made and could not be.
    """

    __slots__ = ("_number", "_paths", "_runtime", "_times_ns", "had_no_place", "variables")

    def __init__(self) -> None:
        self.had_no_place = False
        self._number = 0
        self._times_ns: list[tuple[int, int]] = []
        self._paths: list[bytes] = []
        self._runtime: bytes | None = None
        # What tells a hook where the directories are; without them, where a write fails.
        self.variables = _variables([_NOWHERE + b"/" + kind.encode() for kind in KINDS])

    def runtime(self) -> bytes:
        """Return the runtime directory, made at the first call; b"" where none can be had."""
        if self._runtime is None:
            self._runtime = runtime.claim()
        return self._runtime

    def make(self) -> None:
        """Make the directories, where there are none and a place for them can be had."""
        place = self.runtime()
        self.had_no_place = not place
        if self._paths or not place:
            return
        self._number += 1
        # Not in one directory of their own: that would be one more to make and to remove, which
        # takes 0.1 ms each on ext4.
        paths = [b"%s/.%s-%d" % (place, kind.encode(), self._number) for kind in KINDS]
        self._paths = paths
        try:
            self._make(paths)
            self._times_ns = _times_ns(paths)
        except OSError as error:
            self.discard()
            self.had_no_place = True
            reason = files.cannot("make", error.filename or place, error).problems[0][1]
            log.warn(reason, hint="hooks cannot ask for changes through files")
            return
        self.variables = _variables(paths)

    def read(self) -> tuple[Changes, bool]:
        """Return what was asked for in the directories, and whether anything was.

        Raises StartError.
        """
        changes = Changes()
        if not self._is_touched():
            return changes, False
        asked = [_read_kind(path, kind) for path, kind in zip(self._paths, KINDS, strict=True)]
        if any(asked) and self._is_full():
            # The shell's `echo` into a full file system leaves an empty file, and status 0.
            message = f"the runtime directory {log.text(self.runtime())} is full"
            raise StartError(message, hint="what the hook wrote there may be cut short")
        changes.set, unset, options, args, command = asked
        changes.unset = list(unset)
        changes.options = list(options.values())
        changes.args = list(args.values())
        changes.command = list(command.values()) if command else None
        changes.check()
        return changes, any(asked)

    def discard(self) -> None:
        """Remove the directories and what is in them; the next hook gets new ones."""
        paths, self._paths, self._times_ns = self._paths, [], []
        self.variables = _variables([_NOWHERE + b"/" + kind.encode() for kind in KINDS])
        self._remove(paths)

    def close(self) -> None:
        """Remove all that the command has no use for: before the handoff, or at a failure."""
        self.discard()
        if self._runtime:
            runtime.release(self._runtime)

    def abandon(self) -> None:
        """Remove all that lies in the runtime directory: the command is not to be started."""
        self.discard()
        if self._runtime:
            runtime.remove(self._runtime)

    def _make(self, paths: list[bytes]) -> None:
        for path in paths:
            writing.make_directory(path, 0o700)
            posix.utime(path, ns=(_UNTOUCHED_NS, _UNTOUCHED_NS))

    def _remove(self, paths: list[bytes]) -> None:
        for path in paths:
            try:
                writing.remove_tree(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                # A process that a hook left behind may be writing there.
                log.debug(f"cannot remove {log.text(path)}: {error.strerror}")

    def _is_touched(self) -> bool:
        """Tell whether anything was put into a directory: that changes its times (inode(7)).

        One call for each instead of the seven that listing an empty directory takes. Both times:
        a copy may set the one back, and the clock may not have moved on for the other.
        """
        try:
            return _times_ns(self._paths) != self._times_ns
        except OSError:
            return True

    def _is_full(self) -> bool:
        try:
            return writing.is_full(self.runtime())
        except OSError:
            return False


def _times_ns(paths: list[bytes]) -> list[tuple[int, int]]:
    statuses = [posix.stat(path) for path in paths]
    return [(status.st_mtime_ns, status.st_ctime_ns) for status in statuses]


def _variables(paths: list[bytes]) -> dict[bytes, bytes]:
    names = (b"ENTRYKIT_" + kind.upper().encode() for kind in KINDS)
    return dict(zip(names, paths, strict=True))


def _read_kind(path: bytes, kind: str) -> dict[bytes, bytes]:
    """Return the files of one directory, name and value, in version order of the names."""
    try:
        directory = writing.open_directory(path)
    except OSError as error:
        raise files.cannot("read", path, error) from None
    try:
        values = {}
        for name in sorted(writing.names_in(directory), key=order.key):
            if kind in (ENV, UNSET):
                check_name(name)
            try:
                value = files.read(name, STRING_LIMIT_BYTES + 1, within=directory, follow=False)
            except StartError as error:
                where = f"ENTRYKIT_{kind.upper()}"
                raise StartError(f"{where}: {error.problems[0][1]}") from None
            values[name] = value.removesuffix(b"\n")
        return values
    finally:
        posix.close(directory)
