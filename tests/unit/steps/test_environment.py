"""Defaults, `_FILE` secrets and what is required; what the command is not to see."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from entrykit.settings import configuration as configurations
from entrykit.steps import environment as steps
from entrykit.steps.inherited import Environment
from entrykit.system.errors import StartError


class Given:
    """An environment and what a configuration declares of it."""

    def __init__(self, toml: str, variables: Mapping[str, str | bytes]) -> None:
        self.configuration = configurations.parse(toml.encode(), "test.toml")
        entries = [os.fsencode(name) + b"=" + os.fsencode(variables[name]) for name in variables]
        self.environment = Environment(entries)

    def resolved(self) -> dict[bytes, bytes]:
        self.secrets = steps.resolve(self.environment, self.configuration)
        return self.environment.plain()

    def problems(self) -> list[tuple[str, str, str]]:
        with pytest.raises(StartError) as refusal:
            self.resolved()
        assert refusal.value.status == 78
        return list(refusal.value.problems)

    def problem(self) -> str:
        (problem,) = self.problems()
        return ": ".join(problem)


DECLARED = "[env.PASSWORD]\nsecret = true\n"


@pytest.mark.parametrize(
    ("toml", "variables", "resolved"),
    [
        pytest.param("", {"A": "1", "B": ""}, {b"A": b"1", b"B": b""}, id="nothing declared"),
        pytest.param("[env.A]\ndefault = 'é'", {}, {b"A": "é".encode()}, id="default"),
        pytest.param("[env.A]\ndefault = 'x'", {"A": "1"}, {b"A": b"1"}, id="given"),
        pytest.param("[env.A]\ndefault = 'x'", {"A": ""}, {b"A": b"x"}, id="empty is unset"),
        pytest.param("[env.A]\nhelp = 'x'", {"A": ""}, {b"A": b""}, id="empty passes unchanged"),
        pytest.param("[env.A]\ndefault = ''", {"A": ""}, {b"A": b""}, id="an empty default"),
        pytest.param("[env.A]\nrequired = true", {"A": "1"}, {b"A": b"1"}, id="required"),
        pytest.param(
            "[env.A]\nrequired = true\ndefault = 'x'", {}, {b"A": b"x"}, id="required with default"
        ),
        pytest.param("[env.A]\nhelp = ''", {"A": b"\xff\n"}, {b"A": b"\xff\n"}, id="any bytes"),
        pytest.param("[env.A]\nhelp = ''", {"A_FILE": "/x"}, {b"A_FILE": b"/x"}, id="no _FILE"),
        pytest.param("", {"A_FILE": "/x"}, {b"A_FILE": b"/x"}, id="undeclared _FILE"),
        pytest.param(
            DECLARED,
            {"PASSWORD": "x", "PASSWORD_FILE": ""},
            {b"PASSWORD": b"x", b"PASSWORD_FILE": b""},
            id="an empty _FILE is unset",
        ),
    ],
)  # fmt: skip
def test_each_variable_gets_its_own_value_or_its_default(
    toml: str, variables: dict[str, str | bytes], resolved: dict[bytes, bytes]
) -> None:
    assert Given(toml, variables).resolved() == resolved


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"hush\n", b"hush"),
        (b"hush", b"hush"),
        (b"hush\n\n\n", b"hush"),
        (b"hush\r\n", b"hush"),
        (b"hush\r\r\n\n", b"hush\r"),
        (b"\nhu\nsh \n", b"\nhu\nsh "),
        (b"\xff\xfe", b"\xff\xfe"),
        (b"x" * 65536, b"x" * 65536),
    ],
)
@pytest.mark.parametrize("declared", ["secret = true", "file = true"])
def test_a_value_is_read_from_the_file_that_is_named(
    tmp_path: Path, declared: str, content: bytes, value: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    toml = f"[env.A]\ndefault = 'x'\nrequired = true\n{declared}"
    for more in ({}, {"A": ""}):
        given = Given(toml, more | {"A_FILE": str(tmp_path / "file")})
        assert given.resolved() == {b"A": value}


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\n"])
def test_an_empty_file_is_as_unset(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    file = {"A_FILE": str(tmp_path / "file")}
    toml = "[env.A]\nfile = true\n"
    assert Given(toml + "default = 'x'", {**file}).resolved() == {b"A": b"x"}
    assert "is required and not set" in Given(toml + "required = true", {**file}).problem()


def test_a_file_may_be_a_link(tmp_path: Path) -> None:
    """As Kubernetes mounts secrets."""
    (tmp_path / "data").write_text("hush")
    (tmp_path / "link").symlink_to("data")
    given = Given(DECLARED, {"PASSWORD_FILE": str(tmp_path / "link")})
    assert given.resolved() == {b"PASSWORD": b"hush"}


def _directory(path: Path) -> None:
    path.mkdir()


def _null(path: Path) -> None:
    path.symlink_to("/dev/null")


def _zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _one_byte_too_many(path: Path) -> None:
    path.write_bytes(b"x" * 65537)


def _a_gigabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def _nul(path: Path) -> None:
    path.write_bytes(b"hush\0hush")


def _missing(_: Path) -> None:
    pass


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_directory, "it is a directory, not a regular file"),
        (os.mkfifo, "it is a FIFO, not a regular file"),
        (_null, "it is a character device, not a regular file"),
        (_zero, "it is a character device, not a regular file"),
        (_one_byte_too_many, "it has 65537 bytes, more than 65536"),
        (_a_gigabyte, "it has 1073741824 bytes, more than 65536"),
        (_nul, "it holds a NUL byte"),
        (_missing, "no such file or directory"),
        (_loop, "too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "file"
    make(path)
    problem = Given(DECLARED, {"PASSWORD_FILE": str(path)}).problem()
    assert problem.startswith("PASSWORD: cannot ")
    assert f"{path}: {reason}" in problem
    assert "hush" not in problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read all")
def test_an_unreadable_file_is_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0)
    problem = Given(DECLARED, {"PASSWORD_FILE": str(tmp_path / "file")}).problem()
    assert "permission denied" in problem
    assert f"make it accessible for uid {os.geteuid()}" in problem


@pytest.mark.parametrize("path", ["hush", "hush/hush", "./hush"])
def test_a_path_that_may_be_the_secret_itself_is_not_shown(path: str) -> None:
    problem = Given(DECLARED, {"PASSWORD_FILE": path}).problem()
    assert problem.startswith("PASSWORD: cannot read the file that PASSWORD_FILE names: ")
    assert "hush" not in problem


def test_both_a_value_and_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hush")
    variables: dict[str, str | bytes] = {
        "PASSWORD": "hush", "PASSWORD_FILE": str(tmp_path / "file")
    }  # fmt: skip
    problem = Given(DECLARED, variables).problem()
    assert problem == "PASSWORD: is set, and so is PASSWORD_FILE: set one of the two"


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    toml = """
        [env.A]
        required = true
        help = "the first letter"
        [env.B]
        required = true
        secret = true
        [env.C]
        file = true
        required = true
        [env.D]
        default = "x"
        [env.E]
        secret = true
    """
    given = Given(toml, {"A": "", "C_FILE": str(tmp_path), "E": "1", "E_FILE": "/x"})
    missing = "is required and not set"
    problems = given.problems()
    assert problems[:2] == [
        ("A", missing, "set it: the first letter"),
        ("B", missing, "set it or B_FILE"),
    ]
    assert [where for where, _, _ in problems] == ["A", "B", "C", "E"]


HTPASSWD = '[htpasswd]\nusername = "LOGIN"\npassword = "PASSWORD"\n'


def test_the_variables_that_a_section_names_are_declared_by_it(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("admin\n")
    (tmp_path / "password").write_text("hush\n")
    given = Given(
        HTPASSWD,
        {"LOGIN_FILE": str(tmp_path / "login"), "PASSWORD_FILE": str(tmp_path / "password")},
    )
    assert given.resolved() == {b"LOGIN": b"admin", b"PASSWORD": b"hush"}
    assert given.secrets == {b"PASSWORD"}


@pytest.mark.parametrize(
    ("toml", "seen"),
    [
        (DECLARED, {b"A": b"1"}),
        (HTPASSWD, {b"A": b"1"}),
        (DECLARED + "expose = true", {b"A": b"1", b"PASSWORD": b"hush"}),
        (DECLARED + "file = true", {b"A": b"1"}),
        ("", {b"A": b"1", b"PASSWORD": b"hush", b"PASSWORD_FILE": b"/x"}),
    ],
)
def test_the_command_sees_no_secret_that_is_not_exposed(
    toml: str, seen: dict[bytes, bytes]
) -> None:
    given = Given(toml, {"A": "1", "PASSWORD": "hush", "PASSWORD_FILE": "/x"})
    steps.hide_from_command(given.environment, given.configuration, set())
    assert given.environment.plain() == seen
