"""Reading never blocks, is bounded, and says what is in its way."""

import errno
import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from entrykit.system import files
from entrykit.system.errors import StartError


def path_of(place: bytes, name: str = "file") -> Path:
    return Path(os.fsdecode(place)) / name


@pytest.mark.parametrize("content", [b"", b"x", b"\0\xff\r\n", b"x" * 4096, b"x" * 100_000])
def test_a_file_is_read_whole(place: bytes, content: bytes) -> None:
    path_of(place).write_bytes(content)
    assert files.read(place + b"/file", 100_000) == content


def test_a_file_that_claims_to_be_empty_is_read_whole() -> None:
    """As all under /proc do."""
    expected = Path("/proc/self/cmdline").read_bytes()
    assert files.read(b"/proc/self/cmdline", 1 << 20) == expected


def test_a_file_that_claims_to_be_empty_is_bounded_too() -> None:
    with pytest.raises(StartError, match="it has more than 3 bytes"):
        files.read(b"/proc/self/cmdline", 3)


@pytest.mark.parametrize("limit", [0, 1, 9])
def test_a_larger_file_than_allowed_is_refused(place: bytes, limit: int) -> None:
    path_of(place).write_bytes(b"0123456789")
    with pytest.raises(StartError, match=f"it has 10 bytes, more than {limit}"):
        files.read(place + b"/file", limit)


@pytest.mark.parametrize("limit", [1, 9, 10, 11, 4096])
def test_a_larger_file_is_cut_where_that_is_asked_for(place: bytes, limit: int) -> None:
    path_of(place).write_bytes(b"0123456789")
    assert files.read(place + b"/file", limit, cut=True) == b"0123456789"[:limit]


def test_a_file_of_proc_is_cut_too() -> None:
    expected = Path("/proc/self/exe").read_bytes()[:20]
    assert files.read(b"/proc/self/exe", 20, cut=True) == expected
    assert files.read(b"/proc/self/status", 5, cut=True) == b"Name:"


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.mkdir()


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "kind"),
    [(_fifo, "a FIFO"), (_directory, "a directory"), (_device, "a character device")],
)
def test_what_is_no_regular_file_is_refused_without_waiting(
    place: bytes, make: Callable[[Path], None], kind: str
) -> None:
    make(path_of(place))
    with pytest.raises(StartError, match=f"file: it is {kind}, not a regular file"):
        files.read(place + b"/file", 100)


def test_a_socket_is_refused(place: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # The path of a socket has at most 107 bytes (unix(7)).
    monkeypatch.chdir(os.fsdecode(place))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("file")
        with pytest.raises(StartError, match="cannot read file"):
            files.read(b"file", 100)


def test_a_link_is_followed_only_where_that_is_allowed(place: bytes) -> None:
    path_of(place, "target").write_bytes(b"x")
    path_of(place, "link").symlink_to("target")
    assert files.read(place + b"/link", 100) == b"x"
    with pytest.raises(StartError, match="cannot read"):
        files.read(place + b"/link", 100, follow=False)


def test_a_relative_path_may_start_from_an_open_directory(place: bytes) -> None:
    path_of(place).write_bytes(b"x")
    directory = os.open(place, os.O_RDONLY)
    try:
        assert files.read(b"file", 100, within=directory) == b"x"
    finally:
        os.close(directory)


def test_a_file_that_cannot_be_read_is_named_on_one_line(place: bytes) -> None:
    with pytest.raises(StartError, match=r"cannot read .*/a\\nb\\xff: no such file") as refusal:
        files.read(place + b"/a\nb\xff", 100)
    assert refusal.value.status == 78


def test_no_descriptor_stays_open(place: bytes) -> None:
    path_of(place).write_bytes(b"x" * 10)
    before = set(files.open_descriptors())
    for path, limit in ((b"/file", 10), (b"/file", 1), (b"", 1), (b"/none", 1)):
        try:
            files.read(place + path, limit)
        except StartError:
            continue
    assert set(files.open_descriptors()) == before


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.EACCES, f"make it accessible for uid {os.geteuid()}"),
        (errno.EBUSY, "it is mounted as a single file: mount its directory instead"),
        (errno.ENOSPC, "make room there"),
        (errno.EROFS, "mount a tmpfs or a volume there"),
        (errno.EIO, ""),
    ],
)
def test_an_error_of_the_system_is_told_with_its_mend(number: int, mend: str) -> None:
    error = files.cannot("write", b"/x", OSError(number, os.strerror(number)))
    ((where, message, hint),) = error.problems
    assert where == ""
    assert re.fullmatch("cannot write /x: [a-z].*", message) or number == errno.EIO
    assert hint == mend


@pytest.mark.parametrize(("path", "is_null"), [("/dev/null", 1), ("/dev/zero", 0), ("/", 0)])
def test_the_null_device_is_known_by_its_numbers(path: str, *, is_null: int) -> None:
    assert files.is_null_device(os.stat(path)) == is_null


def test_a_descriptor_is_inheritable_or_not() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # noqa: FBT003 - it has no name
    assert {reader, writer} <= set(files.open_descriptors())
    assert not files.is_inheritable(reader)
    assert files.is_inheritable(writer)
    os.close(reader)
    os.close(writer)
    assert not files.is_inheritable(writer)


def test_a_file_that_is_handed_over_in_pieces_is_read_whole() -> None:
    """One read of such a file gives a page at most (it is made by the kernel's seq_file)."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write(b"ready\n")
        cat.stdin.flush()
        # From here on it waits, and its memory stays as it is.
        assert cat.stdout.readline() == b"ready\n"
        path = f"/proc/{cat.pid}/smaps"
        expected = Path(path).read_bytes()
        assert len(expected) > 8192
        assert len(files.read(path.encode(), 1 << 20)) == len(expected)
        assert len(files.read(path.encode(), 8000, cut=True)) == 8000
        cat.stdin.close()


@pytest.mark.parametrize("size", [0, 1, 4096, 100_000])
def test_a_file_of_the_kernels_is_read_to_its_end(place: bytes, size: int) -> None:
    path = place + b"/file"
    Path(os.fsdecode(path)).write_bytes(b"x" * size)
    assert files.read_kernel_file(path) == b"x" * size


@pytest.mark.parametrize("path", ["/no/such", "/proc", "/dev/zero"])
def test_what_is_no_file_of_the_kernels_or_has_no_end_is_none(path: str) -> None:
    assert files.read_kernel_file(path) is None


def test_a_fifo_in_the_place_of_a_file_of_the_kernels_is_not_waited_for(place: bytes) -> None:
    os.mkfifo(place + b"/fifo")
    assert files.read_kernel_file(place + b"/fifo") == b""
