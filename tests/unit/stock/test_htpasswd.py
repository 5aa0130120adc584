"""The htpasswd file, judged by passlib, and the option that names it."""

import os
from pathlib import Path

import pytest
from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

from entrykit.settings import configuration
from entrykit.steps import command, discover, kinds
from entrykit.steps.changes import Directories
from entrykit.steps.configure import Settings
from entrykit.steps.inherited import Environment, Inherited
from entrykit.steps.python_hook import HookStart
from entrykit.steps.state import Start
from entrykit.stock import htpasswd, passwords
from entrykit.system.errors import StartError

TOML = """
program = "/srv/server"
[htpasswd]
username = "LOGIN"
password = "PASSWORD"
"""
HUSH = "hush"


class HtpasswdStart:
    """A start with the section `[htpasswd]`, and the variables that its hook sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.toml = TOML
        self.words: list[bytes] = []
        self.password: str | None = HUSH
        self.username: str | None = "admin"
        self.variables: dict[str, str] = {}

    def __call__(self) -> HookStart:
        """Run the hook's work as at one start, and return what it was given."""
        for name, value in (("LOGIN", self.username), ("PASSWORD", self.password)):
            if value is None:
                self.monkeypatch.delenv(name, raising=False)
            else:
                self.monkeypatch.setenv(name, value)
        for name, value in self.variables.items():
            self.monkeypatch.setenv(name, value)
        settings = Settings({}, configuration.parse(self.toml.encode(), "e.toml"))
        inherited = object.__new__(Inherited)
        inherited.environment = Environment([])
        start = Start(inherited, settings, command.complete(self.words, settings.program))
        start.directories = Directories()
        hook = discover.Hook(b"30-htpasswd.py", b"/hooks", kinds.PYTHON, [])
        hook.section = "htpasswd"
        given = HookStart(hook, start, start.directories.runtime())
        self.said = htpasswd.set_up(given)
        return given


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, runtime_directory: bytes) -> HtpasswdStart:
    """Return a start whose runtime directory is a new one."""
    os.mkdir(runtime_directory, 0o711)
    return HtpasswdStart(monkeypatch)


def verifies(path: Path, username: str, password: str | bytes) -> bool:
    return bool(HtpasswdFile(str(path), encoding="utf-8").check_password(username, password))


def test_the_file_lies_in_the_runtime_directory_and_lets_the_user_in(
    start: HtpasswdStart, runtime_directory: bytes
) -> None:
    given = start()
    path = Path(os.fsdecode(runtime_directory)) / "htpasswd"
    assert verifies(path, "admin", "hush")
    assert not verifies(path, "admin", "hush!")
    assert path.stat().st_mode & 0o7777 == 0o640
    assert path.stat().st_gid == os.getegid()
    assert path.read_bytes().startswith(b"admin:$2y$10$")
    assert path.read_bytes().count(b"\n") == 1
    assert start.said == f"1 user in {path}"
    assert "hush" not in start.said
    assert given.options == []


@pytest.mark.parametrize(
    "password",
    ["a", "with blanks ", "é" * 36, "$2y$10$", ":", "\n", os.fsdecode(b"\xff\x80"), "x" * 72],
)
def test_passwords_of_any_bytes_up_to_72_are_verified(tmp_path: Path, password: str) -> None:
    raw = os.fsencode(password)
    passwords.check_password(raw, "PASSWORD")
    path = tmp_path / "htpasswd"
    path.write_bytes(passwords.line(b"admin", raw))
    assert verifies(path, "admin", raw)


@pytest.mark.parametrize("username", ["a", "two words", "ä", "a#b", "a$b", " a", "x" * 255])
def test_user_names_of_any_other_kind_are_found(tmp_path: Path, username: str) -> None:
    passwords.check_username(username.encode(), "LOGIN")
    path = tmp_path / "htpasswd"
    path.write_bytes(passwords.line(username.encode(), b"hush"))
    assert verifies(path, username, "hush")


@pytest.mark.parametrize("password", ["x" * 73, "é" * 37])
def test_a_password_that_bcrypt_would_cut_is_refused(start: HtpasswdStart, password: str) -> None:
    start.password = password
    with pytest.raises(StartError, match=r"PASSWORD has 7\d bytes, and bcrypt reads 72"):
        start()


