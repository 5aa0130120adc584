"""The command: the program's words, options, the rest.

Imported by every start: builtin modules only.
"""


class Command:
    """What the container is to run, as three lists of words."""

    __slots__ = ("options", "program", "rest")

    def __init__(self, program: list[bytes], rest: list[bytes]) -> None:
        self.program = program
        self.options: list[bytes] = []
        self.rest = rest

    def words(self) -> list[bytes]:
        """Return the argument vector."""
        return [*self.program, *self.options, *self.rest]


def complete(given: list[bytes], program: list[bytes]) -> Command:
    """Return the command that was given; an empty or flag-first one is the program's own.

    Where the command names the program, by the same path or by its base name without a path, the
    program's words take that place.
    """
    if not program:
        return Command([], given)
    if not given or given[0].startswith(b"-"):
        return Command(program, given)
    if matches(given[0], program[0]) and given[1 : len(program)] == program[1:]:
        return Command(program, given[len(program) :])
    return Command([], given)


def matches(word: bytes, program: bytes) -> bool:
    """Tell whether a command's first word means a program: the same, or its bare base name."""
    return word == program or word == program.rpartition(b"/")[2]
