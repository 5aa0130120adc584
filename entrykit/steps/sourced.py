"""Sourced hooks (`*.envsh`): what a shell's exports and unsets change for the command.

The hook is read by a shell of its own, so that `exit`, `set`, `cd` and traps end with it. That
shell says itself what it exports, before and after, with `export -p`: whatever it changes at its
own start is on both sides. It writes to a memory file, its descriptor 3, which is closed while
the hook runs. Reading /proc/PID/environ instead shows only what a process was started with.

Imported by every start with a hook: builtin modules only.
"""

from entrykit.steps.configure import PREFIX
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.changes import Changes

    Exports = dict[bytes, bytes]

# The trap is for a hook that ends with `exit`; one with an EXIT trap of its own is heard where it
# comes to its end. mksh, yash and zsh run it with descriptor 3 still closed, and say nothing.
# `$0` is the hook's path, `$@` the command.
_SCRIPT = b"""\
export -p >&3
echo '#' >&3
trap 'case $? in 0) { true >&3; } 2>/dev/null && export -p >&3 || :;; esac' EXIT
{ . "$0"; } 3>&-
export -p >&3
echo '#' >&3
"""
_MARK = b"#\n"
# Files that a shell reads at its start, ENV an old ksh and an interactive one.
_READ_AT_START = (b"BASH_ENV", b"ENV")
# What the script calls: bash would rather call a function of this name from the environment.
_CALLED = (b".", b":", b"echo", b"export", b"trap", b"true", b"unset")
# The shell's own (the last one is ksh's), and entrykit's, which say nothing to the command.
_NOT_EXPORTS = frozenset({b"PWD", b"OLDPWD", b"SHLVL", b"_", b"_AST_FEATURES"})

_ESCAPES = {
    ord("a"): 7, ord("b"): 8, ord("e"): 27, ord("E"): 27, ord("f"): 12, ord("n"): 10,
    ord("r"): 13, ord("t"): 9, ord("v"): 11,
}  # fmt: skip
# How many digits follow.
_HEX_ESCAPES = {ord("x"): 2, ord("u"): 4, ord("U"): 8}
_OCTAL = frozenset(b"01234567")
_HEX = frozenset(b"0123456789abcdefABCDEF")


def argv(
    shell: list[bytes],
    hook_path: bytes,
    command: list[bytes],
    environment: dict[bytes, bytes],
) -> list[bytes]:
    """Return the words that source a hook in a shell, with `-e` and the command as `"$@"`.

    What would let the shell read other files than the hook, or call functions in place of its
    builtins, is taken out of `environment`; but for these functions the hook gets it back.
    """
    lines = []
    for name in _READ_AT_START:
        if name in environment:
            kept = PREFIX + name
            environment[kept] = environment.pop(name)
            lines.append(b'export %s="$%s"\nunset %s\n' % (name, kept, kept))
    for name in _CALLED:
        environment.pop(b"BASH_FUNC_%s%%%%" % name, None)
    return [*shell, b"-e", b"-c", b"".join(lines) + _SCRIPT, hook_path, *command]


def read_report(report: bytes, changes: "Changes") -> bool:
    """Put what a sourced hook exported and unset into `changes`; tell whether it was anything.

    Raises StartError where the hook ended without having said what it changed.
    """
    if _is_unchanged(report):
        return False
    before, position = _parse(report, 0)
    after, end = _parse(report, position)
    if position == end:
        message = "ended by `exit` without saying what it changed"
        hint = "use `return`: it has an EXIT trap of its own, or a shell that closes files too soon"
        raise StartError(message, hint=hint)
    is_changed = False
    for name, value in after.items():
        if before.get(name) != value and _is_export(name):
            changes.set[name] = value
            is_changed = True
    for name in before.keys() - after.keys():
        if _is_export(name):
            changes.unset.append(name)
            is_changed = True
    return is_changed


def _is_export(name: bytes) -> bool:
    return (
        name not in _NOT_EXPORTS
        and not name.startswith(PREFIX)
        and name.isascii()
        and name.decode().isidentifier()
    )


def _is_unchanged(report: bytes) -> bool:
    """Tell, without parsing, whether the shell said the same each time: most hooks only check."""
    for times in (2, 3):
        length, rest = divmod(len(report) - (times - 1) * len(_MARK), times)
        if rest == 0 and report == _MARK.join([report[:length]] * times):
            return True
    return False


