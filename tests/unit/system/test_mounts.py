"""The mount table: which mounts show the same file, and which can be written to."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.system import mounts


def mount(root: str, point: str, more: str = "8:1 rw - ext4 /dev/sda1 rw") -> mounts.Mount:
    """Return a mount: device, options, and what follows the optional fields."""
    device, options, *rest = more.split(" ")
    return mounts.Mount(
        f"36 35 {device} {root} {point} {options} {' '.join(rest)}".encode().split(b" ")
    )


@pytest.mark.parametrize(
    ("root", "path", "shown"),
    [
        ("/", "/m/x", True),
        ("/data", "/m/x", True),
        ("/data/hooks", "/m/x", True),
        ("/data/hooks/x", "/m/x", True),
        ("/data/hooks/x", "/m", False),
        ("/data/hooks/y", "/m/x", False),
        ("/data/hook", "/m/x", False),
        ("/dat", "/m", False),
        ("/data/hooks", "/m", True),
    ],
)
def test_a_mount_shows_what_lies_below_its_root(root: str, path: str, *, shown: bool) -> None:
    own = mount("/data/hooks", "/m")
    assert mount(root, "/elsewhere").shows(own, path.encode()) is shown


def test_another_file_system_shows_nothing_of_it() -> None:
    other = mount("/", "/elsewhere", "8:2 rw - ext4 /dev/sda1 rw")
    assert not other.shows(mount("/", "/m"), b"/m/x")


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("nfs4 server:/a/b", "nfs4 server:/a", True),
        ("nfs4 server:/a/b", "nfs4 server:/a/c", False),
        ("nfs4 server:/a/b", "nfs4 elsewhere:/a", False),
        ("cifs //server/a/b", "cifs //server/a", True),
        ("virtiofs share", "virtiofs share", True),
        ("tmpfs none", "tmpfs none", False),
        ("ext4 /dev/sda1", "nfs4 server:/", False),
    ],
)
def test_what_a_server_has_is_told_by_its_name(one: str, other: str, *, shown: bool) -> None:
    own = mount("/", "/m", f"0:40 ro - {one} rw")
    assert mount("/", "/n", f"0:41 rw - {other} rw").shows(own, b"/m/x") is shown


@pytest.mark.parametrize(
    ("more", "writable"),
    [
        ("8:1 rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro", True),
        ("8:1 ro,relatime - ext4 /dev/sda1 rw", False),
        ("8:1 rw - ext4 /dev/sda1 ro", False),
        ("8:1 rw - tmpfs  rw", True),
    ],
)
def test_mount_and_file_system_can_be_read_only(more: str, *, writable: bool) -> None:
    assert mount("/", "/m", more).is_writable is writable


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_a_name_comes_back_as_it_was(name: bytes) -> None:
    # As seq_path(9) escapes it.
    escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in name)
    found = mounts.Mount([b"1", b"1", b"0:1", b"/" + escaped, b"/", b"rw", b"-", b"a", b"b", b"rw"])
    assert found.root == b"/" + name


def test_the_own_table_has_the_mount_of_every_file() -> None:
    table = mounts.read()
    descriptor = os.open("/proc/self", os.O_RDONLY)
    try:
        number = mounts.id_of_open(descriptor)
    finally:
        os.close(descriptor)
    assert table[number].point == b"/proc"
    assert mounts.id_of(b"/proc/self/status") == number
