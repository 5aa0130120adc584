"""What a container may use: CPUs and memory, from cgroup v1 and v2.

Its rule: a limit that cannot be read or makes no sense is none, and nothing here fails a start.

The forms are those of cgroups(7), cgroup_namespaces(7), cpuset(7), proc_pid_mountinfo(5) and the
kernel's admin-guide (cgroup-v1/, cgroup-v2.rst). A start pays for it: builtin modules only.
"""

import posix

from entrykit.system import files, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # The controllers of a hierarchy (v2's is `_V2` alone), the root of the mount in it, and where
    # it is mounted.
    Mount = tuple[list[bytes], bytes, bytes]
    # Whether it is v2's, and the directory of a cgroup.
    Directory = tuple[bool, bytes]
    # Gives the directories of the cgroups of a controller.
    Visible = Callable[[bytes], list[Directory]]

# What the one hierarchy of v2 is called where those of v1 have the names of their controllers.
_V2 = b""
_STANDARD_PLACE = b"/sys/fs/cgroup"
# There systemd mounts cpu together with cpuacct; cpu alone may be a link to it.
_STANDARD_NAMES = {b"cpu": (b"cpu", b"cpu,cpuacct")}
# The kernel's own limits: CONFIG_NR_CPUS, PATH_MAX.
_MOST_CPUS = 8192
_LONGEST_PATH = 4096
# No machine has as much. "No limit" is in v1 the largest signed number, less a page's remainder.
_SENSELESS_BYTES = 1 << 60


class Limits:
    """`cpus` and `memory_bytes`, None where nothing limits it or nothing is known of it.

    `found` says where each limit was found, a line each.
    """

    __slots__ = ("cpus", "found", "memory_bytes")

    def __init__(self) -> None:
        self.cpus: int | None = None
        self.memory_bytes: int | None = None
        self.found: list[str] = []


def read(root: bytes = b"") -> Limits:
    """Return what this process may use; `root` stands before /sys and /proc.

    CPUs: the tightest quota of the visible ancestors, rounded up; at most as many as the cpuset,
    the affinity and the machine have; at least 1. Memory: the tightest limit of the visible
    ancestors, where the machine has as much.
    """
    limits = Limits()
    groups = own_groups(_content(root + b"/proc/self/cgroup"))
    mounts = cgroup_mounts(_content(root + b"/proc/self/mountinfo"))

    def visible(controller: bytes) -> "list[Directory]":
        found = directories(controller, groups, mounts)
        return [(is_v2, root + path) for is_v2, path in found]

    limits.cpus = _cpus(root, visible, limits.found)
    limits.memory_bytes = _memory(root, visible(b"memory"), limits.found)
    return limits


def own_groups(content: bytes) -> dict[bytes, bytes]:
    """Return the path of the process's cgroup by controller, from /proc/self/cgroup.

    v2's line is `0::PATH`. A path may hold colons.
    """
    groups = {}
    for line in content.split(b"\n"):
        _, _, rest = line.partition(b":")
        controllers, colon, path = rest.partition(b":")
        if colon and path.startswith(b"/") and _is_path(path):
            for controller in controllers.split(b","):
                groups[controller] = path
    return groups


def cgroup_mounts(content: bytes) -> "list[Mount]":
    """Return the mounts of cgroup hierarchies, from /proc/self/mountinfo; none that is covered."""
    mounts: dict[bytes, Mount] = {}
    for line in content.split(b"\n"):
        # The optional fields, of which there may be none, end at the lone dash.
        before, dash, after = line.partition(b" - ")
        fields, described = before.split(b" "), after.split(b" ")
        if not dash or len(fields) < 6 or len(described) < 3:
            continue
        kind, options = described[0], described[2]
        if kind not in (b"cgroup", b"cgroup2"):
            continue
        root, point = unescape(fields[3]), unescape(fields[4])
        if _is_path(root) and _is_path(point):
            hierarchies = [_V2] if kind == b"cgroup2" else options.split(b",")
            mounts[point] = hierarchies, root, point
    return list(mounts.values())


