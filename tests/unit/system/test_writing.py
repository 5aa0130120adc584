"""Files appear whole or not at all, and nothing is followed out of its directory."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrykit.system import writing
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


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755, 0o400])
@pytest.mark.usefixtures("_umask_that_takes_all")
def test_a_file_has_its_content_and_its_mode_whatever_the_umask(folder: Path, mode: int) -> None:
    writing.write(raw(folder / "file"), b"content\0\xff" * 10_000, mode)
    assert (folder / "file").read_bytes() == b"content\0\xff" * 10_000
    assert (folder / "file").stat().st_mode & 0o7777 == mode
    assert os.listdir(folder) == ["file"]


def test_a_file_that_was_there_is_replaced_and_not_written_into(folder: Path) -> None:
    (folder / "file").write_text("old")
    (folder / "other name").hardlink_to(folder / "file")
    writing.write(raw(folder / "file"), b"new", 0o600)
    assert (folder / "file").read_text() == "new"
    assert (folder / "other name").read_text() == "old"


def test_a_link_in_its_place_is_replaced_and_not_followed(folder: Path) -> None:
    (folder / "target").write_text("kept")
    (folder / "file").symlink_to("target")
    writing.write(raw(folder / "file"), b"new", 0o644)
    assert not (folder / "file").is_symlink()
    assert (folder / "file").read_text() == "new"
    assert (folder / "target").read_text() == "kept"


def test_a_fifo_in_its_place_is_replaced(folder: Path) -> None:
    os.mkfifo(folder / "file")
    writing.write(raw(folder / "file"), b"new", 0o644)
    assert (folder / "file").read_text() == "new"


def test_a_name_may_have_all_the_bytes_that_names_may_have(folder: Path) -> None:
    name = b"\xff\n" + b"x" * 253
    writing.write(raw(folder) + b"/" + name, b"new", 0o644)
    assert os.listdir(raw(folder)) == [name]


def test_a_relative_path_is_written_in_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    writing.write(b"file", b"new", 0o644)
    assert (folder / "file").read_text() == "new"


def test_a_group_is_set(folder: Path) -> None:
    for group in {-1, os.getegid(), *os.getgroups(), *([1234] if os.geteuid() == 0 else [])}:
        writing.write(raw(folder / "file"), b"", 0o640, group)
        status = (folder / "file").stat()
        assert status.st_gid == (os.getegid() if group == -1 else group)
        assert status.st_mode & 0o7777 == 0o640


@pytest.mark.root
def test_an_owner_is_set(folder: Path) -> None:
    writing.write(raw(folder / "file"), b"", 0o640, 1234, 2345)
    status = (folder / "file").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (2345, 1234, 0o640)


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
    batch = [(name.encode(), name.encode(), 0o640, -1, -1) for name in names]
    writing.write_below(root, raw(folder) + b"/", batch, sync=sync)
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
    batch = [(name, b"new", 0o644, -1, -1) for name in (b"file", b"new", bad)]
    with pytest.raises(StartError, match=f"cannot write {folder}/{bad.decode()}: "):
        writing.write_below(root, raw(folder) + b"/", batch)
    assert everything(folder) == before
    assert os.listdir(tmp_path / "out") == []


def test_a_batch_for_which_there_is_no_room_changes_nothing(folder: Path, root: int) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (folder / "a").write_text("old")
    batch = [(b"a", b"new", 0o644, -1, -1), (b"b", b"x" * 2000, 0o644, -1, -1)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StartError, match="/b: file too large"):
            writing.write_below(root, raw(folder) + b"/", batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert everything(folder) == {"a": "old"}


def test_a_batch_that_cannot_take_a_place_leaves_nothing_beside_it(folder: Path, root: int) -> None:
    (folder / "a").mkdir()
    batch = [(b"a", b"new", 0o644, -1, -1), (b"b", b"new", 0o644, -1, -1)]
    with pytest.raises(StartError, match=r"cannot write .*/a: is a directory"):
        writing.write_below(root, raw(folder) + b"/", batch)
    assert set(everything(folder)) <= {"a", "b"}


@pytest.mark.usefixtures("_umask_that_takes_all")
def test_directories_are_made_below_one_and_stay_as_they_are(folder: Path, root: int) -> None:
    assert writing.make_below(root, b"a", 0o750)
    assert writing.make_below(root, b"a/b", 0o711)
    assert not writing.make_below(root, b"a", 0o777)
    modes = [(folder / name).stat().st_mode & 0o7777 for name in ("a", "a/b")]
    assert modes == [0o750, 0o711]


def test_no_link_is_followed_below_a_directory(folder: Path, root: int, tmp_path: Path) -> None:
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "out")
    for path in (b"link", b"link/sub"):
        with pytest.raises(OSError, match=r"ot a directory|symbolic"):
            os.close(writing.open_below(root, path))
    with pytest.raises(OSError, match=r"ot a directory|symbolic"):
        writing.make_below(root, b"link/new", 0o755)
    assert os.listdir(tmp_path / "out") == ["sub"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may give a file any group")
def test_a_group_that_cannot_be_set_leaves_nothing_behind(folder: Path) -> None:
    with pytest.raises(StartError, match="not permitted"):
        writing.write(raw(folder / "file"), b"", 0o640, 0)
    assert os.listdir(folder) == []


def test_a_directory_in_its_place_is_an_error_that_leaves_nothing_behind(folder: Path) -> None:
    (folder / "file").mkdir()
    with pytest.raises(StartError, match=r"cannot write .*/file: is a directory"):
        writing.write(raw(folder / "file"), b"new", 0o644)
    assert os.listdir(folder) == ["file"]


def test_a_file_system_without_room_leaves_nothing_behind(
    folder: Path,
) -> None:
    """As a full tmpfs does, but without a mount: the content is what no file can hold."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (folder / "file").write_text("old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StartError, match=r"cannot write .*/file: file too large"):
            writing.write(raw(folder / "file"), b"x" * 2000, 0o644)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(folder) == ["file"]
    assert (folder / "file").read_text() == "old"


