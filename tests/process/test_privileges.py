"""Promise: after a step-down nothing of root is left, and a refused one says what is missing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from .conftest import bake
from .peers import ACCOUNTS, OWN, Became, Users
from .starts import SEARCH_PATH, own_environment

pytestmark = [pytest.mark.root, pytest.mark.namespace]

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")
NONE = "0" * 16
# What an engine's `--cap-drop ALL` and `--cap-add` leave to root.
DROP_ALL = ("setpriv", "--bounding-set=-all")
WITH_SETUID = ("setpriv", "--bounding-set=-all,+setuid")
WITH_BOTH = ("setpriv", "--bounding-set=-all,+setuid,+setgid")
# Capabilities that a change of the uid alone would leave: inheritable ones always, all others
# under a securebit (capabilities(7)).
INHERITED = ("setpriv", "--inh-caps=+chown", "--ambient-caps=+chown")
FIXED = (*INHERITED, "--securebits=+no_setuid_fixup")


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Users:
    """Return the users of this page."""
    return Users(tmp_path_factory.mktemp("etc"))


@pytest.fixture(scope="module")
def readable(python: str, package: Path) -> Iterator[Users]:
    """Return the users, and a package and an interpreter that each of them can read."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(package, place / "site")
        for path in (place / "site").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (place / "site").chmod(0o755)
        yield Users(place, package=place / "site", python=python)


def field(found: Became, name: str) -> str:
    """Return what /proc/self/status told the command."""
    assert found.fields is not None, found.said
    return found.fields[name]


@pytest.mark.parametrize("before", [(), INHERITED, FIXED, WITH_BOTH], ids=str)
@pytest.mark.parametrize("way", OWN)
def test_another_user_than_root_keeps_no_capability(
    users: Users, way: str, before: Sequence[str]
) -> None:
    found = users.become(OWN[way]("app"), before=before)
    assert (found.uid, found.gid) == (1500, 1500)
    assert {name: field(found, name) for name in CAPABILITIES} == dict.fromkeys(CAPABILITIES, NONE)


@pytest.mark.gosu
@pytest.mark.parametrize(("before", "kept"), [(INHERITED, "CapInh"), (FIXED, "CapEff")], ids=str)
def test_gosu_keeps_what_the_kernel_leaves(users: Users, before: Sequence[str], kept: str) -> None:
    assert field(users.become(["gosu", "app"], before=before), kept) != NONE


@pytest.mark.parametrize("way", OWN)
def test_root_keeps_its_capabilities_with_another_group(users: Users, way: str) -> None:
    found = users.become(OWN[way]("0:staff"))
    assert (found.uid, found.gid) == (0, 50)
    assert field(found, "CapEff") != NONE


@pytest.mark.parametrize(
    ("before", "spec", "lacks"),
    [
        (DROP_ALL, "app", "CAP_SETGID and CAP_SETUID (give it --cap-add SETGID --cap-add SETUID"),
        (DROP_ALL, "0:staff", "CAP_SETGID (give it --cap-add SETGID"),
        (WITH_SETUID, "app", "CAP_SETGID (give it --cap-add SETGID"),
        ((*WITH_SETUID, "--groups=0"), "1000", ""),
        ((*DROP_ALL, "--groups=0"), "root", ""),
        (DROP_ALL, "root", ""),
    ],
    ids=str,
)
@pytest.mark.parametrize("way", OWN)
def test_a_refused_step_down_names_the_capability_that_is_missing(
    users: Users, way: str, before: Sequence[str], spec: str, lacks: str
) -> None:
    found = users.become(OWN[way](spec), before=before)
    if lacks:
        assert found.status == 126
        assert f": the container lacks {lacks}, or start it with --user " in found.said
    else:
        assert found.status == 0, found.said


def test_what_will_be_refused_is_refused_before_any_hook_runs(users: Users, tmp_path: Path) -> None:
    hook = tmp_path / "hooks" / "10-trace.sh"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\n: >{tmp_path}/ran\n", encoding="utf-8")
    hook.chmod(0o755)
    words = [
        sys.executable,
        "-m",
        "entrykit",
        "run",
        f"--hooks={hook.parent}",
        "--user=app",
        "true",
    ]
    assert users.run(words, before=DROP_ALL).returncode == 126
    assert not (tmp_path / "ran").exists()
    assert users.run(words, before=WITH_BOTH).returncode == 0
    assert (tmp_path / "ran").exists()


