"""Looks into one hook: its text, its syntax, who can write it, and what it reads.

Nothing of a hook is executed: shells are given `-n` (POSIX XCU, set), and neither ENV nor BASH_ENV.
"""

import ast
import os
import re
import shutil
import stat
import subprocess
import warnings
from typing import TYPE_CHECKING

from entrykit.lint import findings, python, shell
from entrykit.lint.findings import WARNING, Finding
from entrykit.lint.shell import Uses
from entrykit.steps import discover, kinds, python_hook
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.lint.targets import Target
    from entrykit.steps.discover import Hook

_SHELLS = ("sh", "dash", "ash", "bash", "ksh", "mksh", "zsh")
_PATIENCE_SECONDS = 10
# A longer text is not looked into for variables: it is no script that a person wrote.
_SCANNED_BYTES = 1 << 20
# `NAME: 3: Syntax error: …` of dash, `NAME: line 3: …` of bash and busybox, `NAME:3: …` of zsh,
# `NAME[3]: …` of mksh.
_REFUSAL = re.compile(r"(?:: ?(?:line )?|\[)(\d+)\]?: *(.*)")
_NOTHING = Uses([], set())
# What is meant for settings, wherever it stands and however it is written.
_MEANT = re.compile(
    rb"(?:#|//|--)[ \t]*entrykit[ \t]*[:;=,]?[ \t]*"
    rb"(?:timeout|secrets|on-error|once|on-interrupted|makes|user)[ \t]*[=:]",
    re.IGNORECASE,
)
_BOM = b"\xef\xbb\xbf"


def look_at(hook: "Hook", target: "Target") -> tuple[list[Finding], Uses]:
    """Return what is wrong with a hook, and what it reads and gives."""
    try:
        content = files.read(hook.path, python_hook.SOURCE_LIMIT_BYTES)
    except StartError as error:
        found = [findings.make("unreadable", hook.path, 0, *rest) for _, *rest in error.problems]
        return found, _NOTHING
    found = [*writable(hook.path), *_unread_settings(hook, content)]
    if hook.kind == kinds.PYTHON:
        found += [*_python_faults(hook, content, ""), *_runs_nothing(hook, content)]
        return found, _python_uses(content)
    words = _interpreter(hook, content)
    name = _name(words)
    if name in _SHELLS:
        found += _argument_faults(hook, content, name)
        found += [*_text_faults(hook, content), *_shell_faults(hook, content, words, target)]
        return found, _shell_uses(hook, content)
    is_python = re.fullmatch(r"python(3[.\d]*)?", name) is not None
    if is_python or content.startswith(b"#!"):
        found += _encoding_faults(hook, content)
    if is_python:
        found += _python_faults(hook, content, WARNING)
        return found, _python_uses(content)
    return found, _NOTHING


def _unread_settings(hook: "Hook", content: bytes) -> "Iterator[Finding]":
    """Yield the first comment that is meant for settings and that no start reads."""
    for meant in _MEANT.finditer(content[:_SCANNED_BYTES]):
        begin = content.rfind(b"\n", 0, meant.start()) + 1
        end = content.find(b"\n", begin)
        line = content.count(b"\n", 0, begin) + 1
        is_seen = line <= discover.COMMENT_LINES and end <= kinds.HEAD_BYTES
        if not (is_seen and discover.settings_of_line(content[begin : end if end >= 0 else None])):
            message = "these settings are not read"
            mend = (
                f"write `# entrykit: …`, at the start of one of the first {discover.COMMENT_LINES}"
                " lines"
            )
            yield findings.make("unread-settings", hook.path, line, message, mend)
            return


def writable(path: bytes, *, only_names: bool = False) -> "Iterator[Finding]":
    """Yield who but its owner can change a file or a directory.

    With `only_names` it is a directory above what matters: what others put into it does not, but
    that they rename what is there, which a sticky bit forbids.
    """
    try:
        mode = os.stat(files.place(path)).st_mode
    except OSError:
        return
    if only_names and mode & stat.S_ISVTX:
        return
    shown = f"its mode is {mode & 0o7777:04o}"
    if mode & 0o002:
        yield findings.make(
            "world-writable", path, 0, f"everybody can write it: {shown}", "chmod o-w it"
        )
    elif mode & 0o020:
        yield findings.make(
            "group-writable", path, 0, f"its group can write it: {shown}", "chmod g-w it"
        )


def _interpreter(hook: "Hook", content: bytes) -> list[bytes]:
    """Return the words of what runs a hook, without its own path."""
    if hook.kind == kinds.SOURCED:
        return hook.words
    if hook.words != [hook.path]:
        return hook.words[:-1]
    return kinds.interpreter(content[: kinds.HEAD_BYTES]) if content.startswith(b"#!") else [b""]


def _name(words: list[bytes]) -> str:
    """Return the name of an interpreter, past `env` and busybox."""
    name = os.path.basename(words[0])
    rest = [word for one in words[1:] for word in one.split()]
    if name == b"env":
        rest = [word for word in rest if not word.startswith(b"-") and b"=" not in word]
        name = os.path.basename(rest[0]) if rest else b""
    elif name == b"busybox":
        name = rest[0] if rest else b""
    return name.decode("latin-1")