@pytest.mark.parametrize("path", ["none/file", "link/file", "regular/file"])
def test_a_directory_that_is_none_is_an_error(folder: Path, path: str) -> None:
    (folder / "link").symlink_to("none")
    (folder / "regular").touch()
    with pytest.raises(StartError, match=rf"cannot write .*/{path}: "):
        writing.write(raw(folder / path), b"", 0o644)


def test_a_file_is_removed_and_a_link_is_not_followed(folder: Path) -> None:
    (folder / "target").touch()
    (folder / "link").symlink_to("target")
    assert writing.remove(raw(folder / "link"))
    assert not writing.remove(raw(folder / "link"))
    assert os.listdir(folder) == ["target"]
    with pytest.raises(StartError, match="cannot remove"):
        writing.remove(raw(folder))


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o755, 0o1777])
@pytest.mark.usefixtures("_umask_that_takes_all")
def test_a_directory_has_its_mode_whatever_the_umask(folder: Path, mode: int) -> None:
    writing.make_directory(raw(folder / "new"), mode)
    assert (folder / "new").stat().st_mode & 0o7777 == mode


def test_no_link_is_opened_as_a_directory(folder: Path) -> None:
    (folder / "link").symlink_to("/")
    with pytest.raises(OSError, match=r"ot a directory|symbolic"):
        writing.open_directory(raw(folder / "link"))


def test_names_keep_their_bytes(folder: Path) -> None:
    for name in (b"\xff", b"a\nb", "é".encode()):
        (folder / os.fsdecode(name)).touch()
    directory = writing.open_directory(raw(folder))
    try:
        assert sorted(writing.names_in(directory)) == [b"a\nb", "é".encode(), b"\xff"]
    finally:
        os.close(directory)


def test_a_tree_is_removed_without_following_a_link_out_of_it(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "out").symlink_to(kept)
    (folder / "a" / os.fsdecode(b"\xff\n")).touch()
    os.mkfifo(folder / "a" / "fifo")
    writing.remove_tree(raw(folder))
    assert not folder.exists()
    assert (kept / "file").exists()


def test_a_directory_is_emptied_but_for_one_name(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "kept").touch()
    (folder / "kept").touch()
    writing.empty(raw(folder), but_for="kept")
    assert os.listdir(folder) == ["kept"]


def test_a_file_system_without_blocks_is_never_full() -> None:
    assert not writing.is_full(b"/proc")


MOUNT_AND_WRITE = """
mount --bind "$1/file" "$1/file" || exit 77
"$2" -c '
import sys
from entrykit.system import writing
from entrykit.system.errors import StartError
try:
    writing.write(sys.argv[1].encode(), b"new", 0o644)
except StartError as error:
    print(error.problems[0])
' "$1/file" || exit 3
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare")
def test_a_file_that_is_mounted_says_to_mount_its_directory(folder: Path) -> None:
    (folder / "file").write_text("old")
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT_AND_WRITE]
    done = subprocess.run(
        [*words, "sh", folder, sys.executable], capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 3):
        pytest.skip(f"no mount in a user namespace: {done.stderr.strip()}")
    assert "device or resource busy" in done.stdout
    assert "it is mounted as a single file: mount its directory instead" in done.stdout
    assert os.listdir(folder) == ["file"]
    assert (folder / "file").read_text() == "old"
