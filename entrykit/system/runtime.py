"""Owns the runtime directory: where a start keeps what it makes.

Imported by every start with a hook: builtin modules only.
"""

import posix

from entrykit.system import files, writing
from entrykit.system.errors import StartError

_MODE = 0o711
_OTHERS_WRITE, _STICKY = 0o022, 0o1000
_FIRST_CHOICE = b"/run/entrykit"
_OTHER_PARENTS = (b"/dev/shm", b"/tmp")
# A link in the directory that says which process holds it.
_HOLDER = b".held-by"
# What the directories of other users' hooks have in front, as other_user.place names them.
_USERS = b"user-"


def mend() -> str:
    """Return what to do where no runtime directory can be had.

    Not just `--tmpfs /run`: the engine gives it the owner and mode of the image's /run.
    """
    user = posix.geteuid()
    if user == 0:
        return "mount one of root's, that others can write only with the sticky bit: --tmpfs /tmp"
    return f"let uid {user} write to one: for instance --tmpfs /tmp, or --tmpfs /run:uid={user}"


def claim() -> bytes:
    """Return the path of a fresh runtime directory of this process, b"" where none can be had.

    /run/entrykit, else /dev/shm/entrykit-RANDOM, else /tmp/entrykit-RANDOM. One found in /run is
    used where it is the process's own user's and no living start holds it, and is emptied first.
    """
    if _may_use(_FIRST_CHOICE.rpartition(b"/")[0]) and _claim_first_choice(_FIRST_CHOICE):
        return _FIRST_CHOICE
    for parent in _OTHER_PARENTS:
        if not _may_use(parent):
            continue
        path = b"%s/entrykit-%s" % (parent, posix.urandom(8).hex().encode())
        try:
            writing.make_directory(path, _MODE)
        except OSError:
            continue
        return path
    return b""


def release(path: bytes) -> None:
    """Remove a runtime directory that holds nothing; else it stays, for the command."""
    try:
        held = posix.listdir(path)
        if not set(held) - {_HOLDER}:
            for name in held:
                posix.unlink(path + b"/" + name)
            posix.rmdir(path)
    except OSError:
        # The image made it, in a directory that this user cannot write to: it stays, empty.
        pass


def remove(path: bytes) -> None:
    """Remove a runtime directory and all that it holds, as far as that can be.

    The mark goes last: without it, another start takes the directory over.
    """
    try:
        writing.empty(path, but_for=_HOLDER.decode())
    except OSError:
        return
    release(path)


def _may_use(parent: bytes) -> bool:
    """Tell whether what root makes in a directory stays there.

    An emptyDir volume of Kubernetes is of mode 0777, without the sticky bit: a process of another
    container could put its own directory into the place, and root would do what is asked for there.
    So could whoever owns it (`--tmpfs /run:uid=1500`), which the sticky bit does not hold up.
    """
    if posix.geteuid() != 0:
        return True
    try:
        status = posix.stat(parent)
    except OSError:
        return False
    if status.st_mode & _OTHERS_WRITE and not status.st_mode & _STICKY:
        return False
    if status.st_uid == 0:
        return True
    from entrykit.system import descent  # seldom

    return descent.is_trusted(status.st_uid)


def _claim_first_choice(path: bytes) -> bool:
    """Make or take over `path`, and leave a link in it that says which process holds it.

    An exec keeps a process's id and start time, so the command goes on holding what its start
    made: a second start in the same container (`docker exec`) must not empty it.
    """
    holder = path + b"/" + _HOLDER
    try:
        try:
            writing.make_directory(path, _MODE)
        except FileExistsError:
            status = posix.lstat(path)
            if not files.is_directory(status.st_mode) or status.st_uid != posix.geteuid():
                return False
            return not _holds_mounts(path) and _take_over_directory(path, holder)
        posix.symlink(_process_mark("self"), holder)
    except OSError:
        return False
    return True


def _holds_mounts(path: bytes) -> bool:
    """Tell whether something is mounted below a directory (proc(5), mountinfo, field 5)."""
    table = files.read_kernel_file("/proc/self/mountinfo") or b""
    points = [line.split(b" ")[4] for line in table.splitlines()]
    return any(point.startswith(path + b"/") for point in points)


def _take_over_directory(path: bytes, holder: bytes) -> bool:
    import fcntl  # a file, not a builtin, in some interpreters

    directory = writing.open_directory(path)
    try:
        # Two starts at once: only one may find the link of a dead holder and replace it.
        fcntl.flock(directory, fcntl.LOCK_EX)
        try:
            mark = posix.readlink(holder)
        except FileNotFoundError:
            mark = b""
        if mark and _process_mark(mark.partition(b" ")[0].decode("ascii", "replace")) == mark:
            return False
        if mark:
            posix.unlink(holder)
        posix.symlink(_process_mark("self"), holder)
        try:
            posix.fchmod(directory, _MODE)
            if any(name.startswith(_USERS) for name in posix.listdir(path)):
                from entrykit.system import other_user  # seldom

                other_user.remove_places(path)
            writing.empty(path, but_for=_HOLDER.decode())
        except OSError:
            # Something is mounted in it, and so is somebody else's.
            posix.unlink(holder)
            return False
    finally:
        posix.close(directory)
    return True


def _process_mark(process: str) -> bytes:
    """Return a process's id and start time, b"" where there is no such process (proc(5), stat)."""
    try:
        raw = files.read(f"/proc/{process}/stat".encode(), 4096)
    except StartError:
        return b"%d ?" % posix.getpid() if process == "self" else b""
    # The second field, the name in parentheses, may hold blanks and parentheses itself.
    return raw.partition(b" ")[0] + b" " + raw.rpartition(b")")[2].split()[19]
