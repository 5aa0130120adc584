"""`entrykit htpasswd`: what each action does to a file, and what it refuses."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

from entrykit import commands

HUSH = "hush"
# Comments, a blank line, CRLF, junk, and no newline at the end: all of it is somebody's.
CONTENT = b"# ours: x\n\nann:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/:a note\r\njunk\nzo\xeb:*"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a file that is not there, in a directory of its own."""
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder / "users"


@pytest.fixture
def htpasswd(tmp_path: Path) -> Callable[..., int]:
    """Return what runs the command, with a password from a file."""

    def run(action: str, file: Path, name: str, password: str = HUSH, *words: str) -> int:
        if action != "delete":
            secret = tmp_path / "secret"
            secret.write_bytes(os.fsencode(password) + b"\n")
            words = ("--password-file", str(secret), *words)
        if action in ("create", "add") and "--scheme" not in words and "--cost" not in words:
            words = ("--cost", "4", *words)
        return commands.main(["htpasswd", action, str(file), name, *words])

    return run


def verifies(file: Path, name: str, password: str) -> bool:
    lines = [line for line in file.read_bytes().splitlines() if line.count(b":") == 1]
    judge = HtpasswdFile.from_string(b"\n".join(lines), encoding="utf-8")
    return bool(judge.check_password(name, password))


