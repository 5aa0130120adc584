"""`entrykit check`: find what is wrong with hooks and configuration before a container starts."""

import argparse
import os

from entrykit.commands import standard_output
from entrykit.lint import formats, targets
from entrykit.lint.findings import ERROR, WARNING
from entrykit.lint.survey import Survey
from entrykit.settings import options
from entrykit.steps import configure
from entrykit.system import errors, log
from entrykit.system.errors import StartError

DESCRIPTION = """\
Look at hook directories, configuration and templates, and say what is wrong; run nothing of them.
A DIR is a hook directory, with its configuration in entrykit.toml beside it, or the root of an
image: it has etc/entrykit.toml, usr/lib/entrykit/hooks.d or docker-entrypoint.d in it. Without one
this machine is the image. Exit status 0 for nothing or notes, 1 for warnings or errors, 2 usage."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    parser.add_argument("directories", metavar="DIR", nargs="*", help="what to look at")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the configuration file, instead of those that are found",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif", "github"),
        default="text",
        help="default text; sarif is SARIF 2.1.0, github annotations of a workflow",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Look, and write what was found; return the exit status."""
    own = {name: value for name, value in os.environb.items() if name.startswith(configure.PREFIX)}
    told = options.read_variables(own.items())
    names = [os.fsencode(name) for name in arguments.directories]
    configuration = os.fsencode(arguments.config) if arguments.config else None
    if configuration is not None and not os.path.lexists(configuration):
        message = f"cannot read {log.text(configuration)}: no such file"
        raise StartError(message, errors.USAGE, "--config names a file")
    surveys = [Survey(target) for target in targets.find(names, configuration, told)]
    found = [one for survey in surveys for one in survey.look()]
    lines = "".join(f"{line}\n" for line in formats.lines(arguments.format, found))
    # In UTF-8 whatever the locale is: other programs read it.
    standard_output.write(lines.encode())
    counts = formats.counts(found)
    if arguments.format == "text":
        count = sum(survey.hook_count for survey in surveys)
        said = [_counted(number, severity) for severity, number in counts.items()]
        log.info(f"{_counted(count, 'hook')}: {', '.join(said)}")
    return 1 if counts[ERROR] or counts[WARNING] else 0


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
