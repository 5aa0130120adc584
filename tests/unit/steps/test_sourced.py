"""What a sourced hook changes, read from real shells and judged by what their own child is given.

Each shell that is installed runs the script that a start gives it. The hook ends with a child, and
the kernel's word on that child's environment is the judge of what entrykit reads.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrykit.steps import sourced
from entrykit.steps.changes import Changes
from entrykit.system import spawn
from entrykit.system.errors import StartError

SHELLS = [
    pytest.param([path.encode(), *words[1:]], id=" ".join(map(os.fsdecode, words)))
    for words in (
        [b"dash"],
        [b"bash"],
        [b"busybox", b"sh"],
        [b"ksh"],
        [b"mksh"],
        [b"bash", b"--posix"],
    )
    if (path := shutil.which(os.fsdecode(words[0])))
]
LOCALES = ("C", "C.UTF-8")
PATH = b"/usr/local/bin:/usr/bin:/bin"
# `A__z` and `_AST_FEATURES` are how ksh speaks to another ksh.
SHELLS_OWN = {b"PWD", b"OLDPWD", b"SHLVL", b"_", b"A__z", b"_AST_FEATURES"}

TELLING = st.sampled_from(list(b"\n\n''\"\"$$\\\\`!#~*?[]{}()<>|&; =\taA01x\x01\x1b\x7f\r"))
ANY_BYTE = st.integers(1, 255)
LETTERS = st.sampled_from(list("é日\U0001f600\u0085\u2028\U000e0001\U0010ffff\x01")).map(str.encode)
VALUES = st.one_of(
    st.lists(TELLING, max_size=8).map(bytes),
    st.lists(ANY_BYTE, max_size=8).map(bytes),
    st.lists(LETTERS | TELLING.map(lambda byte: bytes([byte])), max_size=5).map(b"".join),
)


class Sourced:
    """One run of a hook: its exit status, its report, and the environment of its child."""

    def __init__(self, shell: list[bytes], hook: Path, environment: dict[bytes, bytes]) -> None:
        report = spawn.memory_file("report")
        judge = hook.with_suffix(".judge")
        judge.unlink(missing_ok=True)
        given = environment | {b"PATH": PATH, b"JUDGE": os.fsencode(judge)}
        handed = dict(given)
        command = [b"/srv/server", b"-v", b"two words"]
        words = sourced.argv(shell, os.fsencode(hook), command, handed)
        try:
            child = spawn.program(words, handed, report)
            self.status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            self.report = spawn.take_report(report)
        finally:
            os.close(report)
        self.given = given
        self.judge = judge

    def changes(self) -> Changes:
        changes = Changes()
        sourced.read_report(self.report, changes)
        return changes

    def result(self) -> dict[bytes, bytes]:
        """Return what was given with the changes made, as the command would be given it."""
        changes = self.changes()
        result = self.given | changes.set
        for name in changes.unset:
            result.pop(name, None)
        return result

    def judged(self) -> dict[bytes, bytes]:
        """Return what the shell gave its child, but for what is the shell's own."""
        entries = self.judge.read_bytes().split(b"\0")[:-1]
        environment = dict(entry.split(b"=", 1) for entry in entries)
        return {name: value for name, value in environment.items() if name not in SHELLS_OWN}


