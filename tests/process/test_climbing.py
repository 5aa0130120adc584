"""Promise: what the command's user can write is not obeyed with more privilege than it has."""

import os
from pathlib import Path

import pytest

from .conftest import bake
from .starts import SEARCH_PATH, Ended, Entrypoint

pytestmark = pytest.mark.root

UID, GID = 1500, 1600
USER = f'user = "{UID}:{GID}"'
TRUST = 'trust = "any"'


def mends(ended: Ended) -> dict[str, str]:
    """Return the mend of each thing that a start refuses to obey, by path."""
    assert ended.status == 78
    assert ended.stdout == b""
    found = {}
    for line in ended.lines:
        path, _, message = line.removeprefix("entrykit: ").partition(": ")
        assert f"the command (uid {UID}) can write it " in message
        assert " as root (" in message
        found[path] = message.rpartition(" as root (")[2].removesuffix(")")
    return found


@pytest.fixture
def stepping(entrypoint: Entrypoint) -> Entrypoint:
    """Return a start with a step-down, and a hook."""
    entrypoint.configure(USER)
    entrypoint.hooks.shell("10-a.sh", "echo ran")
    return entrypoint


def test_what_only_root_can_write_is_obeyed(stepping: Entrypoint) -> None:
    ended = stepping.run("id", "-u")
    assert (ended.status, ended.stdout) == (0, b"1500\n")
    assert "ran" in ended.lines


def test_a_hook_directory_that_all_can_write_ends_the_start(stepping: Entrypoint) -> None:
    stepping.hooks.shell("20-b.sh", "echo ran")
    stepping.hooks.path.chmod(0o777)
    ended = stepping.run("id", "-u")
    assert (ended.status, ended.stdout) == (78, b"")
    path = stepping.hooks.path
    said = (
        f"entrykit: {path}: the command (uid 1500) can write it as everybody can, and the start"
        f" obeys 20-b.sh, 10-a.sh as root (chmod o-w {path}; or mount it read-only, or set"
        ' trust = "any")'
    )
    assert ended.lines == [said]


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "mend"),
    [
        (0o755, UID, 0, "chown root {}; or"),
        (0o775, 0, GID, "chmod g-w {}; or"),
        (0o777, UID, GID, "chown root {}; chmod go-w {}; or"),
    ],
)
def test_the_mend_is_told_for_owner_group_and_all(
    stepping: Entrypoint, mode: int, uid: int, gid: int, mend: str
) -> None:
    hook = stepping.hooks.shell("10-a.sh", "echo ran", mode=mode)
    os.chown(hook, uid, gid)
    found = mends(stepping.run("true"))
    assert list(found) == [str(hook)]
    assert found[str(hook)].startswith(mend.replace("{}", str(hook)))


def test_all_that_is_wrong_is_said_together(stepping: Entrypoint, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    script = real / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)
    real.chmod(0o777)
    (stepping.hooks.path / "20-link.sh").symlink_to(script)
    (tmp_path / "entrykit.toml").chmod(0o666)
    (tmp_path / "hooks.d" / "10-a.sh").chmod(0o757)
    assert set(mends(stepping.run("true"))) == {
        str(tmp_path / "entrykit.toml"),
        str(stepping.hooks.path / "10-a.sh"),
        str(real),
        str(script),
    }


@pytest.mark.parametrize("lines", [(), ('user = "0"',), ('user = "root"',), (f"{USER}", TRUST)])
def test_without_a_step_down_or_with_trust_nothing_is_checked(
    stepping: Entrypoint, lines: tuple[str, ...]
) -> None:
    stepping.configure(*lines)
    stepping.hooks.path.chmod(0o777)
    ended = stepping.run("true")
    assert ended.status == 0
    assert "ran" in ended.lines


def test_trust_in_a_configuration_that_the_user_can_write_is_not_believed(
    stepping: Entrypoint, tmp_path: Path
) -> None:
    stepping.configure(USER, TRUST)
    stepping.hooks.path.chmod(0o777)
    (tmp_path / "entrykit.toml").chmod(0o666)
    found = mends(stepping.run("true"))
    assert set(found) == {str(tmp_path / "entrykit.toml"), str(stepping.hooks.path)}
    assert found[str(stepping.hooks.path)].endswith(
        'read-only; trust = "any" counts only where that user cannot write the configuration'
    )


def test_files_that_give_variables_count(stepping: Entrypoint, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "TOKEN").write_text("x")
    (secrets / "LOCKED").write_text("x")
    (tmp_path / "variables").write_text("A=b\n")
    stepping.configure(
        USER, f'env-dirs = ["{secrets}", "/missing"]', f'env-files = ["{tmp_path}/variables"]'
    )
    assert stepping.run("true").status == 0
    (secrets / "TOKEN").chmod(0o666)
    (tmp_path / "variables").chmod(0o666)
    assert set(mends(stepping.run("true"))) == {
        str(secrets / "TOKEN"),
        str(tmp_path / "variables"),
    }
    (secrets / "TOKEN").chmod(0o600)
    secrets.chmod(0o777)
    assert str(secrets) in mends(stepping.run("true"))


def two_directories(stepping: Entrypoint, tmp_path: Path) -> Path:
    """Return a hook directory that all can write, searched after the other."""
    later = tmp_path / "later"
    later.mkdir()
    later.chmod(0o777)
    stepping.environment["ENTRYKIT_HOOKS"] = f"{stepping.hooks.path}:{later}"
    stepping.hooks.path.rename(tmp_path / "earlier")
    stepping.environment["ENTRYKIT_HOOKS"] = f"{tmp_path / 'earlier'}:{later}"
    return later


