"""The log that README shows is the log."""

import re

import pytest

from .engine import READY, ROOT, Engine, File

pytestmark = pytest.mark.docker

TIME = re.compile(r"\([0-9.]+ m?s\)")


def block(language: str, number: int = 0) -> str:
    """Return a fenced block of a language in README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found[number])


def test_the_log_of_the_readme_is_that_of_the_example_with_its_hook(
    engine: Engine, image: str
) -> None:
    volume = engine.volume(File("20-cpus.sh", block("sh")), image=image)
    with engine.server(
        image,
        environment={"YOUP0M_PASSWORD": "admin"},
        volumes={volume: {"bind": "/docker-entrypoint.d", "mode": "ro"}},
    ) as server:
        log = server.ready_log
    shown = block("text")
    assert READY in shown
    assert TIME.sub("(N ms)", log).splitlines() == TIME.sub("(N ms)", shown).splitlines()
