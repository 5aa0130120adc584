"""What a container may use: recorded layouts, made ones against an oracle, and garbage."""

import math
import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from entrykit.stock import cgroup

from . import layouts

MACHINE = 8 << 30
NO_LIMIT = 9223372036854771712


@pytest.mark.parametrize("name", layouts.NAMES)
def test_a_layout_is_worth_what_it_says(name: str, tmp_path: Path) -> None:
    layout = layouts.load(name)
    limits = cgroup.read(layout.write(tmp_path))
    assert (limits.cpus, limits.memory_bytes) == (layout.cpus, layout.memory_bytes)


def test_this_machine_has_as_many_cpus_as_its_affinity_at_most() -> None:
    limits = cgroup.read()
    assert limits.cpus in range(1, len(os.sched_getaffinity(0)) + 1)
    assert limits.memory_bytes is None or limits.memory_bytes > 0


def test_an_affinity_counts() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cgroup.read().cpus == 1
    finally:
        os.sched_setaffinity(0, before)


def test_each_limit_is_said_with_its_file(tmp_path: Path) -> None:
    root = layouts.load("docker-v2-private-namespace").write(tmp_path)
    found = cgroup.read(root).found
    assert f"{tmp_path}/sys/fs/cgroup/cpu.max: 1.5 CPUs" in found
    assert f"{tmp_path}/sys/fs/cgroup/memory.max: 512 MiB" in found


def test_cgroups_are_split_at_two_colons_only() -> None:
    content = b"4:memory:/a:b\n3:cpu,cpuacct:/x\n1:name=systemd:/\n0::/c:d:e\n\n:\n5:pids\n"
    groups = cgroup.own_groups(content)
    assert groups[b"memory"] == b"/a:b"
    assert groups[b"cpu"] == groups[b"cpuacct"] == b"/x"
    assert groups[b""] == b"/c:d:e"
    assert b"pids" not in groups


def test_mounts_are_found_with_and_without_optional_fields() -> None:
    content = (
        b"36 35 98:0 /r /a ro - cgroup2 none rw\n"
        b"36 35 98:0 /\\040\\134 /b\\011c ro shared:1 master:2 - cgroup src rw,cpu,cpuacct\n"
        b"36 35 98:0 / / rw - ext4 /dev/root rw,errors=cgroup\n"
        b"36 35 98:0 / /d rw - cgroup\n"
        b"cgroup2\n"
    )
    assert cgroup.cgroup_mounts(content) == [
        ([b""], b"/r", b"/a"),
        ([b"rw", b"cpu", b"cpuacct"], b"/ \\", b"/b\tc"),
    ]


def test_a_mount_that_another_covers_is_not_seen() -> None:
    content = b"1 2 0:1 / /m rw - cgroup2 x rw\n3 1 0:1 /a /m rw - cgroup2 x rw\n"
    assert cgroup.cgroup_mounts(content) == [([b""], b"/a", b"/m")]


@pytest.mark.parametrize(
    ("field", "plain"),
    [
        (b"/a", b"/a"),
        (b"\\040", b" "),
        (b"a\\134040", b"a\\040"),
        (b"\\04", b"\\04"),
        (b"\\999", b"\\999"),
        (b"\\400", b"\\400"),
        (b"\\039", b"\\039"),
        (b"\\", b"\\"),
        (b"\\\\040", b"\\ "),
        (b"\\377\\012", b"\xff\n"),
    ],
)
def test_octal_escapes_are_undone(field: bytes, plain: bytes) -> None:
    assert cgroup.unescape(field) == plain


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        (b"/", b"/", [b"/m"]),
        (b"/a/b", b"/", [b"/m/a/b", b"/m/a", b"/m"]),
        (b"/a/b", b"/a", [b"/m/b", b"/m"]),
        (b"/a/b", b"/a/b", [b"/m"]),
        # Another name for what is mounted, or another cgroup of the same beginning.
        (b"/", b"/docker/x", [b"/m"]),
        (b"/docker/xy", b"/docker/x", [b"/m"]),
        # Above the namespace's root: an ancestor.
        (b"/", b"/..", [b"/m"]),
        (b"/a", b"/../..", [b"/m"]),
        (b"/../a", b"/..", [b"/m/a", b"/m"]),
        (b"/../a", b"/../..", [b"/m"]),
        # What lies outside the mount is never looked for through `..`.
        (b"/../a", b"/", [b"/m"]),
        (b"/../../etc", b"/..", [b"/m"]),
        (b"/a/../../etc", b"/a", [b"/m"]),
    ],
)
def test_directories_go_from_the_own_cgroup_up_to_the_mount(
    path: bytes, root: bytes, expected: list[bytes]
) -> None:
    found = cgroup.directories(b"cpu", {b"": path}, [([b""], root, b"/m")])
    assert found == [(True, directory) for directory in expected]


