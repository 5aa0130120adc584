"""env-dirs in the layout of Kubernetes, and env-files in the form of Docker's `--env-file`."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.steps import environment as steps
from entrykit.steps import sources

from .test_environment import Given


class Mounted:
    """A directory as Kubernetes mounts a Secret or a ConfigMap, and what declares variables."""

    def __init__(self, path: Path, toml: str = "") -> None:
        self.path = path
        self.toml = f'env-dirs = ["{path}"]\n{toml}'
        data = path / "..2026_11_25_00_00_00.123456789"
        data.mkdir(parents=True)
        (path / "..data").symlink_to(data.name)

    def add(self, name: str, content: str | bytes) -> None:
        raw = content.encode() if isinstance(content, str) else content
        (self.path / "..data" / name).write_bytes(raw)
        (self.path / name).symlink_to(f"..data/{name}")

    def given(self, **variables: str | bytes) -> Given:
        return Given(self.toml, variables)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """Return a mounted Secret without values."""
    return Mounted(tmp_path / "secret")


def test_each_file_is_a_variable_and_a_secret(mounted: Mounted) -> None:
    mounted.add("PASSWORD", "hush\n")
    mounted.add("TOKEN", b"\xff\r\n\n")
    mounted.add("EMPTY", "\n")
    this = mounted.given(A="1")
    assert this.resolved() == {b"A": b"1", b"PASSWORD": b"hush", b"TOKEN": b"\xff"}
    assert this.secrets == {b"PASSWORD", b"TOKEN"}
    steps.hide_from_command(this.environment, this.configuration, this.secrets)
    assert this.environment.plain() == {b"A": b"1"}


def test_a_declared_one_is_secret_too_and_the_command_gets_it_where_it_is_exposed(
    mounted: Mounted,
) -> None:
    mounted.toml += "[env.LOGIN]\ntype = 'int'\n[env.TOKEN]\nexpose = true\n"
    mounted.add("LOGIN", "12")
    mounted.add("TOKEN", "hush")
    this = mounted.given()
    assert this.resolved() == {b"LOGIN": b"12", b"TOKEN": b"hush"}
    steps.hide_from_command(this.environment, this.configuration, this.secrets)
    assert this.environment.plain() == {b"TOKEN": b"hush"}


def test_a_wrong_value_from_a_directory_is_not_shown(mounted: Mounted) -> None:
    mounted.toml += "[env.LOGIN]\ntype = 'int'\n"
    mounted.add("LOGIN", "hush")
    assert mounted.given().problem() == (
        "LOGIN: expected an integer, found a value that is not shown: it is secret: "
    )


def test_what_is_no_variable_is_said_and_passed_over(
    mounted: Mounted, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("tls.crt", "A-B", "1A", ".hidden", "GOOD"):
        mounted.add(name, "x")
    (mounted.path / "SUB").mkdir()
    assert mounted.given().resolved() == {b"GOOD": b"x"}
    said = f"entrykit: {mounted.path}: no variables, passed over: 1A, A-B, SUB, tls.crt\n"
    assert capfd.readouterr().err == said


def test_a_value_that_is_given_twice_is_a_problem(mounted: Mounted) -> None:
    mounted.toml += "[env.PASSWORD]\nsecret = true\ndeprecated = ['OLD']\n"
    mounted.add("PASSWORD", "hush")
    mounted.add("PATH", "hush")
    path = mounted.path / "PASSWORD"
    assert mounted.given(PASSWORD="hush").problem() == (  # noqa: S106 - a test's
        f"PASSWORD: is given by {path}, and PASSWORD is set too: leave one of the two out"
    )
    assert f"{path}, and OLD is set too" in mounted.given(OLD="hush").problem()
    (told, *_) = mounted.given(PASSWORD_FILE="/x").problems()  # noqa: S106 - a test's
    assert told[1] == f"is given by {path}, and PASSWORD_FILE is set too"
    both = mounted.given(PATH="/bin").problem()
    assert both.startswith(f"PATH: is given by {mounted.path}/PATH, and PATH is set too")
    assert "hush" not in both


def test_a_variable_in_two_directories_is_a_problem(tmp_path: Path) -> None:
    first, second = Mounted(tmp_path / "a"), Mounted(tmp_path / "b")
    first.add("TOKEN", "1")
    second.add("TOKEN", "1")
    this = Given(f'env-dirs = ["{first.path}", "{second.path}"]', {})
    assert this.problem().startswith(
        f"TOKEN: is given by {first.path}/TOKEN, and by {second.path}/TOKEN"
    )


def test_an_old_name_in_a_directory_is_a_secret_under_the_new_one(mounted: Mounted) -> None:
    mounted.toml += "[env.NEW]\ndeprecated = ['OLD']\n"
    mounted.add("OLD", "hush")
    this = mounted.given()
    assert this.resolved() == {b"NEW": b"hush"}
    assert b"NEW" in this.secrets


def test_a_default_carries_no_secret_of_a_directory_to_what_is_none(mounted: Mounted) -> None:
    mounted.toml += "[env.URL]\ndefault = 'x://${TOKEN}@h'\n"
    mounted.add("TOKEN", "hush")
    told = mounted.given().problem()
    assert told.startswith("URL: its default refers to TOKEN, which an env-dir gives, as a secret")
    mounted.toml += "secret = true\n"
    assert mounted.given().resolved()[b"URL"] == b"x://hush@h"


def test_a_missing_directory_or_file_gives_nothing(tmp_path: Path) -> None:
    toml = f'env-dirs = ["{tmp_path}/no"]\nenv-files = ["{tmp_path}/none"]\n'
    assert Given(toml, {"A": "1"}).resolved() == {b"A": b"1"}
    toml += "[env.TOKEN]\nrequired = true\nsecret = true\n"
    how = f"set it or TOKEN_FILE, or mount {tmp_path}/no/TOKEN"
    assert Given(toml, {}).problem() == f"TOKEN: is required and not set: {how}"


def test_what_cannot_be_read_is_named_and_holds_nothing_up(mounted: Mounted) -> None:
    os.mkfifo(mounted.path / "FIFO")
    (mounted.path / "DANGLING").symlink_to("nowhere")
    mounted.add("NUL", b"hu\0sh")
    mounted.add("LARGE", b"x" * 65537)
    mounted.add("ENTRYKIT_LOG", "debug")
    told = {where: message for where, message, _ in mounted.given().problems()}
    assert told["FIFO"] == f"cannot read {mounted.path}/FIFO: it is a FIFO, not a regular file"
    assert "no such file" in told["DANGLING"]
    assert told["NUL"] == f"cannot use {mounted.path}/NUL: it holds a NUL byte"
    assert "more than 65536" in told["LARGE"]
    assert "entrykit's own" in told[f"{mounted.path}/ENTRYKIT_LOG"]


def test_a_file_in_place_of_a_directory_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("A=1", encoding="utf-8")
    this = Given(f'env-dirs = ["{tmp_path}/file"]\nenv-files = ["{tmp_path}"]', {})
    told = [f"{where}{message}" for where, message, _ in this.problems()]
    assert told == [
        f"cannot list {tmp_path}/file: not a directory",
        f"cannot read {tmp_path}: it is a directory, not a regular file",
    ]


def resolved(path: Path, content: str, toml: str = "", **variables: str | bytes) -> Given:
    (path / "file.env").write_text(content, encoding="utf-8")
    this = Given(f'env-files = ["{path}/file.env"]\n{toml}', variables)
    this.resolved()
    return this


def test_the_environment_wins_over_a_file(tmp_path: Path) -> None:
    this = resolved(tmp_path, "A=file\nB=file\nC=file\nD\n", A="own", B="", D="d")
    own = {b"A": b"own", b"B": b"file", b"C": b"file", b"D": b"d"}
    assert this.environment.plain() == own
    assert this.secrets == set()


def test_every_way_to_give_a_variable_wins_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("own", encoding="utf-8")
    toml = "[env.P]\nsecret = true\ndeprecated = ['Q']\n"
    for variables in ({"P": "own"}, {"Q": "own"}, {"P_FILE": f"{tmp_path}/secret"}):
        this = resolved(tmp_path, "P=file\n", toml, **variables)
        assert this.environment.get(b"P") == b"own"
    for content in ("P=file", "Q=file", f"Q_FILE={tmp_path}/secret"):
        this = resolved(tmp_path, content, toml)
        assert this.environment.get(b"P") in (b"file", b"own")


def test_of_several_files_and_lines_the_last_wins(tmp_path: Path) -> None:
    (tmp_path / "first.env").write_text("A=1\nB=1\nB=2\n", encoding="utf-8")
    (tmp_path / "second.env").write_text("A=2\n", encoding="utf-8")
    this = Given(f'env-files = ["{tmp_path}/first.env", "{tmp_path}/second.env"]', {})
    assert this.resolved() == {b"A": b"2", b"B": b"2"}


def test_a_files_values_are_checked_as_others(tmp_path: Path) -> None:
    (tmp_path / "file.env").write_text('A="1"\n', encoding="utf-8")
    this = Given(f'env-files = ["{tmp_path}/file.env"]\n[env.A]\ntype = "int"\n', {})
    assert this.problem() == 'A: expected an integer, found ""1"": '


# What docker/cli's own tests hold, and more lines by the same rules.
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ((b"foo=bar\n    baz=quux\n# comment\n\n_foobar=foobaz\nwith.dots=working\n"
          b"and_underscore=working too\n\n    \t  "),
         {"foo": "bar", "baz": "quux", "_foobar": "foobaz", "with.dots": "working",
          "and_underscore": "working too"}),
        (b"", {}),
        (b"A=1", {"A": "1"}),
        (b"\xef\xbb\xbfA=1\n", {"A": "1"}),
        (b"A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        (b"A=1\r\r\n", {"A": "1\r"}),
        (b"A= 1 \n", {"A": " 1 "}),
        (b'A="1"\nB=\'2\'\n', {"A": '"1"', "B": "'2'"}),
        (b"A=1 # no comment\n  # a comment\n", {"A": "1 # no comment"}),
        (b"A=\nB==\nC=a=b\n", {"A": "", "B": "=", "C": "a=b"}),
        (b"A=${B}\\n\n", {"A": "${B}\\n"}),
        (b"HOME\nNO_SUCH\n", {}),
        (b"export=1\n", {"export": "1"}),
        ("\u00a0\u2003A=\u00a0é\n".encode(), {"A": "\u00a0é"}),
        (b"A=" + b"x" * 65533 + b"\n", {"A": "x" * 65533}),
        (b"1A=1\n", {"1A": "1"}),
    ],
)  # fmt: skip
def test_a_file_is_read_as_docker_reads_it(content: bytes, found: dict[str, str]) -> None:
    lines = list(sources.parse(content))
    assert [problem for _, _, _, problem in lines if problem] == []
    assert {name.decode(): value.decode() for _, name, value, _ in lines} == found


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (b"A=1\n    f   =quux\n", 2, "there is a blank in the name"),
        (b"first line\n", 1, "there is a blank in the name"),
        (b"export A=1\n", 1, "there is a blank in the name"),
        (b"A\tB=1\n", 1, "there is a blank in the name"),
        (b"HOME \n", 1, "there is a blank in the name"),
        (b"\n\n=x\n", 3, "there is no name before the ="),
        (b"A=\xff\n", 1, "it is not UTF-8 text"),
        (b"# \xff\n", 1, "it is not UTF-8 text"),
        (b"A=1\n\xef\xbb\xbf=1\n", None, ""),
        (b"A=a\0b\n", 1, "it holds a NUL byte"),
        (b"A=" + b"x" * 65534 + b"\n", 1, "the line has more than 65535 bytes"),
    ],
)
def test_what_docker_refuses_is_told_with_its_line(
    content: bytes, line: int | None, told: str
) -> None:
    wrong = [(number, problem) for number, _, _, problem in sources.parse(content) if problem]
    assert wrong == ([(line, told)] if line else [])


def test_a_wrong_line_is_told_with_file_and_line_and_without_its_value(tmp_path: Path) -> None:
    (tmp_path / "file.env").write_text("A=1\nB B=hush\nENTRYKIT_LOG=debug\n", encoding="utf-8")
    this = Given(f'env-files = ["{tmp_path}/file.env"]', {})
    assert [": ".join(problem) for problem in this.problems()] == [
        f"{tmp_path}/file.env:2: there is a blank in the name: ",
        (
            f"{tmp_path}/file.env:3: names that begin with ENTRYKIT_ are entrykit's own: set it for"
            " the container"
        ),
    ]


LINE_TEXT = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]))
NAME = st.text("ABC_.é1-", min_size=1, max_size=6)


@given(st.lists(st.tuples(st.sampled_from(["", " ", "\t", "\u2003 "]), NAME, LINE_TEXT)))
def test_what_is_written_by_the_rules_is_read_back(lines: list[tuple[str, str, str]]) -> None:
    content = "".join(f"{blank}{name}={value}\n" for blank, name, value in lines).encode()
    read = [(name.decode(), value.decode()) for _, name, value, _ in sources.parse(content)]
    assert read == [(name, value) for _, name, value in lines]


@given(st.binary())
def test_any_bytes_are_read_or_told(content: bytes) -> None:
    for number, name, value, problem in sources.parse(content):
        assert number <= content.count(b"\n") + 1
        assert bool(problem) != bool(name)
        assert b"\n" not in value


LINKED = {"APP_PORT": "tcp://10.0.0.1:80", "APP_SERVICE_HOST": "10.0.0.1"}


def test_a_link_to_a_service_gives_way_to_an_env_dir(mounted: Mounted) -> None:
    mounted.toml += "[env.APP_PORT]\ntype = 'port'\n"
    mounted.add("APP_PORT", "8443")
    assert mounted.given(**LINKED).resolved()[b"APP_PORT"] == b"8443"


def test_a_link_to_a_service_gives_way_to_an_env_file(tmp_path: Path) -> None:
    (tmp_path / "app.env").write_text("APP_PORT=8443\n", encoding="utf-8")
    toml = f"env-files = ['{tmp_path}/app.env']\n[env.APP_PORT]\ntype = 'port'\n"
    assert Given(toml, LINKED).resolved()[b"APP_PORT"] == b"8443"