def _argument_faults(hook: "Hook", content: bytes, name: str) -> "Iterator[Finding]":
    """Yield what a shell is given by a `#!` line as one word, and cannot understand (execve(2))."""
    words = kinds.interpreter(content[: kinds.HEAD_BYTES])
    is_by_kernel = content.startswith(b"#!") and hook.words in ([hook.path], [*words, hook.path])
    word = words[-1]
    is_shells = os.path.basename(words[0]).decode("latin-1") == name
    if is_by_kernel and is_shells and word.startswith(b"-") and b" " in word:
        message = f"{name} is given `{log.text(word)}` as one word"
        yield findings.make("interpreter", hook.path, 1, message, "write one word, as -eu")


def _text_faults(hook: "Hook", content: bytes) -> "Iterator[Finding]":
    yield from _encoding_faults(hook, content)
    if content.startswith(_BOM):
        # A start minds it only where there is a `#!`.
        message = "it begins with a byte order mark (BOM)"
        yield findings.make("bom", hook.path, 1, message, "save it as UTF-8 without BOM")
    ends = [number for number, line in enumerate(content.split(b"\n"), 1) if line.endswith(b"\r")]
    if ends:
        also = f", and {len(ends) - 1} more" if len(ends) > 1 else ""
        message = f"the line ends with a carriage return{also}"
        yield findings.make(
            "crlf-line", hook.path, ends[0], message, "save it with Unix line endings"
        )


def _encoding_faults(hook: "Hook", content: bytes) -> "Iterator[Finding]":
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield findings.make("encoding", hook.path, line, "it is not UTF-8 text", "save it as UTF-8")


def _shell_faults(
    hook: "Hook", content: bytes, words: list[bytes], target: "Target"
) -> "Iterator[Finding]":
    """Ask the shell that a hook is for."""
    name = _name(words)
    program = _shell(words, name, target)
    if program is None:
        message = f"its syntax was not checked: {name} is not on this machine"
        yield findings.make("not-checked", hook.path, 0, message)
        return
    if name == "bash" and b"extglob" in content:
        # Only what has run `shopt` would understand its patterns.
        program += [b"-O", b"extglob"]
    try:
        place = os.path.join(b".", files.place(hook.path))
        ended = subprocess.run(  # noqa: S603 - the hook's shell
            [*program, b"-n", place],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
            env={"LC_ALL": "C", "PATH": os.fsdecode(target.search_path)},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = errors.os_reason(error) if isinstance(error, OSError) else "it takes too long"
        yield findings.make(
            "not-checked", hook.path, 0, f"its syntax was not checked: {name} -n: {reason}"
        )
        return
    if ended.returncode:
        said = ended.stderr.replace(place, b"").decode("utf-8", "backslashreplace")
        refusal = _REFUSAL.search(said)
        line = min(int(refusal[1]), content.count(b"\n") + 1) if refusal else 0
        reason = refusal[2] if refusal else f"exit status {ended.returncode}"
        yield findings.make(
            "shell-syntax", hook.path, line, f"{name} refuses its syntax: {reason}", "correct it"
        )
    elif b"delimited by end-of-file" in ended.stderr:
        # Of a here-document that has no end: bash only warns.
        line = content.rstrip(b"\n").count(b"\n") + 1
        message = "a here-document has no end before that of the file"
        yield findings.make("shell-syntax", hook.path, line, message, "correct it", WARNING)


def _shell(words: list[bytes], name: str, target: "Target") -> list[bytes] | None:
    """Return how to start the shell of a hook on this machine, None where it has none."""
    if target.root:
        # The image's own may be for another machine.
        path = shutil.which(name)
        if path is None and name == "ash" and (busybox := shutil.which("busybox")):
            return [os.fsencode(busybox), b"sh"]
        return [os.fsencode(path)] if path else None
    if os.path.basename(words[0]) == b"busybox":
        return [words[0], os.fsencode(name)]
    if os.path.basename(words[0]) == b"env":
        found = kinds.find_program(os.fsencode(name), target.search_path)
        return [found] if found else None
    return [words[0]]


def _shell_uses(hook: "Hook", content: bytes) -> Uses:
    if len(content) > _SCANNED_BYTES:
        return _NOTHING
    found = shell.uses(content)
    if hook.kind == kinds.SOURCED:
        return found._replace(gives=found.gives | shell.assigned(content))
    return found


def _python_faults(hook: "Hook", content: bytes, severity: str) -> "Iterator[Finding]":
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(content, log.text(hook.path), "exec", dont_inherit=True)
    except python_hook.COMPILE_ERRORS as error:
        line = _line_of_python(getattr(error, "lineno", None) or 1, content)
        message = f"it is not Python: {error}"
        yield findings.make("python-syntax", hook.path, line, message, "correct it", severity)


def _runs_nothing(hook: "Hook", content: bytes) -> "Iterator[Finding]":
    """Yield a `hook` that is a coroutine or a generator: a start would refuse it."""
    tree = _python_tree(content)
    if tree and (line := python.line_of_later_hook(tree)):
        message = "nothing of hook() would be run: it is an `async def`, or has a `yield`"
        line = _line_of_python(line, content)
        yield findings.make("python-hook", hook.path, line, message, "make it a plain function")


def _line_of_python(line: int, content: bytes) -> int:
    """Return a line that the file has: Python takes a lone carriage return for a line's end."""
    return min(line, content.count(b"\n") + 1)


def _python_uses(content: bytes) -> Uses:
    tree = _python_tree(content)
    return python.uses(tree) if tree else _NOTHING


def _python_tree(content: bytes) -> ast.Module | None:
    """Return a Python file's syntax tree, None where it has none or is no script of a person's."""
    if len(content) > _SCANNED_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(content)
    except python_hook.COMPILE_ERRORS:
        return None
