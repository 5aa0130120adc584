"""What hooks have made of a start so far: their changes are made all or none."""

import pytest

from entrykit.settings import record
from entrykit.steps import command, discover, kinds
from entrykit.steps.changes import Changes, Directories
from entrykit.steps.configure import Settings
from entrykit.steps.inherited import Environment, Inherited
from entrykit.steps.state import Start
from entrykit.system.errors import StartError

HOOK = discover.Hook(b"10.sh", b"/hooks", kinds.PROGRAM, [b"/hooks/10.sh"])


def start(words: list[bytes], program: bytes = b"/srv/x") -> Start:
    """Return a start that has taken over nothing but three variables."""
    inherited = object.__new__(Inherited)
    inherited.environment = Environment([b"A=1", b"B=2", b"S=hush"])
    settings = Settings({"program": program}, record.empty())
    return Start(inherited, settings, command.complete(words, settings.program))


def changes(**asked: object) -> Changes:
    made = Changes()
    for name, value in asked.items():
        setattr(made, name, value)
    return made


def test_variables_are_set_and_unset() -> None:
    this = start([])
    this.apply(changes(set={b"A": b"x", b"C": b"3"}, unset=[b"B", b"none"]))
    assert this.environment.plain() == {b"A": b"x", b"S": b"hush", b"C": b"3"}


def test_options_come_in_hook_order_before_what_the_user_gave_and_arguments_last() -> None:
    this = start([b"-v", b"--", b"x"])
    this.apply(changes(options=[b"-a", b"b"], args=[b"y"]))
    this.apply(changes(options=[b"-c"], args=[b"z"]))
    words = [b"/srv/x", b"-a", b"b", b"-c", b"-v", b"--", b"x", b"y", b"z"]
    assert this.command.words() == words


def test_a_command_replaces_all_and_then_the_same_hooks_options_apply() -> None:
    this = start([b"-v"])
    this.apply(changes(options=[b"-old"]))
    this.apply(changes(command=[b"x", b"-n"], options=[b"-o"], args=[b"y"]))
    assert this.command.words() == [b"/srv/x", b"-o", b"-n", b"y"]


def test_a_flag_first_command_of_a_hook_is_the_programs() -> None:
    this = start([])
    this.apply(changes(command=[b"-n"]))
    assert this.command.words() == [b"/srv/x", b"-n"]


@pytest.mark.parametrize(
    ("program", "words", "reason"),
    [
        (b"/srv/x", [b"sh"], "asks for options, but the command sh does not begin with /srv/x"),
        (b"", [b"sh"], "asks for options for sh, but no program is configured"),
    ],
)
def test_options_without_a_program_to_stand_after_change_nothing(
    program: bytes, words: list[bytes], reason: str
) -> None:
    this = start(words, program)
    with pytest.raises(StartError, match=reason) as refusal:
        this.apply(changes(options=[b"-o"], set={b"A": b"x"}, args=[b"y"]))
    assert refusal.value.status == 78
    assert this.environment.get(b"A") == b"1"
    assert this.command.words() == words


def test_a_command_that_leaves_the_program_takes_no_options() -> None:
    this = start([])
    with pytest.raises(StartError, match="the command sh does not begin with /srv/x"):
        this.apply(changes(command=[b"sh"], options=[b"-o"]))
    assert this.command.words() == [b"/srv/x"]


@pytest.mark.usefixtures("runtime_directory")
def test_a_hook_is_given_the_secrets_that_it_names_and_no_other() -> None:
    this = start([])
    this.secrets = {b"S"}
    this.directories = Directories()
    naming = discover.Hook(b"20.sh", b"/hooks", kinds.PROGRAM, [b"/hooks/20.sh"])
    naming.secrets = {b"S", b"other"}
    assert b"S" not in this.environment_for(HOOK)
    assert this.environment_for(naming)[b"S"] == b"hush"
    this.close()


@pytest.mark.usefixtures("runtime_directory")
def test_a_hook_is_told_its_name_the_program_and_where_to_ask() -> None:
    this = start([b"-v"])
    this.directories = Directories()
    given = this.environment_for(HOOK)
    own = {name for name in given if name.startswith(b"ENTRYKIT_")}
    names = (b"HOOK", b"PROGRAM", b"ENV", b"UNSET", b"OPTIONS", b"ARGS", b"COMMAND")
    assert own == {b"ENTRYKIT_" + name for name in names}
    assert (given[b"ENTRYKIT_HOOK"], given[b"ENTRYKIT_PROGRAM"]) == (b"10.sh", b"/srv/x")
    this.close()
