"""Finds the variables that a Python hook takes from its environment, by its syntax tree."""

import ast

from entrykit.lint.shell import Uses

_READERS = ("get", "pop", "setdefault")


class _Finder(ast.NodeVisitor):
    """Notes each `os.environ["NAME"]`, `os.getenv("NAME")`, `start.env["NAME"]` and the like."""

    def __init__(self, starts: set[str]) -> None:
        self.starts = starts
        self.reads: dict[str, int] = {}
        self.gives: set[str] = set()

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        name = _text(node.slice)
        if not name or not self._is_environment(node.value):
            return
        if isinstance(node.ctx, ast.Load):
            self._read(name, node)
        elif isinstance(node.ctx, ast.Store):
            self.gives.add(name)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        name = _text(node.args[0]) if node.args else ""
        function = node.func
        if not name:
            return
        if isinstance(function, ast.Attribute):
            of_mapping = function.attr in _READERS and self._is_environment(function.value)
            of_os = function.attr == "getenv" and _is_name(function.value, {"os"})
            if of_mapping or of_os:
                self._read(name, node)
        elif _is_name(function, {"getenv"}):
            self._read(name, node)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.generic_visit(node)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            is_member = isinstance(operator, (ast.In, ast.NotIn)) and self._is_environment(right)
            if is_member and (name := _text(node.left)):
                self._read(name, node)

    def _read(self, name: str, node: ast.expr) -> None:
        self.reads.setdefault(name, node.lineno)

    def _is_environment(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Attribute):
            is_hooks = node.attr == "env" and _is_name(node.value, self.starts)
            return is_hooks or (node.attr == "environ" and _is_name(node.value, {"os"}))
        return _is_name(node, {"environ"})


def uses(tree: ast.Module) -> Uses:
    """Return what a Python hook takes from its environment, and sets in the command's."""
    finder = _Finder({"start", *_first_parameters(tree)})
    finder.visit(tree)
    reads = sorted(finder.reads.items(), key=lambda read: read[1])
    own = [read for read in reads if read[0] not in finder.gives]
    # What it sets in its own os.environ reaches nobody, and what reads it there needs no schema.
    return Uses(own, finder.gives)


def _first_parameters(tree: ast.Module) -> set[str]:
    return {
        node.args.args[0].arg
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "hook" and node.args.args
    }


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_name(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