def unescape(field: bytes) -> bytes:
    r"""Return a field of mountinfo without its octal escapes: `\040` is a blank."""
    first, *rest = field.split(b"\\")
    pieces = [first]
    for piece in rest:
        digits = piece[:3]
        if len(digits) == 3 and digits[:1] in b"0123" and not digits.strip(b"01234567"):
            pieces += [bytes([int(digits, 8)]), piece[3:]]
        else:
            pieces += [b"\\", piece]
    return b"".join(pieces)


def directories(
    controller: bytes, groups: dict[bytes, bytes], mounts: "list[Mount]"
) -> "list[Directory]":
    """Return the directories of the process's cgroup and its visible ancestors, innermost first.

    In a hierarchy of v1 that has the controller, else in v2's; both where the process's own
    cgroups cannot be known.
    """
    hierarchies = [controller] if controller in groups else [_V2] if groups else [controller, _V2]
    found: dict[Directory, None] = {}
    for hierarchy in hierarchies:
        path = groups.get(hierarchy, b"/")
        shown = [(root, point) for names, root, point in mounts if hierarchy in names]
        if not shown:
            # Where container engines mount it, whatever a sandbox's mountinfo leaves out.
            names = _STANDARD_NAMES.get(hierarchy, (hierarchy,))
            shown = [(b"/", b"/".join(filter(None, (_STANDARD_PLACE, name)))) for name in names]
        # Without one that holds it: a container's own cgroup, mounted under another name than the
        # one it goes by here; the first mount is the engine's.
        for point, parts in _holding(path, shown) or [(shown[0][1], [])]:
            for length in range(len(parts), -1, -1):
                inner = b"".join(b"/" + part for part in parts[:length])
                found[hierarchy == _V2, point + inner] = None
    return list(found)


def _holding(path: bytes, shown: list[tuple[bytes, bytes]]) -> list[tuple[bytes, list[bytes]]]:
    """Return the mount points below which a cgroup lies, each with the names that lead there."""
    below = [(point, _below(path, root)) for root, point in shown]
    return [(point, parts) for point, parts in below if parts is not None]


def _below(path: bytes, root: bytes) -> list[bytes] | None:
    """Return the names that lead from a mount's root to a cgroup, None where it holds none such.

    Both paths are as the process's cgroup namespace shows them: what lies outside of it begins
    with `/..`, once for each level.
    """
    parts = [part for part in path.split(b"/") if part]
    outer = [part for part in root.split(b"/") if part]
    if parts[: len(outer)] == outer:
        rest = parts[len(outer) :]
        return None if b".." in rest else rest
    # Above the namespace's own root: an ancestor, but the names in between are not to be known.
    return [] if outer.count(b"..") == len(outer) else None


def cpu_list(content: bytes) -> set[int]:
    """Return the CPUs of a list such as `0-3,7`; none where it makes no sense (cpuset(7))."""
    cpus: set[int] = set()
    for part in content.strip().split(b","):
        first, dash, last = part.partition(b"-")
        if not first.isdigit() or (dash and not last.isdigit()) or len(first + last) > 10:
            return set()
        low, high = int(first), int(last or first)
        if not low <= high < _MOST_CPUS:
            return set()
        cpus.update(range(low, high + 1))
    return cpus


