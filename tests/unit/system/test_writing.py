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


WRITES_ON = """
import itertools, os, sys
os.chdir(sys.argv[1])
for turn in itertools.count():
    if turn == 500:
        print("ready", flush=True)
    number = turn % 500
    try:
        os.mkdir(f"{os.getpid()}-{number}")
        os.mkdir(f"{os.getpid()}-{number}/d")
    except OSError:
        pass
"""


def test_where_others_go_on_writing_it_ends_in_an_error(folder: Path) -> None:
    (folder / "one").mkdir()
    words = [sys.executable, "-IS", "-c", WRITES_ON, str(folder / "one")]
    others = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for one in others:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        with pytest.raises(OSError, match="others go on writing there"):
            writing.empty(os.fsencode(folder / "one"))
    finally:
        for one in others:
            one.kill()
            one.communicate()


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


def test_a_directory_is_cleared_and_stays(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").touch()
    (folder / "a").chmod(0o750)
    writing.clear(raw(folder / "a"))
    assert list((folder / "a").iterdir()) == []
    assert (folder / "a").stat().st_mode & 0o7777 == 0o750


def test_a_file_and_a_link_are_cleared_away(folder: Path) -> None:
    (folder / "kept").touch()
    (folder / "link").symlink_to("kept")
    (folder / "file").touch()
    for name in ("link", "file", "file", "no/where"):
        writing.clear(raw(folder / name))
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_what_lies_behind_a_link_is_not_cleared(folder: Path) -> None:
    (folder / "real" / "data").mkdir(parents=True)
    (folder / "real" / "data" / "kept").touch()
    (folder / "link").symlink_to("real")
    with pytest.raises(NotADirectoryError):
        writing.clear(raw(folder / "link" / "data"))
    assert (folder / "real" / "data" / "kept").exists()


def test_a_durable_file_is_one_as_well(folder: Path) -> None:
    writing.write(raw(folder / "file"), b"content", 0o600, is_durable=True)
    assert (folder / "file").read_bytes() == b"content"
