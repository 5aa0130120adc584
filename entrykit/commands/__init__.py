"""One module for each command that people type."""

import argparse
import sys
from importlib import import_module

from entrykit import __version__
from entrykit.system import errors, log
from entrykit.system.errors import StartError

# Name and summary; the module of the same name has `add_arguments` and `execute`.
COMMANDS = {
    "run": "run the hooks, then become the command",
    "bake": "check an image, and write the launcher that its ENTRYPOINT names",
    "render": "render a template, as the hook 40-templates.py does",
}


def main(words: list[str]) -> int:
    """Run the command that `words` name; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="entrykit",
        description="The entrypoint of a container image: hooks, set-up, then exec.",
        epilog="`entrykit COMMAND --help` tells the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"entrykit {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    name = words[0] if words and words[0] in COMMANDS else ""
    for command, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            command, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if command == name:
            module = import_module(f"entrykit.commands.{command}")
            subparser.description = module.DESCRIPTION
            module.add_arguments(subparser)
            subparser.set_defaults(execute=module.execute)
    arguments = parser.parse_args(words)
    try:
        status: int = arguments.execute(arguments)
    except StartError as error:
        log.report(error)
        return error.status
    except KeyboardInterrupt:
        return errors.SIGNALLED + 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return status
