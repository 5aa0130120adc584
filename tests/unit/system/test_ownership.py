"""The walk that changes owners: what it changes, and what it never touches."""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrykit.system import ownership, writing
from entrykit.system.errors import StartError

pytestmark = pytest.mark.root

OWNER = (1500, 1600)


class Given:
    """What giving a directory away has come to."""

    def __init__(self, path: Path, *, with_links: bool = True) -> None:
        self.progress: list[tuple[int, int]] = []
        self.counts = ownership.give(
            os.fsencode(path),
            OWNER,
            lambda counts: self.progress.append((counts.seen, counts.changed)),
            with_links=with_links,
        )


def owner_of(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a directory with files of several kinds, ten in all."""
    top = tmp_path / "tree"
    (top / "a" / "b").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "file").write_text("kept")
    (top / "a" / "b" / "deep").write_text("")
    (top / "a" / "two\nlines").write_text("")
    Path(os.fsdecode(os.fsencode(top) + b"/\xff")).write_text("")
    os.mkfifo(top / "fifo")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("")
    (top / "a" / "link").symlink_to(tmp_path / "outside")
    return top


def test_a_directory_and_all_below_it_is_given(tree: Path) -> None:
    counts = Given(tree).counts
    assert (counts.seen, counts.changed) == (10, 10)
    below = [tree, *tree.rglob("*")]
    assert len(below) == 10
    assert {owner_of(path) for path in below} == {OWNER}


def test_a_link_is_given_and_not_followed(tree: Path) -> None:
    Given(tree)
    assert owner_of(tree / "a" / "link") == OWNER
    assert {owner_of(path) for path in (tree.parent / "outside").rglob("*")} == {(0, 0)}
    assert owner_of(tree.parent / "outside") == (0, 0)
    assert owner_of(tree.parent) == (0, 0)


def test_what_is_right_is_not_touched(tree: Path) -> None:
    Given(tree)
    before = {path: path.lstat().st_ctime_ns for path in tree.rglob("*")}
    counts = Given(tree).counts
    assert (counts.seen, counts.changed) == (10, 0)
    assert {path: path.lstat().st_ctime_ns for path in tree.rglob("*")} == before


@pytest.mark.parametrize("wrong", [(1500, 0), (0, 1600), (7, 7)])
def test_only_what_differs_is_changed(tree: Path, wrong: tuple[int, int]) -> None:
    Given(tree)
    os.chown(tree / "a", *wrong)
    os.chown(tree / "fifo", *wrong)
    counts = Given(tree).counts
    assert (counts.seen, counts.changed) == (10, 2)
    assert owner_of(tree / "a") == owner_of(tree / "fifo") == OWNER


def test_content_and_modes_stay_but_for_setuid_bits(tree: Path) -> None:
    (tree / "file").chmod(0o4755)
    (tree / "a").chmod(0o2750)
    Given(tree)
    assert (tree / "file").read_text() == "kept"
    assert (tree / "file").stat().st_mode & 0o7777 == 0o755
    assert (tree / "a").stat().st_mode & 0o7777 == 0o2750


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_a_missing_directory_is_made_whatever_the_umask(tmp_path: Path) -> None:
    counts = Given(tmp_path / "new").counts
    assert (counts.seen, counts.changed) == (1, 1)
    assert owner_of(tmp_path / "new") == OWNER
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o755


def test_a_missing_directory_above_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=rf"cannot make {tmp_path}/a/b: {tmp_path}/a is not there"):
        Given(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("below", ["", "/a"])
def test_a_link_on_the_way_is_an_error_that_names_its_target(tree: Path, below: str) -> None:
    link = tree.parent / "link"
    link.symlink_to("/etc")
    with pytest.raises(StartError, match=f"{link} is a link to /etc, and links are not followed"):
        Given(Path(f"{link}{below}"))
    assert owner_of(Path("/etc")) == (0, 0)


@pytest.mark.parametrize("below", ["", "/a"])
def test_a_file_in_its_place_is_an_error(tree: Path, below: str) -> None:
    with pytest.raises(StartError, match=f"{tree}/file is not a directory"):
        Given(Path(f"{tree}/file{below}"))


def test_files_with_several_names_are_left_where_links_are_not_protected(tree: Path) -> None:
    foreign = tree.parent / "outside" / "file"
    (tree / "linked").hardlink_to(foreign)
    counts = Given(tree, with_links=False).counts
    assert (counts.seen, counts.changed, counts.linked) == (11, 10, 1)
    assert owner_of(foreign) == (0, 0)
    counts = Given(tree, with_links=True).counts
    assert (counts.changed, counts.linked) == (1, 0)
    assert owner_of(foreign) == OWNER


def test_hard_links_of_the_right_owner_are_no_matter(tree: Path) -> None:
    Given(tree)
    (tree / "linked").hardlink_to(tree / "file")
    assert Given(tree, with_links=False).counts.linked == 0


def test_a_tree_deeper_than_any_limit_needs_few_descriptors(tmp_path: Path) -> None:
    depth = 5000
    current = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        inner = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.dup(current) for _ in range(8)]
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(free) + 1, hard))
    try:
        counts = Given(tmp_path / "d").counts
        assert os.fstat(current).st_uid == 1500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(current)
        writing.remove_tree(os.fsencode(tmp_path / "d"))
    assert (counts.seen, counts.changed) == (depth, depth)


@pytest.fixture
def _each_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    # The next of each 256 files is due.
    monkeypatch.setattr(ownership, "PROGRESS_SECONDS", 0.0)


def fill(directory: Path, count: int = 600) -> None:
    directory.mkdir(exist_ok=True)
    for number in range(count):
        (directory / f"f{number}").touch()


@pytest.mark.usefixtures("_each_progress")
def test_progress_is_told_as_it_goes(tmp_path: Path) -> None:
    fill(tmp_path / "d")
    assert Given(tmp_path / "d").progress == [(256, 255), (512, 511)]


def test_a_quick_walk_tells_no_progress(tmp_path: Path) -> None:
    fill(tmp_path / "d")
    assert Given(tmp_path / "d").progress == []


@pytest.mark.usefixtures("_each_progress")
def test_a_file_replaced_between_look_and_change_is_looked_at_again(tmp_path: Path) -> None:
    fill(tmp_path / "d")
    foreign = tmp_path / "foreign"
    foreign.touch()

    def replace_all(_: ownership.Counts) -> None:
        for path in (tmp_path / "d").iterdir():
            path.unlink()
            path.hardlink_to(foreign)

    path = os.fsencode(tmp_path / "d")
    counts = ownership.give(path, OWNER, replace_all, with_links=False)
    assert owner_of(foreign) == (0, 0)
    assert counts.linked > 0


@pytest.mark.usefixtures("_each_progress")
def test_files_and_directories_that_vanish_meanwhile_are_no_error(tmp_path: Path) -> None:
    fill(tmp_path / "d")
    (tmp_path / "d" / "sub").mkdir()

    def empty(_: ownership.Counts) -> None:
        writing.empty(os.fsencode(tmp_path / "d"))

    ownership.give(os.fsencode(tmp_path / "d"), OWNER, empty, with_links=True)
    assert list((tmp_path / "d").iterdir()) == []


@pytest.mark.usefixtures("_each_progress")
def test_a_directory_moved_away_meanwhile_ends_the_walk(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    fill(tmp_path / "d" / "sub")
    (tmp_path / "elsewhere").mkdir()

    def move(_: ownership.Counts) -> None:
        if (tmp_path / "d" / "sub").exists():
            (tmp_path / "d" / "sub").rename(tmp_path / "elsewhere" / "sub")

    with pytest.raises(StartError, match=rf"{tmp_path}/d/sub was moved while owners were changed"):
        ownership.give(os.fsencode(tmp_path / "d"), OWNER, move, with_links=True)
    assert owner_of(tmp_path / "elsewhere") == (0, 0)


SWAP = """\
import os, sys
ours, link, spare = sys.argv[1:]
print("ready", flush=True)
while True:
    os.rename(ours, spare)
    os.rename(link, ours)
    os.rename(ours, link)
    os.rename(spare, ours)
"""


def test_a_directory_swapped_for_a_link_again_and_again_leads_nowhere(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    fill(foreign, 3)
    fill(tmp_path / "d", 3)
    (tmp_path / "d" / "sub").mkdir()
    (tmp_path / "link").symlink_to(foreign)
    words = [tmp_path / "d" / "sub", tmp_path / "link", tmp_path / "spare"]
    swapping = subprocess.Popen(
        [sys.executable, "-IS", "-c", SWAP, *words], stdout=subprocess.PIPE, text=True
    )
    with swapping:
        assert swapping.stdout
        assert swapping.stdout.readline() == "ready\n"
        given = 0
        for _ in range(2000):
            with contextlib.suppress(StartError):  # it was moved, or is not to be found
                Given(tmp_path / "d")
                given += 1
        swapping.kill()
    assert given
    assert {owner_of(path) for path in (foreign, *foreign.iterdir())} == {(0, 0)}


@pytest.mark.parametrize("below", ["", "/inner"])
def test_a_closed_directory_that_was_given_away_needs_a_capability_named(
    tmp_path: Path, below: str
) -> None:
    """Root without DAC_OVERRIDE is as anybody else there: at the second start, if not before."""
    closed = tmp_path / "data"
    (closed / "inner").mkdir(parents=True)
    Path(f"{closed}{below}").chmod(0o700)
    os.chown(f"{closed}{below}", 1500, 1600)
    code = (
        "import sys; from entrykit.system import errors, ownership\n"
        "try: ownership.give(sys.argv[1].encode(), (1500, 1600), print, with_links=True)\n"
        "except errors.StartError as error: print(*error.problems[0][1:], sep='; ')"
    )
    capabilities = "-all,+chown"
    words = ["setpriv", "--bounding-set", capabilities, "--inh-caps", capabilities]
    words += [sys.executable, "-c", code, str(closed)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert told == (
        f"cannot read {closed}{below}: permission denied;"
        " root needs the capability DAC_OVERRIDE to look into others' directories\n"
    )


@pytest.mark.parametrize(
    "path",
    [
        *(b"", b"/etc", b"/usr", b"/bin", b"/bin/x", b"/proc", b"/proc/1", b"/sys/fs", b"/dev"),
        *(b"/dev/sda", b"/dev/shm", b"/var", b"/var/lib", b"/home", b"/root", b"/tmp", b"/run"),
        *(b"/run/entrykit", b"/lib/x", b"/usr/local/bin/x", b"/usr/lib/entrykit/hooks.d"),
        b"/docker-entrypoint.d",
    ],
)
def test_the_systems_directories_are_refused(path: bytes) -> None:
    assert ownership.is_refused(path)


@pytest.mark.parametrize(
    "path",
    [
        *(b"/data", b"/etc/app", b"/etcetera", b"/home/app", b"/var/lib/app", b"/var/www"),
        *(b"/srv", b"/opt/app", b"/usr/local/app", b"/binary", b"/run/app", b"/dev/shm/app"),
        *(b"/tmp/app", b"/usr/share/nginx/html"),
    ],
)
def test_a_programs_own_directory_is_not_refused(path: bytes) -> None:
    assert not ownership.is_refused(path)


_BIND = """\
set -e
mount -t tmpfs none /opt
touch /opt/file
mkdir -p "$1"
mount --bind /opt "$1"
"$2" - "$1" <<'END' && status=0 || status=$?
import os, sys
from entrykit.system import ownership
from entrykit.system.errors import StartError
try:
    ownership.give(os.fsencode(sys.argv[1]), (1500, 1600), print, with_links=True)
except StartError as error:
    sys.exit(error.problems[0][1])
END
stat -c %u /opt/file
exit "$status"
"""


@pytest.mark.namespace
def test_a_directory_of_the_systems_is_refused_under_another_name(tmp_path: Path) -> None:
    place = tmp_path / "data"
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _BIND, "sh", place, sys.executable],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr == f"{place} is /opt, mounted there\n"
    assert ended.stdout == "0\n"
