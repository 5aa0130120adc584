"""Finds the variables that a Python hook takes from its environment, by its syntax tree."""

import ast
from typing import TYPE_CHECKING

from entrykit.lint.shell import Uses

if TYPE_CHECKING:
    from collections.abc import Iterable

_READERS = ("get", "pop", "setdefault")
_ENVIRONMENTS, _FUNCTIONS = ("environ", "environb"), ("getenv", "getenvb")


class _Names:
    """What a file calls the module `os`, its environment, its functions, and `start.env`."""

    def __init__(self, tree: ast.Module) -> None:
        self.modules, self.functions = {"os"}, {"getenv"}
        self.environments: set[str] = {"environ"}
        self._starts = {"start", *_first_parameters(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.modules |= {one.asname or "os" for one in node.names if one.name == "os"}
            elif isinstance(node, ast.ImportFrom) and node.module == "os":
                for one in node.names:
                    name = one.asname or one.name
                    self.environments |= {name} if one.name in _ENVIRONMENTS else set()
                    self.functions |= {name} if one.name in _FUNCTIONS else set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and self.is_environment(node.value):
                names = [one.id for one in node.targets if isinstance(one, ast.Name)]
                self.environments.update(names)

    def is_environment(self, node: ast.expr) -> bool:
        """Tell whether an expression is an environment, the hook's own or the command's."""
        if isinstance(node, ast.Attribute):
            is_hooks = node.attr == "env" and _is_name(node.value, self._starts)
            return is_hooks or (node.attr in _ENVIRONMENTS and _is_name(node.value, self.modules))
        return _is_name(node, self.environments)


class _Finder(ast.NodeVisitor):
    """Notes each `os.environ["NAME"]`, `os.getenv("NAME")`, `start.env["NAME"]` and the like."""

    def __init__(self, names: _Names) -> None:
        self.reads: dict[str, int] = {}
        self.gives: dict[str, int] = {}
        self._names = names

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        name = _text(node.slice)
        if not name or not self._names.is_environment(node.value):
            return
        if isinstance(node.ctx, ast.Load):
            self._read(name, node)
        elif isinstance(node.ctx, ast.Store):
            self.gives.setdefault(name, node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        name = _text(node.args[0]) if node.args else ""
        function = node.func
        if not name:
            return
        if isinstance(function, ast.Attribute):
            of_mapping = function.attr in _READERS and self._names.is_environment(function.value)
            of_os = function.attr in _FUNCTIONS and _is_name(function.value, self._names.modules)
            if of_mapping or of_os:
                self._read(name, node)
        elif _is_name(function, self._names.functions):
            self._read(name, node)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.generic_visit(node)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            is_in = isinstance(operator, (ast.In, ast.NotIn))
            if is_in and self._names.is_environment(right) and (name := _text(node.left)):
                self._read(name, node)

    def _read(self, name: str, node: ast.expr) -> None:
        self.reads.setdefault(name, node.lineno)


def uses(tree: ast.Module) -> Uses:
    """Return what a Python hook takes from its environment, and sets in the command's."""
    finder = _Finder(_Names(tree))
    finder.visit(tree)
    gives = finder.gives
    # What it sets in its own os.environ reaches nobody, and what reads it there needs no schema.
    reads = [read for read in finder.reads.items() if read[1] <= gives.get(read[0], read[1])]
    return Uses(sorted(reads, key=lambda read: read[1]), set(gives))


def line_of_later_hook(tree: ast.Module) -> int:
    """Return the line of a `hook` of which a call runs nothing, 0 where there is none."""
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "hook":
            return node.lineno
        if isinstance(node, ast.FunctionDef) and node.name == "hook" and _yields(node.body):
            return node.lineno
    return 0


def _yields(body: "Iterable[ast.AST]") -> bool:
    """Tell whether a function's own statements, not those of functions in it, have a `yield`."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return any(
        isinstance(node, (ast.Yield, ast.YieldFrom))
        or (not isinstance(node, inner) and _yields(ast.iter_child_nodes(node)))
        for node in body
    )


def _first_parameters(tree: ast.Module) -> set[str]:
    given = [
        node.args for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "hook"
    ]
    return {one.arg for some in given for one in [*some.posonlyargs, *some.args][:1]}


def _text(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else ""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def _is_name(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
