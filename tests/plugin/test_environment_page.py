"""docs/environment.md: what it shows is what a start writes."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from entrykit.testing import Entrypoint
from entrykit.testing.given import FileGiven

PAGE = Path(__file__).parents[2] / "docs/environment.md"
_BLOCK = re.compile(r"^```(toml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What holds up no start.
WARNINGS = ("is a deprecated name", "as if not set", "is set, but not known", "passed over")
pytestmark = pytest.mark.sandbox


def examples() -> list[tuple[str, str]]:
    """Return each console of the page with the configuration that stands before it."""
    found = []
    configuration = ""
    for language, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "toml":
            configuration = text
        else:
            found.append((configuration, text))
    return found


@pytest.mark.parametrize(("configuration", "console"), examples())
def test_a_start_writes_what_the_page_shows(
    entrypoint: Entrypoint, configuration: str, console: str
) -> None:
    files: dict[str, FileGiven] = {}
    variables: dict[str, str] = {}
    output = ""
    for command in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        line, _, output = command.partition("\n")
        name, *arguments = shlex.split(line)
        if name == "ls":
            files |= {f"{arguments[0]}/{one}": "hush" for one in output.split()}
        elif name == "cat":
            files[arguments[0]] = output
        else:
            given = [two for one, two in itertools.pairwise(arguments) if one == "-e"]
            variables = dict(entry.split("=", 1) for entry in given)
    outcome = entrypoint(["true"], config=configuration, env=variables, files=files)
    assert outcome.log.lines == output.splitlines()
    fails = any(all(mark not in line for mark in WARNINGS) for line in outcome.log.lines)
    assert outcome.exit_status == (78 if fails else 0)
