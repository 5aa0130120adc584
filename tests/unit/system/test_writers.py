"""Who can write: what a user can change of a file, and of all that leads to it."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import entrykit
from entrykit.system import writers

pytestmark = pytest.mark.root

UID, GID, OTHER = 1500, 1600, 1700


def found(
    path: Path, uid: int = UID, gids: tuple[int, ...] = (GID,), *, is_listed: bool = False
) -> dict[str, str]:
    """Return what the user can write of what leads to a path, and how, by path."""
    writer = writers.Writer(uid, gids)
    writable = writer.writable(os.fsencode(path), is_listed=is_listed)
    return {os.fsdecode(one): " and ".join(writer.ways[one].hows) for one in writable}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a file in two directories that nobody but root can write."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "hook").write_text("x")
    return tmp_path / "a" / "b" / "hook"


def give_acl(path: Path, *, mask: int) -> None:
    """Let UID write to a file by an ACL whose mask is this (acl(5), linux/posix_acl_xattr.h)."""
    nobody = 0xFFFFFFFF
    entries = [
        (0x01, 7, nobody), (0x02, 6, UID), (0x04, 4, nobody), (0x10, mask, nobody),
        (0x20, 4, nobody),
    ]  # fmt: skip
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError as error:
        pytest.skip(f"the file system of {path} takes no ACLs: {error}")


def test_what_only_root_can_write_is_clean(place: Path) -> None:
    assert found(place) == {}
    assert found(place.parent, is_listed=True) == {}


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "how"),
    [
        (0o644, UID, 0, "as its owner"),
        (0o400, UID, 0, "as its owner"),
        (0o664, 0, GID, f"through its group, {GID}"),
        (0o646, 0, 0, "as everybody can"),
        (0o666, UID, GID, f"as its owner and through its group, {GID} and as everybody can"),
        (0o664, 0, 0, ""),
        (0o664, OTHER, OTHER, ""),
    ],
)
def test_a_file_and_a_directory_count_by_owner_group_and_all(
    place: Path, mode: int, uid: int, gid: int, how: str
) -> None:
    os.chown(place, uid, gid)
    place.chmod(mode)
    assert found(place) == ({str(place): how} if how else {})
    directory = place.parent
    os.chown(place, 0, 0)
    place.chmod(0o644)
    os.chown(directory, uid, gid)
    directory.chmod(mode | 0o111)
    assert found(place) == ({str(directory): how} if how else {})
    assert found(directory, is_listed=True) == ({str(directory): how} if how else {})


def test_what_a_directory_holds_is_not_asked_for_but_where_it_is_listed(place: Path) -> None:
    place.parent.chmod(0o777)
    assert found(place.parent) == {}


def test_a_group_bit_is_everybodys_where_there_is_an_acl(place: Path) -> None:
    give_acl(place, mask=6)
    assert found(place) == {str(place): "by its ACL, for all that its mode says"}
    give_acl(place, mask=4)
    assert found(place) == {}


def test_every_directory_above_counts(place: Path) -> None:
    place.parent.parent.chmod(0o777)
    assert found(place) == {str(place.parent.parent): "as everybody can"}


def test_a_link_counts_by_where_it_lies_and_where_it_leads(tmp_path: Path) -> None:
    lies, leads = tmp_path / "lies", tmp_path / "leads"
    lies.mkdir()
    leads.mkdir()
    (leads / "hook").write_text("x")
    (lies / "link").symlink_to("../leads/hook")
    # Who owns a link cannot change it.
    os.lchown(lies / "link", UID, GID)
    assert found(lies / "link") == {}
    lies.chmod(0o777)
    leads.chmod(0o777)
    assert set(found(lies / "link")) == {str(lies), str(leads)}


def test_a_linked_directory_counts_on_the_way(place: Path, tmp_path: Path) -> None:
    middle = tmp_path / "middle"
    middle.mkdir()
    (middle / "b").symlink_to(place.parent)
    (tmp_path / "start").symlink_to(middle)
    assert found(tmp_path / "start" / "b" / ".." / "b" / "hook") == {}
    middle.chmod(0o777)
    assert set(found(tmp_path / "start" / "b" / "hook")) == {str(middle)}


def test_a_hard_link_is_the_file_itself(place: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o777)
    (tmp_path / "theirs" / "script").write_text("x")
    os.chown(tmp_path / "theirs" / "script", UID, GID)
    (place.parent / "second").hardlink_to(tmp_path / "theirs" / "script")
    assert found(place.parent / "second") == {str(place.parent / "second"): "as its owner"}


def test_in_a_sticky_directory_only_another_ones_directory_is_safe(
    place: Path, tmp_path: Path
) -> None:
    top = tmp_path / "a"
    top.chmod(0o1777)
    assert found(place) == {}
    os.chown(top / "b", UID, 0)
    assert set(found(place)) == {str(top), str(top / "b")}
    (top / "file").write_text("x")
    assert set(found(top / "file")) == {str(top)}
    (top / "link").symlink_to(place)
    assert str(top) in found(top / "link")
    os.chown(top / "b", 0, 0)
    os.chown(top, UID, 0)
    assert set(found(place)) == {str(top)}


def test_a_sticky_directory_that_is_listed_is_not_safe(place: Path) -> None:
    place.parent.chmod(0o1777)
    assert set(found(place.parent, is_listed=True)) == {str(place.parent)}


def test_a_relative_path_starts_in_the_working_directory(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.parent)
    place.parent.chmod(0o777)
    assert set(found(Path("hook"))) == {str(place.parent)}


def test_what_is_missing_is_an_error(place: Path) -> None:
    with pytest.raises(FileNotFoundError):
        found(place.parent / "none")
    (place.parent / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        found(place.parent / "loop")


def test_what_is_missing_where_the_user_can_write_is_only_not_there_yet(place: Path) -> None:
    place.parent.chmod(0o1777)
    assert set(found(place.parent / "none")) == {str(place.parent)}
    assert set(found(place.parent / "none" / "deeper")) == {str(place.parent)}
    assert set(found(place / "below a file")) == {str(place.parent)}


def test_a_descriptor_counts_by_its_file(place: Path) -> None:
    with place.open() as file:
        descriptor = Path(f"/proc/self/fd/{file.fileno()}")
        assert found(descriptor) == {}
        place.parent.chmod(0o777)
        assert set(found(descriptor)) == {str(place.parent)}
        place.parent.chmod(0o755)
        place.unlink()
        with pytest.raises(OSError, match="No such file"):
            found(descriptor)
        place.write_text("another")
        place.with_name(f"{place.name} (deleted)").write_text("planted")
        with pytest.raises(OSError, match="through a link of /proc"):
            found(descriptor)


def attempts(top: Path) -> set[str]:
    """Return what a process of the user can write below a directory, by doing it."""
    program = f"""
