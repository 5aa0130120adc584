"""Where the author's files lie, and on what a start runs: odd mounts, and other roots."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox
# Each makes the directory $P out of something else, in a namespace of its own.
MOUNTS = {
    "a tmpfs": "mount -t tmpfs none $P",
    "an overlay": "cd $B; mkdir l u w; mount -t overlay o -olowerdir=l,upperdir=u,workdir=w $P",
    "an overlay's upper directory": "cd $B; mkdir l m w; "
    "mount -t overlay o -olowerdir=l,upperdir=$P,workdir=w m",
    "a mount with another in it": "mount -t tmpfs none $P; mkdir $P/in; mount -t tmpfs none $P/in",
    "a mount in a mount": "mount -t tmpfs none $B; mkdir $P; mount -t tmpfs none $P",
    "beside others over which the kernel lays nothing more": "cd $B; for n in 1 2; do "
    "mkdir l$n u$n w$n d$n U$n W$n e$n; "
    "mount -t overlay o -olowerdir=l$n,upperdir=u$n,workdir=w$n d$n; "
    "mount -t overlay o -olowerdir=d$n,upperdir=U$n,workdir=W$n e$n; done",
    "a bind mount of a file": "echo a >$B/file; touch $P/old; mount --bind $B/file $P/old",
}
HOOK = """\
#!/bin/sh
set -e
echo b >>"{place}/old"
echo n >"{place}/new"
"""

# What others do in the same place.
CHURN = """\
import os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
while True:
    for n in range(300):
        open(f"file{n}", "w").close(); os.symlink("x", f"link{n}"); os.mkdir(f"directory{n}")
    for n in range(300):
        os.unlink(f"file{n}"); os.unlink(f"link{n}"); os.rmdir(f"directory{n}")