def test_a_hierarchy_of_v1_that_has_the_controller_goes_before_v2() -> None:
    groups = {b"cpu": b"/a", b"": b"/b"}
    mounts = [([b""], b"/", b"/2"), ([b"rw", b"cpu"], b"/", b"/1")]
    assert cgroup.directories(b"cpu", groups, mounts) == [(False, b"/1/a"), (False, b"/1")]
    assert cgroup.directories(b"memory", groups, mounts) == [(True, b"/2/b"), (True, b"/2")]


def test_without_a_mount_the_usual_place_is_looked_into() -> None:
    found = cgroup.directories(b"memory", {b"memory": b"/a"}, [])
    assert found == [(False, b"/sys/fs/cgroup/memory/a"), (False, b"/sys/fs/cgroup/memory")]
    found = cgroup.directories(b"memory", {}, [])
    assert found == [(False, b"/sys/fs/cgroup/memory"), (True, b"/sys/fs/cgroup")]


@pytest.mark.parametrize(
    ("content", "cpus"),
    [
        (b"0\n", {0}),
        (b"0-3,7\n", {0, 1, 2, 3, 7}),
        (b"0-1,0", {0, 1}),
        (b"8191", {8191}),
        (b"", set()),
        (b"\n", set()),
        (b"8192", set()),
        (b"3-1", set()),
        (b"0-", set()),
        (b"-1", set()),
        (b"0-31:2/16", set()),
        (b"0-99999999999", set()),
        (b"0,,1", set()),
        (b"9" * 5000, set()),
        (b"0-" + b"9" * 5000, set()),
        (b"all", set()),
        ("\u0663".encode(), set()),
    ],
)
def test_a_list_of_cpus_is_read_or_none(content: bytes, cpus: set[int]) -> None:
    assert cgroup.cpu_list(content) == cpus


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"100000\n", 100000),
        (b"  7 ", 7),
        (b"0\n", 0),
        (b"max\n", 0),
        (b"-1\n", 0),
        (b"", 0),
        (b"1e3", 0),
        (b"1_000", 0),
        (b"9" * 21, 0),
        (b"9" * 5000, 0),
        (b"18446744073709551615", 18446744073709551615),
    ],
)
def test_a_number_is_read_or_none(content: bytes, value: int) -> None:
    assert cgroup.number(content) == value


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (1, "1 bytes"),
        (4096, "4 KiB"),
        (209715200, "200 MiB"),
        (3 << 29, "1.5 GiB"),
        (1000000000, "953.7 MiB"),
        (5 << 40, "5 TiB"),
    ],
)
def test_an_amount_is_shown_as_people_write_it(size: int, shown: str) -> None:
    assert cgroup.amount(size) == shown


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        (b"max 100000", 8),
        (b"50000 100000", 1),
        (b"100000 100000", 1),
        (b"100001 100000", 2),
        (b"150000 100000", 2),
        (b"250000 100000", 3),
        (b"1000 1000000", 1),
        (b"900000 100000", 8),
        (b"0 100000", 8),
        (b"100000 0", 8),
        (b"100000", 8),
        (b"-1 100000", 8),
        (b"max", 8),
        (b"", 8),
    ],
)
def test_a_quota_is_rounded_up_and_a_senseless_one_is_none(
    tmp_path: Path, quota: bytes, cpus: int
) -> None:
    files = {
        "proc/self/cgroup": b"0::/\n",
        "proc/self/status": b"Cpus_allowed_list:\t0-7\n",
        "sys/fs/cgroup/cpu.max": quota + b"\n",
    }
    assert cgroup.read(layouts.write(tmp_path, files)).cpus == cpus


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{1 << 30}", 1 << 30),
        (f"{MACHINE}", MACHINE),
        (f"{MACHINE + 1}", None),
        (f"{NO_LIMIT}", None),
        ("9223372036854775807", None),
        ("9223372036854710272", None),
        ("18446744073709551615", None),
        ("max", None),
        ("-1", None),
        ("0", None),
        ("lots", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("is_v2", [False, True])
def test_a_senseless_limit_of_memory_is_none(
    tmp_path: Path, written: str, expected: int | None, *, is_v2: bool
) -> None:
    name = "memory.max" if is_v2 else "memory/memory.limit_in_bytes"
    files = {
        "proc/self/cgroup": b"0::/\n" if is_v2 else b"1:memory:/\n",
        "proc/meminfo": b"MemTotal: %d kB\n" % (MACHINE >> 10),
        f"sys/fs/cgroup/{name}": f"{written}\n".encode(),
    }
    assert cgroup.read(layouts.write(tmp_path, files)).memory_bytes == expected


def test_the_huge_number_is_none_where_the_machines_memory_is_not_known(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": b"1:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": b"%d\n" % NO_LIMIT,
    }
    assert cgroup.read(layouts.write(tmp_path, files)).memory_bytes is None


def test_a_quota_of_more_cpus_than_any_machine_has_is_none(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": b"0::/\n", "sys/fs/cgroup/cpu.max": b"9000000000 1\n"}
    assert cgroup.read(layouts.write(tmp_path, files)).cpus is None


def test_cpus_that_are_allowed_but_not_there_do_not_count(tmp_path: Path) -> None:
    files = {
        "proc/self/status": b"Cpus_allowed_list:\t0-127\n",
        "sys/devices/system/cpu/online": b"0-3\n",
    }
    assert cgroup.read(layouts.write(tmp_path, files)).cpus == 4


@pytest.mark.parametrize(
    ("cpuset", "cpus"), [(b"8-9", 2), (b"7-9", 1), (b"8-63", 8), (b"", 8), (b"5-3", 8)]
)
def test_there_are_at_most_as_many_cpus_as_a_cpuset_has(
    tmp_path: Path, cpuset: bytes, cpus: int
) -> None:
    files = {
        "proc/self/cgroup": b"0::/\n",
        "proc/self/status": b"Cpus_allowed_list:\t0-7\n",
        "sys/fs/cgroup/cpuset.cpus.effective": cpuset + b"\n",
    }
    assert cgroup.read(layouts.write(tmp_path, files)).cpus == cpus


def test_cpu_is_looked_for_where_it_is_mounted_together_with_cpuacct(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": b"3:cpu,cpuacct:/a\n",
        "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": b"150000\n",
        "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": b"100000\n",
    }
    assert cgroup.read(layouts.write(tmp_path, files)).cpus == 2


def test_a_table_of_mounts_larger_than_a_page_is_read_to_its_end(tmp_path: Path) -> None:
    other = b"36 35 98:0 / /mnt rw - ext4 /dev/root rw\n" * 5000
    layout = layouts.load("hybrid")
    files = {**layout.files, "proc/self/mountinfo": other + layout.files["proc/self/mountinfo"]}
    limits = cgroup.read(layouts.write(tmp_path, files))
    assert (limits.cpus, limits.memory_bytes) == (layout.cpus, layout.memory_bytes)


# Made layouts, and an oracle that knows the numbers and not the files.

SENSELESS_MEMORY = st.sampled_from(["max", "-1", "0", "", "?", str(MACHINE + 1), str(NO_LIMIT)])
SENSELESS_QUOTA = st.sampled_from([(0, 100000), (100000, 0)])
NAMES = st.sampled_from(["a", "b c", "d:e", "f\\g", "docker", "\u00e4", "h\ti", "kubepods.slice"])


class Tree:
    """Cgroups below each other, of which a process is in the innermost, and who sees what.

    Level 0 is the hierarchy's root. The process's cgroup namespace begins at level `namespace`,
    the mount shows level `mount` and what is below.
    """

    def __init__(self, data: st.DataObject) -> None:
        draw = data.draw
        self.is_v2 = draw(st.booleans())
        self.names = draw(st.lists(NAMES, max_size=4))
        levels = len(self.names) + 1
        self.namespace = draw(st.integers(0, levels - 1))
        self.mount = draw(st.integers(0, levels - 1))
        quotas = st.tuples(st.integers(1, 2_000_000), st.integers(1000, 1_000_000))
        self.quotas = draw(st.lists(st.none() | quotas | SENSELESS_QUOTA, min_size=levels,
                                    max_size=levels))  # fmt: skip
        memories = st.none() | st.integers(1, MACHINE).map(str) | SENSELESS_MEMORY
        self.memories = draw(st.lists(memories, min_size=levels, max_size=levels))
        self.highs = draw(st.lists(memories, min_size=levels, max_size=levels))
        self.online = draw(st.sets(st.integers(0, 15), min_size=1))
        self.cpuset = draw(st.sets(st.sampled_from(sorted(self.online)), min_size=1))

    def visible(self) -> range:
        """Return the levels whose files the process can find."""
        if self.mount >= self.namespace:
            return range(self.mount, len(self.names) + 1)
        return range(self.mount, self.mount + 1)

    def cpus(self) -> int:
        """Return how many CPUs it may use."""
        shares = [self.quotas[level] for level in self.visible()]
        counts = [math.ceil(Fraction(*share)) for share in shares if share and all(share)]
        return min([*counts, len(self.cpuset)])

    def memory(self) -> int | None:
        """Return how much memory it may use."""
        written = [self.memories[level] for level in self.visible()]
        if self.is_v2:
            written += [self.highs[level] for level in self.visible()]
        sensible = [int(word) for word in written if word and word.isdigit()]
        return min((size for size in sensible if 0 < size <= MACHINE), default=None)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield each file of the tree."""
        path = "/" + "/".join(self.names[self.namespace :])
        if self.mount >= self.namespace:
            root = "/" + "/".join(self.names[self.namespace : self.mount])
        else:
            root = "/.." * (self.namespace - self.mount)
        root = "".join(f"\\{ord(c):03o}" if c in " \t\\" else c for c in root)
        controllers = ["cpu", "memory", "cpuset"]
        own = [f"{n}:{c}:{path}" for n, c in enumerate(controllers, 1)]
        lines = [
            f"30 1 0:1 {root} /sys/fs/cgroup/{c} rw shared:3 - cgroup cgroup rw,{c}"
            for c in controllers
        ]
        if self.is_v2:
            own, lines = [f"0::{path}"], [f"30 1 0:1 {root} /sys/fs/cgroup rw - cgroup2 x rw"]
        yield "proc/self/cgroup", "\n".join([*own, ""]).encode()
        yield "proc/self/mountinfo", "\n".join([*lines, ""]).encode()
        yield "proc/meminfo", b"MemFree: 1 kB\nMemTotal: %d kB\n" % (MACHINE >> 10)
        yield "sys/devices/system/cpu/online", _listed(self.online)
        yield "proc/self/status", b"Cpus_allowed_list:\t" + _listed(set(range(16)))
        for level in range(self.mount, len(self.names) + 1):
            yield from self._level(level, "/".join(["", *self.names[self.mount : level]]))

    def _level(self, level: int, below: str) -> Iterator[tuple[str, bytes]]:
        place = "sys/fs/cgroup"
        quota, period = self.quotas[level] or (None, 100000)
        if self.is_v2:
            yield f"{place}{below}/cpu.max", f"{quota or 'max'} {period}\n".encode()
            yield f"{place}{below}/cpuset.cpus.effective", _listed(self.cpuset)
        else:
            yield f"{place}/cpu{below}/cpu.cfs_quota_us", f"{quota or -1}\n".encode()
            yield f"{place}/cpu{below}/cpu.cfs_period_us", f"{period}\n".encode()
            yield f"{place}/cpuset{below}/cpuset.cpus", _listed(self.cpuset)
        memory = f"{place}{below}/memory.max"
        if not self.is_v2:
            memory = f"{place}/memory{below}/memory.limit_in_bytes"
        if (limit := self.memories[level]) is not None:
            yield memory, f"{limit}\n".encode()
        if self.is_v2 and (high := self.highs[level]) is not None:
            yield f"{place}{below}/memory.high", f"{high}\n".encode()


def _listed(cpus: set[int]) -> bytes:
    return ",".join(map(str, sorted(cpus))).encode() + b"\n"


@hypothesis.given(data=st.data())
def test_made_layouts_are_worth_what_an_oracle_says(data: st.DataObject) -> None:
    tree = Tree(data)
    with tempfile.TemporaryDirectory() as place:
        limits = cgroup.read(layouts.write(Path(place), dict(tree.files())))
    assert (limits.cpus, limits.memory_bytes) == (tree.cpus(), tree.memory())


FRAGMENTS = st.sampled_from(
    [b"/", b"..", b"\\040", b"\\000", b" - ", b"cgroup", b"cgroup2", b":", b",", b"cpu", b"\n",
     b"memory", b"0::", b"9" * 30, b"max", b"-", b"\0", b" ", b"kB", b"0-8191", b"\xff"]
)  # fmt: skip
GARBAGE = st.binary(max_size=200) | st.lists(FRAGMENTS, max_size=40).map(b"".join)


@hypothesis.given(name=st.sampled_from(layouts.NAMES), data=st.data())
def test_garbage_in_any_file_is_no_limit_and_no_failure(name: str, data: st.DataObject) -> None:
    files = dict(layouts.load(name).files)
    for path in data.draw(st.sets(st.sampled_from(sorted(files)), min_size=1, max_size=3)):
        files[path] = data.draw(GARBAGE)
    with tempfile.TemporaryDirectory() as place:
        limits = cgroup.read(layouts.write(Path(place), files))
    assert limits.cpus is None or 1 <= limits.cpus <= 8192
    assert limits.memory_bytes is None or 0 < limits.memory_bytes <= 1 << 60


@hypothesis.given(content=GARBAGE)
def test_parsers_take_any_bytes(content: bytes) -> None:
    mounts = cgroup.cgroup_mounts(b"1 2 3 %b %b rw - cgroup2 x %b" % ((content,) * 3))
    groups = cgroup.own_groups(b"0::/" + content)
    assert all(b"\0" not in path for _, path in cgroup.directories(b"cpu", groups, mounts))
    assert cgroup.number(content) >= 0
    assert all(0 <= cpu < 8192 for cpu in cgroup.cpu_list(content))


@pytest.mark.parametrize("kind", ["directory", "fifo", "link to itself", "endless"])
def test_what_is_no_file_of_the_kernels_is_no_limit(tmp_path: Path, kind: str) -> None:
    layout = layouts.load("docker-v2-private-namespace")
    root = layout.write(tmp_path)
    path = tmp_path / "sys/fs/cgroup/memory.max"
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else path)
    limits = cgroup.read(root)
    assert (limits.cpus, limits.memory_bytes) == (layout.cpus, None)