import os, sys
os.setgroups([{GID}]); os.setgid({GID}); os.setuid({UID})
for directory, names, files in os.walk(sys.argv[1]):
    if os.access(directory, os.W_OK):
        print(directory)
    for name in files:
        try:
            os.close(os.open(directory + "/" + name, os.O_WRONLY))
            print(directory + "/" + name)
        except OSError:
            pass
"""
    done = subprocess.run(
        [sys.executable, "-IS", "-c", program, str(top)], check=True, capture_output=True, text=True
    )
    return set(done.stdout.splitlines())


class_of = st.tuples(
    st.integers(0, 0o777), st.sampled_from([0, UID, OTHER]), st.sampled_from([0, GID, OTHER])
)


@given(directory=class_of, file=class_of)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_the_user_can_write_in_truth_is_found(
    place: Path, directory: tuple[int, int, int], file: tuple[int, int, int]
) -> None:
    for above in (place.parents[2], place.parents[1]):
        above.chmod(0o755)
    for one, (mode, uid, gid) in ((place.parent, directory), (place, file)):
        os.chown(one, uid, gid)
        one.chmod(mode)
    assert attempts(place.parent) <= set(found(place))


MOUNTING = f"""
import sys
sys.path.insert(0, {os.path.dirname(os.path.dirname(entrykit.__file__))!r})
from entrykit.system import writers
writer = writers.Writer({UID}, [{GID}])
for one in writer.writable(sys.argv[1].encode(), is_listed=True):
    print(one.decode())
