"""The command `entrykit render`, as a process of its own: its output, its files, its status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


class Render:
    """Runs the command in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment: dict[str, str] = {"PATH": "/usr/bin:/bin", "A": "1"}

    def add(self, name: str, content: bytes | str, mode: int = 0o644) -> Path:
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def __call__(
        self, *words: str, stdin: bytes = b"", umask: int = 0o022
    ) -> tuple[int, bytes, list[str]]:
        """Return exit status, standard output and the lines of standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "entrykit", "render", *words],
            input=stdin,
            capture_output=True,
            check=False,
            env=self.environment,
            cwd=self.directory,
            umask=umask,
        )
        assert b"Traceback" not in done.stderr
        ours = b"entrykit: "
        lines = [line.removeprefix(ours).decode() for line in done.stderr.splitlines()]
        return done.returncode, done.stdout, lines


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Return the command, run in an empty directory."""
    return Render(tmp_path)


def test_the_suffix_tells_the_format(render: Render) -> None:
    render.add("a.template", b"$A {{ A }} $NONE \xff\0")
    render.add("a.j2", b"$A {{ A }} \xff\0")
    assert render("a.template") == (0, b"1 {{ A }} $NONE \xff\0", [])
    assert render("a.j2") == (0, b"$A 1 \xff\0", [])


def test_a_format_may_be_given(render: Render) -> None:
    render.add("a.conf", "$A {{ A }}")
    assert render("--format", "envsubst", "a.conf") == (0, b"1 {{ A }}", [])
    assert render("--format", "jinja", "a.conf") == (0, b"$A 1", [])


def test_standard_input_is_a_template(render: Render) -> None:
    render.add("part", "part")
    assert render("--format", "envsubst", "-", stdin=b"\xff$A") == (0, b"\xff1", [])
    text = b"{% include 'part' %}\n{{ NONE }}"
    status, out, (line,) = render("--format", "jinja", "-", stdin=text)
    assert (status, out) == (78, b"")
    assert line.startswith("(standard input):2: NONE is not set (set it")


def test_names_select_variables(render: Render) -> None:
    render.environment["B"] = "2"
    render.add("a.template", "$A $B")
    assert render("--names", "^B$", "a.template") == (0, b"$A 2", [])


def test_variables_of_entrykit_are_none_of_a_templates(render: Render) -> None:
    render.environment["ENTRYKIT_LOG"] = "quiet"
    render.add("a.template", "$ENTRYKIT_LOG")
    assert render("a.template") == (0, b"$ENTRYKIT_LOG", [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.conf"], "cannot tell the format of a.conf: it does not end in .template or .j2"),
        (["-"], "cannot tell the format of -"),
        (["--check", "a.template"], "--check and --diff compare with a file (name it by -o OUT)"),
        (["--diff", "a.template"], "--check and --diff compare with a file (name it by -o OUT)"),
        (["--names", "A", "a.j2"], "--names goes with envsubst alone"),
        (["--names", "(", "a.template"], "--names: expected a regular expression"),
        (["--names", "[[:upper:]]", "a.template"], "--names: expected a regular expression"),
    ],
)
def test_options_that_do_not_go_together_are_status_2(
    render: Render, words: list[str], message: str
) -> None:
    for name in ("a.conf", "a.template", "a.j2"):
        render.add(name, "")
    status, out, (line,) = render(*words)
    assert (status, out) == (2, b"")
    assert line.startswith(message)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755, 0o400])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_written_is_as_open_as_the_template(render: Render, mode: int, umask: int) -> None:
    render.add("a.template", "$A", mode)
    out = render.add("out", "old", 0o666)
    before = out.stat().st_ino
    assert render("a.template", "-o", "out", umask=umask) == (0, b"", [])
    assert out.read_bytes() == b"1"
    assert out.stat().st_mode & 0o7777 == mode
    assert out.stat().st_ino != before
    assert sorted(os.listdir(render.directory)) == ["a.template", "out"]


def test_what_comes_from_standard_input_has_the_mode_of_a_new_file(render: Render) -> None:
    render("--format", "envsubst", "-", "-o", "out", stdin=b"$A", umask=0o027)
    assert (render.directory / "out").stat().st_mode & 0o7777 == 0o640


@pytest.mark.root
def test_the_owner_is_the_templates(render: Render) -> None:
    os.chown(render.add("a.template", "$A", 0o640), 1234, 2345)
    assert render("a.template", "-o", "out") == (0, b"", [])
    status = (render.directory / "out").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


def state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def test_what_is_the_same_is_not_written(render: Render) -> None:
    render.add("a.template", "$A")
    render("a.template", "-o", "out")
    before = state(render.directory / "out")
    assert render("a.template", "-o", "out") == (0, b"", [])
    assert render("a.template", "-o", "out", "--check", "--diff") == (0, b"", [])
    assert state(render.directory / "out") == before


def test_a_check_tells_by_its_status_and_writes_nothing(render: Render) -> None:
    render.add("a.template", "$A\n")
    out = render.add("out", "0\n")
    said = ["out differs from what a.template becomes"]
    assert render("a.template", "-o", "out", "--check") == (1, b"", said)
    assert render("a.template", "-o", "none", "--check")[0] == 1
    assert out.read_text() == "0\n"
    assert sorted(os.listdir(render.directory)) == ["a.template", "out"]


