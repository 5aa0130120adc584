"""What all unit tests share: no test leaves the log as it has set it, none is timed."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from entrykit.system import log, runtime

# A slow machine is no failure.
hypothesis.settings.register_profile("unit", deadline=None, print_blob=True)
hypothesis.settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _log_as_at_first() -> Iterator[None]:
    yield
    log.set_level(log.INFO)
    log.set_colour(allowed=False)


@pytest.fixture(autouse=True)
def _without_settings_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    # For entrykit a variable like each other that begins with ENTRYKIT_.
    for name in ("ENTRYKIT_REQUIRE", "ENTRYKIT_IMAGES", "ENTRYKIT_RACES", "ENTRYKIT_FUZZ"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def place(tmp_path: Path) -> bytes:
    """Return an empty directory, as the bytes that the start knows it by."""
    directory = tmp_path / "place"
    directory.mkdir()
    return os.fsencode(directory)


@pytest.fixture
def runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return where a runtime directory will be made, away from the machine's own /run."""
    path = os.fsencode(tmp_path / "run-entrykit")
    monkeypatch.setattr(runtime, "_FIRST_CHOICE", path)
    monkeypatch.setattr(runtime, "_OTHER_PARENTS", ())
    return path
