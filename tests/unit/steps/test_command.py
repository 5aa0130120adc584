"""The command as three lists: the program's words, options, the rest."""

import pytest

from entrykit.steps import command

SERVER = [b"/srv/server"]
JAVA = [b"java", b"-jar", b"/app.jar"]


@pytest.mark.parametrize(
    ("given", "program", "found", "rest"),
    [
        # An empty or flag-first command is the program's.
        ([], SERVER, SERVER, []),
        ([b"-v"], SERVER, SERVER, [b"-v"]),
        ([b"--", b"x"], SERVER, SERVER, [b"--", b"x"]),
        ([b"-"], SERVER, SERVER, [b"-"]),
        ([], JAVA, JAVA, []),
        ([b"-v"], JAVA, JAVA, [b"-v"]),
        # The same path, or the base name without one.
        ([b"/srv/server", b"-v"], SERVER, SERVER, [b"-v"]),
        ([b"server", b"-v"], SERVER, SERVER, [b"-v"]),
        ([b"/opt/server", b"-v"], SERVER, [], [b"/opt/server", b"-v"]),
        ([b"./server"], SERVER, [], [b"./server"]),
        ([b"srv/server"], SERVER, [], [b"srv/server"]),
        # All words of the program.
        ([b"java", b"-jar", b"/app.jar", b"x"], JAVA, JAVA, [b"x"]),
        ([b"java", b"-version"], JAVA, [], [b"java", b"-version"]),
        ([b"java", b"-jar"], JAVA, [], [b"java", b"-jar"]),
        ([b"java"], JAVA, [], [b"java"]),
        ([b"/usr/bin/java", *JAVA[1:]], JAVA, [], [b"/usr/bin/java", *JAVA[1:]]),
        # Something else.
        ([b"sh", b"-c", b"x"], SERVER, [], [b"sh", b"-c", b"x"]),
        ([b""], SERVER, [], [b""]),
        # No program is configured.
        ([b"sh", b"-v"], [], [], [b"sh", b"-v"]),
        ([b"-v"], [], [], [b"-v"]),
    ],
)
def test_the_program_takes_its_place_in_the_command(
    given: list[bytes], program: list[bytes], found: list[bytes], rest: list[bytes]
) -> None:
    complete = command.complete(given, program)
    assert (complete.program, complete.options, complete.rest) == (found, [], rest)
    assert complete.words() == found + rest


def test_options_stand_between_the_program_and_the_rest() -> None:
    complete = command.complete([b"-v", b"--", b"x"], JAVA)
    complete.options += [b"-a", b"b"]
    assert complete.words() == [b"java", b"-jar", b"/app.jar", b"-a", b"b", b"-v", b"--", b"x"]