def test_a_password_with_a_nul_byte_is_refused() -> None:
    with pytest.raises(StartError, match="PASSWORD holds a NUL byte"):
        passwords.check_password(b"a\0b", "PASSWORD")


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        ("a:b", "LOGIN holds a colon"),
        (":", "LOGIN holds a colon"),
        ("#admin", "LOGIN begins with #"),
        ("a\nb", "LOGIN holds a newline"),
        ("a\n", "LOGIN holds a newline"),
        ("a\rb", "LOGIN holds a newline or another control character"),
        ("a\x7f", "LOGIN holds a newline or another control character"),
        ("", "LOGIN is not set"),
        (None, "LOGIN is not set"),
    ],
)
def test_a_user_name_that_the_file_cannot_hold_is_refused(
    start: HtpasswdStart, runtime_directory: bytes, username: str | None, reason: str
) -> None:
    start.username = username
    with pytest.raises(StartError, match=reason) as refusal:
        start()
    assert refusal.value.status == 78
    assert "hush" not in str(refusal.value.problems)
    assert not os.path.exists(runtime_directory + b"/htpasswd")


def test_a_section_may_give_a_path_and_an_option(start: HtpasswdStart, tmp_path: Path) -> None:
    path = tmp_path / "users"
    start.toml = f'{TOML}file = "{path}"\noption = "-htpasswd"\n'
    given = start()
    assert verifies(path, "admin", "hush")
    assert given.options == ["-htpasswd", str(path)]


@pytest.mark.parametrize(
    ("words", "has"),
    [
        ([], False),
        (["-htpasswd", "x"], True),
        (["--htpasswd", "x"], True),
        (["-htpasswd=x"], True),
        (["--htpasswd=x"], True),
        (["-htpasswd="], True),
        (["-bind", ":80", "-htpasswd", "x"], True),
        (["-bind", ":80", "--", "-htpasswd", "x"], False),
        (["--", "--htpasswd=x"], False),
        (["---htpasswd", "x"], False),
        (["htpasswd"], False),
        (["htpasswd=x"], False),
        (["-htpasswds", "x"], False),
        (["-HTPASSWD", "x"], False),
        (["-bind=-htpasswd"], False),
    ],
)
@pytest.mark.parametrize("option", ["-htpasswd", "--htpasswd"])
def test_an_option_is_known_in_the_four_spellings_of_go_before_two_dashes(
    words: list[str], option: str, *, has: bool
) -> None:
    assert htpasswd.has_option(words, option) is has


def test_an_option_that_the_user_gave_is_left_alone(start: HtpasswdStart) -> None:
    start.toml += 'option = "-htpasswd"\n'
    start.words = [b"-bind", b":80", b"--htpasswd=/etc/users"]
    assert start().options == []


@pytest.fixture
def kept(start: HtpasswdStart, tmp_path: Path) -> Path:
    """Return a file that outlives a start."""
    folder = tmp_path / "volume"
    folder.mkdir()
    start.toml += f'file = "{folder}/users"\noption = "-htpasswd"\n'
    return folder / "users"


def test_a_restart_leaves_what_is_right_as_it_is(start: HtpasswdStart, kept: Path) -> None:
    first = start()
    before = kept.read_bytes(), kept.stat().st_ino
    second = start()
    assert (kept.read_bytes(), kept.stat().st_ino) == before
    assert second.options == first.options == ["-htpasswd", str(kept)]
    assert start.said == f"1 user in {kept}, unchanged"


@pytest.mark.root
def test_a_file_that_was_given_to_the_servers_user_stays_as_it_is(
    start: HtpasswdStart, kept: Path
) -> None:
    """As by `50-owner.py`: neither hook is to undo the other's work at each start."""
    start()
    for path in (kept, kept.with_name(".users.entrykit")):
        os.chown(path, 1500, 1600)
    before = kept.stat()
    start()
    assert start.said == f"1 user in {kept}, unchanged"
    assert (kept.stat().st_ino, kept.stat().st_uid) == (before.st_ino, 1500)


@pytest.mark.root
def test_a_file_of_another_group_of_our_own_is_written_anew(
    start: HtpasswdStart, kept: Path
) -> None:
    start()
    os.chown(kept, -1, 1600)
    start()
    assert kept.stat().st_gid == os.getegid()


