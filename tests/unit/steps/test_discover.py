"""From files in directories to an ordered list of hooks, each skipped file with its reason."""

import os
from pathlib import Path

import pytest

from entrykit.settings import configuration
from entrykit.steps import discover, kinds, search
from entrykit.steps.configure import Settings
from entrykit.system import log
from entrykit.system.errors import StartError

HTPASSWD = '[htpasswd]\nusername = "LOGIN"\npassword = "PASSWORD"\n'


class Tree:
    """Hook directories, the later ones over the earlier."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.directories = ["image", "derived"]
        self.toml = ""
        self.skip = ""
        for name in self.directories:
            (folder / name).mkdir()

    def add(
        self, path: str | bytes, content: str | bytes = "#!/bin/sh\n", mode: int = 0o755
    ) -> None:
        target = self.folder / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(os.fsencode(content))
        target.chmod(mode)

    def settings(self) -> Settings:
        hooks = ":".join(str(self.folder / name) for name in self.directories)
        given = {"hooks": os.fsencode(hooks), "skip": os.fsencode(self.skip)}
        return Settings(given, configuration.parse(self.toml.encode(), "e.toml"))

    def found(self) -> discover.Discovery:
        settings = self.settings()
        path = os.fsencode(os.environ["PATH"])
        return discover.discover(settings, search.search(settings), path)

    def hooks(self) -> list[str]:
        """Return the hooks, `DIRECTORY/NAME`, where nothing is wrong."""
        found = self.found()
        assert found.problems == []
        return [self.shown(hook) for hook in found.hooks]

    def hook(self) -> discover.Hook:
        (hook,) = self.found().hooks
        return hook

    def problems(self) -> list[tuple[str, str]]:
        return [(where, message) for where, message, _ in self.found().problems]

    def skipped(self) -> dict[str, str]:
        return {os.fsdecode(name): reason for name, reason, _, _ in self.found().skipped}

    def reported(self) -> None:
        discover.report(self.found(), self.settings())

    @staticmethod
    def shown(hook: discover.Hook) -> str:
        directory = hook.directory.rpartition(b"/")[2]
        return os.fsdecode(directory + b"/" + hook.name)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return two empty hook directories."""
    return Tree(tmp_path)


def test_hooks_of_all_directories_are_in_one_order(tree: Tree) -> None:
    for path in ("image/10-a.sh", "image/9-b.envsh", "derived/10-a-b.sh", "derived/2-c.py"):
        tree.add(path)
    expected = ["derived/2-c.py", "image/9-b.envsh", "image/10-a.sh", "derived/10-a-b.sh"]
    assert tree.hooks() == expected


def test_names_may_hold_blanks_newlines_and_any_bytes(tree: Tree) -> None:
    names = ["a b.sh", "a\nb.sh", " .sh", "a'\"$.sh", os.fsdecode(b"\xff.sh")]
    for name in names:
        tree.add(f"image/{name}")
    assert sorted(tree.hooks()) == sorted(f"image/{name}" for name in names)


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.sh", "a.sh~", "a.sh.bak", "a.sh.orig", "a.sh.rej", "a.sh.swp", "a.sh.dpkg-old",
        "a.sh.dpkg-dist", "a.sh.rpmsave", "a.sh.rpmnew", "README", "README.sh", "README.md", "a.md",
        "a.txt", "a.sh.disabled",
    ],
)  # fmt: skip
def test_what_is_plainly_no_hook_is_passed_over_in_silence(tree: Tree, name: str) -> None:
    tree.add(f"image/{name}")
    assert tree.hooks() == []
    assert tree.skipped() == {}


def test_a_directory_is_passed_over_in_silence_and_not_looked_into(tree: Tree) -> None:
    tree.add("image/10-more/20.sh")
    (tree.folder / "image" / "10-loop").symlink_to(".")
    assert tree.hooks() == []
    assert tree.skipped() == {}


def test_a_later_directory_replaces_an_earlier_ones_hook(tree: Tree) -> None:
    tree.add("image/10.sh")
    tree.add("derived/10.sh")
    assert tree.hooks() == ["derived/10.sh"]


def test_a_link_to_the_null_device_masks_a_hook(tree: Tree) -> None:
    tree.add("image/10.sh")
    (tree.folder / "derived" / "10.sh").symlink_to("/dev/null")
    assert tree.hooks() == []
    assert tree.skipped() == {"10.sh": f"masked by {tree.folder}/derived/10.sh"}


