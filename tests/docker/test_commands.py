"""Promise: a command that is not the image's program is run as it is, and nothing is set up."""

import pytest

from .engine import Engine, File

pytestmark = pytest.mark.docker

NOT_RUN = "not /srv/youp0m: hooks not run: 10-images.sh, 30-htpasswd.py"


def test_another_command_prints_exactly_what_it_prints(engine: Engine, image: str) -> None:
    outcome = engine.run(
        image, "echo", "hello  world", environment={"YOUP0M_PASSWORD": "a word that nobody sees"}
    )
    assert outcome.status == 0
    assert outcome.stdout == "hello  world\n"
    assert outcome.stderr == f"entrykit: the command is echo, {NOT_RUN}\n"


def test_another_command_gets_no_checks_no_defaults_and_no_secret(
    engine: Engine, image: str
) -> None:
    environment = {"YOUP0M_PASSWORD": "x" * 100, "ENTRYKIT_LOG": "quiet", "TOLD": "1"}
    outcome = engine.run(image, "env", environment=environment)
    assert outcome.status == 0
    names = {line.partition("=")[0] for line in outcome.stdout.splitlines()}
    assert names == {"HOME", "HOSTNAME", "PATH", "TOLD"}
    assert outcome.stderr == ""


def test_help_is_the_servers_own_and_starts_nothing(engine: Engine, image: str) -> None:
    outcome = engine.run(image, "--help")
    assert outcome.ran == []
    assert "listen on ADDR" in outcome.stderr
    assert outcome.log[0].endswith("hooks not run: 10-images.sh, 30-htpasswd.py")


def test_an_entrypoint_of_ones_own_goes_around_it_all(engine: Engine, image: str) -> None:
    outcome = engine.run(image, "-c", "echo $0 $$", entrypoint="/bin/sh")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "/bin/sh 1\n", "")


def test_arguments_arrive_byte_for_byte(engine: Engine, image: str) -> None:
    words = ["", " ", "a\nb", "--", "-x", "ü", "$HOME", "*", "'\""]
    outcome = engine.run(image, "printf", "<%s>", *words)
    assert outcome.stdout == "".join(f"<{word}>" for word in words)


def test_a_command_ends_with_its_own_status(engine: Engine, image: str) -> None:
    assert engine.run(image, "sh", "-c", "exit 42").status == 42


def test_a_command_that_is_not_there_is_127(engine: Engine, image: str) -> None:
    outcome = engine.run(image, "no-such-program")
    assert outcome.status == 127
    assert outcome.log[-1] == (
        "entrykit: cannot find the command no-such-program in PATH"
        " (install it in the image, or correct the command)"
    )


@pytest.mark.parametrize(
    ("command", "reason"), [("/etc/passwd", "permission denied ("), ("/srv", "it is a directory")]
)
def test_a_command_that_cannot_be_executed_is_126(
    engine: Engine, image: str, command: str, reason: str
) -> None:
    outcome = engine.run(image, command)
    assert outcome.status == 126
    assert outcome.log[-1].startswith(f"entrykit: cannot run {command}: {reason}")


def test_a_command_without_its_interpreter_says_so(engine: Engine, image: str) -> None:
    outcome = engine.run(image, "/srv/tool", files=[File("/srv/tool", "#!/no/such/shell\n")])
    assert outcome.status == 127
    assert "/srv/tool: its interpreter or its loader is missing" in outcome.log[-1]


def test_another_program_gets_the_whole_set_up(engine: Engine, image: str) -> None:
    environment = {"ENTRYKIT_PROGRAM": "true", "YOUP0M_PASSWORD": "admin"}
    outcome = engine.run(image, environment=environment)
    assert outcome.status == 0
    assert outcome.ran == ["10-images.sh", "30-htpasswd.py"]
    assert outcome.stdout == ""


def test_no_network_is_needed(engine: Engine, image: str) -> None:
    environment = {"ENTRYKIT_PROGRAM": "true", "YOUP0M_PASSWORD": "admin"}
    outcome = engine.run(image, environment=environment, network_mode="none")
    assert (outcome.status, len(outcome.ran)) == (0, 2)


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_only_on_a_terminal_the_log_has_colour(engine: Engine, image: str, no_colour: str) -> None:
    environment = {"ENTRYKIT_LOG": "debug", "ENTRYKIT_PROGRAM": "tty", "NO_COLOR": no_colour}
    outcome = engine.run(image, environment=environment, tty=True)
    assert outcome.status == 0
    assert outcome.stdout.endswith("/dev/pts/0\r\n")
    assert ("\033[" in outcome.stdout) == (not no_colour)
    environment["NO_COLOR"] = ""
    assert "\033[" not in engine.run(image, environment=environment).stderr


def test_another_program_gets_the_options_of_the_hooks(engine: Engine, image: str) -> None:
    environment = {"ENTRYKIT_PROGRAM": "echo -n", "YOUP0M_PASSWORD": "admin"}
    outcome = engine.run(image, "-bind", ":80", environment=environment)
    assert outcome.stdout == "-htpasswd /run/entrykit/htpasswd -bind :80"


def test_a_misspelt_variable_is_warned_of_and_does_not_reach_the_command(
    engine: Engine, image: str
) -> None:
    outcome = engine.run(image, "env", environment={"ENTRYKIT_SKPI": "10-images.sh"})
    assert outcome.log[0] == (
        "entrykit: ENTRYKIT_SKPI is not a variable of entrykit (did you mean ENTRYKIT_SKIP?)"
    )
    assert "ENTRYKIT" not in outcome.stdout
