"""What the init is told: signals, and statuses, as people write them.

Each function raises ValueError, whose text is what was expected.
"""

import signal

from entrykit.settings.values import Named

_UNBLOCKABLE = {"KILL", "STOP"}
# What a fault of the process raises is not waited for during a start.
_NO_STOPS = _UNBLOCKABLE | {"ABRT", "BUS", "FPE", "ILL", "SEGV", "SYS", "TRAP", "CHLD", "CLD"}
# A process's own children send it.
_NOT_FORWARDED = _UNBLOCKABLE | {"CHLD", "CLD"}
FORWARD = ("child", "group")


def stop_signal(word: str) -> int | None:
    """Return the number of a signal that a start can wait for, None for another."""
    return _number(word, _NO_STOPS)


def forward(word: str) -> str:
    """Take where signals go: to the command, or to its process group."""
    if word not in FORWARD:
        raise ValueError('"child" or "group"')
    return word


def rewrite(words: list[str]) -> dict[int, int]:
    """Return which signals stand for others: from `TERM=QUIT`; 0 stands for none."""
    rewrites = {}
    for word in words:
        given, equals, sent = word.partition("=")
        source = _number(given.strip(), _NOT_FORWARDED)
        target = 0 if sent.strip() == "0" else _number(sent.strip(), set())
        if not equals or source is None or target is None:
            raise Named(f'signals as "TERM=QUIT" or "USR1=0", which {word!r} is not')
        if source in rewrites:
            raise Named(f"each signal once, and {given.strip()} is there twice")
        rewrites[source] = target
    return rewrites


def statuses(numbers: list[int]) -> list[int]:
    """Take exit statuses."""
    for number in numbers:
        if not 0 <= number <= 255:
            raise Named(f"a list of exit statuses, 0 to 255, which {number} is not")
    return numbers


def parent_death_signal(word: str) -> int:
    """Return the number of a signal that the kernel can send; KILL and STOP are such ones."""
    number = _number(word, set())
    if number is None:
        raise Named(f"the name of a signal, which {word!r} is not")
    return number


def name(number: int) -> str:
    """Return a signal as it is written: `TERM`, `RTMIN+3`; `0` for none."""
    if number == 0:
        return "0"
    if number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
        return f"RTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name.removeprefix("SIG")


def _number(word: str, refused: set[str]) -> int | None:
    """Return the number of a signal as STOPSIGNAL names it: TERM, SIGTERM, 15, RTMIN+3, RTMAX-1."""
    bare = word.upper().removeprefix("SIG")
    offset = bare[len("RTMIN+") :]
    if bare.startswith("RTMIN+") and offset.isascii() and offset.isdigit():
        number = signal.SIGRTMIN + int(offset)
    elif bare.startswith("RTMAX-") and offset.isascii() and offset.isdigit():
        number = signal.SIGRTMAX - int(offset)
    elif bare.isascii() and bare.isdigit():
        number = int(bare)
    else:
        number = getattr(signal, f"SIG{bare}", 0)
    without = {getattr(signal, f"SIG{one}") for one in refused}
    return int(number) if number in signal.valid_signals() - without else None
