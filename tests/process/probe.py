"""A probe: a process that waits while the tests read about it under /proc.

It is `wc FIFO`, which changes nothing of what it was given, and is there when the FIFO's other end
can be opened. What a probe shows of itself is read from outside, as the kernel has it.
"""

import contextlib
import fcntl
import os
import termios
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from .starts import PATIENCE_SECONDS, Entrypoint, Given, Running, program

STATUS_KEYS = (
    "Umask", "TracerPid", "Uid", "Gid", "Groups", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn",
    "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
    "Cpus_allowed",
)  # fmt: skip
# 32 and 33 as bits of a set: whether they are ignored depends on whether who starts the probe has
# had threads (nptl(7)).
C_LIBRARYS = 0b11 << 31
PLAIN_FILES = ("environ", "cmdline", "comm", "limits", "oom_score_adj", "personality")
LINKS = ("cwd", "root", "exe")
# proc(5), stat: numbers of the fields after the name in parentheses.
GROUP, SESSION, TERMINAL, FOREGROUND, PRIORITY, NICE, POLICY = 2, 3, 4, 5, 15, 16, 38

Shown = dict[str, object]


class Probe:
    """A command that waits, in front of which entrykit may stand."""

    def __init__(self, directory: Path) -> None:
        self._fifo = directory / "probe"
        os.mkfifo(self._fifo)
        self.words = (program("wc"), os.fspath(self._fifo))

    def run(
        self, entrypoint: Entrypoint, *arguments: bytes, given: Given, directly: bool = False
    ) -> Shown:
        """Start the probe, and return what the kernel shows of it."""
        running = entrypoint.start(*self.words, *arguments, given=given, directly=directly)
        with self.waiting(running):
            shown = observe(running)
        running.end()
        return shown

    def waiting(self, running: Running) -> "_Waiting":
        """Wait until the probe is there, and keep it as long as the context lasts."""
        return _Waiting(self._fifo, running)


class _Waiting:
    def __init__(self, fifo: Path, running: Running) -> None:
        self._fifo = fifo
        self._running = running
        self._descriptor = -1

    def __enter__(self) -> None:
        is_open = threading.Event()
        watch = threading.Thread(target=self._open_at_the_end, args=(is_open,), daemon=True)
        watch.start()
        # Comes back when the probe opens it, which does not have it yet: that is when it has read.
        self._descriptor = os.open(self._fifo, os.O_WRONLY | os.O_CLOEXEC)
        is_open.set()
        watch.join()
        try:
            os.write(self._descriptor, b"\n")
        except BrokenPipeError:
            raise AssertionError(self._running.end()) from None
        unread = bytearray(4)
        while fcntl.ioctl(self._descriptor, termios.FIONREAD, unread) == 0 and any(unread):
            assert self._running.process.poll() is None, self._running.end()
            os.sched_yield()

    def _open_at_the_end(self, is_open: threading.Event) -> None:
        """Open the FIFO in place of a probe that has ended or hangs: else nobody ever does."""
        for _ in range(PATIENCE_SECONDS * 20):
            if is_open.wait(0.05):
                return
            if self._running.process.poll() is not None:
                break
        os.close(os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK))

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def observe(running: Running) -> Shown:
    """Return what the kernel shows of a process, but for numbers that differ at each start."""
    assert running.process.poll() is None, running.end()
    pid = running.pid
    place = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in _read(place / "status").decode().splitlines())
    shown: Shown = {key: status.get(key) for key in STATUS_KEYS}
    shown["SigIgn"] = f"{int(status['SigIgn'], 16) & ~C_LIBRARYS:016x}"
    with _with_ids_of(status):
        shown |= {name: _read(place / name) for name in PLAIN_FILES}
        shown |= {name: (place / name).readlink() for name in LINKS}
        shown["descriptors"] = _descriptors(place)
    stat = _read(place / "stat").rpartition(b")")[2].split()
    names = {pid: "the probe", running.process.pid: "its unshare", os.getsid(0): "the tests'"}
    for name, number in (("group", GROUP), ("session", SESSION), ("foreground", FOREGROUND)):
        shown[name] = names.get(int(stat[number]), "another")
    shown["has a terminal"] = stat[TERMINAL] != b"0"
    shown["scheduling"] = [stat[number] for number in (PRIORITY, NICE, POLICY)]
    return shown


@contextlib.contextmanager
def _with_ids_of(status: Mapping[str, str]) -> Iterator[None]:
    """Have the effective ids of a process: a root without CAP_SYS_PTRACE reads only its own."""
    uid, gid = (int(status[name].split()[0]) for name in ("Uid", "Gid"))
    own = os.geteuid(), os.getegid()
    if own[0] != 0 or uid == 0:
        yield
        return
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(own[0])
        os.setegid(own[1])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        # Not every kernel has every file.
        return b""


def _descriptors(place: Path) -> Mapping[int, tuple[str, str]]:
    """Return each open descriptor's target and flags; pipes and terminals have new numbers."""
    found = {}
    for link in (place / "fd").iterdir():
        target = os.fspath(link.readlink())
        info = _read(place / "fdinfo" / link.name).decode().splitlines()
        flags = next(line for line in info if line.startswith("flags:"))
        found[int(link.name)] = (_without_number(target), flags)
    return found


def _without_number(target: str) -> str:
    if target.startswith("pipe:"):
        return "a pipe"
    return "a terminal" if target.startswith("/dev/pts/") else target


def variables(shown: Shown) -> list[bytes]:
    """Return the entries of a probe's environment."""
    raw = shown["environ"]
    assert isinstance(raw, bytes)
    return raw.split(b"\0")[:-1]
