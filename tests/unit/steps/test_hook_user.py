"""Hooks with a user: who sees what is asked for, and reports that are not to be trusted."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrykit.settings import record
from entrykit.steps import command, discover, hook_user, kinds, python_apart, python_hook
from entrykit.steps.changes import Changes, Directories
from entrykit.steps.configure import Settings
from entrykit.steps.inherited import Environment, Inherited
from entrykit.steps.state import Start, View
from entrykit.system import other_user, runtime
from entrykit.system.errors import StartError
from entrykit.system.users import Identity

PROGRAM = b"/srv/x"


def hook(uid: int | None, kind: str = kinds.PROGRAM) -> discover.Hook:
    """Return a hook with a user, or without one."""
    one = discover.Hook(b"10.sh", b"/hooks", kind, [b"/hooks/10.sh"])
    one.identity = None if uid is None else Identity(uid, uid, set(), b"/", "")
    return one


@pytest.fixture
def start() -> Start:
    """Return a start with hooks of its own, and of users 1 and 2."""
    inherited = object.__new__(Inherited)
    inherited.environment = Environment([b"A=0", b"A=double", b"B=0", b"broken"])
    configuration = record.empty()
    configuration["program"] = [PROGRAM.decode()]
    settings = Settings({}, configuration)
    this = Start(inherited, settings, command.complete([b"-v"], [PROGRAM]))
    for key in (None, (1, (1,)), (2, (2,))):
        this.views[key] = View(
            hook_user.copied_environment(this.environment),
            hook_user.copied_command(this.command),
        )
    return this


def changes(*, command: list[bytes] | None = None, **variables: str) -> Changes:
    """Return what sets variables, and perhaps the command."""
    asked = Changes()
    asked.set = {name.encode(): value.encode() for name, value in variables.items()}
    asked.command = command
    return asked


def seen(start: Start, name: bytes) -> list[bytes | None]:
    """Return a variable as the command sees it, and hooks: the start's own, 1's and 2's."""
    views: list[View | Start] = [start, start.view(), start.view(hook(1)), start.view(hook(2))]
    return [view.environment.get(name) for view in views]


def test_what_a_user_asks_for_is_seen_by_the_command_and_that_user(start: Start) -> None:
    start.apply(changes(A="1"), hook(1))
    assert seen(start, b"A") == [b"1", b"0", b"1", b"0"]
    start.apply(changes(A="2"), hook(2))
    assert seen(start, b"A") == [b"2", b"0", b"1", b"2"]
    start.apply(changes(A="3"), hook(None))
    assert seen(start, b"A") == [b"3"] * 4
    asked = Changes()
    asked.unset = [b"B"]
    start.apply(asked, hook(1))
    assert seen(start, b"B") == [None, b"0", None, b"0"]


def test_a_command_of_a_users_making_is_not_the_others(start: Start) -> None:
    start.apply(changes(command=[b"sh"]), hook(1))
    more = Changes()
    more.args = [b"x"]
    start.apply(more, hook(None))
    assert start.command.words() == [b"sh", b"x"]
    assert start.view().command.words() == [PROGRAM, b"-v", b"x"]
    assert start.view(hook(1)).command.words() == [b"sh", b"x"]
    assert start.view(hook(2)).command.words() == [PROGRAM, b"-v", b"x"]


def test_options_that_the_command_cannot_take_are_refused_for_all(start: Start) -> None:
    start.apply(changes(command=[b"sh"]), hook(1))
    asked = changes(A="1")
    asked.options = [b"-o"]
    with pytest.raises(StartError, match="asks for options"):
        start.apply(asked, hook(None))
    assert seen(start, b"A") == [b"0"] * 4
    # A command anew has a place for them again; what user 1 sees of it, too.
    asked.command = [b"-w"]
    start.apply(asked, hook(None))
    for view in (start, start.view(), start.view(hook(1))):
        assert view.command.words() == [PROGRAM, b"-o", b"-w"]


def test_without_users_all_see_the_command_itself(start: Start) -> None:
    start.views.clear()
    assert start.view() is start
    assert start.view(hook(None)) is start


NOTHING = b"entrykit: report\0end\0"


@pytest.mark.parametrize(
    "content",
    [
        (python_hook.CHANGES, {b"A": b"\n", b"B": b""}, [b"C"], [b"-o"], [b""], None, "said"),
        (python_hook.CHANGES, {}, [], [], [b"end", b"set"], [b"sh", b""], ""),
        (python_hook.CHANGES, {}, [], [], [], [], ""),
        None,
    ],
)
def test_a_report_says_what_was_asked_for(content: tuple[object, ...] | None) -> None:
    asked = Changes()
    said = python_apart.read_report(python_apart.written(content), asked)
    told = (asked.set, asked.unset, asked.options, asked.args, asked.command, said)
    assert told == (content[1:] if content else ({}, [], [], [], None, ""))


