"""Which files changed: what the layers of the sandbox hold, told as a person would."""

import os
from pathlib import Path

import pytest

from entrykit.testing import Entrypoint, Outcome

pytestmark = pytest.mark.sandbox


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory of this machine with a file, a directory and a link."""
    place = tmp_path / "place"
    (place / "inner" / "deep").mkdir(parents=True)
    (place / "file").write_text("a\n", encoding="utf-8")
    (place / "inner" / "old").write_text("o\n", encoding="utf-8")
    (place / "link").symlink_to("file")
    return place


def run(entrypoint: Entrypoint, *lines: str) -> Outcome:
    """Run a hook of these lines."""
    hook = "\n".join(("set -e", *lines, ""))
    outcome = entrypoint(["true"], hooks={"10-a.sh": hook})
    assert outcome.started_command, outcome.summary
    return outcome


def test_what_is_written_anew_as_it_was_has_not_changed(
    entrypoint: Entrypoint, place: Path
) -> None:
    outcome = run(entrypoint, f"echo a >{place}/file", f"touch {place}/inner/old")
    assert (dict(outcome.files), outcome.directories, outcome.removed) == ({}, {}, set())


def test_what_was_there_is_told_beside_what_is(entrypoint: Entrypoint, place: Path) -> None:
    outcome = run(entrypoint, f"printf '\\377' >{place}/file", f"ln -sf other {place}/link")
    file, link = outcome.files[f"{place}/file"], outcome.files[f"{place}/link"]
    assert file.bytes == b"\xff"
    assert file.before is not None
    assert file.before.text == "a\n"
    assert file.diff("x") == ""
    assert (link.kind, link.bytes) == ("link", b"other")


def test_a_mode_alone_is_a_change(entrypoint: Entrypoint, place: Path) -> None:
    outcome = run(entrypoint, f"chmod 600 {place}/file", f"chmod 700 {place}/inner")
    assert outcome.files[f"{place}/file"].mode == 0o600
    assert {path: one.mode for path, one in outcome.directories.items()} == {
        f"{place}/inner": 0o700
    }


def test_a_directory_that_is_removed_is_told_once(entrypoint: Entrypoint, place: Path) -> None:
    outcome = run(entrypoint, f"rm -r {place}/inner")
    assert outcome.removed == {f"{place}/inner"}
    assert sorted(os.listdir(place)) == ["file", "inner", "link"]


def test_a_directory_that_is_made_anew_lacks_what_was_in_it(
    entrypoint: Entrypoint, place: Path
) -> None:
    lines = [f"rm -r {place}/inner", f"mkdir {place}/inner", f"echo n >{place}/inner/new"]
    outcome = run(entrypoint, *lines)
    assert set(outcome.files) == {f"{place}/inner/new"}
    assert outcome.removed == {f"{place}/inner/old", f"{place}/inner/deep"}


def test_a_new_directory_at_the_top_is_shown(entrypoint: Entrypoint) -> None:
    outcome = run(entrypoint, "mkdir /entrykit-new", "echo x >/entrykit-new/file")
    assert set(outcome.files) == {"/entrykit-new/file"}
    assert set(outcome.directories) == {"/entrykit-new"}
    assert not Path("/entrykit-new").exists()


@pytest.mark.root
def test_root_gives_files_to_others(entrypoint: Entrypoint, place: Path) -> None:
    outcome = run(entrypoint, f"chown 33:44 {place}/file", f"mkfifo {place}/fifo")
    assert outcome.files[f"{place}/file"].owner == (33, 44)
    assert outcome.files[f"{place}/fifo"].kind == "other"
    assert (place / "file").stat().st_uid == 0


def test_a_file_that_did_not_change_is_named_with_those_that_did(
    entrypoint: Entrypoint, place: Path
) -> None:
    outcome = run(entrypoint, f"echo b >{place}/file")
    with pytest.raises(AssertionError, match="neither made nor changed /etc/x; it did these: /"):
        outcome.files["/etc/x"]