def test_an_empty_file_masks_nothing_and_is_warned_of(
    tree: Tree, capfd: pytest.CaptureFixture[str]
) -> None:
    tree.add("image/10.sh")
    tree.add("derived/10.sh", "")
    assert tree.hooks() == ["image/10.sh"]
    tree.reported()
    assert f"10.sh: skipped: {tree.folder}/derived/10.sh is empty" in capfd.readouterr().err


def test_a_hook_is_skipped_by_its_full_name(tree: Tree) -> None:
    tree.add("image/10.sh")
    tree.add("image/10.sh.sh")
    tree.add("derived/10.sh")
    tree.skip = "10.sh"
    assert tree.hooks() == ["image/10.sh.sh"]
    assert tree.skipped() == {"10.sh": "named in ENTRYKIT_SKIP or --skip"}


def test_a_hook_that_is_skipped_or_replaced_may_have_any_fault(tree: Tree) -> None:
    for name in ("10.sh", "20.sh"):
        (tree.folder / "image" / name).symlink_to("nowhere")
    for name in ("11.sh", "21.sh"):
        tree.add(f"image/{name}", "#!/no/such/shell\r\n")
    tree.skip = "10.sh,11.sh"
    tree.add("derived/20.sh")
    tree.add("derived/21.sh")
    assert tree.hooks() == ["derived/20.sh", "derived/21.sh"]


def test_a_skip_or_setting_that_names_no_hook_is_one_warning(
    tree: Tree, capfd: pytest.CaptureFixture[str]
) -> None:
    tree.add("image/10.sh")
    tree.skip = "10.sh,10,\n"
    tree.toml = "[hooks.'30.sh']\ntimeout = 1\n[hooks.'10.sh']\ntimeout = 1\n"
    tree.reported()
    said = capfd.readouterr().err
    assert "no such hook: 10, \\n, 30.sh" in said
    assert said.count("no such hook") == 1


def test_a_configmap_runs_each_hook_once_though_it_has_no_x(tree: Tree) -> None:
    """As Kubernetes lays it out: links to a link to a directory of the time of writing."""
    for name in ("10.sh", "20-tool", "30.envsh", "users.csv"):
        tree.add(
            f"derived/..2026_11_24/{name}", "#!/bin/sh\n" if name != "users.csv" else "a", 0o644
        )
        (tree.folder / "derived" / name).symlink_to(f"..data/{name}")
    (tree.folder / "derived" / "..data").symlink_to("..2026_11_24")
    assert tree.hooks() == ["derived/10.sh", "derived/20-tool", "derived/30.envsh"]
    assert list(tree.skipped()) == ["users.csv"]


def test_a_mount_on_which_all_is_executable_runs_its_hooks_only(tree: Tree) -> None:
    for name, content in (("10.sh", "x"), ("20.envsh", "x"), ("30.py", "x"), ("users.csv", "x")):
        tree.add(f"derived/{name}", content, 0o777)
    assert tree.hooks() == ["derived/10.sh", "derived/20.envsh", "derived/30.py"]
    assert tree.skipped() == {"users.csv": "nothing says how to run it"}


def test_all_faults_are_reported_together_in_order(tree: Tree) -> None:
    tree.add("image/30.sh", "#!/no/such/shell\n")
    tree.add("image/20.sh", "#!/bin/sh\r\n")
    tree.add("derived/10.sh", "\ufeff#!/bin/sh\n")
    (tree.folder / "derived" / "40.sh").symlink_to("nowhere")
    tree.add("derived/50.sh", "#!/bin/sh\n# entrykit: timeout=soon on-eror=stop\n")
    with pytest.raises(StartError) as refusal:
        tree.reported()
    assert refusal.value.status == 78
    places = [where for where, _, _ in refusal.value.problems]
    assert places == ["10.sh", "20.sh", "30.sh", "40.sh", "50.sh", "50.sh"]
    assert tree.folder.name in str(refusal.value.problems[0][1])


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_directory_that_was_named_and_cannot_be_read_is_a_fault(tree: Tree, kind: str) -> None:
    tree.directories.append(kind)
    if kind == "a file":
        (tree.folder / kind).touch()
    ((where, message),) = tree.problems()
    assert where == ""
    assert f"cannot read the hook directory {tree.folder}/{kind}: " in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read all")
def test_a_hook_that_cannot_be_read_is_a_fault(tree: Tree) -> None:
    tree.add("image/10.sh", mode=0o111)
    ((where, message),) = tree.problems()
    assert where == "10.sh"
    assert "permission denied" in message