ASK_THE_KERNEL = '\ncat /proc/self/environ >"$JUDGE"\n'


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    """Where a sourced hook can be written, at a path with a blank."""
    folder = tmp_path / "hook directory"
    folder.mkdir()
    return folder / "10-test.envsh"


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("shell", SHELLS)
def test_random_values_arrive_as_the_shell_exports_them(
    tmp_path_factory: pytest.TempPathFactory, shell: list[bytes], locale: str
) -> None:
    hook = tmp_path_factory.mktemp("sourced") / "10.envsh"
    hook.write_text(
        'export A="$A_" B="$B_" C="$C_"; D=$D_; export D; unset A_ B_ C_ D_ E' + ASK_THE_KERNEL
    )

    @settings(max_examples=40)
    @given(a=VALUES, b=VALUES, c=VALUES, d=VALUES, e=VALUES)
    def arrives(a: bytes, b: bytes, c: bytes, d: bytes, e: bytes) -> None:
        given = {b"A_": a, b"B_": b, b"C_": c, b"D_": d, b"E": e, b"A": e}
        run = Sourced(shell, hook, given | {b"LC_ALL": locale.encode()})
        assert run.status == 0
        assert run.result() == run.judged()

    arrives()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("script", "set_to", "unset"),
    [
        pytest.param("export NEW=1", {b"NEW": b"1"}, [], id="export"),
        pytest.param("export NEW=", {b"NEW": b""}, [], id="an empty value"),
        pytest.param("OLD=new", {b"OLD": b"new"}, [], id="assignment to an exported one"),
        pytest.param("export OLD=old", {}, [], id="the same value again"),
        pytest.param("unset OLD", {}, [b"OLD"], id="unset"),
        pytest.param('PATH="/opt/bin:$PATH"', {b"PATH": b"/opt/bin:" + PATH}, [], id="PATH"),
        pytest.param(': "${NEW:=default}"', {}, [], id="a default that is not exported"),
        pytest.param("NEW=1", {}, [], id="a variable that is not exported"),
        pytest.param("export NEW", {}, [], id="an export without a value"),
        pytest.param(
            "f() { export NEW=\"$1\"; }; f 'a  b'", {b"NEW": b"a  b"}, [], id="in a function"
        ),
        pytest.param("set -eu; set -f; cd /", {}, [], id="set and cd leak nowhere"),
        pytest.param("export NEW=1; exit 0", {b"NEW": b"1"}, [], id="exit 0 ends that hook alone"),
        pytest.param("export NEW=1; return 0; export OLD=x", {b"NEW": b"1"}, [], id="return 0"),
        pytest.param("export PWD=/x SHLVL=9 OLDPWD=/y", {}, [], id="the shell's own"),
        pytest.param("export ENTRYKIT_X=1; unset ENTRYKIT_HOOK", {}, [], id="entrykit's own"),
        pytest.param('export NEW="$#$3"', {b"NEW": b"3two words"}, [], id="the command is $@"),
        pytest.param('export NEW="${0##*/}"', {b"NEW": b"10-test.envsh"}, [], id="its path is $0"),
        pytest.param("( exit 3 ) || export NEW=1", {b"NEW": b"1"}, [], id="a status is asked for"),
        pytest.param(
            "trap 'echo bye >/dev/null' EXIT; export NEW=1", {b"NEW": b"1"}, [], id="trap"
        ),
        pytest.param("export NEW='\n#\n'", {b"NEW": b"\n#\n"}, [], id="the mark itself"),
        pytest.param(
            "export NEW='\nexport OLD='", {b"NEW": b"\nexport OLD="}, [], id="what looks like one"
        ),
        pytest.param(
            "( echo 'export NEW=1' >&3 ) 2>/dev/null || :", {}, [], id="no way to the report"
        ),
        pytest.param("", {}, [], id="nothing"),
    ],
)
def test_what_a_hook_exports_and_unsets_is_kept(
    hook: Path, shell: list[bytes], script: str, set_to: dict[bytes, bytes], unset: list[bytes]
) -> None:
    hook.write_text(script + "\n")
    run = Sourced(shell, hook, {b"OLD": b"old", b"ENTRYKIT_HOOK": b"10-test.envsh"})
    assert run.status == 0
    # Debian's mksh is `ksh`, too, where there is no other.
    if os.path.realpath(shell[0]).endswith(b"/mksh") and script.endswith("exit 0"):
        # It runs the trap with the descriptors that the hook had: an error, never silence.
        with pytest.raises(StartError, match="ended by `exit`"):
            run.changes()
        return
    changes = run.changes()
    assert (changes.set, changes.unset) == (set_to, unset)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 3", 3),
        ("false; export NEW=1", 1),
        ("export NEW=1\nreturn 4", 4),
        ("set -e; false", 1),
    ],
)
def test_a_hook_that_fails_has_its_own_status(
    hook: Path, shell: list[bytes], script: str, status: int
) -> None:
    hook.write_text(script + "\n")
    assert Sourced(shell, hook, {}).status == status


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hook_that_ends_without_saying_what_it_changed_is_an_error(
    hook: Path, shell: list[bytes]
) -> None:
    hook.write_text("trap ': mine' EXIT\nexport NEW=1\nexit 0\n")
    run = Sourced(shell, hook, {})
    assert run.status == 0
    with pytest.raises(StartError, match="without saying what it changed"):
        run.changes()


@pytest.mark.parametrize("shell", SHELLS)
def test_variables_that_no_shell_can_name_are_left_alone(hook: Path, shell: list[bytes]) -> None:
    hook.write_text("export NEW=1\n")
    odd = {b"a.b": b"1", b"a-b": b"x\ny", b"1a": b"", b"a b": b"'", "é".encode(): b"$"}
    changes = Sourced(shell, hook, odd).changes()
    assert (changes.set, changes.unset) == ({b"NEW": b"1"}, [])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hook_that_changes_nothing_is_known_without_reading_its_report(
    hook: Path, shell: list[bytes]
) -> None:
    hook.write_text("test -n x\n")
    run = Sourced(shell, hook, {b"A": b"x\n#\n"})
    assert not sourced.read_report(run.report, Changes())


@pytest.mark.parametrize("shell", SHELLS)
def test_many_and_large_values_arrive(hook: Path, shell: list[bytes]) -> None:
    lines = [f'export N{number}="{number}$BIG"' for number in range(20)]
    hook.write_text("\n".join(lines) + ASK_THE_KERNEL)
    run = Sourced(shell, hook, {b"BIG": b"line '\\\n" * 5000})
    assert run.status == 0
    assert run.result() == run.judged()
    assert len(run.result()[b"N19"]) == 2 + 8 * 5000