def _cpus(root: bytes, visible: "Visible", found: list[str]) -> int | None:
    """Return the number of CPUs that the process can keep busy, None where nothing tells it."""
    cpus: set[int] = set()
    for path, content in _cpu_lists(root, visible(b"cpuset")):
        if listed := cpu_list(content):
            # Of two without a CPU in common, which no kernel shows, the smaller.
            cpus = cpus & listed or min(cpus or listed, listed, key=len)
            found.append(f"{log.text(path)}: {counted(len(listed))}")
    count = len(cpus)
    for path, quota, period in _quotas(visible(b"cpu")):
        rounded_up = -(-quota // period) if period else 0
        if 0 < rounded_up <= _MOST_CPUS:
            found.append(f"{log.text(path)}: {counted(quota / period)}")
            count = min(count, rounded_up) if count else rounded_up
    return count or None


def _cpu_lists(root: bytes, cpusets: "list[Directory]") -> "Iterator[tuple[bytes, bytes]]":
    """Yield the lists of CPUs that bind the process, and the file of each."""
    path = root + b"/proc/self/status"
    allowed = _field(_content(path), b"Cpus_allowed_list:")
    if not allowed and not root:
        # A sandbox's status may lack it.
        allowed = b",".join(b"%d" % cpu for cpu in posix.sched_getaffinity(0))
    yield path, allowed
    # What the affinity names may be absent: a machine lists all CPUs that it could ever have.
    path = root + b"/sys/devices/system/cpu/online"
    yield path, _content(path)
    for is_v2, directory in cpusets:
        names = (b"cpus.effective", b"cpus") if is_v2 else (b"effective_cpus", b"cpus")
        for name in names:
            path = directory + b"/cpuset." + name
            if content := _content(path):
                yield path, content
                break


def _quotas(directories: "list[Directory]") -> "Iterator[tuple[bytes, int, int]]":
    """Yield the file, the quota and the period of each cgroup, in microseconds; 0 for none."""
    for is_v2, directory in directories:
        if is_v2:
            path = directory + b"/cpu.max"
            quota, _, period = _content(path).strip().partition(b" ")
        else:
            path = directory + b"/cpu.cfs_quota_us"
            quota, period = _content(path), _content(directory + b"/cpu.cfs_period_us")
        yield path, number(quota), number(period)


def _memory(root: bytes, directories: "list[Directory]", found: list[str]) -> int | None:
    """Return the tightest limit of memory in bytes, None where there is none."""
    machine = _machine_memory(root)
    limits = []
    for path, limit in _memory_limits(directories):
        if 0 < limit <= machine:
            found.append(f"{log.text(path)}: {amount(limit)}")
            limits.append(limit)
    return min(limits, default=None)


def _machine_memory(root: bytes) -> int:
    """Return the machine's memory in bytes, where it is not known more than any has (proc(5))."""
    kibibytes, _, unit = _field(_content(root + b"/proc/meminfo"), b"MemTotal:").partition(b" ")
    return number(kibibytes) * 1024 if unit == b"kB" and number(kibibytes) else _SENSELESS_BYTES


def _memory_limits(directories: "list[Directory]") -> "Iterator[tuple[bytes, int]]":
    """Yield the memory limit of each cgroup, in bytes, and the file that it stands in; 0 for none.

    Beside v2's memory.max also its memory.high, above which a process is slowed down until it
    stands nearly still: a heap must stay below. v1's soft limit only matters to a machine that
    runs out of memory.
    """
    has_hierarchical = False
    for is_v2, directory in directories:
        for name in (b"max", b"high") if is_v2 else (b"limit_in_bytes",):
            path = directory + b"/memory." + name
            yield path, number(_content(path))
        if not is_v2 and not has_hierarchical:
            # The innermost knows its ancestors' too, those that are not visible here included.
            path = directory + b"/memory.stat"
            limit = number(_field(_content(path), b"hierarchical_memory_limit "))
            has_hierarchical = limit > 0
            yield path, limit


def number(content: bytes) -> int:
    """Return a count from one of the kernel's files; 0 where it is none (`max`, -1, garbage)."""
    digits = content.strip()
    # A 64-bit number has at most 20.
    return int(digits) if digits.isdigit() and len(digits) <= 20 else 0


def amount(size_bytes: int) -> str:
    """Return an amount of memory as people write it: `512 MiB`, `1.5 GiB`."""
    size, unit = float(size_bytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{round(size, 1):g} {unit}"


def counted(count: float) -> str:
    """Return a number of CPUs as people write it: `1 CPU`, `1.5 CPUs`."""
    return "1 CPU" if count == 1 else f"{count:.4g} CPUs"


def _field(content: bytes, name: bytes) -> bytes:
    """Return what stands after `name` at the beginning of a line, b"" where there is none."""
    _, found, after = (b"\n" + content).partition(b"\n" + name)
    return after.partition(b"\n")[0].strip() if found else b""


def _is_path(path: bytes) -> bool:
    """Tell whether a path can be one of the kernel's."""
    return b"\0" not in path and len(path) <= _LONGEST_PATH


def _content(path: bytes) -> bytes:
    return files.read_kernel_file(path) or b""