@pytest.mark.parametrize("change", ["password", "username"])
def test_another_password_or_user_name_replaces_the_old_one(
    start: HtpasswdStart, kept: Path, change: str
) -> None:
    start()
    setattr(start, change, "new")
    start()
    assert verifies(kept, start.username or "", start.password or "")
    assert not verifies(kept, "admin", "hush")


@pytest.mark.parametrize(("password", "what"), [("", "is empty"), (None, "is not set")])
def test_without_a_password_there_is_no_file_and_no_option(
    start: HtpasswdStart, kept: Path, password: str | None, what: str
) -> None:
    start.password = password
    given = start()
    assert given.options == []
    assert os.listdir(kept.parent) == []
    assert start.said == f"PASSWORD {what}: no htpasswd file"


def test_without_a_password_a_stale_file_of_ones_own_is_removed(
    start: HtpasswdStart, kept: Path
) -> None:
    start()
    start.password = None
    given = start()
    assert given.options == []
    assert os.listdir(kept.parent) == []
    assert start.said == "PASSWORD is not set: no htpasswd file, the old one is removed"


@pytest.mark.parametrize("is_written", [False, True])
def test_a_start_killed_between_note_and_file_leaves_one_of_ones_own(
    start: HtpasswdStart, kept: Path, *, is_written: bool
) -> None:
    """The old file or the new one, beside either note that can be there then."""
    start()
    old = kept.read_bytes()
    start.password = HUSH + "!"
    start()
    if not is_written:
        kept.write_bytes(old)
    start.password = None
    start()
    assert os.listdir(kept.parent) == []


def test_what_killed_starts_left_beside_the_file_is_removed_when_it_is_written(
    start: HtpasswdStart, kept: Path
) -> None:
    old = kept.with_name(f".{kept.name}.{'0' * 16}")
    fresh = kept.with_name(f".{kept.name}.{'1' * 16}")
    foreign = kept.with_name(f".{kept.name}.bak")
    for path in (old, fresh, foreign):
        path.write_text("user:hash\n")
    for path in (old, foreign):
        os.utime(path, (0, 0))
    start()
    assert [path.exists() for path in (kept, old, fresh, foreign)] == [True, False, True, True]


@pytest.mark.parametrize("was_there_before", [False, True])
def test_without_a_password_a_foreign_file_is_kept(
    start: HtpasswdStart, kept: Path, *, was_there_before: bool
) -> None:
    if was_there_before:
        start()
    kept.write_text("admin:$2y$10$abcdefghijklmnopqrstuv\n")
    start.password = None
    start()
    assert kept.read_text() == "admin:$2y$10$abcdefghijklmnopqrstuv\n"
    assert "removed" not in start.said


def test_a_link_in_the_files_place_is_not_followed(start: HtpasswdStart, kept: Path) -> None:
    target = kept.with_name("target")
    target.write_text("kept")
    kept.symlink_to(target)
    start()
    assert target.read_text() == "kept"
    assert not kept.is_symlink()
    assert verifies(kept, "admin", "hush")


def test_a_file_with_another_mode_is_written_anew(start: HtpasswdStart, kept: Path) -> None:
    start()
    kept.chmod(0o666)
    start()
    assert kept.stat().st_mode & 0o7777 == 0o640


def test_without_a_runtime_directory_a_bare_name_has_no_place(
    start: HtpasswdStart, runtime_directory: bytes
) -> None:
    os.rmdir(runtime_directory)
    Path(os.fsdecode(runtime_directory)).touch()
    with pytest.raises(StartError, match="there is no place for the htpasswd file") as refusal:
        start()
    assert "--tmpfs /tmp" in refusal.value.problems[0][2]


@pytest.mark.parametrize("own", [[b"-htpasswd=/x"], [b"--htpasswd", b"/x"]])
def test_an_option_of_the_commands_own_is_left_and_said(
    start: HtpasswdStart, kept: Path, own: list[bytes]
) -> None:
    start.words = own
    assert start().options == []
    assert start.said == f"1 user in {kept}; the command has an -htpasswd of its own"


