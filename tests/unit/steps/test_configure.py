"""Defaults, the configuration file, ENTRYKIT_* and options, each above the one before."""

import os
from pathlib import Path

import pytest

from entrykit.settings import record
from entrykit.steps import configure
from entrykit.steps.inherited import Environment
from entrykit.system.errors import StartError


@pytest.fixture
def file(tmp_path: Path) -> bytes:
    """Return a configuration file."""
    path = tmp_path / "entrykit.toml"
    path.write_text("program = '/srv/x'\ntimeout = 5\n")
    return os.fsencode(path)


def test_a_configuration_file_is_read(file: bytes) -> None:
    settings = configure.load({"config": file}, None)
    assert settings.program == [b"/srv/x"]
    assert settings.timeout_seconds == pytest.approx(5)
    assert settings.hook_directories is None
    assert settings.skip == []


def test_what_is_given_stands_above_the_file(file: bytes) -> None:
    given = {
        "config": file, "program": b" java  -jar \xff ", "timeout": b"1m", "hooks": b"/a::/b",
        "skip": b"x,,y z",
    }  # fmt: skip
    settings = configure.load(given, None)
    assert settings.program == [b"java", b"-jar", b"\xff"]
    assert settings.timeout_seconds == pytest.approx(60)
    assert settings.hook_directories == [b"/a", b"/b"]
    assert settings.skip == [b"x", b"y z"]


def test_empty_is_unset(file: bytes) -> None:
    settings = configure.load({"config": file, "program": b" ", "timeout": b"", "hooks": b""}, None)
    assert settings.program == [b"/srv/x"]
    assert settings.timeout_seconds == pytest.approx(5)
    assert settings.hook_directories is None


def test_without_a_file_at_its_usual_place_the_defaults_hold(tmp_path: Path) -> None:
    nowhere = os.fsencode(tmp_path / "none.toml")
    settings = configure.load({}, (nowhere, None, None))
    assert settings.configuration == record.empty()
    assert settings.program == []


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"none\.toml: no such file") as refusal:
        configure.load({"config": os.fsencode(tmp_path / "none.toml")}, None)
    assert refusal.value.status == 78


@pytest.mark.parametrize("kind", ["directory", "FIFO", "dangling link"])
def test_a_file_at_its_usual_place_that_cannot_be_read_is_an_error(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "entrykit.toml"
    if kind == "directory":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    with pytest.raises(StartError, match="cannot read"):
        configure.load({}, (os.fsencode(path), None, None))


def baked(file: bytes, content: bytes | None) -> configure.Settings:
    """Load what a launcher brings, whose own record says another program than the file."""
    configuration = record.empty()
    configuration["program"] = ["baked"]
    return configure.load({}, (file, content, configuration))


def test_a_file_that_is_as_it_was_baked_is_not_parsed_again(file: bytes) -> None:
    content = Path(os.fsdecode(file)).read_bytes()
    assert baked(file, content).program == [b"baked"]


def test_a_file_that_differs_from_what_was_baked_is_parsed_afresh(file: bytes) -> None:
    assert baked(file, b"program = 'old'\n").program == [b"/srv/x"]
    assert baked(file, None).program == [b"/srv/x"]


def test_a_file_that_was_baked_and_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no such file") as refusal:
        baked(os.fsencode(tmp_path / "none"), b"")
    assert refusal.value.status == 78


def test_no_file_as_none_was_baked_is_as_baked(tmp_path: Path) -> None:
    assert baked(os.fsencode(tmp_path / "none"), None).program == [b"baked"]


def test_a_mistake_in_the_file_names_it_and_the_line(file: bytes) -> None:
    Path(os.fsdecode(file)).write_text("\nprogam = 'x'\n")
    with pytest.raises(StartError) as refusal:
        configure.load({"config": file}, None)
    ((where, _, _),) = refusal.value.problems
    assert where == f"{os.fsdecode(file)}:2"


def test_entrykits_own_variables_are_taken_away() -> None:
    environment = Environment([b"A=1", b"ENTRYKIT_SKIP=x", b"ENTRYKIT_LOG=", b"ENTRYKITX=2"])
    assert configure.read_own_variables(environment) == {"skip": b"x"}
    assert environment.plain() == {b"A": b"1", b"ENTRYKITX": b"2"}
