"""Many files appear together or not at all, and nothing is followed out of their directory."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrykit.system import batch, writing
from entrykit.system.errors import StartError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files are written."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def _umask_that_takes_all(folder: Path) -> Iterator[None]:
    assert folder.is_dir()
    before = os.umask(0o777)
    yield
    os.umask(before)


def raw(path: Path) -> bytes:
    return os.fsencode(path)


@pytest.fixture
def root(folder: Path) -> Iterator[int]:
    """Return the descriptor of the directory."""
    descriptor = writing.open_directory(raw(folder))
    yield descriptor
    os.close(descriptor)


def everything(folder: Path) -> dict[str, str]:
    """Return what lies below a directory, hidden files too, with the content of each file."""
    return {
        str(path.relative_to(folder)): "/" if path.is_dir() else path.read_text()
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.usefixtures("_umask_that_takes_all")
def test_a_batch_of_any_size_is_written(folder: Path, root: int, *, sync: bool) -> None:
    (folder / "0").write_text("old")
    (folder / "sub").mkdir(0o755)
    (folder / "sub").chmod(0o755)
    names = [str(number) for number in range(900)] + ["sub/a"]
    files = [(name.encode(), name.encode(), 0o640, -1, -1) for name in names]
    batch.write(root, raw(folder) + b"/", files, sync=sync)
    assert everything(folder) == {"sub": "/"} | {name: name for name in names}
    assert {(folder / name).stat().st_mode & 0o7777 for name in names} == {0o640}


@pytest.mark.parametrize("bad", [b"none/a", b"link/a", b"file/a"])
def test_a_batch_with_a_file_that_cannot_be_written_changes_nothing(
    folder: Path, root: int, tmp_path: Path, bad: bytes
) -> None:
    (tmp_path / "out").mkdir()
    (folder / "link").symlink_to(tmp_path / "out")
    (folder / "file").write_text("old")
    before = everything(folder)
    files = [(name, b"new", 0o644, -1, -1) for name in (b"file", b"new", bad)]
    with pytest.raises(StartError, match=f"cannot write {folder}/{bad.decode()}: "):
        batch.write(root, raw(folder) + b"/", files)
    assert everything(folder) == before
    assert os.listdir(tmp_path / "out") == []


def test_a_batch_for_which_there_is_no_room_changes_nothing(folder: Path, root: int) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (folder / "a").write_text("old")
    files = [(b"a", b"new", 0o644, -1, -1), (b"b", b"x" * 2000, 0o644, -1, -1)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StartError, match="/b: file too large"):
            batch.write(root, raw(folder) + b"/", files)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert everything(folder) == {"a": "old"}


def test_a_batch_that_cannot_take_a_place_leaves_nothing_beside_it(folder: Path, root: int) -> None:
    (folder / "a").mkdir()
    files = [(b"a", b"new", 0o644, -1, -1), (b"b", b"new", 0o644, -1, -1)]
    with pytest.raises(StartError, match=r"cannot write .*/a: is a directory"):
        batch.write(root, raw(folder) + b"/", files)
    assert set(everything(folder)) <= {"a", "b"}


@pytest.mark.usefixtures("_umask_that_takes_all")
def test_directories_are_made_below_one_and_stay_as_they_are(folder: Path, root: int) -> None:
    assert batch.make_directory(root, b"a", 0o750)
    assert batch.make_directory(root, b"a/b", 0o711)
    assert not batch.make_directory(root, b"a", 0o777)
    modes = [(folder / name).stat().st_mode & 0o7777 for name in ("a", "a/b")]
    assert modes == [0o750, 0o711]


def test_no_link_is_followed_below_a_directory(folder: Path, root: int, tmp_path: Path) -> None:
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "out")
    for path in (b"link", b"link/sub"):
        with pytest.raises(OSError, match=r"ot a directory|symbolic"):
            os.close(writing.open_below(root, path))
    with pytest.raises(OSError, match=r"ot a directory|symbolic"):
        batch.make_directory(root, b"link/new", 0o755)
    assert os.listdir(tmp_path / "out") == ["sub"]