def in_a_namespace(*words: str, before: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run words as root of a user namespace that knows no other user."""
    return subprocess.run(
        [*before, "unshare", "--user", "--map-root-user", *words],
        check=False, capture_output=True, text=True, env=own_environment(),
    )  # fmt: skip


@pytest.mark.parametrize("way", OWN)
def test_a_namespace_that_does_not_map_a_user_says_so(way: str) -> None:
    ended = in_a_namespace(*OWN[way]("65534"), "true")
    assert ended.returncode == 126
    assert ended.stderr == (
        "entrykit: cannot become nobody (65534:65534): this user namespace does not map these ids"
        " (map more ids to the container, or choose lower ones)\n"
    )


@pytest.mark.parametrize("way", OWN)
def test_a_namespace_that_fixes_the_groups_is_named_before_any_hook_runs(
    way: str, tmp_path: Path
) -> None:
    """As for a rootless root with groups that it cannot give up."""
    words = OWN[way]("root")
    if way == "run":
        hook = write_hook(tmp_path, f": >{tmp_path}/ran")
        words = [*words[:-1], f"--hooks={hook.parent}"]
    ended = in_a_namespace(*words, "true", before=("setpriv", "--groups=0,44"))
    assert ended.returncode == 126
    assert ended.stderr == (
        "entrykit: cannot become root (0:0): this user namespace forbids to change supplementary"
        " groups (run it in one that maps more than one gid)\n"
    )
    assert not (tmp_path / "ran").exists()


def as_user(uid: int, gid: int, *groups: int) -> list[str]:
    """Return the words of a start of another user, as `docker run --user` makes one."""
    named = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", named]


def test_a_start_that_is_not_root_keeps_its_user_and_says_so(readable: Users) -> None:
    found = readable.become(readable.own("run", "app"), before=as_user(1000, 0))
    assert found.shown == (1000, 0, {0}, "/nowhere")
    assert found.said == (
        "entrykit: the start is uid 1000, not root: it stays so, and does not become app\n"
    )


@pytest.mark.parametrize("spec", ["app", "1500", "app:app"])
@pytest.mark.parametrize("way", OWN)
def test_who_is_that_user_already_stays_it_in_silence(readable: Users, way: str, spec: str) -> None:
    groups = [1500] if ":" in spec else [1500, 50, 100]
    found = readable.become(readable.own(way, spec), before=as_user(1500, 1500, *groups))
    assert found.said == ""
    assert (found.uid, found.gid, found.groups) == (1500, 1500, frozenset(groups))


@pytest.mark.gosu
def test_gosu_refuses_who_is_that_user_already(readable: Users) -> None:
    found = readable.become(["gosu", "app:app"], before=as_user(1500, 1500, 1500))
    assert "operation not permitted" in found.said


def test_exec_as_another_user_is_refused_to_who_is_not_root(readable: Users) -> None:
    found = readable.become(readable.own("exec", "app"), before=as_user(1000, 1000))
    assert found.status == 126
    assert found.said == (
        "entrykit: cannot become app (1500:1500): uid 1000 is not root (call it as root, or leave"
        " the user out)\n"
    )


def test_a_start_that_is_not_root_needs_to_know_no_user(readable: Users) -> None:
    """Somebody mounts a /etc/passwd with the own user alone."""
    found = readable.become(readable.own("run", "gone"), before=as_user(1000, 0))
    assert (found.uid, found.gid) == (1000, 0)
    assert "does not become gone" in found.said


@pytest.mark.parametrize("before", [(), INHERITED], ids=str)
def test_no_new_privileges_holds_after_a_step_down(users: Users, before: Sequence[str]) -> None:
    words = [sys.executable, "-m", "entrykit", "run", "--user=app", "--no-new-privileges"]
    found = users.become(words, before=before)
    assert (found.uid, field(found, "NoNewPrivs")) == (1500, "1")
    assert field(users.become(OWN["run"]("app")), "NoNewPrivs") == "0"


def test_the_configuration_of_a_baked_start_steps_down(
    python: str, package: Path, users: Users, tmp_path: Path
) -> None:
    launcher, file = tmp_path / "entrypoint", tmp_path / "e.toml"
    file.write_text('user = "app"\numask = "027"\nno-new-privileges = true\n', encoding="utf-8")
    # Where the user is known: elsewhere the bake ends with that.
    unknown = bake(python, package, "--config", str(file), "--output", str(launcher))
    words = [python, "-m", "entrykit", "bake", f"--config={file}", f"--output={launcher}"]
    baked = users.run(words, PYTHONPATH=str(package))
    assert baked.returncode == 0, baked.stderr
    assert unknown.returncode == 78
    assert f"entrykit: {file}:1: there is no user 'app' in /etc/passwd" in unknown.stderr
    found = users.become([str(launcher)])
    assert found.shown == (1500, 1500, {50, 100, 1500}, "/srv/app")
    assert (field(found, "Umask"), field(found, "NoNewPrivs")) == ("0027", "1")


def test_an_option_stands_above_the_configuration(users: Users, tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text('user = "app"\n', encoding="utf-8")
    words = [sys.executable, "-m", "entrykit", "run", f"--config={file}"]
    assert users.become([*words, "--user=games"]).uid == 5
    assert users.become([*words, "--user="]).status == 78
    assert users.become(words).uid == 1500


@pytest.mark.parametrize(
    ("change", "home"),
    [
        ("true", "/srv/app"),
        ('echo /data >"$ENTRYKIT_ENV/HOME"', "/data"),
        ('echo /nowhere >"$ENTRYKIT_ENV/HOME"', "/nowhere"),
        (': >"$ENTRYKIT_UNSET/HOME"', "(unset)"),
    ],
)
def test_a_home_that_a_hook_has_set_stays(
    users: Users, tmp_path: Path, change: str, home: str
) -> None:
    assert with_hook(users, tmp_path, change).home == home


def test_a_hook_may_change_the_user(tmp_path: Path) -> None:
    """As `usermod --uid "$PUID" app` does."""
    found = with_hook(Users(tmp_path), tmp_path, moving(tmp_path, "1700:1500"))
    assert (found.uid, found.gid, found.home) == (1700, 1500, "/moved")


def test_a_later_hook_works_for_the_user_as_it_is_by_then(tmp_path: Path) -> None:
    """Else [htpasswd] would give its file a group that the command has no more."""
    hook = write_hook(tmp_path, moving(tmp_path, "1700:1600"))
    later = hook.with_name("20-b.py")
    tells = "def hook(start):\n    start.env['TOLD'] = f'{start.uid}:{start.gid}'\n"
    later.write_text(tells, encoding="utf-8")
    words = [sys.executable, "-m", "entrykit", "run", "--user=app", f"--hooks={hook.parent}"]
    ended = Users(tmp_path).run([*words, "sh", "-c", "echo $TOLD $(id -u):$(id -g)"])
    assert ended.stdout == "1700:1600 1700:1600\n", ended.stderr


def test_a_hook_may_make_the_user_anew(tmp_path: Path) -> None:
    """Between the two there is no such user."""
    less = f"grep -v ^app: /etc/passwd >{tmp_path}/less; cat {tmp_path}/less >/etc/passwd"
    hook = write_hook(tmp_path, less)
    tells = "def hook(start):\n    start.env['TOLD'] = str(start.uid)\n"
    hook.with_name("20-b.py").write_text(tells, encoding="utf-8")
    again = write_hook(tmp_path, "echo app:x:1700:1700::/moved:/bin/sh >>/etc/passwd", "30-c.sh")
    words = [sys.executable, "-m", "entrykit", "run", "--user=app", f"--hooks={again.parent}"]
    found = Users(tmp_path).become(words)
    assert (found.uid, found.gid, found.home) == (1700, 1700, "/moved"), found.said


def test_a_user_that_a_hook_makes_the_owner_of_hooks_is_refused(tmp_path: Path) -> None:
    """As with PUID: the next container would have the image's user again, and obey them."""
    users = Users(tmp_path)
    hook = write_hook(tmp_path, moving(tmp_path, "1700:1500"))
    os.chown(hook, 1700, 0)
    words = [*users.own("run", "app")[:-1], f"--hooks={hook.parent}", "--log=quiet"]
    found = users.become(words)
    assert (found.status, found.uid) == (78, None)
    assert f"{hook}: app (uid 1700) can write it as its owner" in found.said


def moving(place: Path, ids: str) -> str:
    """Return what gives app other ids and another home, as a hook's line."""
    changed = ACCOUNTS.replace("1500:1500:App:/srv/app", f"{ids}:App:/moved")
    (place / "new").write_text(changed, encoding="utf-8")
    return f"cat {place}/new >/etc/passwd"


def write_hook(place: Path, line: str, name: str = "10-a.sh") -> Path:
    """Write a hook of one line, and return where it lies."""
    hook = place / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    hook.chmod(0o755)
    return hook


def with_hook(users: Users, place: Path, line: str) -> Became:
    """Step down after a hook of one line."""
    hook = write_hook(place, line)
    return users.become([*users.own("run", "app")[:-1], f"--hooks={hook.parent}", "--log=quiet"])


def test_the_stepped_down_command_reads_its_htpasswd_file_and_cannot_change_it(
    users: Users, tmp_path: Path
) -> None:
    """Also where root may not change owners."""
    look = 'stat -c "%a %u:%g" "$2"; cut -d: -f1 "$2"; : >>"$2"'
    (tmp_path / "e.toml").write_text(
        f"program = ['sh', '-c', '{look}', 'sh']\nuser = 'app'\n"
        "[htpasswd]\nusername = 'U'\npassword = 'P'\noption = '-f'\n",
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "entrykit", "run", f"--config={tmp_path}/e.toml"]
    for before in ((), WITH_BOTH):
        ended = users.run([*words, "--hooks=/media"], before=before, U="ann", P="hush")
        assert ended.stdout == "640 0:1500\nann\n", ended.stderr
        assert ended.returncode == 2, "it cannot be written"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_plan_shows_whom_the_command_would_run_as(users: Users, form: str) -> None:
    words = [sys.executable, "-m", "entrykit", "run", f"--plan={form}", "--user=app", "true"]
    ended = users.run(words)
    if form == "text":
        assert "user       app: uid 1500, gid 1500, groups 50 100 1500\n" in ended.stdout
        assert "  HOME=/srv/app\n" in ended.stdout
        return
    plan = json.loads(ended.stdout)
    told = {name: plan["process"][name] for name in ("user", "uid", "gid", "groups")}
    assert told == {"user": "app", "uid": 1500, "gid": 1500, "groups": [50, 100, 1500]}


def test_a_plan_shows_what_is_wrong_with_the_user(users: Users) -> None:
    words = [sys.executable, "-m", "entrykit", "run", "--plan"]
    ended = users.run([*words, "--user=bogus", "true"])
    assert ended.returncode == 78
    assert ended.stdout.endswith(
        "The start would end with status 78\n  there is no user 'bogus' in /etc/passwd (make it in"
        " the image (useradd), or give its number)\n"
    )
    assert users.run([*words, "--user=app", "true"], before=DROP_ALL).returncode == 126


def test_a_closed_gate_steps_down_all_the_same(users: Users) -> None:
    words = [sys.executable, "-m", "entrykit", "run", "--program=/srv/app", "--user=app"]
    assert users.become(words).uid == 1500


def test_there_need_be_no_files_for_a_number() -> None:
    """As in an image from scratch: the mount hides both."""
    script = 'mount -t tmpfs none /etc && exec "$@"'
    path = os.fspath(Path(__file__).parents[2])
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *OWN["exec"]("1500:33"), "env"],
        check=False, capture_output=True, text=True, cwd="/",
        env={"PATH": SEARCH_PATH, "PYTHONPATH": path, "HOME": "/x"},
    )  # fmt: skip
    assert "HOME=/\n" in ended.stdout, ended.stderr


@pytest.mark.parametrize("way", OWN)
def test_a_user_with_too_many_processes_is_named_as_the_reason(users: Users, way: str) -> None:
    other = subprocess.Popen(
        ["setpriv", "--reuid=1500", "--regid=1500", "--clear-groups", "cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    # A line comes back: it is that user by now.
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdin.write(b"x\n")
    other.stdin.flush()
    other.stdout.readline()
    found = users.become(OWN[way]("app"), before=["prlimit", "--nproc=0"])
    other.communicate()
    assert found.status == 126
    assert "(its user has as many processes as its limit allows: raise `ulimit -u`)" in found.said
