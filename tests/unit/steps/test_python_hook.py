"""What a Python hook is given, and how it asks for changes."""

import os

import pytest

from entrykit.settings import record
from entrykit.steps import command, discover, kinds
from entrykit.steps.changes import Directories
from entrykit.steps.configure import Settings
from entrykit.steps.inherited import Environment, Inherited
from entrykit.steps.python_hook import HookStart
from entrykit.steps.state import Start
from entrykit.system.errors import StartError


@pytest.fixture
def given(runtime_directory: bytes, monkeypatch: pytest.MonkeyPatch) -> HookStart:
    """Return what `hook(start)` is called with, where A is set."""
    monkeypatch.setenv("A", "1")
    monkeypatch.setenv("ENTRYKIT_HOOK", "10.py")
    assert runtime_directory
    configuration = record.empty()
    configuration["sections"] = {"htpasswd": {"file": "x"}}
    inherited = object.__new__(Inherited)
    inherited.environment = Environment([])
    settings = Settings({"program": b"/srv/x"}, configuration)
    start = Start(inherited, settings, command.complete([b"-v", b"\xff"], settings.program))
    start.directories = Directories()
    start.secrets = {b"A", b"B"}
    hook = discover.Hook(b"10\n.py", b"/hooks", kinds.PYTHON, [])
    hook.section = "htpasswd"
    hook.secrets = {b"A", b"C"}
    return HookStart(hook, start, start.directories.runtime())


def test_it_shows_the_start_as_it_stands(given: HookStart, runtime_directory: bytes) -> None:
    assert given.env["A"] == "1"
    assert given.command == ["/srv/x", "-v", "\udcff"]
    assert (given.options, given.args) == ([], [])
    assert given.config == {"file": "x"}
    assert given.secrets == {"A"}
    assert given.runtime_directory == os.fsdecode(runtime_directory)


def test_what_differs_in_the_environment_is_asked_for(given: HookStart) -> None:
    given.env["A"] = "\udcff"
    given.env["NEW"] = ""
    given.env.pop("NO_SUCH", None)
    del given.env["PATH"]
    asked = given._asked()  # noqa: SLF001 - what the start reads
    assert asked.set == {b"A": b"\xff", b"NEW": b""}
    assert asked.unset == [b"PATH"]


def test_what_is_put_back_is_not_asked_for(given: HookStart) -> None:
    given.env["A"] = "2"
    given.env["A"] = "1"
    given.env["NEW"] = given.env.pop("PATH")
    given.env["PATH"] = given.env.pop("NEW")
    assert given._asked().is_empty()  # noqa: SLF001 - what the start reads


def test_variables_of_entrykit_are_not_the_commands(given: HookStart) -> None:
    assert "ENTRYKIT_HOOK" in os.environ
    assert "ENTRYKIT_HOOK" not in given.env
    given.env.clear()
    assert b"ENTRYKIT_HOOK" not in given._asked().unset  # noqa: SLF001 - what the start reads


@pytest.mark.parametrize("words", ["sh", b"sh", ["sh", 1], [b"sh"], None, {"sh": 1}])
def test_a_command_that_is_no_list_of_strings_is_refused(given: HookStart, words: object) -> None:
    with pytest.raises(StartError, match=r"start\.command is to be a list of strings"):
        given.command = words  # type: ignore[assignment]
    assert given.command == ["/srv/x", "-v", "\udcff"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("A-B", "x"), ("", "x"), ("ENTRYKIT_X", "x"), ("A", "\0"), ("É", "x"), ("A", 1)],
)
def test_what_a_hook_may_not_ask_for_is_refused(given: HookStart, name: str, value: object) -> None:
    given.env[name] = value  # type: ignore[assignment]
    with pytest.raises(StartError):
        given._asked()  # noqa: SLF001 - what the start reads


def test_the_command_is_a_copy_that_is_assigned(given: HookStart) -> None:
    given.command.append("ignored")
    assert given.command == ["/srv/x", "-v", "\udcff"]
    given.command = ["sh", "-c", "x"]
    assert given.command == ["sh", "-c", "x"]


def test_its_log_has_the_hooks_name(given: HookStart, capfd: pytest.CaptureFixture[str]) -> None:
    given.log.debug("a")
    given.log.info("b")
    given.log.warning("c", hint="mend")
    assert capfd.readouterr().err.splitlines() == [
        "entrykit: 10\\n.py: b",
        "entrykit: 10\\n.py: c (mend)",
    ]
