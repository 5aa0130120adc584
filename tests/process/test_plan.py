"""The plan: what a start would do is shown, and none of it is done."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .starts import SEARCH_PATH, Entrypoint, Given, given_environment

HUSH = "hush-hush"
TERMINAL_COLOUR = re.compile(rb"\033\[[0-9;]*m")


def plan(entrypoint: Entrypoint, *command: str, status: int = 0) -> dict[str, Any]:
    """Return the plan of a start, of which nothing else is written."""
    entrypoint.environment["ENTRYKIT_PLAN"] = "json"
    ended = entrypoint.run(*command)
    assert (ended.status, ended.stderr) == (status, b"")
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    assert found["format"] == 1
    assert found["status"] == status
    return found


def named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the one row of a name."""
    (found,) = [row for row in rows if row["name"] == name]
    return found


@pytest.fixture
def image(entrypoint: Entrypoint) -> Entrypoint:
    """Return an image with a program, variables and hooks that leave a trace."""
    trace = entrypoint.scratch / "trace"
    entrypoint.configure(
        'program = ["/bin/echo", "serve"]',
        "timeout = 20",
        "[env.LOGIN]",
        'default = "admin"',
        "[env.PASSWORD]",
        "secret = true",
        'deprecated = ["OLD_PASSWORD"]',
    )
    entrypoint.hooks.shell("20-b.sh", "# entrykit: secrets=PASSWORD timeout=5s", f"echo >{trace}")
    entrypoint.hooks.add("10-a.py", f"open({str(trace)!r}, 'w')\n")
    return entrypoint


def test_nothing_is_run_and_nothing_is_written(image: Entrypoint) -> None:
    def state() -> list[tuple[str, int]]:
        paths = [path for path in image.scratch.rglob("*") if not path.name.startswith("given-")]
        return sorted((str(path), path.lstat().st_mtime_ns) for path in paths)

    before = state()
    for form in ("1", "json", "text"):
        image.environment["ENTRYKIT_PLAN"] = form
        ended = image.run("-bind", ":80")
        assert (ended.status, ended.stderr) == (0, b"")
        assert b"20-b.sh" in ended.stdout
    assert state() == before


def test_no_compiled_files_are_left_in_an_image(entrypoint: Entrypoint, package: Path) -> None:
    for form in ("json", "text"):
        entrypoint.environment["ENTRYKIT_PLAN"] = form
        assert entrypoint.run("true").status == 0
    assert list(package.rglob("plan/__pycache__")) == []


def test_a_plan_that_is_not_wanted_is_none(image: Entrypoint) -> None:
    image.environment["ENTRYKIT_PLAN"] = "0"
    ended = image.run("x")
    assert (ended.status, ended.stdout) == (127, b"")
    ended = image.run()
    assert (ended.status, ended.stdout) == (0, b"serve\n")


def test_hooks_stand_in_order_with_their_settings_and_where_they_stand(image: Entrypoint) -> None:
    found = plan(image)
    first, second = found["hooks"]
    directory = str(image.hooks.path)
    assert [first["name"], first["kind"], first["directory"]] == ["10-a.py", "python", directory]
    assert [second["name"], second["kind"]] == ["20-b.sh", "program"]
    assert second["words"] == [f"{directory}/20-b.sh"]
    configuration = f"{image.scratch}/entrykit.toml"
    assert first["settings"] == [{"name": "timeout", "value": 20, "source": f"{configuration}:2"}]
    assert second["settings"] == [
        {"name": "timeout", "value": 5, "source": "its settings comment"},
        {"name": "secrets", "value": ["PASSWORD"], "source": "its settings comment"},
    ]


def test_the_command_is_shown_as_far_as_it_is_known(image: Entrypoint) -> None:
    found = plan(image, "-bind", ":80")
    assert found["gate"] == {"open": True, "reason": "the command begins with the program"}
    assert found["command"] == {
        "program": ["/bin/echo", "serve"],
        "arguments": ["-bind", ":80"],
        "takes-options": True,
        "is-final": False,
        "file": "/bin/echo",
    }
    image.environment["ENTRYKIT_PLAN"] = "1"
    text = image.run("-bind", "a b").stdout.decode()
    shown = (
        "/bin/echo serve [options that hooks ask for] -bind 'a b' [arguments that hooks ask for]"
    )
    assert shown in text


