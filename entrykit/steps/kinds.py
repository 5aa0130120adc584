"""What a file of a hook directory runs as: questions, of which the first yes decides.

    1. a suffix in `[runners]`?                       by those words, the file last
    2. `*.envsh`?                                     sourced by a shell
    3. `*.py` without `#!`?                           by entrykit's own Python
    4. an x bit, and `#!` or ELF?                     executed
    5. an x bit, and `*.sh` or no dot in its name?    by /bin/sh
    6. no x bit, but `*.sh` or `#!`?                  as 4 and 5 in a ConfigMap volume, else skipped
    7. anything else                                  skipped

Imported by every start with a hook: builtin modules only.
"""

import posix

from entrykit.system import files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    # How a file runs, its words but for the sourced hook's, and for a fault or a skip what is
    # wrong and the mend.
    Kind = tuple[str, list[bytes], str, str]

PROGRAM, SOURCED, PYTHON, SKIPPED, FAULT = "program", "sourced", "python", "skipped", "fault"

# Enough for `#!` (the kernel reads 256), an ELF header and the first lines.
HEAD_BYTES = 4096

_SHELL = b"/bin/sh"
# Of UTF-8, and of UTF-16, which Windows PowerShell's `>` writes.
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ELF = b"\x7fELF"
# Mach-O in its byte orders and as fat file, and Windows' MZ.
_FOREIGN = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa", b"\xca\xfe\xba\xbe", b"MZ")
# Machines that run another one's programs too (elf(5), e_machine): x86-64 i386, aarch64 arm.
_ALSO_RUNS = {62: (3,), 183: (40,)}

# The hooks of one start mostly have the same interpreter.
_found_programs: dict[tuple[bytes, bytes], bytes] = {}


def classify(  # noqa: PLR0911 - a return for each question
    path: bytes,
    mode: int,
    head: bytes,
    runners: dict[str, list[str]],
    *,
    modes_say_nothing: bool,
    search_path: bytes,
) -> "Kind":
    """Return what a regular file runs as.

    `head` is its beginning, `mode` its st_mode, `search_path` the PATH of the hooks.
    `modes_say_nothing` is true in a ConfigMap or Secret volume.
    """
    name = path.rpartition(b"/")[2]
    executable = bool(mode & 0o111)
    hashbang = head.startswith(b"#!")
    if words := _runner(name, runners):
        return _by_runner(words, path, search_path)
    if name.endswith(b".envsh"):
        shell = interpreter(head) if hashbang else [_SHELL]
        return _text_fault(head) or _shell_fault(shell, search_path) or (SOURCED, shell, "", "")
    if name.endswith(b".py") and not hashbang:
        return PYTHON, [], "", ""
    if executable and (hashbang or head.startswith(_ELF)):
        return _executed(path, head, search_path)
    by_shell = name.endswith(b".sh") or b"." not in name
    if executable and by_shell:
        return _by_shell(path, head)
    if name.endswith(b".sh") or hashbang:
        if not modes_say_nothing:
            return SKIPPED, [], "it is not executable", _mend(name)
        if not hashbang:
            return _by_shell(path, head)
        words = interpreter(head)
        fault = _text_fault(head) or _shell_fault(words, search_path)
        return fault or (PROGRAM, [*words, path], "", "")
    return SKIPPED, [], "nothing says how to run it", _mend(name)


def forget_programs() -> None:
    """Look for each program anew: they are looked for in another tree."""
    _found_programs.clear()


def find_program(word: bytes, search_path: bytes) -> bytes:
    """Return the path of a program as PATH finds it, b"" where it does not."""
    if (word, search_path) not in _found_programs:
        _found_programs[word, search_path] = _find_program(word, search_path)
    return _found_programs[word, search_path]


def _find_program(word: bytes, search_path: bytes) -> bytes:
    candidates = (
        [word]
        if b"/" in word
        else [(directory or b".") + b"/" + word for directory in search_path.split(b":")]
    )
    for candidate in candidates:
        try:
            place = files.place(candidate)
            status = posix.stat(place)
        except (OSError, ValueError):
            # A NUL byte in a `#!` line is a ValueError.
            continue
        if files.is_regular(status.st_mode) and posix.access(place, posix.X_OK):
            return candidate
    return b""


