"""`entrykit try`: what it shows, and that nothing of it touches the machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox
HOOK = """\
#!/bin/sh
# entrykit: secrets=PW
set -e
echo "$PW" >{place}/users
chmod 640 {place}/users
echo b >>{place}/old
rm {place}/gone
echo 4 >"$ENTRYKIT_ENV/THREADS"
echo "-users={place}/users" >"$ENTRYKIT_OPTIONS/users"
"""
# Each line is something that must not reach the machine.
HOSTILE = """\
#!/bin/sh
{{ echo 1 >/proc/sys/kernel/panic; echo h >/proc/sysrq-trigger; echo 1 >/sys/kernel/mm/ksm/run; }}
chmod 000 /dev/null /dev/zero
mknod /tmp/disk b 254 0 && cat /tmp/disk >/dev/zero
mount -o remount,rw /sys; umount /proc/sys; mount -t proc proc /mnt; umount -l /etc
echo out >/proc/1/root/etc/entrykit-hostile; echo out >{place}/link/inside
ln -s / {place}/root; echo out >{place}/root/etc/entrykit-hostile
chroot / sh -c 'echo out >/etc/entrykit-hostile'
for one in /proc/[0-9]*; do [ "$one" = "/proc/$$" ] || kill -9 "${{one#/proc/}}"; done
hostname entrykit-hostile
rm -rf {place} /etc /srv
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with files that hooks change."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "old").write_text("a\n", encoding="utf-8")
    (place / "gone").write_text("x\n", encoding="utf-8")
    (tmp_path / "entrykit.toml").write_text('program = "/srv/app"\n[env.PW]\nsecret = true\n')
    return place


def try_hook(place: Path, hook: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `entrykit try` beside a hook directory with one hook."""
    directory = place.parent / "docker-entrypoint.d"
    directory.mkdir(exist_ok=True)
    (directory / "10-it.sh").write_text(hook.format(place=place), encoding="utf-8")
    (directory / "10-it.sh").chmod(0o755)
    given = () if {"--secret", "--env"} & {*words} else ("--secret", "PW=geheim")
    command = [sys.executable, "-m", "entrykit", "try", *given, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=place.parent)


def test_it_shows_what_changed_and_which_hook_did_it(place: Path) -> None:
    done = try_hook(place, HOOK)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("entrykit: 10-it.sh: done (")
    assert "environment: +THREADS=4 (10-it.sh)" in lines
    assert f"command: /srv/app -users={place}/users (10-it.sh)" in lines
    assert f"made: {place}/users, 0640 0:0" in lines
    assert f"changed: {place}/old, 0644 0:0" in lines
    assert "    +b" in lines
    assert f"removed: {place}/gone" in lines
    assert lines[-1].startswith(f"would start: /srv/app -users={place}/users (uid 0, gid 0, umask")
    assert "geheim" not in done.stdout
    assert sorted(os.listdir(place)) == ["gone", "old"]
    assert (place / "old").read_text(encoding="utf-8") == "a\n"


@pytest.mark.parametrize("option", ["--secret", "--env"])
@pytest.mark.parametrize("value", ["it's-hush", "hush one\nhush two", "hush\tx\x1b", "hush"])
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_it_shows_no_secret_however_it_is_given_and_written(
    place: Path, option: str, value: str, words: tuple[str, ...]
) -> None:
    hook = (
        "#!/bin/sh\n# entrykit: secrets=OLD_PW,PW\n"
        'echo "$PW" | tee {place}/users >"$ENTRYKIT_ENV/COPY"\n'
        'printf %s "--pw=$PW" | tee "$ENTRYKIT_ARGS/x"\n'
    )
    configuration = place.parent / "entrykit.toml"
    configuration.write_text(configuration.read_text() + 'deprecated = ["OLD_PW"]\n')
    name = "OLD_PW" if option == "--env" else "PW"
    done = try_hook(place, hook, option, f"{name}={value}", *words)
    assert (done.returncode, "COPY" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "hush" not in done.stdout


def test_it_shows_the_same_as_json(place: Path) -> None:
    told = json.loads(try_hook(place, HOOK, "--json", "--", "-x").stdout)
    assert (told["format"], told["exit_status"]) == (1, 0)
    assert told["command"] == ["/srv/app", f"-users={place}/users", "-x"]
    assert told["hooks"][0]["environment"] == {"THREADS": "4"}
    assert told["files"][f"{place}/users"]["mode"] == "0640"
    assert told["removed"] == [f"{place}/gone"]


def test_where_nothing_differs_it_says_one_line(place: Path) -> None:
    done = try_hook(place, "#!/bin/sh\n# entrykit: on-error=continue\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"nothing differs; would start: /srv/app \(.*\)\n", done.stdout)


@pytest.mark.parametrize(
    "line",
    [
        "echo said",
        "echo 4 >$ENTRYKIT_ENV/THREADS",
        "echo -- -x >$ENTRYKIT_ARGS/x",
        "chmod 600 {place}/old",
        "rm {place}/gone",
        "mkdir {place}/new",
    ],
)
def test_whatever_differs_is_more_than_a_line(place: Path, line: str) -> None:
    done = try_hook(place, f"#!/bin/sh\n{line}\n")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 1
    assert json.loads(try_hook(place, f"#!/bin/sh\n{line}\n", "--json").stdout)["differs"]


def test_a_failing_hook_is_status_1(place: Path) -> None:
    done = try_hook(place, "#!/bin/sh\necho why >&2; exit 3\n")
    assert done.returncode == 1
    assert "why" in done.stdout
    assert "no command was started: exit status 3" in done.stdout.splitlines()[-1]


def test_a_hostile_hook_changes_nothing_outside(place: Path) -> None:
    outside = place.parent / "outside"
    outside.mkdir()
    (place / "link").symlink_to(outside)
    panic = Path("/proc/sys/kernel/panic").read_bytes()
    null, name = os.stat("/dev/null").st_mode, os.uname().nodename
    etc, mounts = sorted(os.listdir("/etc")), Path("/proc/self/mountinfo").read_text("utf-8")
    done = try_hook(place, HOSTILE)
    assert done.returncode in (0, 1)
    assert "entrykit: 10-it.sh:" in done.stdout
    assert Path("/proc/sys/kernel/panic").read_bytes() == panic
    assert (os.stat("/dev/null").st_mode, os.uname().nodename) == (null, name)
    assert sorted(os.listdir("/etc")) == etc
    ours = {line for line in mounts.splitlines() if "docker" not in line}
    assert ours <= set(Path("/proc/self/mountinfo").read_text("utf-8").splitlines())
    assert sorted(os.listdir(place)) == ["gone", "link", "old"]
    assert os.listdir(outside) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no-directory"], "cannot read no-directory: no such file or directory"),
        (["--env", "A"], "'A' is not NAME=VALUE"),
    ],
)
def test_a_slip_is_status_2(place: Path, words: list[str], says: str) -> None:
    done = try_hook(place, HOOK, *words)
    assert done.returncode == 2
    assert says in done.stderr
