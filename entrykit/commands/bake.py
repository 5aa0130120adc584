"""`entrykit bake`: check what an image will start with, and write its launcher."""

import argparse
import ast
import marshal
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import entrykit
from entrykit.lint import findings, templates
from entrykit.lint.survey import Survey
from entrykit.lint.targets import Target
from entrykit.settings import options
from entrykit.steps import configure, discover, inherited, search
from entrykit.system import files, log, writing
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from entrykit.launcher import Module
    from entrykit.steps.configure import BakedConfiguration, Settings

DESCRIPTION = """\
Check the configuration and the hooks that are there, and write the launcher: the file that the
image's ENTRYPOINT names, and beside it FILE.baked with compiled code and parsed configuration.
A configuration that differs at the start is parsed afresh; a mounted hook needs no new bake.
Exit status 78 where a start would fail on what was checked; nothing is written then. What
`entrykit check` warns of is a warning here too."""

PACKAGE = Path(entrykit.__file__).parent
# What every start needs, and what those need beside it that are told something by a variable,
# have hooks, have Python hooks, hooks with a user or hooks that run once, step down, or stay as an
# init; each with all that it imports. Those that declare variables need what resolves them, and
# then what their types, those that are not given, env-dirs or secrets need, which all that have
# hooks need.
_GROUPS = (
    ("entrykit.boot",),
    ("entrykit.steps.variables",),
    ("entrykit.settings.values",),
    ("entrykit.settings.typed",),
    ("entrykit.steps.near_misses",),
    ("entrykit.steps.sources",),
    ("entrykit.settings.options", "entrykit.settings.hook"),
    ("entrykit.system.secrets",),
    ("entrykit.system.kernel",),
    ("entrykit.system.privileges", "entrykit.system.users"),
    ("entrykit.steps.discover", "entrykit.steps.hook"),
    ("entrykit.steps.python_hook",),
    ("entrykit.steps.hook_user",),
    ("entrykit.steps.python_apart",),
    ("entrykit.steps.once", "entrykit.steps.journal"),
    ("entrykit.steps.step_down", "entrykit.steps.climbing"),
    ("entrykit.steps.init",),
)
# The kernel reads this much of a `#!` line (execve(2), since Linux 5.1; 127 before).
_HASHBANG_LIMIT_BYTES = 127

# Each line of it is compiled at each start: ten lines more cost 0.1 ms. What the executed code
# leaves are `start` and `record`. The signals are HUP, INT, QUIT and TERM, 0 is SIG_BLOCK.
_RECORD_OFFSET = 1 << 14
_LAUNCHER = """\
#!{python} -IS
# Written by `entrykit bake` (entrykit {version}); bake again rather than edit it.
import _signal, marshal, sys
m = _signal.pthread_sigmask(0, (1, 2, 3, 15))
sys.path += {search_path!r}
start = c = None
try:
    c = open({baked!r}, "rb", 0).read({end})
    if c.startswith(sys.version.encode() + b"\\0"):
        exec(marshal.loads(memoryview(c)[{head_length}:]))
except Exception:
    start = c = None
if start:
    start(record, m, {end})
from entrykit.launcher import start_from_source
start_from_source({configuration!r}, m, len(c or b"") > {head_length})
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bake`."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the configuration file; default /etc/entrykit.toml, if it is there",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="/entrypoint",
        help="the launcher; default /entrypoint. FILE.baked is written beside it, and both are"
        " to stay where they are written",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Check, compile, write; return the exit status."""
    own = {name: value for name, value in os.environb.items() if name.startswith(configure.PREFIX)}
    told = options.read_variables(own.items())
    log.set_level(options.log_level(told))
    if arguments.config:
        told["config"] = os.fsencode(arguments.config)
    if "config" in told:
        told["config"] = os.path.abspath(told["config"])
    settings, configuration = _read_configuration(told)
    _check(settings, configuration)
    output = os.path.abspath(arguments.output)
    if os.path.isdir(output):
        raise StartError(f"cannot write {output}: it is a directory", hint="-o names a file")
    always, *later = _groups()
    groups = [([name for name, *_ in group], marshal.dumps(group)) for group in later]
    lengths = [(names, len(marshalled)) for names, marshalled in groups]
    head = sys.version.encode() + b"\0"
    version = (PACKAGE / "__init__.py").read_bytes()
    record = marshal.dumps(
        cast("Any", (version, f"{output}.baked", always, lengths, configuration))
    )
    baked = (head + marshal.dumps(_loader())).ljust(_RECORD_OFFSET, b"\0") + record
    end = len(baked)
    baked += b"".join(marshalled for _, marshalled in groups)
    text = _LAUNCHER.format(
        python=_interpreter(),
        version=entrykit.__version__,
        search_path=_search_path(),
        baked=f"{output}.baked",
        head_length=len(head),
        end=end,
        configuration=(configuration[0], None if configuration[1] is None else b"", None),
    )
    writing.write(os.fsencode(f"{output}.baked"), baked, 0o644)
    writing.write(os.fsencode(output), text.encode("utf-8", "surrogateescape"), 0o755)
    log.info(f"wrote {output} and {output}.baked")
    return 0