def _runner(name: bytes, runners: dict[str, list[str]]) -> list[bytes]:
    """Return the words of the longest suffix in `[runners]` that the name has."""
    best = ""
    for suffix in runners:
        if name.endswith(suffix.encode()) and len(suffix) > len(best):
            best = suffix
    return [word.encode("utf-8", "surrogateescape") for word in runners[best]] if best else []


def _by_runner(words: list[bytes], path: bytes, search_path: bytes) -> "Kind":
    runner = find_program(words[0], search_path)
    if runner:
        return PROGRAM, [runner, *words[1:], path], "", ""
    message = f"its runner {log.text(words[0])} is missing or not executable"
    return FAULT, [], message, "install it, or change [runners]"


def _executed(path: bytes, head: bytes, search_path: bytes) -> "Kind":
    if not posix.access(files.place(path), posix.X_OK):
        message = "it has an x bit but may not be executed"
        hint = f"let uid {posix.geteuid()} execute it, and mount it without noexec"
        return FAULT, [], message, hint
    if head.startswith(_ELF):
        return _architecture_fault(head) or (PROGRAM, [path], "", "")
    fault = _text_fault(head) or _shell_fault(interpreter(head), search_path)
    return fault or (PROGRAM, [path], "", "")


def _by_shell(path: bytes, head: bytes) -> "Kind":
    if head.startswith(_FOREIGN):
        return FAULT, [], "it is a program of another operating system", "build it for Linux"
    if b"\0" in head and not head.startswith(_BOMS):
        return SKIPPED, [], "it is neither a script nor a program", "remove its x bit"
    return _text_fault(head) or _shell_fault([_SHELL], b"") or (PROGRAM, [_SHELL, path], "", "")


def _text_fault(head: bytes) -> "Kind | None":
    """Return what keeps the kernel or a shell from reading a script's first line."""
    if head.startswith(_BOMS):
        return FAULT, [], "it begins with a byte order mark (BOM)", "save it as UTF-8 without BOM"
    if head.partition(b"\n")[0].endswith(b"\r"):
        message = "its lines end with a carriage return (CRLF)"
        return FAULT, [], message, "save it with Unix line endings, for instance by dos2unix"
    return None


def interpreter(head: bytes) -> list[bytes]:
    """Return the words of a `#!` line as the kernel splits it: at most one argument (execve(2))."""
    line = head[2:].partition(b"\n")[0].strip(b" \t")
    words = line.replace(b"\t", b" ").split(b" ", 1)
    return [words[0], *(word.strip(b" ") for word in words[1:])]


def _shell_fault(words: list[bytes], search_path: bytes) -> "Kind | None":
    hint = "install it, or change the hook's first line"
    if not words[0]:
        return FAULT, [], "its first line names no interpreter", "write for instance #!/bin/sh"
    if not find_program(words[0] if b"/" in words[0] else b"./" + words[0], b""):
        return FAULT, [], f"its interpreter {log.text(words[0])} is missing or not executable", hint
    is_env = words[0].endswith(b"/env") and len(words) > 1
    # `env` is given the whole rest of the line as one word.
    is_plain = is_env and words[1][:1] != b"-" and b"=" not in words[1]
    if is_plain and not find_program(words[1], search_path):
        if b" " in words[1]:
            hint = f"env is given all of it as one name: write #!{log.text(words[0])} -S …"
        return FAULT, [], f"its interpreter {log.text(words[1])} is not in PATH", hint
    return None


def _architecture_fault(head: bytes) -> "Kind | None":
    """Return what keeps this machine from running an ELF file, judged by the running program."""
    try:
        own = files.read(b"/proc/self/exe", 20, cut=True)
    except StartError:
        return None
    machine, own_machine = _machine(head), _machine(own)
    if machine == own_machine or machine in _ALSO_RUNS.get(own_machine, ()):
        return None
    message = "it is a program for another architecture"
    return FAULT, [], message, f"build it for this one, ELF machine {own_machine} not {machine}"


def _machine(head: bytes) -> int:
    return int.from_bytes(head[18:20], "little" if head[5:6] == b"\1" else "big")


def _mend(name: bytes) -> str:
    dot, suffix = name.rpartition(b".")[1:]
    runner = f", or name a runner for {log.text(dot + suffix)} in [runners]" if dot else ""
    return f"chmod +x it{runner}"
