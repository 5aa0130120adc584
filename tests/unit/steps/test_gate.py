"""Which commands get checks, defaults and hooks."""

import pytest

from entrykit.steps import command, gate

SERVER = [b"/srv/server"]
CADDY = [b"caddy", b"run"]


@pytest.mark.parametrize(
    ("given", "program", "others", "is_open"),
    [
        ([], SERVER, [], True),
        ([b"-v"], SERVER, [], True),
        ([b"server", b"x"], SERVER, [], True),
        ([b"/srv/server"], SERVER, [], True),
        ([b"/opt/server"], SERVER, [], False),
        ([b"sh"], SERVER, [], False),
        ([b"caddy", b"run", b"-v"], CADDY, [], True),
        ([b"caddy", b"version"], CADDY, [], False),
        ([b"caddy"], CADDY, [], False),
        # Other commands that get the set-up.
        ([b"celery", b"worker"], SERVER, [b"celery"], True),
        ([b"flower"], SERVER, [b"celery"], False),
        ([b"flower"], SERVER, [b"*"], True),
        ([b"worker"], SERVER, [b"/srv/worker"], True),
        ([b"/opt/worker"], SERVER, [b"/srv/worker"], False),
        # Without a program it is always open.
        ([b"sh"], [], [], True),
        ([b"sh"], [], [b"celery"], True),
        # A sole argument --help or --version closes it.
        ([b"--help"], SERVER, [], False),
        ([b"--version"], SERVER, [], False),
        ([b"server", b"--help"], SERVER, [], False),
        ([b"caddy", b"run", b"--help"], CADDY, [], False),
        ([b"sh", b"--version"], [], [], False),
        ([b"celery", b"--help"], SERVER, [b"celery"], False),
        ([b"celery", b"--help"], SERVER, [b"*"], False),
        ([b"--help", b"x"], SERVER, [], True),
        ([b"-help"], SERVER, [], True),
        ([b"-h"], SERVER, [], True),
        ([b"--help=x"], SERVER, [], True),
        ([b"x", b"--help"], [], [], False),
        ([b"x", b"y", b"--help"], [], [], True),
    ],
)
def test_the_gate_opens_for_the_program_and_for_what_is_named(
    given: list[bytes], program: list[bytes], others: list[bytes], *, is_open: bool
) -> None:
    assert gate.is_open(command.complete(given, program), program, others) is is_open


@pytest.mark.parametrize(
    ("given", "program", "reason"),
    [
        ([b"sh", b"-c", b"hush"], SERVER, "the command is sh, not /srv/server"),
        ([b"caddy", b"version"], CADDY, "the command is caddy, not caddy run"),
        ([b"--help"], SERVER, "/srv/server is only asked for its help or version"),
        ([b"a\nb"], SERVER, "the command is a\\nb, not /srv/server"),
    ],
)
def test_the_reason_names_command_and_program_and_no_argument(
    given: list[bytes], program: list[bytes], reason: str
) -> None:
    assert gate.reason(command.complete(given, program), program) == reason
