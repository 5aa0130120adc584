"""The section `[templates]`: what its keys may hold, and how mistakes are told."""

import pytest

from entrykit.settings import configuration
from entrykit.system.errors import StartError

GIVEN = '[templates]\nfrom = "/a"\nto = "/b"\n'


def problem(toml: str) -> str:
    with pytest.raises(StartError) as refusal:
        configuration.parse(toml.encode(), "e.toml")
    ((where, message, hint),) = refusal.value.problems
    return f"{where}: {message} ({hint})"


def test_what_is_not_given_has_a_default() -> None:
    assert configuration.parse(GIVEN.encode(), "e.toml")["sections"]["templates"] == {
        "from": "/a", "to": "/b", "names": "", "required": "", "secrets": [], "check": [],
    }  # fmt: skip


def test_the_secrets_are_declared_by_being_named() -> None:
    read = configuration.parse(f'{GIVEN}secrets = ["A", "B"]\n'.encode(), "e.toml")
    assert read["env"] == {"A": {"secret": True}, "B": {"secret": True}}


def test_there_may_be_several_tables() -> None:
    toml = '[[templates]]\nfrom = "/a"\nto = "/b"\n[[templates]]\nfrom = "/c"\nto = "/d"\n'
    read = configuration.parse(toml.encode(), "e.toml")
    assert [table["to"] for table in read["sections"]["templates"]["tables"]] == ["/b", "/d"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('names = "("', "templates.names: expected a regular expression, in Python's syntax"),
        ('names = "[[:upper:]]"', "templates.names: expected a regular expression"),
        ("required = 1", "templates.required: expected a regular expression"),
        ('secrets = ["a-b"]', "templates.secrets: expected the name of a variable"),
        ('secrets = "A"', "templates.secrets: expected a list of names of variables"),
        ("check = []", "templates.check: expected a list of words, the first a program"),
        ('check = ["nginx", "-t"]', "templates.check: no word of it holds {}, so that it would"),
        ('form = "/a"', "unknown key templates.form (did you mean from?)"),
    ],
)
def test_a_mistake_names_its_key_and_line(line: str, message: str) -> None:
    assert problem(f"{GIVEN}{line}\n").startswith(f"e.toml:4: {message}")


@pytest.mark.parametrize("path", ['"a"', '""', "1", '"./a"', '"a\\u0000"'])
@pytest.mark.parametrize("key", ["from", "to"])
def test_directories_are_absolute(key: str, path: str) -> None:
    other = "to" if key == "from" else "from"
    said = problem(f'[templates]\n{other} = "/a"\n{key} = {path}\n')
    assert said.startswith(f"e.toml:3: templates.{key}: expected the absolute path of a directory")


def test_both_directories_must_be_given() -> None:
    assert problem('[templates]\nfrom = "/a"\n').startswith("e.toml:1: templates.to is missing")
