"""Becomes a program that is given what Popen cannot give: `python -IS setting.py FILE`.

FILE holds the marshalled dictionary that `starts.Given` makes. All that is not asked for is set as
a container engine sets it, whatever the tests themselves were given. As PID 1 of a namespace of
its own it also gets a /run and a /dev/shm of its own, as a container has.
"""

import ctypes
import fcntl
import marshal
import os
import resource
import signal
import sys
import termios
from typing import Any

# 32 and 33 belong to the C library.
SIGNALS = set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
# Out of the way of the numbers that are asked for.
HIGH = 200


def main() -> None:
    """Arrange everything, and become the program."""
    with open(sys.argv[1], "rb") as file:
        given: dict[str, Any] = marshal.load(file)
    if os.getpid() == 1:
        mount_own("/run")
        mount_own("/dev/shm")  # noqa: S108 - where a start puts its runtime directory
    open_descriptors(given["descriptors"])
    if given["terminal"]:
        take_terminal(given["terminal"])
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if number in given["ignored"] else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, given["blocked"])
    for number in given["pending"]:
        os.kill(os.getpid(), number)
    os.umask(given["umask"])
    os.chdir(given["directory"])
    for limit, value in given["limits"].items():
        resource.setrlimit(limit, (value, value))
    for descriptor in given["closed"]:
        os.close(descriptor)
    execute(given["words"], given["environment"])


def mount_own(place: str) -> None:
    """Mount an empty file system; nobody outside the namespace sees it."""
    if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", place.encode(), b"tmpfs", 0, None) != 0:
        sys.exit(f"cannot mount {place}: {os.strerror(ctypes.get_errno())}")


def open_descriptors(wanted: dict[int, bytes]) -> None:
    """Open files at the given numbers, for reading and appending."""
    opened = {}
    for number, path in wanted.items():
        low = os.open(path, os.O_RDWR | os.O_APPEND)
        opened[number] = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
        os.close(low)
    for number, high in opened.items():
        os.dup2(high, number)


def take_terminal(path: bytes) -> None:
    """Make a terminal the controlling one, and the standard streams."""
    os.setsid()
    terminal = os.open(path, os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(terminal, descriptor)
    os.close(terminal)


def execute(words: list[bytes], environment: list[bytes]) -> None:
    """Call execve(2) itself: os.execve takes no name twice, and nothing without `=`."""
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    entries = (ctypes.c_char_p * (len(environment) + 1))(*environment, None)
    ctypes.CDLL(None, use_errno=True).execve(words[0], argv, entries)
    sys.exit(f"cannot run {words[0]!r}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
