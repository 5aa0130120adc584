"""A command that takes all signals, and says which: `python -IS witness.py [NAME]`.

It writes `ready`, and then the number of each signal, a line each, to standard error; the name
stands before both. TERM ends it with status 0 when it comes for the second time.
"""

import signal
import sys

WAITED_FOR = set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}


def main() -> None:
    """Wait, and tell."""
    name = "".join(f"{word} " for word in sys.argv[1:])
    signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
    say(f"{name}ready")
    terms = 0
    while terms < 2:
        number = signal.sigwaitinfo(WAITED_FOR).si_signo
        terms += number == signal.SIGTERM
        say(f"{name}{number}")


def say(line: str) -> None:
    """Write a line at once."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
