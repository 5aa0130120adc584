"""`entrykit plan`: what a start would do, as `entrykit.plan` builds and prints it for boot."""

import argparse

from entrykit import boot
from entrykit.commands import run
from entrykit.settings import options
from entrykit.system import errors, log
from entrykit.system.errors import StartError

DESCRIPTION = """\
Show what a start with these options, this command and this environment would do, and do nothing:
its configuration, variables and hooks, each with where it comes from, and the command. Secrets are
not shown. In an image: `docker run -e ENTRYKIT_PLAN=1 IMAGE CMD…`; ENTRYKIT_PLAN=json: as JSON.
Exit status 0, or 78 where the start would end with it. A program that is not there is a note."""

_FORMAT = "format"
_FORMATS = " nor ".join(options.PLAN_FORMS)
# Those of `run`, but for the one that makes a plan of it.
_SETTINGS = (
    *(setting for setting in options.SETTINGS if setting[0] != "plan"),
    (
        _FORMAT,
        False,
        False,
        f"form of the plan: {' or '.join(options.PLAN_FORMS)}; default {options.PLAN_FORMS[0]}",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: those of a start, and the form."""
    run.add_settings(parser, _SETTINGS)


def start(words: list[bytes], mask: set[int]) -> int:
    """Do what `run --plan` does, with the words after `plan`; return the exit status.

    `mask` are the signals that the process was given blocked.
    """
    try:
        given, command = options.read_options(words, _SETTINGS)
        form = _form(given.pop(_FORMAT, b""))
    except StartError as error:
        log.report(error)
        return error.status
    told = [b"--%s=%s" % (name.encode(), value) for name, value in given.items()]
    return boot.run([b"--plan=" + form.encode(), *told, b"--", *command], mask=mask)


def _form(written: bytes) -> str:
    form = log.text(written) or options.PLAN_FORMS[0]
    if form not in options.PLAN_FORMS:
        raise StartError(f"--{_FORMAT} is neither {_FORMATS}", errors.USAGE)
    return form


def execute(_: argparse.Namespace) -> int:
    """Never run: `entrykit plan` without --help goes to `start`, for the raw words."""
    return errors.USAGE
