"""`entrykit env`: the table, the Markdown and the JSON of the declared variables."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit import commands
from entrykit.commands import env

TOML = """\
[env.PORT]
type = "port"
default = "8080"
help = "port | to *listen* on"

[env.LEVEL]
type = "enum"
choices = ["debug", "info"]
required = true

[env.PASSWORD]
secret = true
default = "geheimes"
min = 8
deprecated = ["PASS"]

[env.TIMEOUT]
type = "duration"
max = "1h"
exclusive = "time"

[env.DEADLINE]
exclusive = "time"
required-with = "PORT"
file = true

[env.TOKEN]
secret = true
expose = true
pattern = "[a-f0-9|]+"
"""

TABLE = """\
VARIABLE  TYPE      DEFAULT      REQUIRED   RULES                                                                    HELP
PORT      port      8080                                                                                             port | to *listen* on
LEVEL     enum                   yes        one of debug, info
PASSWORD  str       (not shown)             secret; or PASSWORD_FILE; of at least 8 characters; was PASS
TIMEOUT   duration                          of at most 1h; not with DEADLINE
DEADLINE                         with PORT  or DEADLINE_FILE; not with TIMEOUT
TOKEN     str                               secret, the command gets it; or TOKEN_FILE; matching [a-f0-9|]+
"""  # noqa: E501 - as it is printed

MARKDOWN = r"""
| variable | type | default | required | rules | help |
| --- | --- | --- | --- | --- | --- |
| `PORT` | port | `8080` |  |  | port \| to \*listen\* on |
| `LEVEL` | enum |  | yes | one of debug, info |  |
| `PASSWORD` | str | (not shown) |  | secret; or PASSWORD_FILE; of at least 8 characters; was PASS |  |
| `TIMEOUT` | duration |  |  | of at most 1h; not with DEADLINE |  |
| `DEADLINE` |  |  | with PORT | or DEADLINE_FILE; not with TIMEOUT |  |
| `TOKEN` | str |  |  | secret, the command gets it; or TOKEN_FILE; matching \[a-f0-9\|]+ |  |
""".lstrip()  # noqa: E501 - as it is printed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a configuration file with variables of all kinds."""
    path = tmp_path / "e.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def printed(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert commands.main(["env", *words]) == 0
    return capfd.readouterr().out


def test_a_table_shows_each_variable(capfd: pytest.CaptureFixture[str], file: Path) -> None:
    assert printed(capfd, "--config", str(file)).split() == TABLE.split()


def test_the_columns_of_a_table_stand_below_each_other(
    capfd: pytest.CaptureFixture[str], file: Path
) -> None:
    lines = printed(capfd, "--config", str(file)).splitlines()
    for title, cell in (("TYPE", "duration"), ("REQUIRED", "with PORT"), ("HELP", "port |")):
        column = lines[0].index(title)
        assert [line for line in lines if line[column:].startswith(cell)]


def test_markdown_is_a_table_with_its_marks_escaped(
    capfd: pytest.CaptureFixture[str], file: Path
) -> None:
    assert printed(capfd, "--config", str(file), "--format", "markdown") == MARKDOWN


def test_json_has_a_number_of_its_format_and_all_keys(
    capfd: pytest.CaptureFixture[str], file: Path
) -> None:
    document = json.loads(printed(capfd, "--config", str(file), "--format", "json"))
    assert document["format"] == env.FORMAT == 1
    found: dict[str, dict[str, Any]] = {one.pop("name"): one for one in document["variables"]}
    assert list(found) == ["PORT", "LEVEL", "PASSWORD", "TIMEOUT", "DEADLINE", "TOKEN"]
    assert found["PORT"] == {
        "type": "port", "default": "8080", "has-default": True, "required": False, "min": 1,
        "max": 65535, "choices": None, "pattern": None, "secret": False, "file": False,
        "expose": False, "deprecated": [], "exclusive": None, "required-with": None,
        "help": "port | to *listen* on",
    }  # fmt: skip
    assert found["LEVEL"]["choices"] == ["debug", "info"]
    assert found["TIMEOUT"]["max"] == 3600
    assert found["DEADLINE"]["required-with"] == "PORT"
    assert (found["PASSWORD"]["default"], found["PASSWORD"]["has-default"]) == (None, True)


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_the_default_of_a_secret_is_never_shown(
    capfd: pytest.CaptureFixture[str], file: Path, form: str
) -> None:
    assert "geheim" not in printed(capfd, "--config", str(file), "--format", form)