def test_create_makes_a_file_with_one_user(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old = os.umask(0o077)
    try:
        assert htpasswd("create", file, "ann") == 0
    finally:
        os.umask(old)
    assert file.read_bytes().startswith(b"ann:$2y$04$")
    assert verifies(file, "ann", "hush")
    assert file.stat().st_mode & 0o7777 == 0o640
    assert os.listdir(file.parent) == ["users"]
    assert capfd.readouterr() == ("", f"entrykit: {file}: made, with ann\n")


def test_the_cost_is_ten_where_none_is_given(file: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    words = ["htpasswd", "create", str(file), "ann", "--password-file", str(tmp_path / "secret")]
    assert commands.main(words) == 0
    assert file.read_bytes().startswith(b"ann:$2y$10$")


@pytest.mark.parametrize("target", ["", "nowhere"])
def test_create_never_overwrites_a_file_or_a_link(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str], target: str
) -> None:
    if target:
        file.symlink_to(target)
    else:
        file.write_bytes(CONTENT)
    assert htpasswd("create", file, "ann") == 78
    told = f"entrykit: {file} is there already (add a user to it with `add`)\n"
    assert capfd.readouterr().err == told
    assert file.is_symlink() or file.read_bytes() == CONTENT


def test_add_puts_a_new_user_at_the_end_and_leaves_the_rest(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(CONTENT)
    assert htpasswd("add", file, "bob") == 0
    assert file.read_bytes().startswith(CONTENT + b"\nbob:$2y$04$")
    assert verifies(file, "bob", "hush")
    assert capfd.readouterr().err == f"entrykit: {file}: bob is added\n"


def test_add_replaces_a_hash_in_its_place_and_leaves_the_note(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(CONTENT + b"\nann:second\n")
    assert htpasswd("add", file, "ann") == 0
    lines = file.read_bytes().split(b"\n")
    assert lines[2].startswith(b"ann:$2y$04$")
    assert lines[2].endswith(b":a note")
    assert b"\n".join([*lines[:2], CONTENT.split(b"\n")[2], *lines[3:]]) == CONTENT + b"\n"
    assert capfd.readouterr().err == f"entrykit: {file}: ann has another password\n"
    assert htpasswd("verify", file, "ann") == 0


def test_delete_takes_each_line_of_the_user_and_leaves_the_rest(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(CONTENT + b"\nann:second\n")
    assert htpasswd("delete", file, "ann") == 0
    lines = CONTENT.split(b"\n")
    assert file.read_bytes() == b"\n".join([*lines[:2], *lines[3:], b""])
    assert capfd.readouterr().err == f"entrykit: {file}: ann is deleted\n"
    assert htpasswd("delete", file, "ann") == 78
    assert capfd.readouterr().err == f"entrykit: there is no user ann in {file}\n"


def test_the_last_user_may_be_deleted(htpasswd: Callable[..., int], file: Path) -> None:
    htpasswd("create", file, "ann")
    assert htpasswd("delete", file, "ann") == 0
    assert file.read_bytes() == b""
    assert htpasswd("add", file, "bob") == 0
    assert verifies(file, "bob", "hush")


@pytest.mark.parametrize("action", ["add", "delete"])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o4755])
def test_mode_and_owner_of_the_file_stay(
    htpasswd: Callable[..., int], file: Path, action: str, mode: int
) -> None:
    file.write_bytes(b"ann:x\n")
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
    file.chmod(mode)
    before = file.stat()
    assert htpasswd(action, file, "ann") == 0
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip


@pytest.mark.root
@pytest.mark.parametrize("action", ["add", "delete"])
def test_a_file_whose_owner_could_not_stay_is_refused(
    capfd: pytest.CaptureFixture[str], action: str
) -> None:
    # Not under pytest's own directory, which is closed to others.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - to be looked into
        file = Path(folder) / "users"
        file.write_bytes(b"ann:x\n")
        os.seteuid(65534)
        try:
            # Before a password is asked for.
            assert commands.main(["htpasswd", action, str(file), "ann"]) == 78
        finally:
            os.seteuid(0)
        assert file.read_bytes() == b"ann:x\n"
    told = f"cannot write {file}: it is owned by uid 0 (run this as its owner, or as root)"
    assert capfd.readouterr().err == f"entrykit: {told}\n"


@pytest.mark.parametrize(
    ("name", "password", "status", "told"),
    [
        ("ann", "myPassword", 0, "that is the password"),
        ("ann", "wrong", 1, "that is not the password, or there is no such user"),
        ("nobody", "myPassword", 1, "that is not the password, or there is no such user"),
        ("# ours", "x", 1, "that is not the password, or there is no such user"),
        ("junk", "", 1, "that is not the password, or there is no such user"),
    ],
)
def test_verify_says_whether_it_is_the_password(
    htpasswd: Callable[..., int],
    file: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    password: str,
    status: int,
    told: str,
) -> None:
    file.write_bytes(CONTENT)
    before = file.stat()
    assert htpasswd("verify", file, name, password) == status
    assert capfd.readouterr().err == f"entrykit: {file}: {name}: {told}\n"
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_verify_of_what_is_no_hash_is_78(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(b"ann:hush\n")
    assert htpasswd("verify", file, "ann") == 78
    err = capfd.readouterr().err
    assert err.startswith(f"entrykit: {file}: ann: cannot verify a hash of no known scheme (known")
    assert "hush" not in err


def test_verify_of_an_unknown_user_works_as_hard(htpasswd: Callable[..., int], file: Path) -> None:
    for content in (b"", b"junk", b"ann:$y$j9T$abc$" + b"a" * 43):
        file.write_bytes(content)
        before = time.process_time()
        assert htpasswd("verify", file, "nobody") == 1
        # bcrypt of cost 10 takes 50 ms here, all else 1 ms.
        assert time.process_time() - before > 0.01


def test_verify_reads_through_a_link_and_the_others_refuse_it(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    htpasswd("create", file, "ann")
    link = file.with_name("link")
    link.symlink_to("users")
    before = file.read_bytes()
    assert htpasswd("verify", link, "ann") == 0
    capfd.readouterr()
    for action in ("add", "delete"):
        assert htpasswd(action, link, "ann") == 78
        told = f"entrykit: cannot write {link}: it is a link (name the file itself: {file})\n"
        assert capfd.readouterr().err == told
    assert file.read_bytes() == before
    assert link.is_symlink()


@pytest.mark.parametrize("action", ["add", "delete", "verify"])
def test_a_file_that_is_not_there_is_78_and_is_not_made(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str], action: str
) -> None:
    assert htpasswd(action, file, "ann") == 78
    told = f"entrykit: cannot read {file}: no such file or directory"
    assert capfd.readouterr().err.startswith(told)
    assert os.listdir(file.parent) == []


def test_what_is_no_file_or_has_no_place_is_told(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert htpasswd("add", file.parent, "ann") == 78
    told = f"entrykit: cannot read {file.parent}: it is a directory, not a regular file\n"
    assert capfd.readouterr().err == told
    assert htpasswd("create", file / "no" / "where", "ann") == 78
    told = f"entrykit: cannot write {file}/no/where: no such file or directory\n"
    assert capfd.readouterr().err == told


@pytest.mark.parametrize("action", ["create", "add"])
@pytest.mark.parametrize(
    ("name", "password", "told"),
    [
        ("", "hush", "the name is empty"),
        ("a:b", "hush", "the name holds a colon"),
        ("#a", "hush", "the name begins with #"),
        ("a\nb", "hush", "the name holds a newline or another control character"),
        ("ann", "", "the password is empty"),
        ("ann", "a\x1b[Db", "the password holds a control character"),
        ("ann", "x" * 73, "the password has 73 bytes, and bcrypt reads 72"),
        ("ann", "a\nb", "holds more than one line (give the password alone)"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_and_never_shown(
    htpasswd: Callable[..., int],
    file: Path,
    capfd: pytest.CaptureFixture[str],
    action: str,
    name: str,
    password: str,
    told: str,
) -> None:
    if action == "add":
        file.write_bytes(CONTENT)
    assert htpasswd(action, file, name, password) == 78
    err = capfd.readouterr().err
    assert told in err
    assert not password or password not in err
    assert not file.exists() or file.read_bytes() == CONTENT


@pytest.mark.parametrize("scheme", ["sha512-crypt", "sha256-crypt"])
def test_another_scheme_is_made_and_verified(
    htpasswd: Callable[..., int], file: Path, scheme: str
) -> None:
    assert htpasswd("create", file, "ann", "hush", "--scheme", scheme) == 0
    assert verifies(file, "ann", "hush")
    assert htpasswd("verify", file, "ann") == 0
    assert htpasswd("verify", file, "ann", "wrong") == 1
    assert htpasswd("verify", file, "nobody") == 1


def test_a_cost_for_a_scheme_without_one_is_a_mistake_of_usage(
    htpasswd: Callable[..., int], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--scheme", "sha512-crypt", "--cost", "12")
    assert htpasswd("create", file, "ann", "hush", *words) == 2
    assert capfd.readouterr().err == "entrykit: --cost is bcrypt's, not that of sha512-crypt\n"


@pytest.mark.parametrize(
    "words",
    [
        ["create", "FILE"],
        ["create", "FILE", "ann", "hush"],
        ["create", "FILE", "ann", "--cost", "3"],
        ["create", "FILE", "ann", "--cost", "18"],
        ["create", "FILE", "ann", "--scheme", "apr1"],
        ["delete", "FILE", "ann", "--password-file", "x"],
        ["verify", "FILE", "ann", "--scheme", "bcrypt"],
        ["list", "FILE"],
    ],
)
def test_a_mistake_of_usage_is_status_2(words: list[str], file: Path) -> None:
    with pytest.raises(SystemExit) as end:
        commands.main(["htpasswd", *[str(file) if word == "FILE" else word for word in words]])
    assert end.value.code == 2
    assert not file.exists()


@pytest.mark.parametrize("action", ["create", "add", "delete", "verify"])
def test_each_action_has_its_own_help(capsys: pytest.CaptureFixture[str], action: str) -> None:
    with pytest.raises(SystemExit) as end:
        commands.main(["htpasswd", action, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: entrykit htpasswd {action}")


@pytest.mark.parametrize(
    ("stdin", "status", "told"),
    [
        (b"hush\n", 0, "made, with ann"),
        (b"hush\r\n", 0, "made, with ann"),
        (b"hush", 0, "made, with ann"),
        (b"hush\nhush\n", 78, "standard input holds more than one line"),
        (b"", 78, "the password is empty"),
        (b"\xff\xfe", 0, "made, with ann"),
        (b"x" * 100_000, 78, "standard input holds more than 65536 bytes"),
    ],
)
def test_without_a_terminal_the_password_is_the_line_on_standard_input(
    file: Path, stdin: bytes, status: int, told: str
) -> None:
    words = [
        sys.executable,
        "-m",
        "entrykit",
        "htpasswd",
        "create",
        "--cost",
        "4",
        str(file),
        "ann",
    ]
    ended = subprocess.run(words, input=stdin, capture_output=True, check=False)
    assert ended.returncode == status
    assert told in ended.stderr.decode()
    assert ended.stderr.count(b"\n") == 1
    assert ended.stdout == b""
    if status == 0:
        verified = subprocess.run(
            [*words[:4], "verify", str(file), "ann"], input=stdin, capture_output=True, check=False
        )
        assert verified.returncode == 0


def test_a_closed_standard_input_is_no_password(file: Path) -> None:
    line = 'exec "$@" <&-'
    words = ["sh", "-c", line, "-", sys.executable, "-m", "entrykit", "htpasswd", "create"]
    ended = subprocess.run([*words, str(file), "ann"], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (78, b"entrykit: the password is empty\n")


def test_a_password_file_may_be_a_pipe_as_a_shell_makes_one(file: Path) -> None:
    """`--password-file <(pass show ann)`: a path below /dev/fd, and `/dev/stdin`."""
    words = [sys.executable, "-m", "entrykit", "htpasswd", "create", "--cost", "4", str(file)]
    words += ["ann", "--password-file", "/dev/stdin"]
    ended = subprocess.run(words, input=b"hush\n", capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert verifies(file, "ann", "hush")


def test_a_fifo_as_password_file_is_waited_for(file: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    words = [sys.executable, "-m", "entrykit", "htpasswd", "create", "--cost", "4", str(file)]
    with subprocess.Popen([*words, "ann", "--password-file", str(fifo)]) as running:
        # Opens when the command does, not before.
        fifo.write_bytes(b"hush")
        assert running.wait(20) == 0
    assert verifies(file, "ann", "hush")


def test_runs_at_once_lose_no_user(file: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    file.write_bytes(CONTENT)
    words = [sys.executable, "-m", "entrykit", "htpasswd", "add", "--cost", "4"]
    words += ["--password-file", str(tmp_path / "secret"), str(file)]
    names = [f"user{number}" for number in range(16)]
    running = [subprocess.Popen([*words, name], stderr=subprocess.DEVNULL) for name in names]
    assert [process.wait() for process in running] == [0] * len(names)
    assert file.read_bytes().startswith(CONTENT + b"\n")
    assert all(verifies(file, name, "hush") for name in names)
    assert os.listdir(file.parent) == ["users"]