def _read_configuration(told: dict[str, bytes]) -> "tuple[Settings, BakedConfiguration]":
    """Return the settings that a start would have, and the configuration to bake."""
    settings = configure.load(told, None)
    path = told.get("config") or configure.DEFAULT_PATH
    content = None
    if os.path.lexists(path):
        content = files.read(path, configure.CONFIGURATION_LIMIT_BYTES)
    return settings, (path, content, settings.configuration)


def _check(settings: "Settings", baked: "BakedConfiguration") -> None:
    """Report what is wrong with the hooks that are there. Raises StartError, status 78."""
    path, content, _ = baked
    search_path = os.fsencode(os.environ.get("PATH", "")) or inherited.DEFAULT_SEARCH_PATH
    target = Target(configuration=None if content is None else path, search_path=search_path)
    survey = Survey(target)
    survey.note_lines(content or b"")
    listings = search.search(settings)
    found = discover.discover(settings, listings, search_path)
    further = survey.look_further(found, settings, listings)
    places = templates.directories(settings.configuration)
    further += survey.look_into_templates(places, settings)
    for one in findings.ordered(further):
        where, message, hint = findings.problem(one, log.text(one.path))
        if one.severity == findings.ERROR:
            found.problems.append((where, message, hint))
        elif one.severity == findings.WARNING:
            log.warn(message, where, hint)
        else:
            log.debug(message, where)
    discover.report(found, settings)
    for hook in found.hooks:
        log.debug(f"is a hook, in {log.text(hook.directory)}", log.text(hook.name))


def _interpreter() -> str:
    python = sys.executable
    if not python or any(blank in python for blank in " \t\n"):
        message = f"cannot write {python!r} into a #! line"
        raise StartError(message, hint="use a Python whose path has no blanks")
    if len(f"#!{python} -IS".encode()) > _HASHBANG_LIMIT_BYTES:
        message = f"the path of this Python is too long for a #! line: {python}"
        raise StartError(message, hint=f"the kernel reads {_HASHBANG_LIMIT_BYTES} bytes of it")
    return python


def _search_path() -> list[str]:
    """Return where modules lie beside the standard library: entrykit's own place, then site's.

    Asked of an isolated interpreter, so that PYTHONPATH and the working directory stay out.
    """
    asked = [sys.executable, "-I", "-c", "import sys; print(*sys.path, sep='\\0', end='')"]
    bare = [sys.executable, "-I", "-S", "-c", asked[-1]]
    with_site, without = (
        subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\0")  # noqa: S603
        for words in (asked, bare)
    )
    parent = str(PACKAGE.parent)
    return [parent, *(path for path in with_site if path not in (*without, parent))]


def _loader() -> "CodeType":
    """Return the launcher's code, which ends by loading the record; `c` is what was read.

    It is let go before the start goes on: what a start holds, each fork for a Python hook copies.
    """
    path = PACKAGE / "launcher.py"
    last_lines = f"""
record = marshal.loads(memoryview(c)[{_RECORD_OFFSET}:])
c = b""
"""
    return _compile(path.read_text() + last_lines, path)


def _groups() -> "list[list[Module]]":
    """Return the groups of modules, compiled, each module after those that it imports."""
    known: set[str] = set()
    groups = []
    for names in _GROUPS:
        group: list[Module] = []
        for name in names:
            _add_module(name, known, group)
        groups.append(group)
    return groups


def _add_module(name: str, known: set[str], group: "list[Module]") -> None:
    if name in known:
        return
    known.add(name)
    parent = name.rpartition(".")[0]
    if parent:
        _add_module(parent, known, group)
    relative = name.replace(".", "/").partition("/")[2]
    is_package = (PACKAGE / relative).is_dir()
    path = PACKAGE / relative / "__init__.py" if is_package else PACKAGE / f"{relative}.py"
    source = path.read_text()
    for imported in _imported(ast.parse(source)):
        _add_module(imported, known, group)
    size = path.stat().st_size
    group.append((name, str(path), size, is_package, _compile(source, path)))


def _imported(tree: ast.Module) -> "Iterator[str]":
    """Name the modules of entrykit that a module imports whenever it is imported itself."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("entrykit"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                relative = inner.replace(".", "/").partition("/")[2]
                is_module = (PACKAGE / f"{relative}.py").is_file() or (PACKAGE / relative).is_dir()
                yield inner if is_module else str(node.module)


class _Strip(ast.NodeTransformer):
    """Takes out what only a type checker reads: a third of the code, and of its time."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return ast.Assign(targets=[node.target], value=node.value)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return node


def _compile(source: str, path: Path) -> "CodeType":
    tree = ast.fix_missing_locations(_Strip().visit(ast.parse(source)))
    return compile(tree, str(path), "exec", dont_inherit=True, optimize=2)