def test_the_configuration_may_be_named_by_its_variable(
    capfd: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTRYKIT_CONFIG", str(file))
    assert printed(capfd).split() == TABLE.split()


def test_a_missing_configuration_is_78(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert commands.main(["env", "--config", str(tmp_path / "none")]) == 78
    assert "cannot read" in capfd.readouterr().err


def test_a_configuration_without_variables_says_so(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "e.toml").write_text("", encoding="utf-8")
    assert commands.main(["env", "--config", str(tmp_path / "e.toml")]) == 0
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == f"entrykit: {tmp_path}/e.toml: no variables are declared\n"


def test_a_terminal_shows_help_in_lines_of_its_width(tmp_path: Path) -> None:
    help_text = " ".join(["word"] * 30)
    (tmp_path / "e.toml").write_text(f'[env.A]\nhelp = "{help_text}"\n', encoding="utf-8")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "entrykit", "env", "--config", str(tmp_path / "e.toml")]
    environment = os.environ | {"COLUMNS": "60", "LINES": "20"}
    subprocess.run(words, check=True, stdout=theirs, env=environment)
    os.close(theirs)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert len(lines) > 3
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines).split()).endswith(help_text)


def test_a_default_of_several_lines_is_one_cell(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    toml = '[env.A]\ndefault = "a\\nb|`"\nhelp = """\nof\n two lines"""\n'
    (tmp_path / "e.toml").write_text(toml, encoding="utf-8")
    words = ["--config", str(tmp_path / "e.toml"), "--format"]
    assert printed(capfd, *words, "table").splitlines()[1].split() == [
        "A", "a\\nb|`", "of", "two", "lines",
    ]  # fmt: skip
    row = printed(capfd, *words, "markdown").splitlines()[2]
    assert row == "| `A` |  | `` a\\nb\\|` `` |  |  | of two lines |"


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_a_code_span_is_one_cell_of_one_line(text: str) -> None:
    span = env._code(text)  # noqa: SLF001 - what Markdown makes hard
    assert "\n" not in span
    assert "|" not in span.replace("\\|", "")
    marks = len(span) - len(span.lstrip("`"))
    assert span.endswith("`" * marks)
    assert "`" * marks not in span[marks:-marks]


ODD = """
[env.A]
default = "$${HOME}"
help = "\\u001b[31m é"

[env.B]
default = "${HOME}$${x}"
"""


def run(directory: Path, output: int, **variables: str) -> subprocess.CompletedProcess[str]:
    (directory / "e.toml").write_text(ODD, encoding="utf-8")
    words = [sys.executable, "-m", "entrykit", "env", "--config", "e.toml"]
    return subprocess.run(  # noqa: PLW1510 - the status is looked at
        words, cwd=directory, stdout=output, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env=os.environ | variables,
    )  # fmt: skip


def test_the_list_is_utf_8_in_every_locale(tmp_path: Path) -> None:
    ended = run(tmp_path, subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[1].endswith("  \\x1b[31m é")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    ended = run(tmp_path, full)
    os.close(full)
    message = "entrykit: cannot write standard output: no space left on device\n"
    assert (ended.returncode, ended.stderr) == (78, message)


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_a_default_is_shown_as_it_is_written(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, form: str
) -> None:
    (tmp_path / "e.toml").write_text(ODD, encoding="utf-8")
    text = printed(capfd, "--config", str(tmp_path / "e.toml"), "--format", form)
    assert "$${HOME}" in text
    assert "${HOME}$${x}" in text
