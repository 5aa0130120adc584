"""Finds the variables that a Jinja2 template uses, and what is wrong with its syntax."""

from jinja2 import Environment, TemplateError, TemplateSyntaxError, meta, nodes

from entrykit.stock import filters

# What the stock hook adds to the names of Jinja2's own.
_FUNCTIONS = ("env", "file", "secret")


def uses(content: bytes) -> tuple[list[tuple[str, int]], list[tuple[int, str]]]:
    """Return the variables that a template uses, each with its first line, and the faults."""
    environment = Environment(autoescape=False)  # noqa: S701 - nothing is rendered
    environment.filters |= {**filters.FILTERS, "required": str}
    try:
        tree = environment.parse(content.decode("utf-8", "surrogateescape"))
        free = meta.find_undeclared_variables(tree)
    except TemplateSyntaxError as error:
        return [], [(error.lineno, error.message or "it is no template")]
    except (TemplateError, RecursionError, ValueError) as error:
        return [], [(1, f"it is no template: {error}")]
    lines: dict[str, int] = {}
    known = {*environment.globals, *_FUNCTIONS}
    kinds = (nodes.Name, nodes.Getitem, nodes.Getattr, nodes.Call, nodes.Compare)
    for node in tree.find_all(kinds):
        name = _name(node)
        if isinstance(node, nodes.Name) and (name not in free or name in known):
            continue
        if name:
            lines[name] = min(node.lineno, lines.get(name, node.lineno))
    return sorted(lines.items(), key=lambda use: use[1]), []


def _name(node: nodes.Node) -> str:
    """Return the variable that `NAME`, `env.NAME`, `secret("NAME")` and the like use."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr) and _is_environment(node.node):
        # Jinja asks for an attribute first: `env.items` is no variable.
        return "" if hasattr(dict, node.attr) else node.attr
    argument = None
    if isinstance(node, nodes.Call):
        argument = node.args[0] if node.args and _asks_for_a_name(node.node) else None
    elif isinstance(node, nodes.Getitem) and _is_environment(node.node):
        argument = node.arg
    elif isinstance(node, nodes.Compare) and any(_is_environment(one.expr) for one in node.ops):
        argument = node.expr
    is_text = isinstance(argument, nodes.Const) and isinstance(argument.value, str)
    return argument.value if is_text and isinstance(argument, nodes.Const) else ""


def _asks_for_a_name(function: nodes.Node) -> bool:
    if isinstance(function, nodes.Getattr):
        return function.attr == "get" and _is_environment(function.node)
    return isinstance(function, nodes.Name) and function.name == "secret"


def _is_environment(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "env"