def _parse(report: bytes, position: int) -> "tuple[Exports, int]":
    """Read `export -p` up to its mark or the end; return the exports and where reading ended.

    dash and busybox write `export NAME='…'`, bash `declare -x NAME="…"` or `$'…'`, ksh bare words:
    all are words of the shell's own grammar (POSIX, XCU 2.2).
    """
    exports: Exports = {}
    end = len(report)
    while position < end:
        if report.startswith(_MARK, position):
            return exports, position + len(_MARK)
        word, value, position = _parse_declaration(report, position)
        if value is not None:
            exports[word] = value
    return exports, position


def _parse_declaration(report: bytes, position: int) -> tuple[bytes, bytes | None, int]:
    """Read a line: `export` or `declare`, options, and a name with or without a value."""
    line_end = report.find(b"\n", position)
    line_end = len(report) if line_end < 0 else line_end
    name_end = report.find(b"=", position, line_end)
    head = report[position : line_end if name_end < 0 else name_end]
    name = head.rpartition(b" ")[2]
    if name_end < 0:
        return name, None, line_end + 1
    value, position = _parse_word(report, name_end + 1)
    # bash shows an array that is marked for export, and exports nothing of it.
    is_array = any(word[:1] == b"-" and b"a" in word.lower() for word in head.split()[1:-1])
    return name, None if is_array else value, position


def _parse_word(report: bytes, position: int) -> tuple[bytes, int]:
    """Read a word up to the end of its line, with all quotes removed."""
    pieces = []
    end = len(report)
    while position < end:
        character = report[position : position + 1]
        if character == b"\n":
            position += 1
            break
        if character == b"'":
            close = _find(report, b"'", position + 1)
            pieces.append(report[position + 1 : close])
            position = close + 1
        elif character == b'"':
            piece, position = _parse_double_quotes(report, position + 1)
            pieces.append(piece)
        elif report.startswith(b"$'", position):
            piece, position = _parse_dollar_quotes(report, position + 2)
            pieces.append(piece)
        elif character == b"\\":
            pieces.append(report[position + 1 : position + 2])
            position += 2
        else:
            pieces.append(character)
            position += 1
    return b"".join(pieces), position


def _find(report: bytes, wanted: bytes, position: int) -> int:
    found = report.find(wanted, position)
    return len(report) if found < 0 else found


def _parse_double_quotes(report: bytes, position: int) -> tuple[bytes, int]:
    pieces = []
    while position < len(report):
        close = _find(report, b'"', position)
        escape = report.find(b"\\", position, close)
        if escape < 0:
            pieces.append(report[position:close])
            return b"".join(pieces), close + 1
        pieces.append(report[position:escape])
        escaped = report[escape + 1 : escape + 2]
        pieces.append(escaped if escaped in (b'"', b"\\", b"$", b"`") else b"\\" + escaped)
        position = escape + 2
    return b"".join(pieces), position


def _parse_dollar_quotes(report: bytes, position: int) -> tuple[bytes, int]:
    """Read what stands in `$'…'`, after its beginning (POSIX 2024, XCU 2.2.4)."""
    value = bytearray()
    while position < len(report):
        character = report[position]
        position += 1
        if character == ord("'"):
            break
        if character != ord("\\"):
            value.append(character)
            continue
        escaped = report[position]
        position += 1
        if escaped in _ESCAPES:
            value.append(_ESCAPES[escaped])
        elif escaped in _HEX_ESCAPES:
            # ksh puts brackets around the digits where another one follows.
            in_brackets = report.startswith(b"[", position)
            length = 8 if in_brackets else _HEX_ESCAPES[escaped]
            digits = _digits(report, position + in_brackets, _HEX, length)
            position += len(digits) + 2 * in_brackets
            if escaped == ord("x"):
                value.append(int(digits, 16))
            else:
                value += chr(int(digits, 16)).encode("utf-8", "surrogatepass")
        elif escaped in _OCTAL:
            digits = _digits(report, position - 1, _OCTAL, 3)
            value.append(int(digits, 8) & 0xFF)
            position += len(digits) - 1
        else:
            value.append(escaped)
    return bytes(value), position


def _digits(report: bytes, position: int, allowed: frozenset[int], most: int) -> bytes:
    end = position
    while end < min(position + most, len(report)) and report[end] in allowed:
        end += 1
    return report[position:end] or b"0"
