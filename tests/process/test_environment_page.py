"""docs/environment.md: what it shows is what a start writes."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from .starts import Ended, Entrypoint

PAGE = Path(__file__).parents[2] / "docs/environment.md"
_BLOCK = re.compile(r"^```(toml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What holds up no start.
WARNINGS = ("is a deprecated name", "as if not set", "is set, but not known", "passed over")
# The places that the page names, and what they are called here.
PLACES = {"/run/secrets/app": "secrets", "/etc/app.env": "app.env"}


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


class Console:
    """What a console shows: files that are there, what is run, and what that writes."""

    def __init__(self, text: str, scratch: Path) -> None:
        self.scratch = scratch
        self.variables: dict[str, str] = {}
        self.written: list[str] = []
        for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            words, _, output = command.partition("\n")
            self._take(words, output)

    def _take(self, words: str, output: str) -> None:
        name, *arguments = shlex.split(words)
        if name == "ls":
            directory = self.scratch / PLACES[arguments[0]]
            directory.mkdir()
            for file in output.split():
                (directory / file).write_text("hush", encoding="utf-8")
        elif name == "cat":
            (self.scratch / PLACES[arguments[0]]).write_text(output, encoding="utf-8")
        else:
            given = [two for one, two in itertools.pairwise(arguments) if one == "-e"]
            self.variables = dict(entry.split("=", 1) for entry in given)
            self.written = output.splitlines()

    def local(self, text: str) -> str:
        """Return a text with the places of this test."""
        for place, name in PLACES.items():
            text = text.replace(place, str(self.scratch / name))
        return text


@pytest.mark.parametrize(("configuration", "console"), examples())
def test_a_start_writes_what_the_page_shows(
    entrypoint: Entrypoint, configuration: str, console: str
) -> None:
    shown = Console(console, entrypoint.scratch)
    ended = run(entrypoint, shown, configuration)
    assert ended.lines == [shown.local(line) for line in shown.written]
    fails = any(all(mark not in line for mark in WARNINGS) for line in shown.written)
    assert ended.status == (78 if fails else 0)


def run(entrypoint: Entrypoint, shown: Console, configuration: str) -> Ended:
    """Run what a console shows."""
    entrypoint.configure(shown.local(configuration))
    entrypoint.with_environment(**{name: shown.local(one) for name, one in shown.variables.items()})
    return entrypoint.run("true")
