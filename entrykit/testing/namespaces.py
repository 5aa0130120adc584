"""Owns the calls that make namespaces and mounts: unshare(2), mount(2), pivot_root(2), prctl(2).

Through ctypes: Python has os.unshare only from 3.12 on, and none of the others. No helper program
(unshare(1), newuidmap(1)) is needed.
"""

import ctypes
import os
import struct

NEW_MOUNTS, NEW_USER, NEW_PROCESSES = 0x00020000, 0x10000000, 0x20000000
NEW_NETWORK, NEW_IPC, NEW_UTS = 0x40000000, 0x08000000, 0x04000000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
_DETACH = 2
# One number on every architecture (Linux 5.12).
_MOUNT_SETATTR = 442
# glibc has a function that no header names; musl has none.
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "armv7l": 218, "i686": 217}
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER = 1, 24, 36
# Those of a container as engines start it (capabilities(7)): CHOWN, DAC_OVERRIDE, FOWNER, FSETID,
# KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
_CONTAINER_CAPABILITIES = frozenset((0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Move this process, or its next children, into new namespaces. Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """Mount something (mount(2)). Raises OSError."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    options = None if data is None else os.fsencode(data)
    _check(_libc.mount(*words, ctypes.c_ulong(flags), options), f"mount {target}")


def unmount(target: str) -> None:
    """Take a mount, and all below it, out of the tree (umount2(2), MNT_DETACH). Raises OSError."""
    _check(_libc.umount2(os.fsencode(target), _DETACH), f"unmount {target}")


def make_read_only(target: str, more: int = 0) -> None:
    """Let nothing be written through a mount and all below it (mount_setattr(2)).

    `more` are other attributes: NO_SUID, NO_DEVICES, NO_EXEC. Raises OSError.
    """
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", READ_ONLY | more, 0, 0, 0))
    path = ctypes.c_char_p(os.fsencode(target))
    arguments = (_AT_FDCWD, path, _AT_RECURSIVE, attributes, ctypes.c_size_t(32))
    _check(_libc.syscall(_MOUNT_SETATTR, *arguments), f"mount_setattr {target}")


def pivot_root(new: str, old: str) -> None:
    """Make a mount the root, and put the present one below it. Raises OSError."""
    paths = [ctypes.c_char_p(os.fsencode(path)) for path in (new, old)]
    if hasattr(_libc, "pivot_root"):
        result = _libc.pivot_root(*paths)
    else:
        result = _libc.syscall(_PIVOT_ROOT.get(os.uname().machine, -1), *paths)
    _check(result, "pivot_root")


def die_with_parent(number: int) -> None:
    """Be sent a signal when the parent ends (PR_SET_PDEATHSIG). Raises OSError."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Be the parent of all descendants whose own has ended. Raises OSError."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def keep_container_capabilities() -> None:
    """Let what is executed from here on have no more than a container's root.

    Without SYS_ADMIN nobody takes away what is mounted read-only over /proc/sys, whose files ask
    for the machine's uid 0, and not for a capability.
    """
    # The first number that is none is refused.
    for number in range(64):
        if number in _CONTAINER_CAPABILITIES:
            continue
        if _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            return


def raise_loopback() -> None:
    """Bring the loopback interface of a new network namespace up. Raises OSError."""
    import _socket  # `socket` costs 8 ms
    import fcntl

    one = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(one.fileno(), _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    finally:
        one.close()


def map_ids(process: int, uid: int, gid: int) -> None:
    """Say which users of this namespace a process's new user namespace has. Raises OSError.

    Of root all, as they are; of anybody else the own one, who is root in there: more would need
    newuidmap(1) and /etc/subuid.
    """
    place = f"/proc/{process}"
    if uid != 0:
        _write(f"{place}/setgroups", b"deny")
    for name, own in (("uid_map", uid), ("gid_map", gid)):
        with open(f"/proc/self/{name}", "rb") as file:
            known = file.read()
        rows = [tuple(map(int, row.split())) for row in known.splitlines()]
        lines = [b"%d %d %d\n" % (first, first, count) for first, _, count in rows]
        _write(f"{place}/{name}", b"".join(lines) if uid == 0 else b"0 %d 1\n" % own)


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
