"""The options of `run` and the ENTRYKIT_* variables."""

import pytest

from entrykit.settings import options
from entrykit.system import log
from entrykit.system.errors import StartError


@pytest.mark.parametrize(
    ("words", "given", "command"),
    [
        ([], {}, []),
        ([b"sh", b"--skip", b"x"], {}, [b"sh", b"--skip", b"x"]),
        ([b"--skip", b"x", b"sh"], {"skip": b"x"}, [b"sh"]),
        ([b"--skip=x=y", b"sh"], {"skip": b"x=y"}, [b"sh"]),
        ([b"--skip=", b"sh"], {"skip": b""}, [b"sh"]),
        ([b"--skip", b"--", b"sh"], {"skip": b"--"}, [b"sh"]),
        ([b"--plan", b"sh"], {"plan": b"1"}, [b"sh"]),
        ([b"--plan=0", b"sh"], {"plan": b"0"}, [b"sh"]),
        ([b"--", b"--skip", b"x"], {}, [b"--skip", b"x"]),
        ([b"--log", b"debug", b"--", b"--", b"x"], {"log": b"debug"}, [b"--", b"x"]),
        # What is no option of entrykit's begins the command: the program's own flags.
        ([b"-v", b"--skip", b"x"], {}, [b"-v", b"--skip", b"x"]),
        ([b"--skipped", b"x"], {}, [b"--skipped", b"x"]),
        ([b"--ski", b"x"], {}, [b"--ski", b"x"]),
        ([b"--timeout=1", b"--timeout", b"2", b"\xff"], {"timeout": b"2"}, [b"\xff"]),
    ],
)
def test_options_end_at_two_dashes_or_at_the_first_word_that_is_none(
    words: list[bytes], given: dict[str, bytes], command: list[bytes]
) -> None:
    assert options.read_options(words) == (given, command)


@pytest.mark.parametrize(
    ("written", "form"),
    [(b"", ""), (b"0", ""), (b"off", ""), (b"1", "text"), (b"text", "text"), (b"json", "json")],
)
def test_a_plan_is_wanted_in_a_form(written: bytes, form: str) -> None:
    assert options.plan_form(written) == form


def test_an_option_without_its_value_is_a_usage_error() -> None:
    with pytest.raises(StartError, match="--skip needs a value") as refusal:
        options.read_options([b"--skip"])
    assert refusal.value.status == 2


def test_variables_give_settings_and_empty_ones_none() -> None:
    given = [(b"ENTRYKIT_SKIP", b"a"), (b"ENTRYKIT_LOG", b""), (b"ENTRYKIT_CONFIG", b"\xff")]
    assert options.read_variables(given) == {"skip": b"a", "config": b"\xff"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"ENTRYKIT_SKIPS", "did you mean ENTRYKIT_SKIP?"),
        (b"ENTRYKIT_\n\xff", "ENTRYKIT_\\n\\xff is not a variable of entrykit"),
        (b"ENTRYKIT_TIMEOUT", "ENTRYKIT_TIMEOUT is not a variable of entrykit"),
        (b"ENTRYKIT_USER", "ENTRYKIT_USER is not a variable of entrykit"),
    ],
)
def test_an_unknown_variable_is_warned_of_without_its_value(
    capfd: pytest.CaptureFixture[str], name: bytes, told: str
) -> None:
    assert options.read_variables([(name, b"hush")]) == {}
    said = capfd.readouterr().err
    assert told in said
    assert "hush" not in said


def test_what_a_start_around_this_one_gave_its_hooks_is_no_mistake(
    capfd: pytest.CaptureFixture[str],
) -> None:
    names = [b"HOOK", b"ENV", b"UNSET", b"OPTIONS", b"ARGS", b"COMMAND"]
    assert options.read_variables([(b"ENTRYKIT_" + name, b"x") for name in names]) == {}
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("written", "level"),
    [
        (b"", log.INFO),
        (b"text", log.INFO),
        (b"debug", log.DEBUG),
        (b"text,quiet", log.QUIET),
        (b"quiet, text", log.QUIET),
        (b"info", log.INFO),
    ],
)
def test_the_log_has_a_level(written: bytes, level: int) -> None:
    assert options.log_level({"log": written}) == level


@pytest.mark.parametrize("written", [b"verbose", b"json", b"debug,\xff", b"DEBUG"])
def test_an_unknown_form_or_level_of_the_log_is_refused(written: bytes) -> None:
    with pytest.raises(StartError) as refusal:
        options.log_level({"log": written})
    assert refusal.value.status == 78


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"user": b""}, 78),
        ({"user": b":33"}, 78),
        ({"user": b"4294967295"}, 78),
        ({"no-new-privileges": b"maybe"}, 78),
        ({"plan": b"yaml"}, 78),
        ({"init": b"maybe"}, 78),
        ({"timeout": b"soon"}, 2),
        ({"forward": b"all"}, 2),
        ({"rewrite": b"TERM"}, 2),
        ({"rewrite": b"KILL=TERM"}, 2),
        ({"rewrite": b"TERM=QUIT,TERM=INT"}, 2),
        ({"rewrite": b"TERM=\xff"}, 2),
        ({"ok-status": b"256"}, 2),
        ({"ok-status": b"-1"}, 2),
        ({"ok-status": b"+1"}, 2),
        ({"ok-status": b""}, 2),
        ({"parent-death-signal": b"32"}, 2),
    ],
)
def test_what_cannot_be_had_is_refused(given: dict[str, bytes], status: int) -> None:
    with pytest.raises(StartError) as refusal:
        options.check(given)
    assert refusal.value.status == status


@pytest.mark.parametrize("given", [{}, {"plan": b"0", "init": b"off"}, {"timeout": b"30s"}])
def test_what_holds_anyway_is_no_mistake(given: dict[str, bytes]) -> None:
    options.check(given)


@pytest.mark.parametrize("path", [b"/no/such", b"/etc/passwd", b"\xff"])
def test_a_root_for_tests_that_is_no_directory_is_refused(path: bytes) -> None:
    with pytest.raises(StartError, match=r"--sysroot \(ENTRYKIT_SYSROOT\) is no directory") as no:
        options.check({"sysroot": path})
    assert no.value.status == 78
    options.check({"sysroot": b"/"})


def test_what_the_init_is_told_stands_under_the_configurations_keys() -> None:
    words = [b"--init", b"--forward=group", b"--rewrite", b"TERM=QUIT,USR1=0", b"--ok-status=7"]
    more = [b"--ok-status", b"143", b"--rewrite=RTMIN+1=sigkill", b"--parent-death-signal=KILL"]
    given, rest = options.read_options([*words, *more, b"true"])
    assert rest == [b"true"]
    assert options.init_settings(given) == {
        "init": True,
        "forward": "group",
        "rewrite": {15: 3, 10: 0, 35: 9},
        "ok_status": [7, 143],
        "parent_death_signal": 9,
    }
    assert options.init_settings({}) == {}
