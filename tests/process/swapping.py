"""Another user, who swaps what lies in its own directories as fast as it can, for ever.

The words are a uid and a list of swaps in JSON: the path that is contested, what is put there for a
moment (`link`, `hard`, `fifo`, `directory` or `file`), and where that leads or is taken from. With
`*` for the path's last name, whatever is there. Standard output is a file of eight bytes, in which
the number of swaps stands.
"""

import ctypes
import json
import mmap
import os
import shutil
import stat
import sys

RENAME_EXCHANGE = 2
AT_FDCWD = -100

renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
KINDS = {
    "link": stat.S_ISLNK, "hard": stat.S_ISREG, "file": stat.S_ISREG, "fifo": stat.S_ISFIFO,
    "directory": stat.S_ISDIR,
}  # fmt: skip
# What belongs there, and is to be swapped with the rest.
STAYS = ("directory", "file")
count = ctypes.c_uint64.from_buffer(mmap.mmap(1, 8))


def exchange(one: str, other: str) -> bool:
    """Swap two names (rename(2), RENAME_EXCHANGE); tell whether both were there."""
    return not renameat2(AT_FDCWD, one.encode(), AT_FDCWD, other.encode(), RENAME_EXCHANGE)


def prepare(path: str, kind: str, target: str) -> None:
    """Have something of a kind at a path."""
    try:
        if KINDS[kind](os.lstat(path).st_mode):
            return
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    except OSError:
        pass
    if kind == "link":
        os.symlink(target, path)
    elif kind == "hard":
        # Its user could not link to it (proc(5), fs.protected_hardlinks): it was given these names.
        names = os.listdir(target)
        if names:
            os.rename(f"{target}/{names[0]}", path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        os.makedirs(f"{path}/inner/deep", exist_ok=True)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def swap(path: str, aside: str, kind: str, target: str) -> None:
    """Put something else at a path for a moment."""
    try:
        prepare(aside, kind, target)
        if exchange(path, aside):
            count.value += 1
            exchange(path, aside)
        elif not os.path.lexists(path):
            os.rename(aside, path)
            count.value += 1
            if kind not in STAYS:
                os.rename(path, aside)
    except OSError:
        # Somebody else was quicker.
        pass


def main(uid: str, given: str) -> None:
    """Swap for ever."""
    os.setgroups([])
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    wanted = json.loads(given)
    while True:
        for number, (path, kind, target) in enumerate(wanted):
            parent, _, name = path.rpartition("/")
            aside = f"{parent}/aside-{number}"
            paths = [path]
            if name == "*":
                try:
                    paths = [f"{parent}/{one}" for one in os.listdir(parent) if "aside" not in one]
                except OSError:
                    continue
            for one in paths:
                swap(one, aside, kind, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
