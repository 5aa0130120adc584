"""No input ends in a traceback: what cannot be used is named, status 78, before any hook runs."""

import pytest

from .starts import Entrypoint


def assert_refused(entrypoint: Entrypoint, *words: str) -> None:
    """Run a command that must not start, for a reason that is told in one line."""
    entrypoint.hooks.shell("99-runs.sh", "echo ran")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert len(ended.lines) == 1
    for word in words:
        assert word in ended.last_line


@pytest.mark.parametrize("name", ["10-nul.sh", "10-nul.envsh", "10-nul"])
@pytest.mark.parametrize("first", [b"#!/bin/s\0h\n", b"#!/usr/bin/env s\0h\n", b"#!\0\n"])
def test_a_nul_in_a_first_line(entrypoint: Entrypoint, name: str, first: bytes) -> None:
    entrypoint.hooks.add(name, first)
    assert_refused(entrypoint, f"{name}: its interpreter", str(entrypoint.hooks.path))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("timeout = 1" + "0" * 400, ":1: timeout: expected a duration"),
        ("timeout = -1" + "0" * 400, ":1: timeout: expected a duration"),
        ("grace = 1e400", ":1: grace: expected a duration"),
        ("timeout = " + "9" * 5000, "it is not valid TOML"),
        ("umask = " + "1" * 5000, "it is not valid TOML"),
    ],
    ids=lambda value: value[:20],
)
def test_a_number_of_any_size(entrypoint: Entrypoint, line: str, told: str) -> None:
    entrypoint.configure(line)
    assert_refused(entrypoint, str(entrypoint.scratch / "entrykit.toml"), told)


def test_a_setting_of_a_hook_of_any_size(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", "# entrykit: timeout=" + "9" * 5000)
    assert_refused(entrypoint, "10-a.sh: settings comment: timeout: expected a duration")


def test_a_secret_given_in_place_of_its_file_is_not_shown(entrypoint: Entrypoint) -> None:
    entrypoint.configure("[env.PASSWORD]", "secret = true")
    entrypoint.with_environment(PASSWORD_FILE="geheim", ENTRYKIT_LOG="debug")  # noqa: S106 - a test's
    entrypoint.hooks.shell("99-runs.sh", "echo ran")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert "PASSWORD: cannot read the file that PASSWORD_FILE names" in ended.last_line
    assert b"geheim" not in ended.stderr