@pytest.fixture
def several(start: HtpasswdStart, kept: Path) -> HtpasswdStart:
    """Return a start with all sources of users, whose file outlives it."""
    assert not kept.exists()
    start.toml += 'users = "USERS"\nentries = "ENTRIES"\n'
    start.variables = {"USERS": "ann:a\nbob:b\n", "ENTRIES": READY}
    return start


# Made with `openssl passwd -6 -salt salt ready`.
READY = (
    "eve:$6$salt$JSyX1Q91ZyLDwHM/D.v8VHCMaNdfAgoX"
    "ZmUnkTuj7XbD5zL.DtghGIfLoz.OZkoCOL56l0MW3jPmiB/O9Gg4R0"
)


def entries(path: Path) -> dict[str, str]:
    """Return what stands after each name."""
    lines = path.read_text().splitlines()
    return {name: rest for name, _, rest in (line.partition(":") for line in lines)}


def test_the_users_of_all_sources_are_let_in_in_their_order(
    several: HtpasswdStart, kept: Path
) -> None:
    several()
    assert list(entries(kept)) == ["admin", "ann", "bob", "eve"]
    for name, password in (("admin", "hush"), ("ann", "a"), ("bob", "b")):
        assert verifies(kept, name, password)
    assert kept.read_text().splitlines()[-1] == READY
    assert several.said == f"4 users in {kept}"


@pytest.mark.parametrize("source", ["USERS", "ENTRIES"])
def test_one_source_is_enough(start: HtpasswdStart, kept: Path, source: str) -> None:
    start.toml = f'[htpasswd]\n{source.lower()} = "{source}"\nfile = "{kept}"\n'
    start.variables = {source: READY if source == "ENTRIES" else "eve:ready"}
    start()
    assert list(entries(kept)) == ["eve"]
    assert start.said == f"1 user in {kept}"


def test_lines_of_users_may_be_commented_and_blank_and_end_in_crlf(
    several: HtpasswdStart, kept: Path
) -> None:
    users = "# comment: x\r\n\r\nann:a:b \r\n   \n  # another\nbob:#b"
    several.variables = {"USERS": users, "ENTRIES": f"#old:x\n\n{READY}\r\n"}
    several()
    assert list(entries(kept)) == ["admin", "ann", "bob", "eve"]
    assert verifies(kept, "ann", "a:b ")
    assert verifies(kept, "bob", "#b")
    assert kept.read_text().endswith(f"\n{READY}\n")


def test_an_entry_with_a_comment_is_taken_as_it_is(several: HtpasswdStart, kept: Path) -> None:
    several.variables["ENTRIES"] = f"{READY}:a comment"
    several()
    assert kept.read_text().endswith(f"\n{READY}:a comment\n")


def test_a_restart_with_the_same_users_writes_nothing(several: HtpasswdStart, kept: Path) -> None:
    several()
    before = [(path.name, path.read_bytes(), path.stat()) for path in sorted(kept.parent.iterdir())]
    several()
    after = [(path.name, path.read_bytes(), path.stat()) for path in sorted(kept.parent.iterdir())]
    assert [each[:2] for each in after] == [each[:2] for each in before]
    assert [each[2].st_ino for each in after] == [each[2].st_ino for each in before]
    assert [each[2].st_mtime_ns for each in after] == [each[2].st_mtime_ns for each in before]
    assert several.said == f"4 users in {kept}, unchanged"


@pytest.mark.parametrize(
    ("users", "stay"),
    [
        ("ann:a\nbob:new", ["admin", "ann", "eve"]),
        ("ann:a", ["admin", "ann", "eve"]),
        ("bob:b\nann:a", ["admin", "ann", "bob", "eve"]),
        ("zoe:z\nann:a\nbob:b", ["admin", "ann", "bob", "eve"]),
        ("", ["admin", "eve"]),
    ],
)
def test_the_lines_of_unchanged_users_stay_byte_for_byte(
    several: HtpasswdStart, kept: Path, users: str, stay: list[str]
) -> None:
    several()
    before = entries(kept)
    several.variables["USERS"] = users
    several()
    after = entries(kept)
    assert [name for name in before if after.get(name) == before[name]] == stay
    assert set(after) == {"admin", "eve", *(line[:3] for line in users.splitlines())}
    for line in users.splitlines():
        name, _, password = line.partition(":")
        assert verifies(kept, name, password)
    assert several.said == f"{len(after)} users in {kept}, {len(stay)} of them unchanged"


