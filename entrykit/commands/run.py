"""`entrykit run`: its help. The start itself is told in `entrykit.boot`, without argparse."""

import argparse
from collections.abc import Sequence

from entrykit.settings import options
from entrykit.system import errors

DESCRIPTION = """\
Run the hooks, then become the command. Options end at `--` or at the first word that is none.
An ENTRYKIT_* variable sets what its option sets; the option wins. An image's ENTRYPOINT is better
the launcher that `entrykit bake` writes: it starts faster, and isolated."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a start, from the table that the start itself reads."""
    add_settings(parser, options.SETTINGS)


def add_settings(parser: argparse.ArgumentParser, settings: "Sequence[options.Setting]") -> None:
    """Add options from a table, and the command."""
    for name, is_switch, has_variable, text in settings:
        shown = f"{text} [ENTRYKIT_{name.upper()}]" if has_variable else text
        if is_switch:
            parser.add_argument(f"--{name}", action="store_true", help=shown)
        else:
            parser.add_argument(f"--{name}", metavar="VALUE", help=shown)
    parser.add_argument("cmd", nargs="*", metavar="CMD", help="the command and its arguments")


def execute(_: argparse.Namespace) -> int:
    """Never run: `entrykit run` without --help goes to boot."""
    return errors.USAGE