"""


@pytest.fixture
def mounted(tmp_path: Path) -> Callable[..., set[str]]:
    """Return what mounts in a namespace of their own, and asks what can be written then.

    In `$T` are a directory `volume` that all can write, with a hook in it, and empty ones.
    """
    for name in ("volume", "hooks", "other", "inner"):
        (tmp_path / name).mkdir()
    (tmp_path / "volume" / "inner").mkdir()
    (tmp_path / "volume" / "inner" / "hook").write_text("x")
    for path in (tmp_path / "volume").rglob("*"):
        path.chmod(0o777)
    (tmp_path / "volume").chmod(0o777)

    def ask(script: str, path: str) -> set[str]:
        done = subprocess.run(
            [
                *("unshare", "--mount", "/bin/sh", "-euc", f'{script}\nexec "$@"', "sh"),
                *(sys.executable, "-IS", "-c", MOUNTING, str(tmp_path / path)),
            ],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "T": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        return {line.removeprefix(f"{tmp_path}/") for line in done.stdout.splitlines()}

    return ask


BIND = 'mount --bind "$T/volume" "$T/hooks"'
READ_ONLY = 'mount -o remount,bind,ro "$T/hooks"'
TMPFS = 'mount -t tmpfs -o mode=777 none "$T/hooks"; echo x >"$T/hooks/hook"'
EVERYTHING_READ_ONLY = 'mount -o remount,ro "$T/hooks"'


@pytest.mark.namespace
def test_a_read_only_mount_that_another_shows_writable_is_no_excuse(
    mounted: Callable[..., set[str]],
) -> None:
    assert mounted(BIND, "hooks/inner") == {"hooks", "hooks/inner"}
    assert mounted(f"{BIND}; {READ_ONLY}", "hooks/inner") == {"hooks", "hooks/inner"}


@pytest.mark.namespace
@pytest.mark.parametrize(
    ("script", "writable"),
    [
        (f"{TMPFS}; {EVERYTHING_READ_ONLY}", set()),
        (f"{TMPFS}; {READ_ONLY}", set()),
        # The volume twice, once writable: the whole, a directory around it, one beside it.
        (f'{TMPFS}; mount --bind "$T/hooks" "$T/other"; {READ_ONLY}', {"hooks"}),
        (f'{TMPFS}; mount --bind "$T/hooks" "$T/two words\\n"; {READ_ONLY}', {"hooks"}),
    ],
)
def test_a_read_only_mount_excuses_what_no_other_shows(
    mounted: Callable[..., set[str]], tmp_path: Path, script: str, writable: set[str]
) -> None:
    (tmp_path / "two words\\n").mkdir()
    assert mounted(script, "hooks") == writable


@pytest.mark.namespace
@pytest.mark.parametrize(
    ("shown", "writable"), [("inner", set()), ("", {"hooks"}), ("sub", {"hooks"})]
)
def test_only_what_shows_the_same_directory_counts(
    mounted: Callable[..., set[str]], shown: str, writable: set[str]
) -> None:
    script = f"""
mount -t tmpfs -o mode=755 none "$T/inner"
mkdir -p "$T/inner/sub/hooks" "$T/inner/inner"; chmod 777 "$T/inner/sub/hooks"
mount --bind "$T/inner/sub/hooks" "$T/hooks"
{READ_ONLY}
mount --bind "$T/inner/{shown}" "$T/other"
umount "$T/inner"
"""
    assert mounted(script, "hooks") == writable


@pytest.mark.namespace
@pytest.mark.parametrize(
    ("second_name", "shown", "writable"),
    [
        ("data/x", "data", {"hooks/hook"}),
        ("data/x", "data/x", {"hooks/hook"}),
        ("data/x", "data/y", set()),
        ("data/x", "", set()),
        ("", "data", set()),
    ],
)
def test_a_read_only_mount_is_no_excuse_for_what_may_have_a_name_in_another(
    mounted: Callable[..., set[str]],
    tmp_path: Path,
    second_name: str,
    shown: str,
    writable: set[str],
) -> None:
    """`shown` is what another mount shows, which can be written to."""
    (tmp_path / "file").touch()
    target = "file" if "/" in shown else "other"
    script = f"""
mount -t tmpfs -o mode=755 none "$T/inner"
mkdir "$T/inner/hooks" "$T/inner/data"; echo >"$T/inner/hooks/hook"; echo >"$T/inner/data/y"
chmod 666 "$T/inner/hooks/hook"
[ -z "{second_name}" ] || ln "$T/inner/hooks/hook" "$T/inner/{second_name}"
mount --bind "$T/inner/hooks" "$T/hooks"
{READ_ONLY}
[ -z "{shown}" ] || mount --bind "$T/inner/{shown}" "$T/{target}"
umount "$T/inner"
"""
    assert mounted(script, "hooks/hook") == writable


@pytest.mark.namespace
def test_a_mount_point_in_a_writable_directory_stays_where_it_is(
    mounted: Callable[..., set[str]],
) -> None:
    script = 'mount -t tmpfs -o mode=755 none "$T/volume/inner"; echo >"$T/volume/inner/hook"'
    assert mounted(script, "volume/inner") == set()
    script = (
        'mkdir "$T/volume/inner/deep"; mount -t tmpfs -o mode=755 none "$T/volume/inner/deep";'
        'echo >"$T/volume/inner/deep/hook"'
    )
    assert mounted(script, "volume/inner/deep") == {"volume"}
