"""The way down to a directory that is written into: which links are followed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import entrykit
from entrykit.system import descent

UID = 1500


def opened(path: Path | str, make_mode: int = 0) -> str:
    """Return the real path of the directory that is opened."""
    descriptor = descent.open_directory(os.fsencode(path), make_mode)
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a link beside it."""
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "relative").symlink_to("../real")
    (tmp_path / "links" / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "links" / "twice").symlink_to("relative/inner")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("real/inner", "real/inner"),
        ("real//./inner/", "real/inner"),
        ("links/relative/inner", "real/inner"),
        ("links/absolute/inner", "real/inner"),
        ("links/twice/../inner", "real/inner"),
        ("links/../real", "real"),
    ],
)
def test_links_that_nobody_else_can_change_are_followed(
    place: Path, path: str, real: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened(f"{place}/{path}") == f"{place}/{real}"
    monkeypatch.chdir(place)
    assert opened(path) == f"{place}/{real}"
    monkeypatch.chdir(place / "real" / "inner")
    assert opened(f"../../{path}") == f"{place}/{real}"
    assert opened(".") == f"{place}/real/inner"


def test_what_is_missing_is_made_where_that_is_asked(place: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(place / "links" / "relative" / "new")
    assert opened(place / "links" / "relative" / "new" / "deep", 0o755) == f"{place}/real/new/deep"
    assert (place / "real" / "new").stat().st_mode & 0o7777 == 0o755


def test_what_is_no_directory_is_an_error(place: Path) -> None:
    (place / "file").write_text("")
    os.mkfifo(place / "fifo")
    for name in ("file", "fifo", "file/inner"):
        with pytest.raises(NotADirectoryError):
            opened(place / name, 0o755)
    (place / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="link loop"):
        opened(place / "loop")


@pytest.mark.root
@pytest.mark.parametrize(
    ("uid", "mode", "link_uid", "followed"),
    [
        (0, 0o755, 0, True),
        (0, 0o755, UID, False),
        (UID, 0o755, 0, False),
        (0, 0o777, 0, False),
        (0, 0o1777, 0, False),
        (0, 0o775, 0, False),
    ],
)
def test_a_link_that_others_may_have_put_there_is_not_followed(
    place: Path, uid: int, mode: int, link_uid: int, *, followed: bool
) -> None:
    links = place / "links"
    os.chown(links, uid, 0)
    links.chmod(mode)
    os.lchown(links / "relative", link_uid, 0)
    if followed:
        assert opened(links / "relative") == f"{place}/real"
        return
    with pytest.raises(OSError, match="others may have put the link relative in its way"):
        opened(links / "relative")
    # What is no link is entered, whosever it is.
    (links / "inner").mkdir()
    assert opened(links / "inner") == f"{links}/inner"


@pytest.mark.sandbox
def test_a_link_of_the_hosts_root_is_followed_in_a_user_namespace() -> None:
    program = (
        f"import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(entrykit.__file__))!r});"
        "from entrykit.system import descent; descent.open_directory(b'/bin/..')"
    )
    words = ["unshare", "--user", "--map-user=1000", sys.executable, "-ISB", "-c", program]
    assert os.path.islink("/bin")
    ended = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.root
@pytest.mark.parametrize("kind", ["theirs", "everybodys", "link"])
def test_what_was_put_in_a_new_directorys_place_stays_as_it_is(
    place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    other = place / "other"
    other.mkdir()
    if kind == "theirs":
        os.chown(other, UID, UID)
    elif kind == "everybodys":
        other.chmod(0o777)
    before = other.stat()
    make = os.mkdir

    def swapped(name: bytes, mode: int, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        if kind == "link":
            os.symlink(other, name, dir_fd=dir_fd)
        else:
            other.rename(place / "new")

    monkeypatch.setattr("posix.mkdir", swapped)
    directory = os.open(place, os.O_RDONLY)
    try:
        with pytest.raises(
            OSError, match=r"another one was put in its place|Not a directory|links"
        ):
            descent.make_directory(directory, b"new", 0o755, 0, 0)
    finally:
        os.close(directory)
    after = (place / "new").stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)