def test_a_report_says_what_is_wrong() -> None:
    problems = (("where", "what\0\n", "mend"), ("", "b", ""))
    raw = python_apart.written((python_hook.PROBLEMS, problems))
    assert python_apart.read_problems(raw) == [("where", "what \\n", "mend"), ("", "b", "")]
    assert python_apart.read_problems(raw[:-1]) == []


@pytest.mark.parametrize(
    "raw",
    [b"", b"entrykit: nothing", NOTHING[:-1], NOTHING[:-4], NOTHING + b"x", NOTHING + b"\0",
     b"entrykit: report\0set\0A\0end\0", b"entrykit: report\0other\0end\0"],
)  # fmt: skip
def test_a_report_that_is_not_whole_is_refused(raw: bytes) -> None:
    with pytest.raises(StartError, match="without saying what it changed"):
        python_apart.read_report(raw, Changes())
    assert python_apart.read_problems(raw) == []


PIECES = [b"set", b"unset", b"problem", b"word", b"command", b"end", b"\0", b"A", b"=", b"x"]
SHELL_PIECES = [
    b"export ", b"declare -x ", b"-a ", b"A=", b"$'", b"'", b'"', b"\\", b"\\U", b"\\x", b"\\u",
    b"ffffffff", b"[", b"\n", b"#\n", b"\0", b"\xff",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3)))
def test_whatever_a_report_holds_is_no_defect(pieces: list[bytes]) -> None:
    raw = b"entrykit: report\0" + b"".join(pieces)
    try:
        hook_user.read_report(hook(1, kinds.PYTHON), raw, Changes())
    except StartError:
        assert hook_user.told_failure(hook(1, kinds.PROGRAM), raw, 1) is None
    hook_user.told_failure(hook(1, kinds.PYTHON), raw, 1)


@given(st.lists(st.sampled_from(SHELL_PIECES) | st.binary(max_size=3)))
@example([b"export A=$'", b"\\"])
@example([b"export A=$'", b"\\U", b"ffffffff'\n"])
def test_whatever_a_shell_is_made_to_say_is_no_defect(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    asked = Changes()
    try:
        hook_user.read_report(hook(1, kinds.SOURCED), raw, asked)
    except StartError:
        return
    asked.check()


@pytest.fixture
def users(runtime_directory: bytes, tmp_path: Path) -> hook_user.UserDirectories:
    """Return the directories of a user who may search the way to them."""
    assert runtime_directory
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    return hook_user.UserDirectories(Directories(), Identity(1, 8, set(), b"/", ""))


@pytest.mark.root
def test_the_directories_are_the_users_and_gone_at_the_end(
    users: hook_user.UserDirectories, runtime_directory: bytes
) -> None:
    users.make()
    path = users.variables[b"ENTRYKIT_ENV"]
    status = os.stat(path)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1, 8, 0o700)
    place = os.stat(os.path.dirname(path))
    assert (place.st_uid, place.st_gid, place.st_mode & 0o7777) == (0, 8, 0o711)
    assert users.for_files() == os.path.dirname(path) + b"/files"
    users.close()
    assert os.listdir(runtime_directory) == [b".held-by"]


@pytest.mark.root
def test_a_file_for_the_command_stays_unless_the_start_fails(
    users: hook_user.UserDirectories, runtime_directory: bytes
) -> None:
    path = users.for_files() + b"/a"
    Path(os.fsdecode(path)).write_bytes(b"")
    users.close()
    assert os.path.exists(path)
    users.abandon()
    assert os.listdir(runtime_directory) == [b".held-by"]


@pytest.mark.root
def test_a_link_to_what_only_root_may_read_gives_nothing_away(
    users: hook_user.UserDirectories, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush", encoding="utf-8")
    secret.chmod(0o600)
    users.make()
    # A user may make one where fs.protected_hardlinks is off.
    os.link(secret, users.variables[b"ENTRYKIT_ENV"] + b"/STOLEN")
    with pytest.raises(StartError) as refusal:
        users.read()
    assert "cannot read STOLEN: permission denied" in refusal.value.problems[0][1]
    users.close()


@pytest.mark.root
def test_what_an_ended_start_has_left_of_a_user_is_removed(
    users: hook_user.UserDirectories, runtime_directory: bytes
) -> None:
    users.make()
    Path(os.fsdecode(users.variables[b"ENTRYKIT_ENV"]), "A").write_text("", encoding="utf-8")
    (Path(os.fsdecode(runtime_directory)) / "user-1-x").mkdir()
    (Path(os.fsdecode(runtime_directory)) / "user-2-2").symlink_to("/etc")
    other_user.remove_places(runtime_directory)
    assert set(os.listdir(runtime_directory)) == {b".held-by", b"user-1-x", b"user-2-2"}
    assert runtime.claim() == b""


@pytest.mark.root
def test_acting_as_another_ends_where_it_began() -> None:
    before = (os.getresuid(), os.getresgid(), os.getgroups())
    identity = Identity(1, 8, {9}, b"/", "")
    with other_user.ActingAs(identity):
        assert (os.getresuid(), os.getresgid()) == ((0, 1, 0), (0, 8, 0))
        assert sorted(os.getgroups()) == [8, 9]
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
