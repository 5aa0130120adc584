"""The last line of the log says what to change: for whoever is called at night."""

import re

import pytest

from .broken_images import IMAGES, Broken
from .starts import Entrypoint


@pytest.mark.parametrize("broken", IMAGES, ids=lambda broken: broken.name.replace(" ", "-"))
def test_the_last_line_says_what_to_change(entrypoint: Entrypoint, broken: Broken) -> None:
    broken.make(entrypoint)
    ended = entrypoint.run(*broken.command)
    assert (ended.status, ended.stdout) == (broken.status, b"")
    wanted = broken.last_line.replace("{hooks}", str(entrypoint.hooks.path)).replace(
        "{config}", str(entrypoint.scratch / "entrykit.toml")
    )
    last = re.sub(r"after [0-9.]+ m?s,", "after TIME,", ended.last_line)
    last = re.sub(r"in /\S+/entrykit/hooks;", "in {stock};", last)
    assert last == f"entrykit: {wanted}"


def test_there_are_25_of_them_at_least() -> None:
    assert len({broken.name for broken in IMAGES}) == len(IMAGES) >= 25
