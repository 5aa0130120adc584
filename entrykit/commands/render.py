"""`entrykit render`: one template, as the stock hook `40-templates.py` renders it."""

import argparse
import os

from entrykit.commands import standard_output
from entrykit.settings import record
from entrykit.settings.sections import templates as section
from entrykit.steps import environment, inherited
from entrykit.steps.configure import PREFIX
from entrykit.stock import rendering, templates
from entrykit.system import errors, files, log, writing
from entrykit.system.errors import StartError, os_reason

DESCRIPTION = """\
Render a template with the variables of the environment: `*.template` as envsubst does, `*.j2` with
Jinja2. `secret("NAME")` is NAME's value, or what the file holds that NAME_FILE names. OUT is
written whole or not at all, with the template's mode and as far as may be its owner, and only
where it differs. Exit status 0; 1 with --check where OUT differs; 78 where a variable is missing,
the template is wrong or a file cannot be read or written, all of it said at once; 2 usage."""

_STREAM = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `render`."""
    parser.add_argument("template", metavar="TEMPLATE", help="a file; - is standard input")
    parser.add_argument(
        "--format",
        choices=(rendering.ENVSUBST, rendering.JINJA),
        help="what TEMPLATE is written in; by default its suffix tells, .template or .j2",
    )
    parser.add_argument(
        "--names",
        metavar="REGEX",
        help="replace only variables whose name REGEX finds a match in (envsubst)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        default=_STREAM,
        help="write there instead of standard output",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where OUT differs"
    )
    parser.add_argument(
        "--diff",
        action="store_true",
        help="write nothing; show how OUT would change, secrets included",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Render, then write, compare or show; return the exit status."""
    form = _format(arguments)
    _check_usage(arguments, form)
    content, kept = _render(arguments, form)
    output = os.fsencode(arguments.output)
    if arguments.output == _STREAM:
        standard_output.write(content)
        return 0
    _check_output(arguments.template, output)
    if _stands(output, content, kept):
        return 0
    if arguments.diff:
        _show_difference(output, content, kept)
    if arguments.check:
        log.info(f"{log.text(output)} differs from what {_shown(arguments)} becomes")
        return 1
    if not arguments.diff:
        mode, owner, group = kept
        writing.write(output, content, mode, group, owner)
    return 0


def _format(arguments: argparse.Namespace) -> str:
    if arguments.format:
        return str(arguments.format)
    suffix = rendering.suffix_of(os.path.basename(os.fsencode(arguments.template)))
    if not suffix:
        known = " or ".join(each.decode() for each in rendering.FORMATS)
        message = f"cannot tell the format of {_shown(arguments)}: it does not end in {known}"
        raise StartError(message, errors.USAGE, "give --format envsubst or --format jinja")
    return rendering.FORMATS[suffix]


def _shown(arguments: argparse.Namespace) -> str:
    return log.text(os.fsencode(arguments.template))


def _check_usage(arguments: argparse.Namespace, form: str) -> None:
    """Raise StartError, status 2, where the options do not go together."""
    if arguments.output == _STREAM and (arguments.check or arguments.diff):
        message = "--check and --diff compare with a file"
        raise StartError(message, errors.USAGE, "name it by -o OUT")
    if arguments.names is None:
        return
    if form == rendering.JINJA:
        message = "--names goes with envsubst alone"
        raise StartError(message, errors.USAGE, "a Jinja2 template names what it wants itself")
    try:
        section.pattern(arguments.names)
    except ValueError as expected:
        raise StartError(f"--names: expected {expected}", errors.USAGE) from None


def _render(arguments: argparse.Namespace, form: str) -> tuple[bytes, tuple[int, int, int]]:
    """Return the rendered content, and the mode and owner that it is to have."""
    variables = {name: value for name, value in os.environb.items() if not name.startswith(PREFIX)}
    path = os.fsencode(arguments.template)
    if arguments.template == _STREAM:
        content, directory, shown = _read_in(), b".", b"(standard input)"
        kept = 0o666 & ~_umask(), os.geteuid(), os.getegid()
    else:
        content, status = files.read_with_status(path, rendering.LIMIT_BYTES)
        directory, shown = os.path.dirname(path) or b".", path
        kept = rendering.kept_owner(status)
    problems = rendering.Problems()
    given = rendering.Given(variables, lambda name: _secret(variables, name))
    this = rendering.Rendering(directory, given, problems, arguments.names or "", "")
    rendered = this.render(shown, content, form)
    if problems.count():
        raise errors.together(problems.all())
    return rendered, kept


def _read_in() -> bytes:
    pieces = []
    try:
        while piece := os.read(0, 1 << 20):
            pieces.append(piece)
    except OSError as error:
        raise StartError(f"cannot read standard input: {os_reason(error)}") from None
    return b"".join(pieces)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _secret(variables: dict[bytes, bytes], name: str) -> bytes | None:
    """Return a secret's value as a start reads it, from NAME or the file that NAME_FILE names."""
    configuration = record.empty()
    configuration["env"][name] = {"secret": True}
    given = inherited.Environment([])
    for each, value in variables.items():
        given.set(each, value)
    environment.resolve(given, configuration)
    return given.get(os.fsencode(name)) or None


def _stands(output: bytes, content: bytes, kept: tuple[int, int, int]) -> bool:
    """Tell whether OUT is there as it is to be. Raises StartError where it must not be replaced."""
    try:
        status = os.stat(output)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise files.cannot("write", output, error) from None
    if not files.is_regular(status.st_mode):
        message = f"cannot write {log.text(output)}: it is {files.kind(status.st_mode)}"
        raise StartError(message, hint="without -o the result goes to standard output")
    try:
        directory = os.open(os.path.dirname(output) or b".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise files.cannot("write", output, error) from None
    try:
        return templates.is_same(directory, output, content, kept)
    finally:
        os.close(directory)


def _check_output(template: str, output: bytes) -> None:
    """Raise StartError where OUT is the template: it would be lost."""
    try:
        given, there = os.stat(template), os.lstat(output)
    except OSError:
        return
    if template != _STREAM and os.path.samestat(given, there):
        message = f"cannot write {log.text(output)}: it is the template"
        raise StartError(message, errors.USAGE, "name another file by -o OUT")


def _show_difference(output: bytes, content: bytes, kept: tuple[int, int, int]) -> None:
    """Write a unified diff from OUT to what it would be; other modes and owners to the log."""
    import difflib  # loads much, and only a difference needs it

    try:
        status = os.stat(output)
        before = files.read(output, rendering.LIMIT_BYTES)
    except FileNotFoundError:
        status, before = None, b""
    except OSError as error:
        raise files.cannot("read", output, error) from None
    old, new = (_lines(each) for each in (before, content))
    name = os.fsdecode(output)
    lines = difflib.unified_diff(old, new, name if status else "/dev/null", name)
    shown = "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
    standard_output.write(shown.encode("utf-8", "surrogateescape"))
    if status is not None:
        has = status.st_mode & 0o7777, status.st_uid, status.st_gid
        if has != kept:
            was, will = (f"mode {mode:04o}, owner {uid}:{gid}" for mode, uid, gid in (has, kept))
            log.info(f"{log.text(output)} has {was}, and would have {will}")


def _lines(content: bytes) -> list[str]:
    """Split at newlines alone, as diff(1) does; str.splitlines knows more of them."""
    *whole, last = content.decode("utf-8", "surrogateescape").split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])
