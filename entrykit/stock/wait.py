"""Waiting for several targets at once, within one limit.

A daemon thread for each target, which blocks where its resolver, connection or file system does;
nobody waits for it. The main thread takes what they report, writes the log, keeps the limit, and
is ended at once by a signal.
"""

import os
import threading
import time
from queue import Empty, SimpleQueue

from entrykit.stock import section, targets
from entrykit.stock.probes import Attempts, NotThereError
from entrykit.system import errors, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from entrykit.steps.python_hook import HookStart
    from entrykit.stock.targets import Target

    # Which target, and why it is not there, "" where it is; or a defect.
    Report = tuple[int, str | Exception]

# Between two attempts; doubled each time, and shortened by up to a half at random.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0
# For one attempt at one address, likewise doubled: at first an answer that is lost costs little.
_FIRST_PATIENCE_SECONDS, _LONGEST_PATIENCE_SECONDS = 1.0, 10.0
_REMINDER_SECONDS = 5.0


def set_up(start: "HookStart") -> str:
    """Wait for the targets of `[wait]`; return what was done, for the log.

    Raises StartError: status 78 for targets that no waiting mends, 124 at the limit.
    """
    config = section.of(start)
    wanted = targets.read(config["targets"], start.env, start.secrets)
    return wait_for(wanted, config["timeout"], start.log.info)


def wait_for(
    wanted: "Sequence[Target]", timeout_seconds: float, say: "Callable[[str], None]"
) -> str:
    """Wait until all targets are there; return how many.

    `say` is called with a line where the state of a target changes, and every 5 s with what is
    missing; not at all where they all are there at the first attempt. Raises StartError, status
    124, at the limit.
    """
    began = time.monotonic()
    deadline, reminder = began + timeout_seconds, began + _REMINDER_SECONDS
    reports: SimpleQueue[Report] = SimpleQueue()
    _watch_all(wanted, deadline, reports)
    # Of each that is missing, the last reason and those that the log has.
    missing = dict.fromkeys(range(len(wanted)), "no answer yet")
    told: dict[int, set[str]] = {number: set() for number in missing}
    while missing:
        now = time.monotonic()
        try:
            report = reports.get(timeout=max(0.0, min(deadline, reminder) - now))
        except Empty:
            report = None
        now = time.monotonic()
        if now >= deadline:
            # Whatever has come by now: a log that nobody reads may have held this up until then.
            raise _limit_reached(wanted, missing)
        if report is None:
            say(f"waiting for {_listed(wanted, missing)}; {log.duration(deadline - now)} left")
            reminder = now + _REMINDER_SECONDS
            continue
        number, reason = report
        if isinstance(reason, Exception):
            raise reason
        shown = wanted[number].shown
        if not reason:
            del missing[number]
            if told[number]:
                say(f"{shown} is there ({log.duration(time.monotonic() - began)})")
            continue
        missing[number] = reason
        if reason not in told[number]:
            told[number].add(reason)
            say(f"{shown}: {reason}")
    return f"{len(wanted)} targets are there" if len(wanted) > 1 else f"{wanted[0].shown} is there"


def _watch_all(wanted: "Sequence[Target]", deadline: float, reports: "SimpleQueue[Report]") -> None:
    for number, target in enumerate(wanted):
        thread = threading.Thread(
            target=_watch, args=(Attempts(target), number, deadline, reports), daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            message = f"cannot wait for {len(wanted)} targets at once: no more threads"
            raise StartError(message, hint="raise the container's limit of processes") from None


def _watch(
    attempts: Attempts, number: int, deadline: float, reports: "SimpleQueue[Report]"
) -> None:
    """Try until the target is there or the time is up; report the outcome of each attempt."""
    pause, patience = _FIRST_PAUSE_SECONDS, _FIRST_PATIENCE_SECONDS
    while (remaining := deadline - time.monotonic()) > 0:
        try:
            attempts.once(min(patience, remaining))
        except NotThereError as reason:
            reports.put((number, str(reason)))
        except Exception as defect:  # noqa: BLE001 - raised again by the main thread
            reports.put((number, defect))
            return
        else:
            reports.put((number, ""))
            return
        # `random` would cost 2 ms.
        time.sleep(pause * (1 - os.urandom(1)[0] / 512))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        patience = min(2 * patience, _LONGEST_PATIENCE_SECONDS)


def _limit_reached(wanted: "Sequence[Target]", missing: dict[int, str]) -> StartError:
    number = len(missing)
    of_all = f" of {len(wanted)}" if len(wanted) > number else ""
    noun = "target" if len(wanted) == 1 else "targets"
    verb = "is" if number == 1 else "are"
    message = f"{number}{of_all} {noun} {verb} not there: {_listed(wanted, missing)}"
    return StartError(message, errors.TIMED_OUT)


def _listed(wanted: "Sequence[Target]", missing: dict[int, str]) -> str:
    return ", ".join(f"{wanted[number].shown} ({reason})" for number, reason in missing.items())