def test_a_hash_of_another_cost_is_made_anew_once_its_password_is_given(
    several: HtpasswdStart, kept: Path
) -> None:
    weak = passwords.hash_bcrypt(b"a", 4).decode()
    several.variables = {"USERS": "", "ENTRIES": f"ann:{weak}"}
    several()
    several.variables = {"USERS": "ann:a", "ENTRIES": ""}
    several()
    assert entries(kept)["ann"].startswith("$2y$10$")


def test_a_file_of_somebody_else_gives_no_hash(several: HtpasswdStart, kept: Path) -> None:
    several()
    before = entries(kept)
    kept.with_name(".users.entrykit").unlink()
    several()
    assert entries(kept)["ann"] != before["ann"]


@pytest.mark.parametrize(
    ("users", "ready", "where"),
    [
        ("admin:x", "", "the user admin stands in LOGIN and again in USERS, line 1"),
        ("ann:x\nann:y", "", "the user ann stands in USERS, line 1 and again in USERS, line 2"),
        ("x:x\neve:y", READY, "the user eve stands in USERS, line 2 and again in ENTRIES, line 1"),
    ],
)
def test_a_name_that_stands_twice_is_refused(
    several: HtpasswdStart, kept: Path, users: str, ready: str, where: str
) -> None:
    several.variables = {"USERS": users, "ENTRIES": ready}
    with pytest.raises(StartError) as refusal:
        several()
    assert refusal.value.problems == [("", where, "name each user once")]
    assert os.listdir(kept.parent) == []


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(
    start: HtpasswdStart, tmp_path: Path
) -> None:
    start.username = "a:b"
    start.toml = f"""
        [[htpasswd]]
        users = "USERS"
        file = "{tmp_path}/first"
        [[htpasswd]]
        username = "LOGIN"
        password = "PASSWORD"
        entries = "ENTRIES"
        file = "{tmp_path}/second"
    """
    start.variables = {"USERS": "ann:a\nsecret", "ENTRIES": "bob:secret"}
    with pytest.raises(StartError) as refusal:
        start()
    messages = [message for _, message, _ in refusal.value.problems]
    assert messages == [
        "USERS, line 2: it has no colon",
        "LOGIN holds a colon",
        "ENTRIES, line 1: after the name stands no hash of a known scheme",
    ]
    assert "secret" not in str(refusal.value.problems)
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "PASSWORD is not set, USERS is not set, ENTRIES is not set"),
        ({"USERS": "", "ENTRIES": ""}, "PASSWORD is not set, USERS is empty, ENTRIES is empty"),
        (
            {"USERS": "# none\n", "ENTRIES": "\n"},
            "PASSWORD is not set, USERS holds no user, ENTRIES holds no user",
        ),
    ],
)
def test_without_any_user_there_is_no_file_and_the_old_one_goes(
    several: HtpasswdStart, kept: Path, variables: dict[str, str], said: str
) -> None:
    several()
    for name in several.variables:
        several.monkeypatch.delenv(name)
    several.password = None
    several.variables = variables
    assert several().options == []
    assert os.listdir(kept.parent) == []
    assert several.said == f"{said}: no htpasswd file, the old one is removed"


def test_each_table_has_its_own_file_and_option(start: HtpasswdStart, tmp_path: Path) -> None:
    start.toml = f"""
        program = "/srv/server"
        [[htpasswd]]
        username = "LOGIN"
        password = "PASSWORD"
        file = "{tmp_path}/admins"
        option = "-admins"
        [[htpasswd]]
        users = "USERS"
        file = "{tmp_path}/users"
        option = "-users"
        [[htpasswd]]
        users = "NOBODY"
        file = "{tmp_path}/nobody"
        option = "-nobody"
    """
    start.variables = {"USERS": "ann:a\nadmin:b"}
    given = start()
    assert verifies(tmp_path / "admins", "admin", "hush")
    assert verifies(tmp_path / "users", "admin", "b")
    assert given.options == ["-admins", f"{tmp_path}/admins", "-users", f"{tmp_path}/users"]
    assert start.said == (
        f"1 user in {tmp_path}/admins; 2 users in {tmp_path}/users;"
        " NOBODY is not set: no htpasswd file"
    )
