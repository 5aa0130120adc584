"""Templates through a real start: the files that are there when the command runs."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from .conftest import bake
from .starts import Ended, Entrypoint, program

ROOT = pytest.mark.root


@pytest.fixture(scope="module")
def launcher(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a launcher for the tests' own interpreter: Debian's may have no Jinja2."""
    path = tmp_path_factory.mktemp("image") / "entrypoint"
    baked = bake(sys.executable, package, "--output", str(path))
    assert baked.returncode == 0, baked.stderr
    return path


class Site:
    """A start whose configuration has `[templates]`, with the directories that it names."""

    def __init__(self, entrypoint: Entrypoint, scratch: Path) -> None:
        self.entrypoint = entrypoint
        self.source = scratch / "templates"
        self.target = scratch / "conf.d"
        self.source.mkdir()
        self.configure()

    def configure(self, *lines: str) -> None:
        self.entrypoint.configure(
            "[templates]", f'from = "{self.source}"', f'to = "{self.target}"', *lines
        )

    def add(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        """Write a template; return its path."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def start(self, **variables: str) -> Ended:
        self.entrypoint.environment.update(variables)
        return self.entrypoint.run("echo", "command")

    def ready(self, **variables: str) -> str:
        """Start, and return what the hook says it did."""
        ended = self.start(**variables)
        assert (ended.status, ended.stdout) == (0, b"command\n"), ended.stderr
        (line,) = ended.lines
        assert line.startswith("entrykit: 40-templates.py: ")
        return line.removeprefix("entrykit: 40-templates.py: ").rpartition(" (")[0]

    def refused(self, **variables: str) -> list[str]:
        """Start in vain, and return what the hook says, without what each line ends with."""
        ended = self.start(**variables)
        assert (ended.status, ended.stdout) == (78, b""), ended.stderr
        ours = "entrykit: 40-templates.py: "
        assert all(ours in line for line in ended.lines[-1:])
        return [
            line.removeprefix(ours).partition("; exit status 78 after")[0] for line in ended.lines
        ]

    def text(self, name: str) -> str:
        return (self.target / name).read_text()

    def names(self) -> list[str]:
        """Return all that lies in `to`, hidden files too."""
        return sorted(str(path.relative_to(self.target)) for path in self.target.rglob("*"))


@pytest.fixture
def site(entrypoint: Entrypoint, tmp_path: Path) -> Site:
    """Return a start with an empty directory of templates."""
    return Site(entrypoint, tmp_path)


def state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def test_a_directory_is_rendered_with_its_directories_and_modes(site: Site) -> None:
    site.add("default.conf.template", "server_name $NAME; set $host;\n", 0o640)
    site.add("sub/deep/app.yml.j2", "name: {{ NAME | yaml_quote }}\n", 0o600)
    site.add("sub/part", "is no template")
    site.add("raw.template", b"\xff${NAME}\0\r\n", 0o755)
    (site.source / "sub").chmod(0o777)
    (site.source / "empty").mkdir()
    assert site.ready(NAME="example.org") == f"3 files in {site.target}"
    assert site.names() == ["default.conf", "raw", "sub", "sub/deep", "sub/deep/app.yml"]
    assert site.text("default.conf") == "server_name example.org; set $host;\n"
    assert site.text("sub/deep/app.yml") == 'name: "example.org"\n'
    assert (site.target / "raw").read_bytes() == b"\xffexample.org\0\r\n"
    modes = {name: (site.target / name).stat().st_mode & 0o7777 for name in site.names()}
    assert modes["default.conf"] == 0o640
    assert modes["sub/deep/app.yml"] == 0o600
    assert modes["raw"] == 0o755
    assert modes["sub"] == modes["sub/deep"] == 0o755


@ROOT
def test_owners_are_kept(site: Site) -> None:
    os.chown(site.add("a.template", "", 0o640), 1234, 2345)
    os.chown(site.add("sub/b.j2", "", 0o600), 1234, 0)
    os.chown(site.source / "sub", 1235, 2346)
    site.ready()
    for name, owner in (("a", (1234, 2345)), ("sub/b", (1234, 0)), ("sub", (1235, 2346))):
        status = (site.target / name).stat()
        assert (status.st_uid, status.st_gid) == owner
    assert (site.target / "a").stat().st_mode & 0o7777 == 0o640
    assert site.ready().endswith(", unchanged")


def test_what_is_unchanged_is_left_alone(site: Site) -> None:
    site.add("a.template", "$A")
    site.add("b.j2", "{{ B }}")
    site.add("c.template", "c", 0o644)
    site.ready(A="1", B="2")
    before = {name: state(site.target / name) for name in "abc"}
    directory = state(site.target)
    assert site.ready() == f"3 files in {site.target}, unchanged"
    assert {name: state(site.target / name) for name in "abc"} == before
    assert state(site.target) == directory
    (site.source / "c.template").chmod(0o600)
    assert site.ready(A="3") == f"3 files in {site.target}, 2 changed"
    assert state(site.target / "b") == before["b"]
    assert state(site.target / "a")[0] != before["a"][0]
    assert site.text("a") == "3"
    assert (site.target / "c").stat().st_mode & 0o777 == 0o600


def test_a_reader_sees_the_old_file_or_the_new_one(site: Site) -> None:
    """Each a single letter, many times over: a mixture, or a part, would show."""
    site.add("big.j2", "{{ A * 400000 }}")
    site.ready(A="x")
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            content = (site.target / "big").read_bytes()
            seen.add((len(content), len(set(content))))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for letter in "yzyz":
            site.ready(A=letter)
    finally:
        done.set()
        reader.join()
    assert seen == {(400_000, 1)}


def test_all_that_is_missing_is_one_report_and_nothing_is_written(site: Site) -> None:
    site.configure('required = "^[A-Z]"')
    site.add("a.conf.template", "$PATH $host\n${ONE}\n")
    site.add("sub/b.conf.j2", "{{ TWO }}\n\n{{ PATH }}{{ ONE }}")
    site.add("c.conf.template", "$EMPTY")
    site.add("d.conf.j2", "\n{% if %}")
    site.add("good.template", "")
    told = site.refused(EMPTY="")
    assert told == [
        f"{site.source}/a.conf.template:2: ONE is not set",
        f"{site.source}/c.conf.template:1: EMPTY is not set",
        f"{site.source}/d.conf.j2:2: Expected an expression, got 'end of statement block'",
        f"{site.source}/sub/b.conf.j2:1: TWO is not set",
        f"{site.source}/sub/b.conf.j2:3: ONE is not set",
    ]
    assert not site.target.exists()


def test_the_report_is_as_the_page_shows_it(site: Site) -> None:
    page = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()
    site.add("a.conf.j2", "\n{{ SERVER_NAME }}")
    site.add("b.conf.j2", "{{ SERVER_NAME }}")
    ended = site.start()
    before, _, after = ended.last_line.replace(str(site.source), "/templates").partition(" after ")
    shown = [line for line in page.splitlines() if line.startswith("entrykit: 40-templates.py: /")]
    assert [line.partition(" after ")[0] for line in shown] == [before]
    assert shown[0].endswith(after.partition("; ")[2])


def test_names_hide_variables_from_envsubst_alone(site: Site) -> None:
    site.configure('names = "^APP_"')
    site.add("a.template", "$APP_A $HOME")
    site.add("b.j2", "{{ APP_A }} {{ HOME }}")
    site.ready(APP_A="1")
    assert (site.text("a"), site.text("b")) == ("1 $HOME", "1 /")


def test_a_secret_is_had_where_the_section_names_it_and_never_by_the_command(
    site: Site, tmp_path: Path
) -> None:
    site.configure('secrets = ["DB_PASSWORD"]', "[env.OTHER]", "secret = true")
    (tmp_path / "pw").write_text("hush\n")
    site.add("a.j2", "{{ secret('DB_PASSWORD') }}{{ OTHER is defined }}", 0o600)
    site.add("b.template", "$DB_PASSWORD $OTHER", 0o600)
    site.entrypoint.environment |= {"DB_PASSWORD_FILE": str(tmp_path / "pw"), "OTHER": "x"}
    ended = site.entrypoint.run(program("env"))
    assert ended.status == 0, ended.stderr
    assert b"hush" not in ended.stdout + ended.stderr
    assert (site.text("a"), site.text("b")) == ("hushFalse", "hush $OTHER")


def test_a_secret_that_the_section_does_not_name_is_refused(site: Site) -> None:
    site.add("a.j2", "\n{{ secret('OTHER') }}")
    assert site.refused(OTHER="x") == [
        f"{site.source}/a.j2:2: OTHER is not among the secrets that the templates are given"
    ]


def test_an_empty_secret_is_missing(site: Site) -> None:
    site.configure('secrets = ["PW"]')
    site.add("a.j2", "{{ secret('PW') }}")
    assert site.refused(PW="") == [f"{site.source}/a.j2:1: PW is not set"]


def test_a_mounted_config_map_is_rendered_once(site: Site) -> None:
    """The layout that Kubernetes gives a volume, with the last version still there."""
    version = site.add("..2026_11_25_01/a.conf.template", "$A").parent
    site.add("..2026_11_24_01/old.conf.template", "$A")
    (site.source / "..data").symlink_to(version.name)
    (site.source / "a.conf.template").symlink_to("..data/a.conf.template")
    site.add("..b.template", "$A")
    assert site.ready(A="1") == f"2 files in {site.target}"
    assert site.names() == ["..b", "a.conf"]
    assert site.text("a.conf") == "1"


def test_links_among_the_templates_are_followed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.template").write_text("$A")
    (tmp_path / "one").write_text("one $A")
    (site.source / "a.template").symlink_to(tmp_path / "one")
    (site.source / "sub").symlink_to(tmp_path / "elsewhere")
    site.ready(A="1")
    assert (site.text("a"), site.text("sub/b")) == ("one 1", "1")
    assert not (site.target / "sub").is_symlink()


def test_what_cannot_be_a_template_is_said(site: Site, tmp_path: Path) -> None:
    (site.source / "around").symlink_to(site.source)
    (site.source / "gone.template").symlink_to(tmp_path / "none")
    os.mkfifo(site.source / "fifo.j2")
    site.add("same.conf.j2", "")
    site.add("same.conf.template", "")
    site.add("both.template", "")
    site.add("both/a.template", "")
    told = sorted(line.replace(str(site.source), "") for line in site.refused())
    assert told == [
        "/around: it is a link to a directory around it",
        f"/both.template: it would become {site.target}/both, where others need a directory",
        "/same.conf.template: it and /same.conf.j2 would become the same file",
        "cannot read /fifo.j2: it is a FIFO, not a regular file",
        "cannot read /gone.template: no such file or directory",
    ]
    assert not site.target.exists()


def test_a_directory_that_is_not_there_fails(site: Site) -> None:
    site.source.rmdir()
    (line,) = site.refused()
    assert line == f"cannot read the templates in {site.source}: no such file or directory"


def test_a_directory_without_templates_says_so(site: Site) -> None:
    site.add("readme", "")
    assert site.ready() == f"no *.template or *.j2 in {site.source}"
    assert not site.target.exists()


def test_a_link_in_a_files_place_is_replaced_and_not_followed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    site.target.mkdir()
    (site.target / "a").symlink_to(tmp_path / "kept")
    (site.target / "b").symlink_to(tmp_path / "none")
    site.add("a.template", "kept")
    site.add("b.template", "new")
    site.ready()
    assert not any((site.target / name).is_symlink() for name in "ab")
    assert (tmp_path / "kept").read_text() == "kept"
    assert not (tmp_path / "none").exists()


def test_a_link_on_the_way_to_a_file_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    site.target.mkdir()
    (site.target / "sub").symlink_to(tmp_path / "out")
    site.add("sub/a.template", "new")
    (line,) = site.refused()
    assert line == f"cannot write into {site.target}/sub: not a directory"
    assert list((tmp_path / "out").iterdir()) == []


def test_the_target_itself_may_be_a_link(site: Site, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    site.target.symlink_to(tmp_path / "real")
    site.add("a.template", "new")
    site.ready()
    assert (tmp_path / "real" / "a").read_text() == "new"


def test_a_directory_in_a_files_place_is_an_error_that_changes_nothing(site: Site) -> None:
    (site.target / "b").mkdir(parents=True)
    site.add("a.template", "new")
    site.add("b.template", "new")
    (line,) = site.refused()
    assert line == f"cannot write {site.target}/b: a directory of that name is there"
    assert site.names() == ["b"]


def test_nothing_that_lies_there_is_removed(site: Site) -> None:
    template = site.add("a.template", "a")
    site.ready()
    (site.target / "user.conf").touch()
    template.unlink()
    site.add("b.template", "b")
    site.ready()
    assert site.names() == ["a", "b", "user.conf"]


def test_what_a_killed_start_left_is_removed_when_it_is_old(site: Site) -> None:
    site.add("a.conf.template", "a")
    site.add("sub/b.template", "b")
    site.target.mkdir()
    (site.target / "sub").mkdir()
    young = [".a.conf.0123456789abcdef", "sub/.b.fedcba9876543210"]
    others = [".c.0123456789abcdef", ".a.conf.0123", "a.conf.0123456789abcdef", "sub/.a.conf.0"]
    for name in (*young, *others):
        (site.target / name).touch()
    expected = sorted([*others, "a.conf", "sub", "sub/b"])
    site.ready()
    assert site.names() == sorted([*young, *expected])
    two_hours_ago = time.time() - 7200
    for name in (*young, *others):
        os.utime(site.target / name, (two_hours_ago, two_hours_ago))
    assert site.ready() == f"2 files in {site.target}, unchanged"
    assert site.names() == expected


# Says what it finds in the directory that it is given, and then ends with the status in `status`.
CHECK = """\
#!/bin/sh
cd "$1" && for file in *; do echo "checks $file: $(cat "$file")"; done
stat -c 'mode %a' .
exit "$(cat status)"
"""


@pytest.fixture
def checked(site: Site, tmp_path: Path) -> Site:
    """Return a start whose check ends with what the template `status` becomes."""
    check = tmp_path / "check"
    check.write_text(CHECK)
    check.chmod(0o755)
    site.configure(f'check = ["{check}", "{{}}"]')
    site.add("status.template", "$STATUS")
    site.add("a.j2", "{{ A }}")
    return site


def test_a_check_sees_the_new_files_and_what_else_will_lie_beside_them(checked: Site) -> None:
    checked.target.mkdir()
    (checked.target / "other").write_text("kept")
    (checked.target / "a").write_text("old")
    ended = checked.start(A="new", STATUS="0")
    assert ended.status == 0, ended.stderr
    assert ended.lines[:-1] == [
        "checks a: new",
        "checks other: kept",
        "checks status: 0",
        "mode 700",
    ]
    assert checked.text("a") == "new"
    assert checked.names() == ["a", "other", "status"]


def test_a_check_that_fails_changes_nothing_and_its_output_stands_above(checked: Site) -> None:
    checked.start(A="old", STATUS="0")
    before = state(checked.target / "a"), state(checked.target)
    *output, last = checked.refused(A="new", STATUS="3")
    assert output == ["checks a: new", "checks status: 3", "mode 700"]
    assert last.startswith("the check `")
    assert last.endswith("` failed with exit status 3; nothing has changed")
    assert (state(checked.target / "a"), state(checked.target)) == before
    assert checked.names() == ["a", "status"]


def test_what_has_not_changed_is_not_checked(checked: Site) -> None:
    checked.start(A="a", STATUS="0")
    assert checked.ready() == f"2 files in {checked.target}, unchanged"


def test_nothing_of_a_check_is_left(checked: Site, tmp_path: Path) -> None:
    checked.entrypoint.hooks.shell(
        "50-look.sh", 'find "${ENTRYKIT_ENV%/*/*}" -name "templates-*"', 'echo "looked"'
    )
    ended = checked.start(A="a", STATUS="0")
    assert ended.status == 0, ended.stderr
    assert ended.lines[-2] == "looked"
    assert not [line for line in ended.lines if "templates-" in line]
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('["/no/such", "{}"]', "cannot run the check `/no/such "),
        ('["sh", "-c", "kill -9 $$ # {}"]', "the check `sh -c kill -9 $$ # "),
    ],
)
def test_a_check_that_cannot_run_or_is_killed_fails_the_start(
    site: Site, words: str, said: str
) -> None:
    site.configure(f"check = {words}")
    site.add("a.template", "a")
    (line,) = site.refused()
    assert line.startswith(said)
    assert line.endswith("; nothing has changed")
    assert not site.target.exists()


def test_several_tables_are_one_set_up(site: Site, tmp_path: Path) -> None:
    """Where one fails its check, none has changed anything."""
    other = tmp_path / "other"
    site.add("a.template", "$A")
    site.add("more/b.template", "$A")
    tables = (
        "[[templates]]", f'from = "{site.source}"', f'to = "{site.target}"',
        "[[templates]]", f'from = "{site.source}/more"', f'to = "{other}"',
    )  # fmt: skip
    site.entrypoint.configure(*tables, 'check = ["false", "{}"]')
    (line,) = site.refused(A="1")
    assert "failed with exit status 1; nothing has changed" in line
    assert not site.target.exists()
    site.entrypoint.configure(*tables)
    assert site.ready() == f"2 files in {site.target}; 1 file in {other}"
    assert (other / "b").read_text() == "1"


def test_a_table_is_not_given_another_ones_secrets(site: Site, tmp_path: Path) -> None:
    site.add("a.template", "$ONE $TWO", 0o600)
    site.entrypoint.configure(
        "[[templates]]", f'from = "{site.source}"', f'to = "{site.target}"', 'secrets = ["ONE"]',
        "[[templates]]", f'from = "{site.source}"', f'to = "{tmp_path}/two"', 'secrets = ["TWO"]',
    )  # fmt: skip
    site.ready(ONE="1", TWO="2")
    assert site.text("a") == "1 $TWO"
    assert (tmp_path / "two" / "a").read_text() == "$ONE 2"


def test_two_tables_do_not_make_the_same_file(site: Site) -> None:
    site.add("a.template", "")
    site.add("more/a.template", "")
    site.entrypoint.configure(
        "[[templates]]", f'from = "{site.source}"', f'to = "{site.target}"',
        "[[templates]]", f'from = "{site.source}/more"', f'to = "{site.target}"',
    )  # fmt: skip
    (line,) = site.refused()
    assert line.startswith(
        f"{site.source}/more/a.template: it would become {site.target}/a, and so"
    )


@ROOT
def test_a_full_disk_changes_nothing(pid1: Entrypoint, tmp_path: Path) -> None:
    """The target is a tmpfs of one page, in the start's own namespace."""
    site = Site(pid1, tmp_path)
    pid1.hooks.shell("10-mount.sh", f'mount -t tmpfs -o size=8k,mode=755 none "{tmp_path}/conf.d"')
    pid1.hooks.shell("50-look.sh", "exit 1")
    site.target.mkdir()
    site.add("a.template", "a")
    site.add("b.template", "b" * 20_000)
    unshare = [program("unshare"), "--mount"]
    pid1.words = [*unshare, *pid1.words]
    ended = site.start()
    assert ended.status == 78, ended.stderr
    assert f"cannot write {site.target}/" in ended.last_line
    assert "no space left on device" in ended.last_line
    assert "make room there" in ended.last_line


def test_a_missing_jinja_says_so(site: Site) -> None:
    site.entrypoint.hooks.add(
        "40-templates.py",
        "import sys\nfrom entrykit.stock import templates\nsys.modules['jinja2'] = None\n"
        "def hook(start):\n    return templates.set_up(start)\n",
    )
    site.add("a.template", "a")
    site.ready()
    site.add("b.j2", "b")
    (line,) = site.refused()
    assert "/b.j2: cannot load Jinja2: " in line


def test_jinja_is_not_loaded_for_envsubst_alone(site: Site) -> None:
    site.add("a.template", "a")
    stock = site.entrypoint.hooks
    stock.add(
        "40-templates.py",
        "import sys\nfrom entrykit.stock import templates\n"
        "def hook(start):\n    templates.set_up(start)\n"
        '    return f\'{sorted(sys.modules.keys() & {"jinja2", "subprocess"})}\'\n',
    )
    assert site.ready() == "[]"
    site.add("b.j2", "b")
    assert "jinja2" in site.ready()
