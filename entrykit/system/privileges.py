"""Owns the process's ids and capabilities: the one place where they change.

Its rule: what was given up is gone. After each change it is tried whether root can be had back,
and the kernel is asked what the ids and capabilities are now.

Part of a start only where there is a user to step down to: builtin modules only.
"""

import posix

from entrykit.system import files
from entrykit.system.errors import CANNOT_EXECUTE, StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.system.users import Identity

# Bits of a set of capabilities (linux/capability.h).
_SETGID, _SETUID = 1 << 6, 1 << 7
# What a program could use or pass on; the bounding set gives nothing by itself.
_SETS = (b"CapInh", b"CapPrm", b"CapEff", b"CapAmb")


def is_already(identity: "Identity") -> bool:
    """Tell whether the process has exactly these ids: then there is nothing to change.

    Whether `gid` is among the supplementary groups too is no matter.
    """
    return _has_user(identity) and _has_groups(identity)


def check(identity: "Identity") -> None:
    """Raise StartError, status 126, where a step-down would be refused, as far as that is known."""
    if names := _lacking(identity):
        raise _lacks(identity, names)
    uids, gids = [identity.uid], [identity.gid, *identity.groups]
    if not _are_mapped(b"/proc/self/uid_map", uids) or not _are_mapped(b"/proc/self/gid_map", gids):
        raise _unmapped(identity)
    # The gid can be changed all the same.
    if {identity.gid, *posix.getgroups()} != set(identity.groups) and _are_groups_fixed():
        raise _fixed_groups(identity)


def step_down(identity: "Identity") -> None:
    """Become a user for good: group, supplementary groups, user, each of all three kinds.

    Another user than root keeps no capabilities. Raises StartError, status 126, where the kernel
    refuses, or where something of root was left.
    """
    uid, gid = identity.uid, identity.gid
    held = _capabilities()
    if uid != 0 and (held.get(b"CapInh") or held.get(b"CapAmb")):
        from entrykit.system import kernel  # ctypes costs 8 ms

        kernel.load()
    try:
        posix.setresgid(gid, gid, gid)
        _set_groups(identity)
        posix.setresuid(uid, uid, uid)
    except OSError as error:
        raise refused(identity, error) from None
    if uid != 0:
        _drop_capabilities(identity)
        _try_to_regain(identity)
    if not is_already(identity):
        raise _cannot(identity, "the kernel has set other ids")


def _has_user(identity: "Identity") -> bool:
    return posix.getresuid() == (identity.uid,) * 3


def _has_groups(identity: "Identity") -> bool:
    gid = identity.gid
    is_group = posix.getresgid() == (gid,) * 3
    return is_group and {gid, *posix.getgroups()} == set(identity.groups)


def _set_groups(identity: "Identity") -> None:
    if posix.getgroups() == list(identity.groups):
        return
    try:
        posix.setgroups(identity.groups)
    except PermissionError:
        if not _has_groups(identity):
            raise


def create_with_group(gid: int) -> None:
    """Let what this process makes from now on have a group, where that can be.

    A root without CAP_CHOWN, but with CAP_SETGID, can give a file a group in no other way.
    """
    try:
        posix.setegid(gid)
    except OSError:
        # Then whoever wants to give the file away says what is the matter.
        pass


def _drop_capabilities(identity: "Identity") -> None:
    """See that no capability is left; changing the uid drops them, unless a securebit keeps them.

    The inheritable ones it leaves always (capabilities(7)): an engine that gives some
    (CVE-2022-24769) is seldom met now.
    """
    if _capabilities_left():
        from entrykit.system import kernel  # loaded already, but where a securebit keeps them

        if not kernel.drop_capabilities() or _capabilities_left() is True:
            hint = "install the full python3, or run with an engine that gives no such ones"
            raise _cannot(identity, "it would keep capabilities", hint)


def _capabilities_left() -> "bool | None":
    """Tell whether there are any; None where that is not to be known."""
    found = _capabilities()
    return any(found.values()) if found else None


def _capabilities() -> dict[bytes, int]:
    """Return the sets of capabilities of this process, none where /proc does not tell (proc(5))."""
    found = {}
    for line in (files.read_kernel_file("/proc/self/status") or b"").splitlines():
        name, _, value = line.partition(b":")
        if name in _SETS:
            found[name] = int(value, 16)
    return found


def _try_to_regain(identity: "Identity") -> None:
    """Raise StartError where root can be had back."""
    for regain in (posix.setresuid, posix.setresgid if identity.gid != 0 else None):
        if regain:
            try:
                regain(0, 0, 0)
            except OSError:
                continue
            raise _cannot(identity, "root could be had back")


def _lacking(identity: "Identity") -> list[str]:
    """Return the names of the capabilities that a step-down needs and the process lacks."""
    held = _capabilities().get(b"CapEff")
    if held is None:
        return []
    names = []
    if not _has_groups(identity) and not held & _SETGID:
        names.append("SETGID")
    if not _has_user(identity) and not held & _SETUID:
        names.append("SETUID")
    return names


def _are_mapped(path: bytes, ids: list[int]) -> bool:
    """Tell whether a user namespace has all ids (user_namespaces(7), uid_map)."""
    ranges = [line.split() for line in (files.read_kernel_file(path) or b"").splitlines()]
    return not ranges or all(
        any(int(first) <= one < int(first) + int(count) for first, _, count in ranges)
        for one in ids
    )


def refused(identity: "Identity", error: OSError) -> StartError:
    """Return the error, status 126, of a change of ids that the kernel has refused."""
    import errno  # even a builtin module costs 40 µs

    names = _lacking(identity)
    if error.errno == errno.EPERM and names:
        return _lacks(identity, names)
    if error.errno == errno.EPERM and _are_groups_fixed():
        return _fixed_groups(identity)
    if error.errno == errno.EINVAL:
        return _unmapped(identity)
    return _cannot(identity, os_reason(error))


def _are_groups_fixed() -> bool:
    """Tell whether a user namespace forbids setgroups(2) (user_namespaces(7))."""
    return files.read_kernel_file("/proc/self/setgroups") == b"deny\n"


def _fixed_groups(identity: "Identity") -> StartError:
    reason = "this user namespace forbids to change supplementary groups"
    return _cannot(identity, reason, "run it in one that maps more than one gid")


def _unmapped(identity: "Identity") -> StartError:
    hint = "map more ids to the container, or choose lower ones"
    return _cannot(identity, "this user namespace does not map these ids", hint)


def _lacks(identity: "Identity", names: list[str]) -> StartError:
    ids = f"{identity.uid}:{identity.gid}"
    hint = f"give it --cap-add {' --cap-add '.join(names)}, or start it with --user {ids}"
    capabilities = " and ".join(f"CAP_{name}" for name in names)
    return _cannot(identity, f"the container lacks {capabilities}", hint)


def _cannot(identity: "Identity", reason: str, hint: str = "") -> StartError:
    return StartError(f"cannot become {shown(identity)}: {reason}", CANNOT_EXECUTE, hint)


def shown(identity: "Identity") -> str:
    """Return a user as a message shows it: `app (1500:1500)`, `1500:0`."""
    ids = f"{identity.uid}:{identity.gid}"
    return f"{identity.name} ({ids})" if identity.name else ids