def test_a_difference_is_shown_and_nothing_is_written(render: Render) -> None:
    render.add("a.template", b"same\n$A\xff\n\x0bend")
    out = render.add("out", b"same\n0\xfe\n\x0bend")
    shown = b"--- out\n+++ out\n@@ -1,3 +1,3 @@\n same\n-0\xfe\n+1\xff\n \x0bend\n"
    shown += b"\\ No newline at end of file\n"
    assert render("a.template", "-o", "out", "--diff") == (0, shown, [])
    assert render("a.template", "-o", "out", "--diff", "--check")[:2] == (1, shown)
    assert out.read_bytes() == b"same\n0\xfe\n\x0bend"


def test_a_file_that_is_not_there_yet_is_all_new(render: Render) -> None:
    render.add("a.template", "$A\n")
    shown = b"--- /dev/null\n+++ out\n@@ -0,0 +1 @@\n+1\n"
    assert render("a.template", "-o", "out", "--diff") == (0, shown, [])


def test_another_mode_differs(render: Render) -> None:
    render.add("a.template", "$A", 0o640)
    owner = f"{os.geteuid()}:{os.getegid()}"
    render.add("out", "1", 0o644)
    said = f"out has mode 0644, owner {owner}, and would have mode 0640, owner {owner}"
    assert render("a.template", "-o", "out", "--diff") == (0, b"", [said])
    assert render("a.template", "-o", "out", "--check")[0] == 1


def test_all_that_is_missing_is_said_and_nothing_is_written(render: Render) -> None:
    out = render.add("out", "old")
    render.add("a.j2", "{{ X }}\n{{ A }}{{ Y }}{{ '' | required('say why') }}")
    status, stdout, lines = render("a.j2", "-o", "out")
    assert (status, stdout, out.read_text()) == (78, b"", "old")
    assert [line.partition(" (")[0] for line in lines] == [
        "a.j2:1: X is not set",
        "a.j2:2: Y is not set",
        "a.j2:2: say why",
    ]


def test_a_secret_comes_from_its_variable_or_its_file(render: Render) -> None:
    render.add("a.j2", "{{ secret('PW') }}")
    render.add("pw", "hush\r\n")
    render.environment["PW"] = "told"
    assert render("a.j2") == (0, b"told", [])
    render.environment["PW_FILE"] = "pw"
    status, _, (line,) = render("a.j2")
    assert (status, line) == (78, "a.j2:1: PW is set, and so is PW_FILE (set one of the two)")
    del render.environment["PW"]
    assert render("a.j2") == (0, b"hush", [])
    render.environment["PW_FILE"] = "/no/such"
    status, _, (line,) = render("a.j2")
    reason = (
        "PW cannot read /no/such: no such file or directory (mount it there, or change PW_FILE)"
    )
    assert (status, line) == (78, f"a.j2:1: {reason}")
    del render.environment["PW_FILE"]
    assert render("a.j2")[2][0].startswith("a.j2:1: PW is not set")


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("render a.template >/dev/full", 78, "cannot write standard output: no space left"),
        ("render a.template >&-", 78, "cannot write standard output: bad file descriptor"),
        ("render --format envsubst - <&-", 78, "cannot read standard input: bad file descriptor"),
    ],
)
def test_standard_streams_that_fail_are_no_defect(
    render: Render, command: str, status: int, message: str
) -> None:
    render.add("a.template", "$A")
    words = ["sh", "-c", f'"$0" -m entrykit {command}', sys.executable]
    done = subprocess.run(words, capture_output=True, cwd=render.directory, check=False, text=True)
    assert done.returncode == status
    assert done.stderr.startswith(f"entrykit: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.template"], "cannot read none.template: no such file or directory"),
        (["directory.template"], "cannot read directory.template: it is a directory"),
        (["fifo.template"], "cannot read fifo.template: it is a FIFO"),
        (["a.template", "-o", "directory.template"], "cannot write directory.template: it is a di"),
        (["a.template", "-o", "fifo.template"], "cannot write fifo.template: it is a FIFO"),
        (["a.template", "-o", "device"], "cannot write device: it is a character device"),
        (["a.template", "-o", "none/out"], "cannot write none/out: no such file or directory"),
        (["a.template", "-o", "a.template/out"], "cannot write a.template/out: not a directory"),
    ],
)
def test_what_cannot_be_read_or_written_is_status_78(
    render: Render, words: list[str], message: str
) -> None:
    (render.directory / "directory.template").mkdir()
    os.mkfifo(render.directory / "fifo.template")
    (render.directory / "device").symlink_to("/dev/null")
    render.add("a.template", "")
    status, out, (line,) = render(*words)
    assert (status, out) == (78, b"")
    assert line.startswith(message)
    assert (render.directory / "device").is_symlink()


def test_a_template_is_not_written_over(render: Render) -> None:
    template = render.add("a.template", "$A")
    os.link(template, render.directory / "other")
    for words in (["-o", "./a.template"], ["-o", "other"], ["--check", "-o", "a.template"]):
        status, _, (line,) = render("a.template", *words)
        assert status == 2
        assert line == f"cannot write {words[-1]}: it is the template (name another file by -o OUT)"
    assert template.read_text() == "$A"
    (render.directory / "link").symlink_to("a.template")
    assert render("a.template", "-o", "link") == (0, b"", [])
    assert template.read_text() == "$A"


def test_a_link_is_replaced_and_not_followed(render: Render) -> None:
    kept = render.add("kept", "1")
    (render.directory / "out").symlink_to("kept")
    render.add("a.template", "$A", 0o600)
    assert render("a.template", "-o", "out") == (0, b"", [])
    assert not (render.directory / "out").is_symlink()
    assert kept.stat().st_mode & 0o7777 == 0o644