"""


@pytest.mark.root
@pytest.mark.namespace
@pytest.mark.parametrize("what", MOUNTS)
def test_a_project_may_lie_on_any_mount(tmp_path: Path, what: str) -> None:
    place = tmp_path / "p"
    place.mkdir()
    hook = HOOK.format(place=place)
    script = f"""set -e
        export B={tmp_path} P={place}
        {MOUNTS[what]}
        cd $P; mkdir docker-entrypoint.d; echo a >old
        printf '%s' "$1" >docker-entrypoint.d/10-it.sh; chmod 755 docker-entrypoint.d/10-it.sh
        "$2" -m entrykit try --json || true
        ls $P; cat $P/old"""
    words = ["unshare", "--mount", "sh", "-c", script, "sh", hook, sys.executable]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.stdout.startswith("{"), done.stderr
    told, end = json.JSONDecoder().raw_decode(done.stdout)
    assert told["exit_status"] == 0, told["log"]
    assert {one: told["files"][f"{place}/{one}"]["diff"][-2:] for one in ("old", "new")} == {
        "old": "+b",
        "new": "+n",
    }
    *names, content = done.stdout[end:].split()
    assert "new" not in names
    assert content == "a"


@pytest.mark.root
@pytest.mark.namespace
def test_others_may_make_and_remove_files_beside_a_mount(tmp_path: Path) -> None:
    """A directory with a mount in it is taken apart, name by name; names go meanwhile."""
    (tmp_path / "docker-entrypoint.d").mkdir()
    (tmp_path / "mount").mkdir()
    script = f"""mount -t tmpfs none {tmp_path}/mount
        for _ in 1 2 3 4 5; do "$1" -m entrykit try || exit; done"""
    with subprocess.Popen(
        [sys.executable, "-c", CHURN, str(tmp_path)], stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"ready\n"
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable],
                check=False, capture_output=True, text=True, cwd=tmp_path,
            )  # fmt: skip
        finally:
            other.kill()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("name", ["a b:c,d", "back\\slash", "$(x)'\"", "\u00e4\u4e2d"])
def test_a_project_may_have_any_name(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    (place / "docker-entrypoint.d").mkdir(parents=True)
    (place / "old").write_text("a\n", encoding="utf-8")
    hook = place / "docker-entrypoint.d" / "10-it.py"
    hook.write_text(f"open({str(place / 'old')!r}, 'a').write('b\\n')\n", encoding="utf-8")
    words = [sys.executable, "-m", "entrykit", "try", "--json"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=place)
    told = json.loads(done.stdout)
    assert list(told["files"]) == [f"{place}/old"]
    assert (place / "old").read_text(encoding="utf-8") == "a\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a root file system with a shell, rm, and nothing of Python's."""
    tree = tmp_path / "tree"
    for directory in ("etc", "srv", "bin", "run", "var", "tmp", "docker-entrypoint.d"):
        (tree / directory).mkdir(parents=True)
    (tree / "etc" / "passwd").write_text("app:x:7:7::/srv:/bin/sh\n", encoding="utf-8")
    (tree / "srv" / "old").write_text("a\n", encoding="utf-8")
    (tree / "run" / "of-the-tree").write_text("a\n", encoding="utf-8")
    (tree / "var" / "run").symlink_to("/run")
    for program in ("sh", "rm", "cat"):
        path = shutil.which(program)
        assert path
        shutil.copy(os.path.realpath(path), tree / "bin" / program)
        shown = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
        for word in shown.split():
            if word.startswith("/"):
                (tree / word[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, tree / word[1:])
    return tree


def try_in(tree: Path, hooks: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `entrykit try --root` with hooks beside it."""
    directory = tree.parent / "docker-entrypoint.d"
    directory.mkdir()
    for name, hook in hooks.items():
        (directory / name).write_text(hook, encoding="utf-8")
        (directory / name).chmod(0o755)
    command = [sys.executable, "-m", "entrykit", "try", "--root", "tree", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=tree.parent)


def listing(tree: Path) -> list[tuple[str, int, int]]:
    """Return all of a tree: paths, sizes, and times of the last change."""
    found = [(str(one), one.lstat()) for one in tree.rglob("*")]
    return sorted((path, status.st_size, status.st_mtime_ns) for path, status in found)


def test_another_root_is_what_the_start_sees(tree: Path) -> None:
    before = listing(tree)
    hooks = {
        "10-it.sh": "#!/bin/sh\nset -e\necho b >>/srv/old\nrm /etc/passwd\n"
        "cat /run/of-the-tree /var/run/of-the-tree\n",
        "20-it.py": "import ssl, pathlib, entrykit\npathlib.Path('/etc/made').write_text('x')\n",
    }
    done = try_in(tree, hooks, "--json")
    told = json.loads(done.stdout)
    assert told["exit_status"] == 0, told["log"]
    assert set(told["files"]) == {"/srv/old", "/etc/made"}
    assert told["removed"] == ["/etc/passwd"]
    assert listing(tree) == before


def test_a_root_that_is_removed_is_still_there(tree: Path) -> None:
    before = listing(tree)
    hook = "#!/bin/sh\nrm -rf /\nrm -rf --no-preserve-root /\n"
    done = try_in(tree, {"10-it.sh": hook})
    assert done.returncode == 1
    for one in ("/srv/old", "/etc/passwd", "/bin/sh"):
        assert f"removed: {one}\n" in done.stdout or f"removed: {Path(one).parent}\n" in done.stdout
    assert listing(tree) == before


def test_a_root_has_hooks_and_a_configuration_of_its_own(tree: Path) -> None:
    (tree / "docker-entrypoint.d" / "10-own.sh").write_text("#!/bin/sh\necho own\n", "utf-8")
    (tree / "docker-entrypoint.d" / "10-own.sh").chmod(0o755)
    (tree / "etc" / "entrykit.toml").write_text('program = "/srv/own"\n', encoding="utf-8")
    command = [sys.executable, "-m", "entrykit", "try", "--root", str(tree)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tree.parent)
    assert "own" in done.stdout.splitlines()
    assert "would start: /srv/own (uid 0" in done.stdout


def test_links_of_a_root_lead_nowhere_else(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(tree / "docker-entrypoint.d")
    up = "../" * 40
    (tree / "docker-entrypoint.d").symlink_to(f"{up}machine{outside}")
    done = try_in(tree, {"10-it.sh": "#!/bin/sh\necho in >/docker-entrypoint.d/made\n"})
    assert "10-it.sh" in done.stdout + done.stderr
    assert os.listdir(outside) == []


def test_a_root_that_is_none_is_a_slip(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "entrykit", "try", "--root", "none"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot read none: no such file or directory" in done.stderr
