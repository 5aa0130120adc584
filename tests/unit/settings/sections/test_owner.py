"""The section `[owner]`: which directories, and whose."""

import pytest

from entrykit.settings import configuration
from entrykit.system.errors import StartError


def problems(*lines: str) -> list[str]:
    text = "\n".join(("[owner]", *lines))
    with pytest.raises(StartError) as refusal:
        configuration.parse(text.encode(), "e.toml")
    assert refusal.value.status == 78
    return [": ".join(part for part in one if part) for one in refusal.value.problems]


def test_a_section_has_directories_and_a_user() -> None:
    text = '[owner]\ndirectories = ["/data", "//var/./www/"]\nuser = "app:staff"\n'
    section = configuration.parse(text.encode(), "e.toml")["sections"]["owner"]
    assert section == {
        "directories": ["/data", "/var/www"], "user": "app:staff", "uid": None, "gid": None,
    }  # fmt: skip


def test_the_variables_that_it_names_are_read_from_files_too() -> None:
    text = '[owner]\ndirectories = ["/data"]\nuid = "PUID"\ngid = "PGID"\n'
    assert configuration.parse(text.encode(), "e.toml")["env"] == {
        "PUID": {"file": True}, "PGID": {"file": True},
    }  # fmt: skip


@pytest.mark.parametrize("value", ['"/data"', "[]", '["data"]', '[""]', "[1]", '["~/data"]'])
def test_directories_are_absolute_paths(value: str) -> None:
    assert problems(f"directories = {value}", 'user = "app"')[0].startswith(
        "e.toml:2: owner.directories: expected a list of absolute paths, found "
    )


def test_a_directory_has_no_two_dots() -> None:
    (problem,) = problems('directories = ["/data/../etc"]', 'user = "app"')
    assert "expected a list of absolute paths without .." in problem


def test_each_of_the_systems_directories_is_named() -> None:
    found = problems('directories = ["/", "/etc/", "/data", "/proc/1"]', 'user = "app"')
    mend = "declare the directory of the server's own data"
    assert found == [
        f"e.toml:2: owner.directories: {path} is the system's, and is given to nobody: {mend}"
        for path in ("/", "/etc", "/proc/1")
    ]


@pytest.mark.parametrize("value", ['""', '":"', '"a:b:c"', '"a b"', "1500", '"4294967295"'])
def test_a_user_is_a_spec(value: str) -> None:
    (problem,) = problems('directories = ["/data"]', f"user = {value}")
    assert problem.startswith("e.toml:3: owner.user: expected a ")


def test_a_section_without_an_owner_is_an_error() -> None:
    (problem,) = problems('directories = ["/data"]')
    assert problem.startswith("e.toml:1: owner.user: the section names no owner: give user = ")


def test_a_variable_for_the_group_alone_is_an_error() -> None:
    (problem,) = problems('directories = ["/data"]', 'user = "app"', 'gid = "PGID"')
    assert problem.startswith("e.toml:4: owner.gid: it needs uid: ")
