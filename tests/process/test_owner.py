"""Promise: `[owner]` gives the declared directories, and no others, to a user before a command."""

import os
from pathlib import Path

import pytest

from .starts import Ended, Entrypoint, Given

pytestmark = pytest.mark.root

SHOW = ("stat", "--format=%n %u:%g")


class Owning:
    """A start with the section, its directory, and a command that says whose that is."""

    def __init__(self, entrypoint: Entrypoint, directory: Path) -> None:
        self.entrypoint = entrypoint
        self.directory = directory
        self.lines = ['uid = "PUID"', 'gid = "PGID"']

    def __call__(self, *command: str, given: Given | None = None, **variables: str) -> Ended:
        """Start, and return how it ended."""
        self.entrypoint.configure("[owner]", f'directories = ["{self.directory}"]', *self.lines)
        self.entrypoint.with_environment(**variables)
        return self.entrypoint.run(*(command or (*SHOW, str(self.directory))), given=given)


@pytest.fixture
def owning(entrypoint: Entrypoint, tmp_path: Path) -> Owning:
    """Return a start whose directory holds a file."""
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "file").touch()
    return Owning(entrypoint, directory)


def hook_line(ended: Ended) -> str:
    """Return the hook's line without its time."""
    (line,) = ended.lines
    return line.removeprefix("entrykit: 50-owner.py: ").rpartition(" (")[0]


def test_the_command_finds_the_directory_as_its_own_user_has_it(owning: Owning) -> None:
    ended = owning(PUID="1500", PGID="1600")
    assert ended.stdout.decode() == f"{owning.directory} 1500:1600\n"
    assert hook_line(ended) == f"{owning.directory}: 2 of 2 files given to 1500:1600"
    status = (owning.directory / "file").stat()
    assert (status.st_uid, status.st_gid) == (1500, 1600)


def test_a_second_start_changes_nothing(owning: Owning) -> None:
    owning(PUID="1500", PGID="1600")
    before = (owning.directory / "file").stat().st_ctime_ns
    ended = owning()
    assert hook_line(ended) == f"{owning.directory}: 2 files, nothing to change"
    assert (owning.directory / "file").stat().st_ctime_ns == before


def test_without_the_variable_and_a_user_owners_stay(owning: Owning) -> None:
    ended = owning()
    assert hook_line(ended) == "PUID is not set: owners stay as they are"
    assert ended.stdout.decode() == f"{owning.directory} 0:0\n"


def test_a_declared_user_needs_no_variable(owning: Owning) -> None:
    owning.lines = ['user = "nobody"']
    assert owning().status == 0
    assert owning.directory.owner() == "nobody"


def test_an_id_may_stand_in_a_file(owning: Owning, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("1500\n")
    ended = owning(PUID_FILE=str(tmp_path / "id"))
    assert ended.stdout.decode() == f"{owning.directory} 1500:0\n"


def test_a_value_that_is_no_id_ends_the_start(owning: Owning) -> None:
    ended = owning(PUID="1_500")
    assert (ended.status, ended.stdout) == (78, b"")
    assert "50-owner.py: PUID is not a whole number from 0 to 4294967294" in ended.last_line
    assert "1_500" not in ended.last_line


def test_a_link_in_the_directorys_place_ends_the_start(owning: Owning, tmp_path: Path) -> None:
    real = owning.directory
    owning.directory = tmp_path / "link"
    owning.directory.symlink_to(real)
    ended = owning(PUID="1500")
    assert ended.status == 78
    message = f"{owning.directory} is a link to {real}, and links are not followed"
    assert message in ended.last_line
    assert real.stat().st_uid == 0


def test_a_directory_of_the_system_ends_the_start(owning: Owning) -> None:
    owning.directory = Path("/etc")
    ended = owning(PUID="1500")
    assert ended.status == 78
    assert "owner.directories: /etc is the system's, and is given to nobody" in ended.last_line
    assert os.stat("/etc").st_uid == 0


@pytest.mark.parametrize(("owner", "has_more"), [(1500, False), (0, True)])
def test_a_template_of_the_right_owner_is_rendered_once(
    owning: Owning, tmp_path: Path, owner: int, *, has_more: bool
) -> None:
    template = tmp_path / "templates" / "made.template"
    template.parent.mkdir()
    template.write_text("x\n")
    os.chown(template, owner, owner)
    owning.lines += ["[templates]", f'from = "{template.parent}"', f'to = "{owning.directory}"']
    assert owning(PUID="1500", PGID="1500").status == 0
    rendered, given = owning().lines
    assert ("1 of 3 files given" in given) is has_more
    assert ("unchanged" not in rendered) is has_more
    assert ("nothing to change" not in given) is has_more