@pytest.mark.parametrize("shell", SHELLS)
def test_what_shells_read_at_their_start_is_not_read_and_the_hook_has_it(
    hook: Path, tmp_path: Path, shell: list[bytes]
) -> None:
    profile = tmp_path / "profile"
    profile.write_text("echo read >&2; export FROM_PROFILE=1; exit 0\n")
    given = {b"BASH_ENV": os.fsencode(profile), b"ENV": os.fsencode(profile)}
    hook.write_text("export A=1" + ASK_THE_KERNEL)
    run = Sourced(shell, hook, given)
    assert run.status == 0
    assert run.changes().set == {b"A": b"1"}
    assert run.judged() == run.result() == run.given | {b"A": b"1"}


@pytest.mark.parametrize("value", [b"", b"$(exit 9)", b"a'b\"c\nd\\ e", b"\xff"], ids=repr)
def test_a_start_up_file_keeps_the_bytes_of_its_name(hook: Path, value: bytes) -> None:
    hook.write_text("export BASH_ENV" + ASK_THE_KERNEL)
    run = Sourced([b"/bin/sh"], hook, {b"BASH_ENV": value})
    assert run.status == 0
    assert run.judged() == run.given
    assert run.changes().is_empty()


def test_a_hook_can_change_and_unset_start_up_files(hook: Path) -> None:
    hook.write_text("export BASH_ENV=/new\nunset ENV\n")
    changes = Sourced([b"/bin/bash"], hook, {b"BASH_ENV": b"/old", b"ENV": b"/old"}).changes()
    assert changes.set == {b"BASH_ENV": b"/new"}
    assert changes.unset == [b"ENV"]


@pytest.mark.parametrize("name", ["export", "echo", "trap", "true", ".", ":", "unset", "eval"])
def test_a_function_from_the_environment_does_not_speak_for_the_script(
    hook: Path, name: str
) -> None:
    """Bash takes it before a builtin of the same name."""
    lie = b"() { builtin echo \"declare -x LIE='1'\" >&3; builtin exit 0\n}"
    hook.write_text("builtin export A=1\n")
    given = {b"BASH_FUNC_%s%%%%" % name.encode(): lie, b"ENV": b"/e", b"BASH_ENV": b"/b"}
    assert Sourced([b"/bin/bash"], hook, given).changes().set == {b"A": b"1"}


def test_other_functions_from_the_environment_are_the_hooks(hook: Path) -> None:
    hook.write_text("export A=$(mine)\n")
    run = Sourced([b"/bin/bash"], hook, {b"BASH_FUNC_mine%%": b"() { echo theirs\n}"})
    assert run.changes().set == {b"A": b"theirs"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "variables",
    [
        {b"IFS": b"xprtAB='"},
        {b"CDPATH": b"/tmp:/"},
        {b"PS4": b"$(echo LIE=1 >&3)", b"SHELLOPTS": b"xtrace"},
        {b"PS4": b"declare -x LIE=", b"SHELLOPTS": b"xtrace", b"BASH_XTRACEFD": b"3"},
        {b"SHELLOPTS": b"onecmd:posix:nounset:noclobber:noglob:verbose:pipefail:physical"},
        {b"BASHOPTS": b"expand_aliases:extdebug:xpg_echo:nullglob:lastpipe"},
        {b"BASH_COMPAT": b"31", b"POSIXLY_CORRECT": b"1"},
        {b"PROMPT_COMMAND": b"LIE=1", b"PS1": b"$(echo >&3)", b"HISTFILE": b"/tmp/x"},
        {b"PYTHONSTARTUP": b"/no", b"PYTHONHOME": b"/no", b"FPATH": b"/tmp", b"KSH_VERSION": b"x"},
        {b"LANG": b"tr_TR.UTF-8", b"LC_MESSAGES": b"de_DE", b"LANGUAGE": b"de"},
        {b"OPTIND": b"3", b"PPID": b"1", b"UID": b"0", b"EUID": b"0", b"BASHPID": b"1"},
    ],
    ids=lambda variables: b" ".join(variables).decode(),
)
def test_what_alters_a_shell_alters_no_report(
    hook: Path, shell: list[bytes], variables: dict[bytes, bytes]
) -> None:
    hook.write_text("export A=1\nB=2\n")
    assert Sourced(shell, hook, variables).changes().set == {b"A": b"1"}


def test_an_option_that_keeps_a_shell_from_its_script_is_no_silence(hook: Path) -> None:
    hook.write_text("export A=1\n")
    run = Sourced([b"/bin/bash"], hook, {b"SHELLOPTS": b"noexec"})
    assert run.status == 0
    with pytest.raises(StartError, match="without saying"):
        run.changes()
