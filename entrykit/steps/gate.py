"""The gate: whether a command gets checks, defaults and hooks.

Imported by every start: builtin modules only.
"""

from entrykit.steps import command as commands
from entrykit.system import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.command import Command
    from entrykit.steps.discover import Hook


def is_open(command: "Command", program: list[bytes], others: list[bytes]) -> bool:
    """Tell whether the command gets the set-up.

    `others` are the first words of the commands that get it beside the program; `*` is any.
    A sole argument `--help` or `--version` closes the gate: such a command starts no server.
    """
    words = command.words()
    arguments = command.rest if command.program else words[1:]
    if arguments in ([b"--help"], [b"--version"]):
        return False
    if not program or command.program or b"*" in others:
        return True
    return any(commands.matches(words[0], other) for other in others)


def reason(command: "Command", program: list[bytes]) -> str:
    """Return why the gate is closed, without a value of the user's but the command's name."""
    name = log.text(command.words()[0])
    if command.program or not program:
        return f"{name} is only asked for its help or version"
    return f"the command is {name}, not {log.text(b' '.join(program))}"


def say_what_is_not_run(hooks: "list[Hook]", command: "Command", program: list[bytes]) -> None:
    """Say in one line which hooks a command does not get, and why; nothing without hooks."""
    if hooks:
        names = ", ".join(log.text(one.name) for one in hooks)
        log.info(f"{reason(command, program)}: hooks not run: {names}")
