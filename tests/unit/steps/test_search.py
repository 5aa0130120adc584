"""Which directories are looked into."""

import os
from pathlib import Path

import pytest

from entrykit.settings import record
from entrykit.steps import search
from entrykit.steps.configure import Settings


def settings(*directories: Path) -> Settings:
    hooks = b":".join(os.fsencode(directory) for directory in directories)
    return Settings({"hooks": hooks}, record.empty())


def test_directories_that_hold_something_are_told_in_order(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "c" / "x").touch()
    (tmp_path / "a" / "y").touch()
    listings = search.search(settings(tmp_path / "c", tmp_path / "b", tmp_path / "a"))
    assert [(directory, names, error) for directory, names, error, _ in listings] == [
        (os.fsencode(tmp_path / "c"), [b"x"], None),
        (os.fsencode(tmp_path / "a"), [b"y"], None),
    ]


def test_a_missing_directory_is_told_where_somebody_asked_for_it(tmp_path: Path) -> None:
    ((directory, names, error, is_named),) = search.search(settings(tmp_path / "none"))
    assert (directory, names, is_named) == (os.fsencode(tmp_path / "none"), [], True)
    assert isinstance(error, FileNotFoundError)


def test_a_missing_default_directory_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "HOOK_DIRECTORIES", (os.fsencode(tmp_path / "none"),))
    assert search.search(Settings({}, record.empty())) == []


def test_a_default_directory_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(search, "HOOK_DIRECTORIES", (os.fsencode(tmp_path / "file"),))
    ((_, _, error, _),) = search.search(Settings({}, record.empty()))
    assert isinstance(error, NotADirectoryError)
