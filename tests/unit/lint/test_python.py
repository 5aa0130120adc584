"""Which variables a Python hook takes from its environment."""

import ast

import pytest

from entrykit.lint import python


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A']",
        "import os\nos.environ.get('A', 'x')",
        "import os\nos.getenv('A')",
        "from os import environ\nenviron['A']",
        "from os import getenv\ngetenv('A')",
        "def hook(start):\n    start.env['A']",
        "def hook(this):\n    this.env.get('A')",
        "def hook(start):\n    'A' in start.env",
        "def hook(start):\n    start.env.pop('A', None)",
        "def inner(start):\n    return start.env['A']",
        "import os as system\nsystem.environ['A']",
        "from os import environ as given\ngiven['A']",
        "from os import getenv as get\nget('A')",
        "import os\nos.environb[b'A']",
        "import os\nos.getenvb(b'A')",
        "import os; given = os.environ\ngiven.get('A')",
        "def hook(start, /): env = start.env; \\\n    env['A']",
        "import os\nos.environ['A'] = os.environ['A'].strip()",
        "def hook(start):\n    start.env['A'] = start.env.get('A', 'x')",
    ],
)
def test_what_a_hook_reads_is_found_with_its_line(source: str) -> None:
    assert python.uses(ast.parse(source)).reads == [("A", 2)]


@pytest.mark.parametrize(
    "source",
    [
        "x = {}\nx['A']",
        "x.get('A')",
        "import os\nos.environ[name]",
        "import os\nos.environ['A'] = '1'\nos.environ['A']",
        "import os\ndel os.environ['A']",
        "given = {}\ngiven['A']",
        "import os\nos.environ['A'] = '1'\nos.environ['A'] = os.environ['A'] + '2'",
        "getenv()",
        "os.getenv(name)",
    ],
)
def test_what_is_no_variable_of_the_environment_is_not(source: str) -> None:
    assert python.uses(ast.parse(source)).reads == []


def test_what_a_hook_sets_for_the_command_is_given() -> None:
    tree = ast.parse("def hook(start):\n    start.env['A'] = '1'\n")
    assert python.uses(tree).gives == {"A"}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\nasync def hook(start): pass", 2),
        ("\ndef hook(start):\n    if start:\n        yield", 2),
        ("\ndef hook(start):\n    yield from start", 2),
        ("def hook(start):\n    def inner():\n        yield\n    list(inner())", 0),
        ("def hook(start):\n    return (lambda: (yield))", 0),
        ("async def other(start): pass\ndef hook(start): pass", 0),
    ],
)
def test_a_hook_of_which_a_call_runs_nothing_is_found(source: str, line: int) -> None:
    assert python.line_of_later_hook(ast.parse(source)) == line
