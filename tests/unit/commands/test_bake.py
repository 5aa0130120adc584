"""What `bake` checks before it writes a launcher; what a launcher does is the process tests'."""

from pathlib import Path

import pytest

from entrykit import commands
from entrykit.steps import search


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a launcher is written; there are no hooks of this machine's."""
    monkeypatch.setattr(search, "HOOK_DIRECTORIES", ())
    folder = tmp_path / "output"
    folder.mkdir()
    return folder / "entrypoint"


def bake(output: Path, toml: str) -> int:
    file = output.parent.parent / "entrykit.toml"
    file.write_text(toml)
    return commands.main(["bake", "--config", str(file), "--output", str(output)])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_launcher_and_its_record_are_written(
    output: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bake(output, "program = '/srv/x'\n") == 0
    assert names_in(output.parent) == ["entrypoint", "entrypoint.baked"]
    assert output.stat().st_mode & 0o7777 == 0o755
    first, second = output.read_text().splitlines()[:2]
    assert first.startswith("#!/")
    assert first.endswith(" -IS")
    assert "entrykit bake" in second
    assert capfd.readouterr() == ("", f"entrykit: wrote {output} and {output}.baked\n")


def test_a_mistake_in_the_configuration_is_status_78_and_nothing_is_written(
    output: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bake(output, "progam = 'x'\numask = 1\n") == 78
    assert names_in(output.parent) == []
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "entrykit.toml:1: unknown key progam (did you mean program?)" in lines[0]
    assert "entrykit.toml:2: umask: expected an octal string" in lines[1]


def test_a_missing_configuration_that_was_asked_for_is_status_78(
    output: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = str(output.with_name("none.toml"))
    assert commands.main(["bake", "--config", missing, "--output", str(output)]) == 78
    assert "none.toml: no such file" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("10.sh", "#!/no/such/shell\n", "its interpreter /no/such/shell is missing"),
        ("20.py", "def hook(start:\n", "it is not Python"),
        ("30.sh", "#!/bin/sh\r\n", "CRLF"),
    ],
)
def test_a_fault_of_a_hook_is_status_78_and_nothing_is_written(
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: str,
    message: str,
) -> None:
    hooks = output.parent.parent / "hooks"
    hooks.mkdir()
    (hooks / name).write_bytes(content.encode())
    (hooks / name).chmod(0o755)
    monkeypatch.setattr(search, "HOOK_DIRECTORIES", (str(hooks).encode(),))
    assert bake(output, "") == 78
    assert names_in(output.parent) == []
    said = capfd.readouterr().err
    assert name in said
    assert message in said