def test_variables_have_their_sources_and_secrets_no_values(image: Entrypoint) -> None:
    secret = image.scratch / "secret"
    secret.write_text(HUSH, encoding="utf-8")
    image.with_environment(OLD_PASSWORD_FILE=str(secret), URL=f"http://me:{HUSH}@host/")
    found = plan(image, f"-password={HUSH}")
    assert found["variables"] == [
        {
            "name": "LOGIN",
            "value": "admin",
            "hidden": "",
            "source": "default",
            "origin": f"{image.scratch}/entrykit.toml:4",
        },
        {
            "name": "PASSWORD",
            "value": None,
            "hidden": "it is secret",
            "source": "deprecated",
            "origin": "OLD_PASSWORD_FILE",
        },
    ]
    assert HUSH not in json.dumps(found)
    names = [one["name"] for one in found["environment"]]
    assert names == ["PATH", "HOME", "URL", "LOGIN"]
    assert found["command"]["arguments"] == ["-password=(secret)"]


def test_runners_lines_and_problems_have_no_secrets_either(entrypoint: Entrypoint) -> None:
    entrypoint.configure(
        "[env.PASSWORD]",
        "secret = true",
        "[env.PORT_TOKEN]",
        'type = "int"',
        "[env.PORT]",
        'type = "port"',
        "[runners]",
        f'".sql" = ["sh", "{HUSH}", "pg://me:{HUSH}@db"]',
    )
    entrypoint.environment |= {"PASSWORD": HUSH, "PORT_TOKEN": "hush-token"}
    entrypoint.environment |= {"PORT": "pg://me:hush@db", "ENTRYKIT_PLAN": "json"}
    entrypoint.hooks.add(f"10-{HUSH}.sh", "#!/bin/sh\n", 0o644)
    output = entrypoint.run(HUSH).stdout.decode()
    found = json.loads(output)
    assert [one["message"] for one in found["problems"]] == [
        'expected an integer, found "(secret)"',
        'expected a port from 1 to 65535, found "pg://***@db"',
    ]
    runner = next(one for one in found["configuration"] if one["name"].startswith("runners"))
    assert runner["value"] == ["sh", "(secret)", "pg://***@db"]
    assert found["notes"][0].startswith("cannot find the command (secret) in PATH")
    assert found["log"][0].startswith("10-(secret).sh: skipped")


def test_each_of_the_entries_with_a_secrets_name_is_hidden(image: Entrypoint) -> None:
    entries = (b"PASSWORD=first-one", b"PASSWORD=" + HUSH.encode(), b"A=" + HUSH.encode())
    given = given_environment(*entries, b"ENTRYKIT_PLAN=json")
    output = image.run(given=given).stdout
    assert b'"(secret)"' in output
    assert HUSH.encode() not in output


def test_what_is_named_like_a_secret_is_not_shown_either(image: Entrypoint) -> None:
    image.environment |= {"DB_PASSWORD": HUSH, "API_KEY": HUSH, "KEYBOARD": "us", "PWD": "/"}
    entries = {one["name"]: one["value"] for one in plan(image)["environment"]}
    assert entries["DB_PASSWORD"] is None
    assert entries["API_KEY"] is None
    assert (entries["KEYBOARD"], entries["PWD"]) == ("us", "/")


def test_all_that_a_start_would_end_with_is_shown_with_its_status(image: Entrypoint) -> None:
    image.configure("[env.A]", "required = true", "[env.B]", 'type = "int"')
    image.hooks.shell("30-c.sh", "true").write_bytes(b"#!/bin/sh\r\n")
    image.environment["B"] = "x"
    found = plan(image, "true", status=78)
    assert [one["where"] for one in found["problems"]] == ["A", "B", "30-c.sh"]
    image.environment["ENTRYKIT_PLAN"] = "text"
    lines = image.run("true").stdout.decode().splitlines()
    place = lines.index("The start would end with status 78")
    assert lines[place + 1] == "  A: is required and not set (set it)"


def test_a_broken_configuration_is_said_as_a_start_says_it(image: Entrypoint) -> None:
    image.configure("programm = 1")
    image.environment["ENTRYKIT_PLAN"] = "1"
    ended = image.run()
    assert (ended.status, ended.stdout) == (78, b"")
    assert "unknown key programm" in ended.last_line


