"""Whatever lies in an image, looking at it ends in findings."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from entrykit.lint import findings
from entrykit.lint.survey import Survey
from entrykit.lint.targets import Target, find
from entrykit.system import files

# A directory for each example costs more than the example.
_RELAXED = settings(suppress_health_check=list(HealthCheck), max_examples=60, deadline=None)
_BEGINNINGS = (
    b"",
    b"#!/bin/sh\n",
    b"#!/bin/bash\n",
    b"#!",
    b"\x7fELF",
    b"# entrykit: ",
    b"\xef\xbb\xbf",
)
_NAMES = ("10-a.sh", "10-a.envsh", "10-a.py", "10-a", "010-a", "20-b.sql")


def look(directory: Path, *, configuration: Path | None = None) -> list[findings.Finding]:
    path = os.fsencode(configuration) if configuration else None
    return Survey(Target(b"", [os.fsencode(directory)], path, search_path=b"/usr/bin:/bin")).look()


@_RELAXED
@given(
    st.sampled_from(_NAMES),
    st.sampled_from(_BEGINNINGS),
    st.binary(),
    st.sampled_from((0o644, 0o755)),
)
@example("10-a.py", b"", b"\r\x01", 0o644)
@example("10-a.py", b"", b"\rasync def hook(start): ...", 0o644)
def test_any_bytes_can_be_a_hook(
    tmp_path: Path, name: str, beginning: bytes, rest: bytes, mode: int
) -> None:
    directory = tmp_path / "hooks"
    directory.mkdir()
    try:
        (directory / name).write_bytes(beginning + rest)
        (directory / name).chmod(mode)
        for one in look(directory):
            assert one.code in findings.CODES
            assert one.line <= (beginning + rest).count(b"\n") + 1
    finally:
        shutil.rmtree(directory)


@_RELAXED
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_can_be_a_configuration(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hooks").mkdir(exist_ok=True)
    configuration = tmp_path / "entrykit.toml"
    configuration.write_bytes(content)
    assert {one.code for one in look(tmp_path / "hooks", configuration=configuration)} <= {
        "configuration"
    }


@pytest.mark.parametrize(
    ("first_line", "body", "line"),
    [
        ("#!/bin/sh", "if true; then\n", 3),
        ("#!/bin/bash", "fi\n", 2),
        ("#!/usr/bin/env bash", "a=(1 2)\nfi\n", 3),
        ("#!/bin/sh -eu", "fi\n", 2),
    ],
)
def test_the_shell_of_the_first_line_is_asked(
    tmp_path: Path, first_line: str, body: str, line: int
) -> None:
    hook = tmp_path / "10-a"
    hook.write_text(f"{first_line}\n{body}")
    hook.chmod(0o755)
    (one,) = look(tmp_path)
    assert (one.code, one.line) == ("shell-syntax", line)


@pytest.mark.skipif(shutil.which("busybox") is None, reason="apt-get install busybox")
def test_busybox_is_asked_as_sh(tmp_path: Path) -> None:
    hook = tmp_path / "10-a"
    hook.write_text(f"#!{shutil.which('busybox')} sh\nfi\n")
    hook.chmod(0o755)
    (one,) = look(tmp_path)
    assert (one.code, one.line) == ("shell-syntax", 2)


def test_what_only_bash_understands_is_right_for_bash(tmp_path: Path) -> None:
    hook = tmp_path / "10-a"
    hook.write_text("#!/bin/bash\nshopt -s extglob\na=(1)\n[[ x == @(x|y) ]] && rm -f !(a)\n")
    hook.chmod(0o755)
    assert look(tmp_path) == []


@pytest.mark.parametrize("name", ["hooks.d", "hooks.d/", "./hooks.d", "../work/hooks.d"])
def test_a_configuration_beside_a_hook_directory_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "work/hooks.d").mkdir(parents=True)
    (tmp_path / "work/entrykit.toml").touch()
    monkeypatch.chdir(tmp_path / "work")
    (target,) = find([name.encode()], None, {})
    assert target.configuration is not None
    assert os.path.samefile(target.configuration, tmp_path / "work/entrykit.toml")


def test_a_root_is_left_again(tmp_path: Path) -> None:
    (tmp_path / "docker-entrypoint.d").mkdir()
    Survey(find([os.fsencode(tmp_path)], None, {})[0]).look()
    assert files.place(b"/etc/entrykit.toml") == b"/etc/entrykit.toml"


@pytest.mark.parametrize(
    ("link", "mode"), [("/etc/passwd", 0o644), ("../../../../../../etc/passwd", 0o644)]
)
def test_a_configuration_that_leads_out_of_a_root_is_not_the_machines(
    tmp_path: Path, link: str, mode: int
) -> None:
    (tmp_path / "etc").mkdir(mode=0o755)
    (tmp_path / "etc/entrykit.toml").symlink_to(link)
    found = Survey(find([os.fsencode(tmp_path)], None, {})[0]).look()
    assert [one.code for one in found] == ["unreadable"]
    (tmp_path / "etc/passwd").touch(mode)
    assert Survey(find([os.fsencode(tmp_path)], None, {})[0]).look() == []


@pytest.mark.root
def test_what_a_start_would_refuse_for_climbing_is_found_once(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "10-a.sh").write_text("#!/bin/sh\n")
    (hooks / "10-a.sh").chmod(0o757)
    (tmp_path / "entrykit.toml").write_text('user = "1500"\n')
    target = Target(
        configuration=os.fsencode(tmp_path / "entrykit.toml"), told={"hooks": os.fsencode(hooks)}
    )
    (one,) = Survey(target).look()
    assert (one.code, one.path) == ("climbing", os.fsencode(hooks / "10-a.sh"))
    assert one.mend.startswith(f"chmod o-w {hooks}/10-a.sh; or mount it read-only, or set trust")
    (tmp_path / "entrykit.toml").write_text("")
    (one,) = Survey(target).look()
    assert one.code == "world-writable"
