"""The house: every folder a layer, imports point down, and what a start may import."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import entrykit

PACKAGE = Path(entrykit.__file__).parent
# From the top down; what stands side by side may import one another.
LAYERS = (
    ("__main__",),
    ("commands", "testing"),
    ("lint",),
    ("boot", "launcher"),
    ("plan",),
    ("steps",),
    ("settings",),
    ("stock",),
    ("system",),
    ("__init__",),
)
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "hooks"
)
# Paid for by every start: builtin or frozen in every interpreter (`os` with what it imports is).
PAID_FOR = ("boot", "launcher", "steps", "system")
CHEAP = {"_collections_abc", "_frozen_importlib", "_signal", "gc", "marshal", "os", "posix", "sys"}
CHEAP |= {"time"}


def module_name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def layer(parts: tuple[str, ...]) -> str:
    """Return the layer of a module from its path in the package."""
    return parts[0].removesuffix(".py")


class Imports(ast.NodeVisitor):
    """All modules that a file imports when it runs, those in functions included."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[str] = []
        self.at_import: list[str] = []
        self.depth = 0
        self.visit(tree)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            # What only a type checker reads is no import.
            for inner in node.orelse:
                self.visit(inner)
            return
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.note(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            self.note(f"{node.module}.{alias.name}")

    def note(self, name: str) -> None:
        self.found.append(name)
        if not self.depth:
            self.at_import.append(name)


def imported_layers(tree: ast.Module) -> Iterator[str]:
    for name in Imports(tree).found:
        parts = tuple(name.split("."))
        if parts[0] == "entrykit":
            inner = layer(parts[1:]) if len(parts) > 1 else "__init__"
            yield inner if inner in LEVELS else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    own = LEVELS[layer(path.relative_to(PACKAGE).parts)]
    tree = ast.parse(path.read_text())
    assert [name for name in imported_layers(tree) if LEVELS[name] < own] == []


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if layer(path.relative_to(PACKAGE).parts) in PAID_FOR],
    ids=module_name,
)
def test_what_every_start_pays_for_imports_what_is_builtin_or_frozen(path: Path) -> None:
    imported = {name.split(".")[0] for name in Imports(ast.parse(path.read_text())).at_import}
    assert imported - {"entrykit"} <= CHEAP


def test_what_counts_as_cheap_is_in_this_interpreter_itself() -> None:
    for name in CHEAP - set(sys.builtin_module_names):
        spec = sys.modules[name].__spec__
        assert spec is not None
        assert spec.origin == "frozen"


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Yield the public functions and classes, and the public methods of public classes."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def is_setter(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Tell whether a function sets a property, whose getter is documented."""
    return any(
        isinstance(decorator, ast.Attribute) and decorator.attr == "setter"
        for decorator in node.decorator_list
    )


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_and_public_function_and_class_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    undocumented = [
        node.name
        for node in public(tree.body)
        if not ast.get_docstring(node) and not is_setter(node)
    ]
    assert undocumented == []


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_file_of_more_than_400_lines_and_a_function_of_more_than_50_says_why_not(
    path: Path,
) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, node.name