def test_what_is_no_regular_file_is_skipped_with_the_reason(tree: Tree) -> None:
    os.mkfifo(tree.folder / "image" / "10.sh")
    (tree.folder / "image" / "20.sh").symlink_to("/dev/zero")
    assert tree.hooks() == []
    assert tree.skipped() == {
        "10.sh": "it is a FIFO, not a regular file",
        "20.sh": "it is a character device, not a regular file",
    }


@pytest.mark.parametrize("mark", ["#", "//", "--", "  #", "#\t"])
def test_a_hook_has_its_settings_from_a_comment(tree: Tree, mark: str) -> None:
    comment = f"{mark} entrykit: timeout=500ms secrets=A,B on-error=continue\n"
    tree.add("image/10.sh", f"#!/bin/sh\n\n{comment}")
    hook = tree.hook()
    assert hook.timeout_seconds == pytest.approx(0.5)
    assert hook.secrets == {b"A", b"B"}
    assert hook.goes_on


def test_a_comment_further_down_is_no_setting(tree: Tree) -> None:
    tree.add("image/10.sh", "#!/bin/sh\n" + ":\n" * 30 + "# entrykit: timeout=soon\n")
    assert tree.hook().timeout_seconds is None


def test_a_word_in_a_line_is_no_comment(tree: Tree) -> None:
    tree.add("image/10.sh", "#!/bin/sh\necho '# entrykit: timeout=1'\necho entrykit: x\n")
    assert tree.hook().timeout_seconds is None


def test_the_configuration_overrides_the_comment_and_the_general_time_limit(tree: Tree) -> None:
    tree.toml = "timeout = 9\n[hooks.'20.sh']\ntimeout = 3\non-error = 'stop'\n"
    comment = "#!/bin/sh\n# entrykit: timeout=2 on-error=continue secrets=A\n"
    tree.add("image/10.sh", comment)
    tree.add("image/20.sh", comment)
    tree.add("image/30.sh")
    told = [(hook.timeout_seconds, hook.goes_on, hook.secrets) for hook in tree.found().hooks]
    assert told == [(2, True, {b"A"}), (3, False, {b"A"}), (9, False, set())]


def test_a_hook_knows_how_it_is_started(tree: Tree) -> None:
    tree.add("image/10.envsh", "#!/bin/sh -u\n", 0o644)
    hook = tree.hook()
    path = os.fsencode(tree.folder / "image" / "10.envsh")
    assert (hook.kind, hook.words, hook.path) == (kinds.SOURCED, [b"/bin/sh", b"-u"], path)
    assert (hook.name, hook.section) == (b"10.envsh", "")


def test_a_stock_hook_runs_where_its_section_is(tree: Tree) -> None:
    assert tree.hooks() == []
    tree.toml = HTPASSWD
    hook = tree.hook()
    assert hook.directory == search.STOCK_DIRECTORY
    assert (hook.name, hook.section) == (b"30-htpasswd.py", "htpasswd")
    assert hook.secrets == {b"LOGIN", b"PASSWORD"}


def test_a_hook_in_place_of_a_stock_hook_is_given_its_section(tree: Tree) -> None:
    tree.toml = HTPASSWD
    tree.add("derived/30-htpasswd.py", "x")
    hook = tree.hook()
    assert tree.shown(hook) == "derived/30-htpasswd.py"
    assert (hook.section, hook.secrets) == ("htpasswd", {b"LOGIN", b"PASSWORD"})


def test_a_hook_with_a_name_like_a_stock_hooks_is_not_given_its_secrets(tree: Tree) -> None:
    tree.toml = HTPASSWD
    tree.add("derived/40-htpasswd.sh")
    hook = tree.found().hooks[1]
    assert (hook.name, hook.section, hook.secrets) == (b"40-htpasswd.sh", "", set())


def test_skips_are_said_and_only_what_is_probably_meant_is_said_when_quiet(
    tree: Tree, capfd: pytest.CaptureFixture[str]
) -> None:
    tree.add("image/10.sh", mode=0o644)
    tree.add("image/20.sh")
    tree.skip = "20.sh"
    tree.reported()
    assert capfd.readouterr().err.splitlines() == [
        (
            "entrykit: 10.sh: skipped: it is not executable"
            " (chmod +x it, or name a runner for .sh in [runners])"
        ),
        "entrykit: 20.sh: skipped: named in ENTRYKIT_SKIP or --skip",
    ]
    log.set_level(log.QUIET)
    tree.reported()
    assert "20.sh" not in capfd.readouterr().err