@pytest.mark.parametrize(
    ("mode", "note"),
    [
        (None, "cannot find the command {path} "),
        (0o644, "cannot run {path}: permission denied (make it executable, and its directories"),
    ],
)
def test_a_program_that_cannot_be_run_is_a_note(
    entrypoint: Entrypoint, mode: int | None, note: str
) -> None:
    path = entrypoint.scratch / "server"
    if mode is not None:
        path.write_text("#!/bin/sh\n", encoding="utf-8")
        path.chmod(mode)
    found = plan(entrypoint, str(path))
    assert found["command"]["file"] is None
    (said,) = found["notes"]
    assert f"{said} ".startswith(note.format(path=path))


def test_a_command_behind_a_closed_gate_gets_no_hooks_and_the_plan_says_why(
    image: Entrypoint,
) -> None:
    image.with_environment(PASSWORD=HUSH)
    found = plan(image, "sh", "-c", "true")
    reason = "the command is sh, not /bin/echo serve"
    assert found["gate"] == {"open": False, "reason": reason}
    assert [(one["name"], one["runs"]) for one in found["hooks"]] == [
        ("10-a.py", False),
        ("20-b.sh", False),
    ]
    assert found["log"] == [f"{reason}: hooks not run: 10-a.py, 20-b.sh"]
    assert found["command"]["is-final"]
    assert [one["name"] for one in found["environment"]] == ["PATH", "HOME"]


def test_every_file_that_is_no_hook_is_shown_with_the_reason(image: Entrypoint) -> None:
    other = image.scratch / "other.d"
    other.mkdir()
    (other / "20-b.sh").symlink_to("/dev/null")
    (other / "10-a.py").write_text("pass\n", encoding="utf-8")
    (other / "README.md").touch()
    (other / "directory").mkdir()
    (other / "users.csv").write_text("a\n", encoding="utf-8")
    image.environment |= {
        "ENTRYKIT_HOOKS": f"{image.hooks.path}:{other}",
        "ENTRYKIT_SKIP": "users.csv",
    }
    image.hooks.path = image.scratch / "none"
    found = plan(image)
    first = str(image.scratch / "hooks.d")
    assert named(found["hooks"], "10-a.py")["replaces"] == [first]
    masked = named(found["skipped"], "20-b.sh")
    assert masked["reason"] == f"masked by {other}/20-b.sh"
    assert masked["replaces"] == [first]
    assert "ENTRYKIT_SKIP" in named(found["skipped"], "users.csv")["reason"]
    assert named(found["passed-over"], "README.md")["directory"] == str(other)
    assert named(found["passed-over"], "directory")["reason"] == "it is a directory"
    settings = {one["name"]: one["source"] for one in found["configuration"]}
    assert (settings["hooks"], settings["skip"]) == ("ENTRYKIT_HOOKS", "ENTRYKIT_SKIP")
    assert (settings["config"], settings["grace"]) == ("ENTRYKIT_CONFIG", "default")


def test_a_hook_that_was_done_is_shown_as_one_that_does_not_run(entrypoint: Entrypoint) -> None:
    journal = entrypoint.scratch / "once"
    entrypoint.configure("[once]", f'journal = "{journal}"')
    entrypoint.hooks.shell("10-a.sh", "# entrykit: once=a")
    (hook,) = plan(entrypoint, "true")["hooks"]
    assert (hook["runs"], hook["state"]) == (True, "was not done yet")
    assert not journal.exists()
    entrypoint.environment["ENTRYKIT_PLAN"] = ""
    assert entrypoint.run("true").status == 0
    (hook,) = plan(entrypoint, "true")["hooks"]
    assert not hook["runs"]
    assert hook["state"].startswith("not run: was done on 2")
    text = (journal / "a.journal").read_text(encoding="utf-8")
    (journal / "a.journal").write_text(text.replace("state: done", "state: started"), "utf-8")
    (hook,) = plan(entrypoint, "true")["hooks"]
    assert "was interrupted in its run of" in hook["state"]
    (journal / "a.journal").write_text("state", encoding="utf-8")
    found = plan(entrypoint, "true", status=78)
    assert found["problems"][0]["where"] == "10-a.sh"


