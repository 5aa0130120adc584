"""What a start in a sandbox may use up: processes, and what it writes; it is ended at more.

Of processes no limit of the kernel's holds for every author: RLIMIT_NPROC leaves out the machine's
root (getrlimit(2)), a control group is not everybody's to make, and would stay when the keeper is
killed. So they are counted, and what goes over is killed by name. What comes between two counts is
bounded by RLIMIT_NPROC, which since Linux 5.14 counts those of a user namespace, and for root too
by kernel.pid_max, which since 6.14 each PID namespace has of its own.
"""

import os
import resource

# Processes and threads at once.
TASKS = 1000
COUNT_EVERY_MS = 20
_MOST_TASKS = 2 * TASKS
WRITTEN_BYTES = 1 << 30
_WRITTEN_FILES = 500_000
_FAIR = (os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_IDLE)
# Linux 6.14: before, whoever wrote it changed the machine's.
_OWN_LAST_ID = (6, 14)


def told(tasks: int) -> str:
    """Return for what a start is killed that has so many of them, "" for nothing."""
    return f"more than {TASKS} processes and threads at once" if tasks > TASKS else ""


def tasks(proc: str) -> int:
    """Count the processes and threads that a /proc shows; 0 where it is gone."""
    names: list[str] = []
    try:
        with os.scandir(proc) as entries:
            for entry in entries:
                names += [entry.name] * entry.name.isdigit()
                if len(names) > TASKS:
                    # A bomb grows while it is counted.
                    return len(names)
    except OSError:
        return 0
    found = 0
    for name in names:
        try:
            # . and .. and a directory for each thread.
            found += os.stat(f"{proc}/{name}/task").st_nlink - 2
        except OSError:
            # Its end came first.
            continue
    return found


def files() -> str:
    """Return the limits of the tmpfs that takes all that is written."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"size={min(WRITTEN_BYTES, memory // 4)},nr_inodes={_WRITTEN_FILES}"


def go_first() -> int:
    """Let no bomb starve who is to end it, where that is allowed (sched(7)).

    Return the policy that it had, for a start. SCHED_RESET_ON_FORK would take a start's nice value,
    and a nice value would do nothing beside a hook in a session of its own (sched(7), autogroup).
    """
    policy = os.sched_getscheduler(0)
    if policy in _FAIR:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass
    return policy


def bound_ids(proc: str) -> None:
    """Let the PID namespace of a new /proc have no more ids, where that is not the machine's."""
    try:
        major, minor = [int(word) for word in os.uname().release.split(".")[:2]]
        if (major, minor) < _OWN_LAST_ID:
            return
        with open(f"{proc}/sys/kernel/pid_max", "wb") as file:
            file.write(b"%d" % _MOST_TASKS)
    except (OSError, ValueError):
        # Not to be known, or not to be written: it was one limit of two.
        return


def bound(policy: int) -> None:
    """Give the process that becomes the start its policy, and its limits."""
    if policy in _FAIR:
        os.sched_setscheduler(0, policy, os.sched_param(0))
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _MOST_TASKS if hard == resource.RLIM_INFINITY else min(hard, _MOST_TASKS)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
