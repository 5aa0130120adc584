"""Sources: env-dirs and env-files, which give variables beside the environment.

An env-dir is a directory of secrets, a file for each; an env-file has Docker's form. Either may be
missing: what must be there is declared `required`.

Not part of a plain start: loaded where some are configured. Builtin modules only.
"""

import posix

from entrykit.steps import variables
from entrykit.steps.configure import PREFIX
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.settings.record import Configuration
    from entrykit.steps.inherited import Environment
    from entrykit.steps.variables import Origins

_FILE_LIMIT_BYTES = 1 << 20
# Go's bufio.Scanner, by which Docker reads the file, takes no longer line with its newline.
_LINE_LIMIT_BYTES = 65535
# Go's unicode.IsSpace. Python's own strip takes more.
_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
_SPACES += "\u200a\u2028\u2029\u202f\u205f\u3000"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read(
    environment: "Environment",
    configuration: "Configuration",
    problems: "list[errors.Problem]",
    origins: "Origins",
) -> set[bytes]:
    """Put what directories and files give into the environment; return the directories' names.

    What is wrong is added to `problems`, where the values come from to `origins`.
    """
    families = _families(configuration)
    secrets: dict[bytes, bytes] = {}
    for directory in configuration["env_dirs"]:
        _read_directory(directory.encode("utf-8", "surrogateescape"), secrets, problems)
    given: set[bytes] = set()
    for name, path in secrets.items():
        if _put_secret(environment, families, name, path, problems):
            given |= {name, families.get(name, [name])[0]}
            origins[name] = variables.ENV_DIR, path
    found: dict[bytes, bytes] = {}
    files_of: dict[bytes, bytes] = {}
    for file in configuration["env_files"]:
        path = file.encode("utf-8", "surrogateescape")
        read_now = _read_file(path, problems)
        found |= read_now
        files_of.update(dict.fromkeys(read_now, path))
    taken = {name for name in found if _is_set(environment, families.get(name, [name]))}
    for name, value in found.items():
        if name not in taken:
            environment.set(name, value)
            origins[name] = variables.ENV_FILE, files_of[name]
    return given


def _families(configuration: "Configuration") -> dict[bytes, list[bytes]]:
    """Return, for each name under which a variable can be given, all of them, its own first."""
    families = {}
    for name, variable in configuration["env"].items():
        family = [one.encode() for one in variables.spellings(name, variable)]
        families.update(dict.fromkeys(family, family))
    return families


def _is_set(environment: "Environment", names: list[bytes]) -> bool:
    return any(environment.get(name) for name in names)


def _read_directory(
    directory: bytes, secrets: dict[bytes, bytes], problems: "list[errors.Problem]"
) -> None:
    """Add to `secrets` the path of each name's file; say what is passed over.

    What begins with a dot is not meant: a mounted Secret of Kubernetes holds its values in a
    directory of its own, `..data`, and links to them.
    """
    shown = log.text(directory)
    try:
        names = sorted(name for name in posix.listdir(directory) if not name.startswith(b"."))
    except FileNotFoundError:
        log.debug("is not there: no variables from it", shown)
        return
    except OSError as error:
        problems.extend(files.cannot("list", directory, error).problems)
        return
    passed_over = []
    for name in names:
        path = directory + b"/" + name
        if not _is_name(name) or _is_directory(path):
            passed_over.append(log.text(name))
        elif name.startswith(PREFIX):
            problems.append(
                (log.text(path), "names that begin with ENTRYKIT_ are entrykit's own", "")
            )
        elif name in secrets:
            message = f"is given by {log.text(secrets[name])}, and by {log.text(path)}"
            problems.append((name.decode(), message, "leave one of the two out"))
        else:
            secrets[name] = path
    if passed_over:
        log.info(f"no variables, passed over: {', '.join(passed_over)}", shown)


def _is_name(name: bytes) -> bool:
    return name.isascii() and name.decode().isidentifier()


def _is_directory(path: bytes) -> bool:
    try:
        return files.is_directory(posix.stat(path).st_mode)
    except OSError:
        return False


def _put_secret(
    environment: "Environment",
    families: dict[bytes, list[bytes]],
    name: bytes,
    path: bytes,
    problems: "list[errors.Problem]",
) -> bool:
    """Set a variable from its file in a directory; tell whether it is.

    An empty file sets nothing, and one whose variable is set otherwise is an error.
    """
    from entrykit.system import secrets  # a directory may be empty, or not there

    try:
        value = secrets.read_value(path, name.decode())
    except StartError as error:
        problems.extend((name.decode(), *problem[1:]) for problem in error.problems)
        return False
    if not value:
        return False
    for other in families.get(name, [name]):
        if environment.get(other):
            message = f"is given by {log.text(path)}, and {other.decode()} is set too"
            problems.append((name.decode(), message, "leave one of the two out"))
            return False
    environment.set(name, value)
    return True


def _read_file(path: bytes, problems: "list[errors.Problem]") -> dict[bytes, bytes]:
    """Return what an env-file gives; of a name that is there twice, the last."""
    shown = log.text(path)
    try:
        posix.stat(path)
    except FileNotFoundError:
        log.debug("is not there: no variables from it", shown)
        return {}
    except OSError as error:
        problems.extend(files.cannot("read", path, error).problems)
        return {}
    try:
        content = files.read(path, _FILE_LIMIT_BYTES)
    except StartError as error:
        problems.extend(error.problems)
        return {}
    found = {}
    for number, name, value, problem in parse(content):
        if problem:
            problems.append((f"{shown}:{number}", problem, ""))
        elif name.startswith(PREFIX):
            message = "names that begin with ENTRYKIT_ are entrykit's own"
            problems.append((f"{shown}:{number}", message, "set it for the container"))
        else:
            found[name] = value
    return found


def parse(content: bytes) -> "Iterator[tuple[int, bytes, bytes, str]]":
    """Yield line, name, value and what is wrong of each line of an env-file that says something.

    The form is that of `docker run --env-file` (docker/cli, pkg/kvfile): blanks before the name
    are dropped and none may follow in it; all behind the first `=` is the value, quotes and blanks
    included; `#` begins a comment only where it begins a line. A name alone takes its value from
    the environment, where it is already.
    """
    for number, raw in enumerate(content.split(b"\n"), 1):
        if len(raw) > _LINE_LIMIT_BYTES:
            yield number, b"", b"", f"the line has more than {_LINE_LIMIT_BYTES} bytes"
            continue
        line = raw.removesuffix(b"\r")
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        try:
            text = line.decode().lstrip(_SPACES)
        except UnicodeDecodeError:
            yield number, b"", b"", "it is not UTF-8 text"
            continue
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not name:
            yield number, b"", b"", "there is no name before the ="
        elif " " in name or "\t" in name:
            yield number, b"", b"", "there is a blank in the name"
        elif "\0" in text:
            yield number, b"", b"", "it holds a NUL byte"
        elif equals:
            yield number, name.encode(), value.encode(), ""
