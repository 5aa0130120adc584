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
        "getenv()",
        "os.getenv(name)",
    ],
)
def test_what_is_no_variable_of_the_environment_is_not(source: str) -> None:
    assert python.uses(ast.parse(source)).reads == []


def test_what_a_hook_sets_for_the_command_is_given() -> None:
    tree = ast.parse("def hook(start):\n    start.env['A'] = '1'\n")
    assert python.uses(tree).gives == {"A"}