def test_an_empty_directory_that_all_can_write_is_nothing(
    stepping: Entrypoint, tmp_path: Path
) -> None:
    two_directories(stepping, tmp_path)
    assert stepping.run("true").status == 0


@pytest.mark.parametrize("what", ["hook", "mask", "no hook"])
def test_what_takes_another_hooks_place_is_obeyed_too(
    stepping: Entrypoint, tmp_path: Path, what: str
) -> None:
    later = two_directories(stepping, tmp_path)
    if what == "mask":
        (later / "10-a.sh").symlink_to("/dev/null")
    else:
        (later / "10-a.sh").write_text("#!/bin/sh\n")
        (later / "10-a.sh").chmod(0o755 if what == "hook" else 0o644)
    ended = stepping.run("true")
    assert (ended.status, ended.stdout) == (78, b"")
    assert f"entrykit: {later}: the command (uid 1500) can write it as everybody can" in (
        ended.last_line
    )
    assert "ran" not in ended.lines


def test_what_is_skipped_or_no_hook_is_not_obeyed(stepping: Entrypoint) -> None:
    for name in ("20-b.sh", "README.md", "users.csv", ".hidden"):
        stepping.hooks.shell(name, "echo not this", mode=0o666)
    stepping.environment["ENTRYKIT_SKIP"] = "20-b.sh"
    ended = stepping.run("true")
    assert ended.status == 0
    assert "ran" in ended.lines


def test_a_command_that_gets_no_hooks_is_held_to_the_configuration_alone(
    stepping: Entrypoint, tmp_path: Path
) -> None:
    stepping.configure('program = "/bin/false"', USER)
    stepping.hooks.path.chmod(0o777)
    assert stepping.run("true").status == 0
    (tmp_path / "entrykit.toml").chmod(0o666)
    assert set(mends(stepping.run("true"))) == {str(tmp_path / "entrykit.toml")}


def test_a_configuration_that_cannot_be_told_by_names_ends_the_start(
    stepping: Entrypoint, tmp_path: Path
) -> None:
    configuration = tmp_path / "other.toml"
    configuration.write_text(f"{USER}\n")
    with configuration.open() as file:
        configuration.unlink()
        (tmp_path / "other.toml (deleted)").write_text("planted")
        path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        if stepping.is_pid1:
            # Another /proc.
            return
        stepping.environment["ENTRYKIT_CONFIG"] = path
        (tmp_path / "entrykit.toml").unlink()
        ended = stepping.run("true")
    assert ended.status == 78
    assert f"{path}: cannot tell who can write it: the way leads through a link" in ended.last_line


def test_the_plan_shows_what_the_start_would_refuse(stepping: Entrypoint) -> None:
    stepping.hooks.path.chmod(0o777)
    stepping.environment["ENTRYKIT_PLAN"] = "1"
    ended = stepping.run("true")
    assert ended.status == 78
    assert f"chmod o-w {stepping.hooks.path}" in ended.stdout.decode()


class Baked:
    """An image whose configuration was baked."""

    def __init__(self, python: str, package: Path, place: Path, *lines: str) -> None:
        place.mkdir()
        self.launcher = place / "entrypoint"
        self.configuration = place / "entrykit.toml"
        self.configuration.write_text("\n".join((*lines, "")))
        words = ("--config", str(self.configuration), "--output", str(self.launcher))
        baked = bake(python, package, *words)
        assert baked.returncode == 0, baked.stderr

    def run(self, scratch: Path, hooks: Path) -> Ended:
        """Start `id -u` with a hook directory."""
        entrypoint = Entrypoint([str(self.launcher)], scratch, is_pid1=False)
        entrypoint.environment = {"PATH": SEARCH_PATH, "ENTRYKIT_HOOKS": str(hooks)}
        try:
            return entrypoint.run("id", "-u")
        finally:
            entrypoint.close()


@pytest.fixture
def open_hooks(tmp_path: Path) -> Path:
    """Return a hook directory that all can write."""
    hooks = tmp_path / "open"
    hooks.mkdir()
    (hooks / "10-a.envsh").write_text("A=b\n")
    hooks.chmod(0o777)
    return hooks


def test_trust_that_was_baked_is_believed_until_the_file_says_something_else(
    python: str, package: Path, tmp_path: Path, open_hooks: Path
) -> None:
    image = Baked(python, package, tmp_path / "image", USER, TRUST)
    image.configuration.chmod(0o666)
    assert image.run(tmp_path, open_hooks).stdout == b"1500\n"
    image.configuration.write_text(f"{USER}\n{TRUST}\n# another\n")
    assert set(mends(image.run(tmp_path, open_hooks))) == {
        str(image.configuration),
        str(open_hooks),
    }


def test_the_launcher_and_its_record_count(
    python: str, package: Path, tmp_path: Path, open_hooks: Path
) -> None:
    open_hooks.chmod(0o755)
    image = Baked(python, package, tmp_path / "image", USER)
    record = Path(f"{image.launcher}.baked")
    for path in (image.launcher, record):
        os.chown(path, UID, GID)
    assert set(mends(image.run(tmp_path, open_hooks))) == {str(image.launcher), str(record)}
