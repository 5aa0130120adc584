"""What a hook may ask for in the five directories, and what is refused."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entrykit.steps.changes import STRING_LIMIT_BYTES, Changes, Directories
from entrykit.system.errors import StartError

KINDS = ("env", "unset", "options", "args", "command")


class Asked:
    """The five directories as a hook sees them."""

    def __init__(self, directories: Directories) -> None:
        self.directories = directories
        self.paths: dict[str, Path] = {}
        self.renew()

    def renew(self) -> None:
        self.directories.make()
        variables = self.directories.variables
        self.paths = {kind: Path(os.fsdecode(variables[_variable(kind)])) for kind in KINDS}

    def write(self, kind: str, name: str | bytes, content: bytes) -> None:
        (self.paths[kind] / os.fsdecode(name)).write_bytes(content)

    def read(self) -> Changes:
        changes, is_any = self.directories.read()
        assert is_any
        return changes


def _variable(kind: str) -> bytes:
    return f"ENTRYKIT_{kind.upper()}".encode()


@pytest.fixture
def asked(runtime_directory: bytes) -> Iterator[Asked]:
    """Yield the directories of a start whose hook is about to run."""
    directories = Directories()
    yield Asked(directories)
    directories.close()
    assert not os.path.exists(runtime_directory)


def test_nothing_asked_for_is_no_change(asked: Asked) -> None:
    changes, is_any = asked.directories.read()
    assert not is_any
    assert (changes.set, changes.unset, changes.options, changes.args) == ({}, [], [], [])
    assert changes.command is None


def test_the_directories_are_their_users_alone(asked: Asked) -> None:
    assert {path.stat().st_mode & 0o7777 for path in asked.paths.values()} == {0o700}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"4\n", b"4"),
        (b"4", b"4"),
        (b"", b""),
        (b"\n", b""),
        (b"a\n\n", b"a\n"),
        (b"a\r\n", b"a\r"),
        (b" a ", b" a "),
        (b"\xff'\"$(x)\\\n", b"\xff'\"$(x)\\"),
        (b"a\nb\n", b"a\nb"),
    ],
)
def test_a_value_is_the_content_but_for_one_newline_at_the_end(
    asked: Asked, content: bytes, value: bytes
) -> None:
    asked.write("env", "NAME", content)
    asked.write("options", "1", content)
    asked.write("args", "1", content)
    changes = asked.read()
    assert (changes.set, changes.options, changes.args) == ({b"NAME": value}, [value], [value])


def test_a_file_unsets_a_variable_whatever_it_holds(asked: Asked) -> None:
    asked.write("unset", "DEBUG", b"")
    asked.write("unset", "TRACE", b"yes\n")
    assert sorted(asked.read().unset) == [b"DEBUG", b"TRACE"]


@pytest.mark.parametrize("kind", ["options", "args", "command"])
def test_several_words_come_in_version_order_of_their_names(asked: Asked, kind: str) -> None:
    for name in (b"10", b"9", b"a b\n", b"a", b"\xff"):
        asked.write(kind, name, name + b"\n")
    assert getattr(asked.read(), kind) == [b"9", b"10", b"a", b"a b\n", b"\xff"]


def test_the_files_of_command_are_the_command_anew(asked: Asked) -> None:
    asked.write("command", "0", b"sh\n")
    asked.write("command", "1", b"")
    assert asked.read().command == [b"sh", b""]


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_a_command_without_a_program_is_refused(asked: Asked, content: bytes) -> None:
    asked.write("command", "0", content)
    with pytest.raises(StartError, match="a command without a program"):
        asked.read()


@pytest.mark.parametrize("kind", ["env", "unset"])
@pytest.mark.parametrize("name", [b"a-b", b"1A", b"a.b", b"a b", b"\xff", "É".encode(), b".hid"])
def test_a_name_that_no_variable_has_is_refused(asked: Asked, kind: str, name: bytes) -> None:
    asked.write(kind, name, b"secret value\n")
    with pytest.raises(StartError, match="impossible name") as refusal:
        asked.read()
    assert "secret value" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["env", "unset"])
def test_the_names_of_entrykit_are_refused(asked: Asked, kind: str) -> None:
    asked.write(kind, "ENTRYKIT_PROGRAM", b"sh\n")
    with pytest.raises(StartError, match="ENTRYKIT_PROGRAM"):
        asked.read()


def test_both_set_and_unset_is_refused(asked: Asked) -> None:
    asked.write("env", "NAME", b"secret value\n")
    asked.write("unset", "NAME", b"")
    with pytest.raises(StartError, match="to set and to unset NAME") as refusal:
        asked.read()
    assert "secret value" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["env", "options", "args", "command"])
def test_a_nul_byte_is_refused_and_the_value_is_not_shown(asked: Asked, kind: str) -> None:
    asked.write(kind, "NAME", b"secret\0value\n")
    with pytest.raises(StartError, match="NUL") as refusal:
        asked.read()
    assert "secret" not in str(refusal.value)


def _directory(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [os.mkfifo, _directory, _link, _dangling_link])
def test_anything_but_a_regular_file_is_refused(
    asked: Asked, kind: str, make: Callable[[Path], None]
) -> None:
    make(asked.paths[kind] / "NAME")
    with pytest.raises(StartError, match=f"ENTRYKIT_{kind.upper()}: .*NAME"):
        asked.read()


@pytest.mark.parametrize(
    ("kind", "longest"), [("env", 131071 - len("NAME=")), ("options", 131071), ("args", 131071)]
)
def test_a_value_that_execve_would_refuse_is_refused(asked: Asked, kind: str, longest: int) -> None:
    asked.write(kind, "NAME", b"x" * longest + b"\n")
    asked.read()
    asked.write(kind, "NAME", b"x" * (longest + 1))
    with pytest.raises(StartError, match="more bytes than"):
        asked.read()


def test_a_huge_file_is_refused_without_reading_it(asked: Asked) -> None:
    with (asked.paths["env"] / "NAME").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StartError, match="1099511627776 bytes"):
        asked.read()


def test_the_kernel_takes_just_what_is_not_refused() -> None:
    longest = "x" * (STRING_LIMIT_BYTES - len("NAME="))
    assert subprocess.run(["/bin/true"], env={"NAME": longest}, check=False).returncode == 0
    with pytest.raises(OSError, match="too long"):
        subprocess.run(["/bin/true"], env={"NAME": longest + "x"}, check=False)


def test_a_hook_gets_new_directories_after_one_that_wrote(asked: Asked) -> None:
    asked.write("env", "NAME", b"1")
    before = asked.paths
    asked.directories.discard()
    assert not any(path.exists() for path in before.values())
    asked.renew()
    assert asked.paths["env"] != before["env"]
    assert asked.directories.read()[1] is False


def test_the_same_directories_serve_until_they_are_discarded(asked: Asked) -> None:
    before = asked.paths
    asked.renew()
    assert asked.paths == before


def test_what_is_in_them_goes_with_them_and_no_link_is_followed(
    asked: Asked, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (asked.paths["env"] / "link").symlink_to(kept)
    (asked.paths["env"] / "directory" / "deep").mkdir(parents=True)
    asked.directories.close()
    assert (kept / "file").exists()


def test_a_runtime_directory_that_holds_something_stays(runtime_directory: bytes) -> None:
    directories = Directories()
    kept = directories.runtime() + b"/htpasswd"
    Path(os.fsdecode(kept)).touch()
    directories.make()
    directories.close()
    assert os.path.exists(kept)
    assert os.stat(runtime_directory).st_mode & 0o7777 == 0o711


def test_without_a_runtime_directory_the_variables_point_where_a_write_fails(
    runtime_directory: bytes,
) -> None:
    Path(os.fsdecode(runtime_directory)).write_text("in the way")
    directories = Directories()
    directories.make()
    assert directories.had_no_place
    variables = directories.variables
    assert variables == {_variable(kind): f"/dev/null/{kind}".encode() for kind in KINDS}
    for path in variables.values():
        with pytest.raises(NotADirectoryError):
            os.open(path + b"/NAME", os.O_WRONLY | os.O_CREAT)
    assert directories.read()[1] is False
    directories.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"set": {b"A": b"x\0"}},
        {"set": {b"A-B": b""}},
        {"set": {b"A": b""}, "unset": [b"A"]},
        {"unset": [b""]},
        {"options": [b"\0"]},
        {"args": [b"x" * 131072]},
        {"command": []},
        {"command": [b""]},
        {"command": [b"sh", b"\0"]},
    ],
)
def test_changes_that_come_by_another_way_are_checked_as_well(changes: dict[str, object]) -> None:
    asked = Changes()
    for name, value in changes.items():
        setattr(asked, name, value)
    with pytest.raises(StartError):
        asked.check()