def test_ids_umask_and_directory_are_the_commands(entrypoint: Entrypoint) -> None:
    given = given_environment(
        b"ENTRYKIT_PLAN=json", base=Given(umask=0o027, directory=Path("/usr"))
    )
    ended = entrypoint.run("true", given=given)
    process = json.loads(ended.stdout)["process"]
    assert (process["umask"], process["directory"]) == ("0027", "/usr")
    assert (process["uid"], process["gid"]) == (os.geteuid(), os.getegid())


def keys(value: object) -> set[str]:
    """Return all keys in a plan."""
    if isinstance(value, dict):
        return {*value, *(key for inner in value.values() for key in keys(inner))}
    return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()


def test_each_key_of_a_plan_is_explained(image: Entrypoint) -> None:
    (image.hooks.path / "README").touch()
    (image.hooks.path / "x.csv").write_text("x", encoding="utf-8")
    found = plan(image)
    page = (Path(__file__).parents[2] / "docs/plan.md").read_text(encoding="utf-8")
    assert [key for key in keys(found) if f"`{key}`" not in page] == ["format"]
    assert f'"format": {found["format"]}' in page


def test_bytes_that_are_no_text_are_shown(entrypoint: Entrypoint) -> None:
    given = given_environment(b"RAW=\xff", b"no entry", b"RAW=2", b"ENTRYKIT_PLAN=json")
    found = json.loads(entrypoint.run("true", b"\xfe", given=given).stdout)
    entries = [(one["name"], one["value"]) for one in found["environment"]]
    assert entries[1:] == [("RAW", "\udcff"), ("no entry", ""), ("RAW", "2")]
    assert found["command"]["arguments"] == ["\udcfe"]
    given = given_environment(b"RAW=\xff\n", b"ENTRYKIT_PLAN=1")
    assert b"  RAW=\\xff\\n\n" in entrypoint.run("true", given=given).stdout


# The command of its own.

COMMAND = [sys.executable, "-m", "entrykit", "plan"]


def ended(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": SEARCH_PATH, **environment},
    )


def test_the_command_takes_the_options_of_run_a_form_and_a_command(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text('program = "/bin/echo"\ntimeout = "3s"\n', encoding="utf-8")
    words = ["--config", str(file), "--timeout=9", "--format", "json", "--", "-v"]
    done = ended(*words, ENTRYKIT_PROGRAM="/bin/cat x")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["command"]["program"] == ["/bin/cat", "x"]
    assert named(found["configuration"], "timeout")["source"] == "--timeout"
    assert named(found["configuration"], "program")["source"] == "ENTRYKIT_PROGRAM"
    assert ended("--config", str(file), "-v").stdout.startswith("Configuration\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "yaml", "x"], "--format is neither text nor json"),
        (["--hooks"], "option --hooks needs a value"),
        ([], "there is no command"),
    ],
)
def test_a_mistake_of_usage_is_status_2(words: list[str], message: str) -> None:
    done = ended(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def into(stdout: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, "true"],
        check=False,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": SEARCH_PATH},
    )


def test_a_plan_that_cannot_be_written_is_an_error_and_a_reader_that_has_gone_is_none() -> None:
    with open("/dev/full", "wb") as full:
        done = into(full.fileno())
    assert done.returncode == 1
    assert done.stderr == "entrykit: cannot write the plan: no space left on device\n"
    reading, writing = os.pipe()
    os.close(reading)
    done = into(writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("no_colour", "is_coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(no_colour: str, is_coloured: bool) -> None:  # noqa: FBT001 - a case
    environment = {"PATH": SEARCH_PATH, "TERM": "xterm", "NO_COLOR": no_colour}
    main, terminal = pty.openpty()
    done = subprocess.run([*COMMAND, "true"], check=True, stdout=terminal, env=environment)
    shown = os.read(main, 1 << 16)
    os.close(terminal)
    os.close(main)
    assert done.returncode == 0
    assert bool(TERMINAL_COLOUR.search(shown)) == is_coloured
    assert not TERMINAL_COLOUR.search(ended("true", TERM="xterm").stdout.encode())


def test_what_a_start_says_of_its_own_settings_is_in_the_plan(image: Entrypoint) -> None:
    image.environment |= {"ENTRYKIT_PLAN": "json", "ENTRYKIT_SKPI": "10-a.py"}
    ended = image.run()
    line = "ENTRYKIT_SKPI is not a variable of entrykit (did you mean ENTRYKIT_SKIP?)"
    assert ended.lines == [f"entrykit: {line}"]
    assert json.loads(ended.stdout)["log"][0] == line
