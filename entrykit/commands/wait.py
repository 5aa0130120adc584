"""`entrykit wait`: wait until targets are there, then perhaps become a command."""

import argparse
import os
import signal
import time

from entrykit.settings import options, values
from entrykit.stock import targets, wait
from entrykit.system import errors, log
from entrykit.system.errors import StartError, os_reason

DESCRIPTION = """\
Wait until all targets are there, then become CMD, if one is given after `--`.

    tcp://HOST:PORT            it accepts a connection
    tls://HOST:PORT            ... and its certificate is right (#verify=no, #ca=FILE)
    http://HOST/PATH           it answers with a status from 200 to 399 (#status=200,404)
    https://HOST/PATH          both
    postgres://USER@HOST/DB    it is not starting up
    redis://HOST, rediss://    it answers a PING, and is not loading
    unix:/PATH                 it accepts a connection
    file:/PATH                 it exists (#min-size=1)

Exit status: CMD's own; 0 all are there; 124 the limit is reached; 78 a target that is none;
126, 127 CMD cannot run, is not there. What ${NAME} stands for is taken from the environment."""
# What stands after `--` is no option of ours.
TAKES_COMMAND = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `wait`."""
    parser.usage = "entrykit wait [-h] [--timeout DURATION] TARGET [TARGET ...] [-- CMD ...]"
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        type=_duration,
        default=60.0,
        help="the limit for all of them together; default 60s",
    )
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="what is waited for")


def execute(arguments: argparse.Namespace) -> int:
    """Wait; return 0, or become the command. Raises StartError at the limit."""
    told = options.read_variables(
        (name, value) for name, value in os.environb.items() if name == b"ENTRYKIT_LOG"
    )
    log.set_level(options.log_level(told))
    _end_on_terminate()
    began = time.monotonic()
    said = wait.wait_for(targets.read(arguments.targets, os.environ), arguments.timeout, log.info)
    log.info(f"{said} ({log.duration(time.monotonic() - began)})")
    return _become(arguments.cmd) if arguments.cmd else 0


def _duration(written: str) -> float:
    try:
        return values.duration_seconds(written)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{written} is no duration, as 30s or 5m") from None


def _end_on_terminate() -> None:
    """Let TERM end the process where it is PID 1 too: there the kernel ignores its default."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(errors.SIGNALLED + number))


def _become(words: list[str]) -> int:
    # Python ignores them, and a command would inherit that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    name = log.text(os.fsencode(words[0]))
    if not words[0]:
        raise StartError("cannot run the command: its first word is empty", errors.NOT_FOUND)
    try:
        os.execvp(words[0], words)  # noqa: S606 - without a shell
    except OSError as error:
        is_missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        status = errors.NOT_FOUND if is_missing else errors.CANNOT_EXECUTE
        raise StartError(f"cannot run {name}: {os_reason(error)}", status) from None
