"""One module for each command that people type."""

import sys

from entrykit import __version__
from entrykit.system import errors, log
from entrykit.system.errors import StartError

# Name and summary; the module of the same name has `add_arguments` and `execute`. Where it has a
# true `TAKES_COMMAND`, what stands after `--` is in `arguments.cmd`: argparse would lose the place.
COMMANDS = {
    "run": "run the hooks, then become the command",
    "exec": "become a command as another user, or with another process's environment",
    "plan": "show what a start would do, without doing it",
    "bake": "check an image, and write the launcher that its ENTRYPOINT names",
    "check": "find what is wrong with hooks and configuration, running nothing",
    "wait": "wait until servers, sockets and files are there",
    "htpasswd": "make and edit htpasswd files, and verify passwords",
    "env": "list the variables that an image understands",
    "try": "run the hooks in a sandbox, and show what came of it",
    "render": "render a template, as the hook 40-templates.py does",
}
# A keyword names no module.
_MODULES = {"try": "try_"}


def main(words: list[str]) -> int:
    """Run the command that `words` name; return its exit status."""
    # Not above: `exec` and `plan` are of this package, and do without.
    import argparse
    from importlib import import_module

    parser = argparse.ArgumentParser(
        prog="entrykit",
        description="The entrypoint of a container image: hooks, set-up, then exec.",
        epilog="`entrykit COMMAND --help` tells the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"entrykit {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    name = words[0] if words and words[0] in COMMANDS else ""
    own, cmd = words, None
    for command, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            command, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if command == name:
            module = import_module(f"entrykit.commands.{_MODULES.get(command, command)}")
            subparser.description = module.DESCRIPTION
            module.add_arguments(subparser)
            if getattr(module, "TAKES_COMMAND", False) and "--" in words:
                place = words.index("--")
                own, cmd = words[:place], words[place + 1 :]
                if not cmd:
                    subparser.error("a command is expected after --")
            subparser.set_defaults(execute=module.execute, cmd=cmd)
    arguments = parser.parse_args(own)
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
