"""Hooks with `user=`: they run as that user, and what they ask for climbs nowhere.

With a container's usual rights, and with what `--cap-drop ALL` and SETUID and SETGID leave: root
can then neither give away a directory, nor read another user's, nor end its processes.
"""

import os
import shutil
import signal
from pathlib import Path

import pytest

from .starts import Entrypoint
from .test_hooks import said

pytestmark = pytest.mark.others

# Debian's; their uids and gids, and a home that is not root's.
USER, UID, HOME = "daemon", 1, "/usr/sbin"
OTHER, OTHER_UID = "nobody", 65534
KINDS = ["10-a.sh", "10-a.envsh", "10-a.py", "10-a.run"]
# Prints ids and what a process may do with them.
IDS = "id -u; id -g; id -G; echo $HOME; grep CapEff: /proc/self/status"
AS_PYTHON = "import subprocess\nsubprocess.run(['sh', '-ec', {!r}], check=True)\n"


def add(root: Entrypoint, name: str, user: str, script: str) -> None:
    """Add a hook that runs a shell script as a user, in the way of its suffix."""
    comment = f"# entrykit: user={user}\n" if user else ""
    if name.endswith(".py"):
        root.hooks.add(name, comment + AS_PYTHON.format(script))
    elif name.endswith(".run"):
        root.configure("[runners]", '".run" = ["sh", "-e"]')
        root.hooks.add(name, f"{comment}{script}\n", 0o644)
    else:
        root.hooks.add(name, f"#!/bin/sh\n{comment}{script}\n")


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_hook_runs_as_its_user(root: Entrypoint, name: str) -> None:
    add(root, name, USER, IDS)
    ended = root.run("sh", "-c", "id -u; echo $HOME")
    assert said(ended.lines) == [str(UID), "1", "1", HOME, "CapEff:\t0000000000000000"]
    assert (ended.status, ended.stdout) == (0, b"0\n/\n")


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("1500", ["1500", "0", "0", "/"]),
        ("1500:1600", ["1500", "1600", "1600", "/"]),
        ("daemon:mail", ["1", "8", "8", HOME]),
        ("4294967294:0", ["4294967294", "0", "0", "/"]),
        ("root:mail", ["0", "8", "8", "/root"]),
    ],
)
def test_a_spec_is_that_of_docker_run(root: Entrypoint, user: str, ids: list[str]) -> None:
    add(root, "10-a.sh", user, IDS)
    assert said(root.run("true").lines)[:4] == ids


def test_the_configuration_names_a_user_too(root: Entrypoint) -> None:
    add(root, "10-a.sh", USER, "id -u")
    root.configure('[hooks."10-a.sh"]', f'user = "{OTHER}"')
    assert said(root.run("true").lines) == [str(OTHER_UID)]


def test_root_may_be_named(root: Entrypoint) -> None:
    add(root, "10-a.sh", "root", "id -u; echo $HOME; echo yes >$ENTRYKIT_ENV/ASKED")
    add(root, "20-b.sh", "", "echo $ASKED")
    assert said(root.run("true").lines) == ["0", "/root", "yes"]


def test_what_it_asks_for_reaches_the_command(root: Entrypoint) -> None:
    root.configure('program = "printf"')
    add(root, "10-a.sh", USER, "printf 'a\\nb\\n\\n' >$ENTRYKIT_ENV/A; : >$ENTRYKIT_UNSET/GONE")
    add(root, "20-b.envsh", USER, "export B='b c'")
    root.hooks.add(
        "30-c.py",
        f"# entrykit: user={USER}\ndef hook(start):\n"
        " start.env['C'] = '\\udcff'\n del start.env['D']\n start.args += ['x', '']\n"
        " return 'is\\0done'\n",
    )
    add(root, "40-d.sh", USER, 'echo %s/ >"$ENTRYKIT_OPTIONS/1"; echo y >"$ENTRYKIT_ARGS/1"')
    ended = root.with_environment(GONE="1", D="1").run("printf")
    assert ended.stdout == b"x//y/"
    assert "entrykit: 30-c.py: is done (" in ended.stderr.decode()
    (root.hooks.path / "40-d.sh").unlink()
    root.configure()
    ended = root.run(
        "sh", "-c", 'printf "%s|" "$A" "$B" "$C" "${D-unset}" "${GONE-unset}" "$@"', "-"
    )
    assert ended.stdout == b"a\nb\n|b c|\xff|unset|unset|x||"


def test_an_output_that_is_a_pipe_can_be_written_to(root: Entrypoint) -> None:
    add(root, "10-a.sh", USER, "echo out; echo err >&2; cat; readlink /proc/self/fd/0")
    assert said(root.run("true", stdin=b"typed").lines) == ["out", "err", "/dev/null"]


SEES = 'echo "${A-unset} ${B-unset} ${PATH##*:} ${HOME} $#"'
SEES_PYTHON = (
    "def hook(start):\n get = start.env.get\n"
    " print(get('A', 'unset'), get('B', 'unset'), get('PATH').split(':')[-1], get('HOME'),"
    " len(start.command))\n"
)


@pytest.mark.parametrize("how", ["10-a.sh", "10-a.envsh", "10-a.py"])
def test_what_it_asks_for_is_kept_from_hooks_with_other_ids(root: Entrypoint, how: str) -> None:
    if how.endswith(".envsh"):
        add(root, how, USER, 'export A=1 PATH="$PATH:/evil"; unset B')
    elif how.endswith(".py"):
        root.hooks.add(
            how,
            f"# entrykit: user={USER}\ndef hook(start):\n start.env['A'] = '1'\n"
            " del start.env['B']\n start.env['PATH'] += ':/evil'\n",
        )
    else:
        script = 'cd $ENTRYKIT_ENV; echo 1 >A; echo "$PATH:/evil" >PATH; : >$ENTRYKIT_UNSET/B'
        add(root, how, USER, script)
    for number, user in enumerate(("", OTHER, USER), 2):
        add(root, f"{number}0-x.envsh", user, SEES)
        comment = f"# entrykit: user={user}\n" if user else ""
        root.hooks.add(f"{number}5-x.py", comment + SEES_PYTHON)
    shown = said(root.with_environment(B="2").run("sh", "-c", SEES, "sh").lines)
    assert shown == [
        "unset 2 /bin / 4", "unset 2 /bin / 4",
        "unset 2 /bin /nonexistent 4", "unset 2 /bin /nonexistent 4",
        f"1 unset /evil {HOME} 4", f"1 unset /evil {HOME} 4",
    ]  # fmt: skip
    assert root.run("sh", "-c", SEES, "sh").stdout == b"1 unset /evil / 0\n"


def test_what_it_asks_for_is_kept_from_hooks_of_its_uid_with_more_groups(root: Entrypoint) -> None:
    add(root, "10-a.sh", "1500:1600", "echo 1 >$ENTRYKIT_ENV/A")
    for number, user in enumerate(("1500:0", "1500", "1500:1600"), 2):
        add(root, f"{number}0-x.sh", user, "echo $(id -g) ${A-unset}; echo 2 >$ENTRYKIT_ENV/B")
    add(root, "50-y.sh", "1500:1600", "echo ${B-unset}")
    shown = said(root.run("true").lines)
    assert shown == ["0 unset", "0 unset", "1600 1", "2"]


def test_what_it_makes_of_the_command_is_kept_from_them_too(root: Entrypoint) -> None:
    shows = 'echo "$ENTRYKIT_PROGRAM $*"'
    add(
        root,
        "10-a.sh",
        USER,
        "cd $ENTRYKIT_COMMAND; echo echo >1; echo mine >2; echo m >$ENTRYKIT_ARGS/1",
    )
    add(root, "20-b.envsh", "", shows)
    add(root, "20-c.envsh", OTHER, shows)
    add(root, "20-d.envsh", USER, shows)
    root.hooks.shell("30-e.sh", "echo last >$ENTRYKIT_ARGS/1")
    add(root, "40-f.envsh", USER, shows)
    add(root, "40-g.envsh", OTHER, shows)
    ended = root.run("true", "given")
    assert said(ended.lines) == [
        "true true given", "true true given", "echo echo mine m", "echo echo mine m last",
        "true true given last",
    ]  # fmt: skip
    assert ended.stdout == b"mine m last\n"


def test_what_hooks_of_the_start_itself_ask_for_reaches_all(root: Entrypoint) -> None:
    add(root, "10-a.envsh", USER, "export A=user B=user")
    add(root, "20-b.envsh", "", "export A=root")
    add(root, "30-c.sh", USER, "echo $A $B")
    add(root, "30-d.sh", OTHER, "echo $A $B")
    add(root, "30-e.sh", "", "echo $A $B")
    ended = root.run("sh", "-c", "echo $A $B")
    assert said(ended.lines) == ["root user", "root", "root"]
    assert ended.stdout == b"root user\n"


def test_it_is_given_the_secrets_that_it_names_and_no_other(root: Entrypoint) -> None:
    """Nor can it find one in what it is a copy of, or in the start."""
    root.configure("[env.A]", "secret = true", "[env.B]", "secret = true")
    looks = "echo ${A-unset} ${B-unset}; cat /proc/$PPID/environ /proc/$PPID/mem || :"
    for name in ("10-a.sh", "20-b.envsh"):
        add(root, name, f"{USER} secrets=B", looks)
    root.hooks.add(
        "30-c.py",
        f"# entrykit: user={USER} secrets=B\n"
        "def hook(start):\n"
        " print(start.env.get('A'), start.env.get('B'), sorted(start.secrets))\n"
        " memory = open('/proc/self/mem', 'rb', 0)\n"
        " following = set()\n"
        " for line in open('/proc/self/maps'):\n"
        "  first, last = (int(place, 16) for place in line.split()[0].split('-'))\n"
        "  if ' rw' in line:\n"
        "   memory.seek(first)\n"
        "   _, *rest = memory.read(last - first).split(b'hush')\n"
        "   following |= {one[:1] for one in rest}\n"
        " print(b'1' in following, b'2' in following)\n"
    )  # fmt: skip
    root.with_environment(A="hush" + "1" * 9, B="hush" + "2" * 9)
    ended = root.run("true")
    assert ended.status == 0
    assert said(ended.lines).count("unset hush222222222") == 2
    assert "None hush222222222 ['B']" in said(ended.lines)
    assert "False True" in said(ended.lines)
    assert b"hush1" not in ended.stderr
    assert ended.stderr.count(b"environ: Permission denied") == 2


def test_a_python_hook_leaves_files_for_the_command(root: Entrypoint) -> None:
    root.hooks.add(
        "10-a.py",
        f"# entrykit: user={USER}\ndef hook(start):\n"
        " path = start.runtime_directory + '/file'\n open(path, 'w').write('made')\n"
        " start.args.append(path)\n",
    )
    ended = root.run("sh", "-c", 'cat "$1"; stat -c %u "$1"; rm "$1"', "sh")
    assert ended.stdout == b"made1\n"


def test_nothing_of_it_is_left_for_the_command(root: Entrypoint) -> None:
    add(root, "10-a.sh", USER, "cd $ENTRYKIT_ENV; mkdir ../x || :; echo ${PWD%/*} >PLACE")
    root.hooks.add("20-b.py", f"# entrykit: user={USER}\nimport os\n")
    ended = root.run("sh", "-c", 'echo "$PLACE"; ls -d "$PLACE" "${PLACE%/*}"')
    place, *left = ended.stdout.decode().splitlines()
    assert (os.path.basename(place), left) == ("user-1-1", [])


@pytest.mark.parametrize("name", KINDS)
def test_its_failure_is_told_as_that_of_any_hook(root: Entrypoint, name: str) -> None:
    add(root, name, USER, "echo x >$ENTRYKIT_ENV/LOST; exit 7")
    ended = root.run("true")
    assert ended.status == (1 if name.endswith(".py") else 7)
    assert "the command was not started" in ended.last_line


def test_its_changes_are_dropped_where_it_fails(root: Entrypoint) -> None:
    add(root, "10-a.sh", f"{USER} on-error=continue", "echo x >$ENTRYKIT_ENV/LOST; exit 7")
    add(root, "20-b.sh", USER, "echo ${LOST-unset}; ls $ENTRYKIT_ENV")
    ended = root.run("sh", "-c", "echo ${LOST-unset}")
    assert (ended.stdout, said(ended.lines)) == (b"unset\n", ["unset"])


def test_problems_of_a_python_hook_are_told(root: Entrypoint) -> None:
    root.hooks.add(
        "10-a.py",
        f"# entrykit: user={USER}\nfrom entrykit.system.errors import StartError\n"
        "def hook(start):\n raise StartError('no\\nway', 9, 'a hint')\n",
    )
    ended = root.run("true")
    assert ended.status == 9
    assert ended.last_line.startswith("entrykit: 10-a.py: no\\nway; exit status 9 after")
    root.hooks.add("10-a.py", f"# entrykit: user={USER}\nraise ValueError('secret')\n")
    ended = root.run("true")
    assert ended.status == 1
    assert ended.last_line.startswith(
        "entrykit: 10-a.py: raised ValueError in line 2; exit status 1"
    )
    assert "ValueError: secret" in ended.lines


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os.execv('/bin/true', ['true'])", "os.ftruncate(3, 0); os._exit(0)"]
)
def test_a_python_hook_that_says_nothing_has_failed(root: Entrypoint, end: str) -> None:
    root.hooks.add("10-a.py", f"# entrykit: user={USER}\nimport os\n{end}\n")
    ended = root.run("true")
    assert ended.status == 78
    assert "ended without saying what it changed" in ended.last_line


@pytest.mark.parametrize("name", KINDS)
def test_a_time_limit_ends_it_and_what_it_has_started(root: Entrypoint, name: str) -> None:
    add(root, name, f"{USER} timeout=300ms", "trap '' TERM; sleep 600 & sleep 600 & wait; wait")
    root.configure('grace = "300ms"', "[runners]", '".run" = ["sh", "-e"]')
    ended = root.start("true").end_promptly()
    assert ended.status == 124
    assert "was ended at its time limit of 300 ms" in ended.last_line


@pytest.mark.parametrize("name", KINDS)
def test_a_stop_signal_ends_it_promptly(root: Entrypoint, name: str) -> None:
    add(root, name, USER, "sleep 600 & echo ready; kill -STOP $$; wait")
    running = root.start("true")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    ended = running.end_promptly()
    assert ended.status == 128 + signal.SIGTERM
    assert f"stopped by SIGTERM during {name}" in ended.last_line


def test_a_second_stop_signal_kills_at_once(root: Entrypoint) -> None:
    add(
        root,
        "10-a.sh",
        USER,
        "trap 'echo asked' TERM; sleep 600 & echo ready; while :; do wait; done",
    )
    running = root.start("true")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("asked")
    running.signal(signal.SIGTERM)
    assert running.end_promptly().status == 128 + signal.SIGTERM


def test_it_runs_once_on_a_volume_of_its_users(root: Entrypoint) -> None:
    volume = root.scratch / "volume"
    volume.mkdir()
    os.chown(volume, UID, UID)
    volume.chmod(0o700)
    root.configure("[once]", f'journal = "{volume}/once"')
    settings = f"{USER} once=make makes={volume}/made on-interrupted=redo"
    add(
        root,
        "10-a.sh",
        settings,
        f"umask 77; mkdir -p {volume}/made; ls {volume}/made; echo x >{volume}/made/f; exit 3",
    )
    assert root.run("true").status == 3
    ended = root.run("true")
    assert ended.status == 3
    assert f"entrykit: 10-a.sh: emptied {volume}/made" in ended.lines
    assert "f" not in said(ended.lines)
    add(root, "10-a.sh", settings, f"mkdir -p {volume}/made; echo x >{volume}/made/f")
    assert root.run("echo", "first").stdout == b"first\n"
    ended = root.run("echo", "second")
    assert (ended.status, ended.stdout) == (0, b"second\n")
    assert "was done on" in ended.last_line


def test_it_runs_once_where_its_user_cannot_read_entrykit(
    root: Entrypoint, open_site: Path
) -> None:
    closed = root.scratch / "closed"
    shutil.copytree(open_site, closed)
    closed.chmod(0o700)
    root.environment["PYTHONPATH"] = str(closed)
    volume = root.scratch / "volume"
    volume.mkdir(mode=0o700)
    os.chown(volume, UID, UID)
    root.configure("[once]", f'journal = "{volume}/once"')
    add(root, "10-a.sh", f"{USER} once=make makes={volume}/made", f"echo x >{volume}/made")
    assert root.run("echo", "first").stdout == b"first\n"
    ended = root.run("echo", "second")
    assert (ended.status, ended.stdout) == (0, b"second\n")
    assert "was done on" in ended.last_line


def test_it_runs_once_with_a_journal_of_roots(root: Entrypoint) -> None:
    root.configure("[once]", f'journal = "{root.scratch}/once"')
    add(root, "10-a.sh", f"{USER} once=make", "id -u")
    assert said(root.run("true").lines) == [str(UID)]
    assert said(root.run("true").lines) == []
    assert (root.scratch / "once" / "make.journal").stat().st_uid == 0


def test_a_stock_hook_runs_as_a_user(root: Entrypoint) -> None:
    table = '[hooks."20-limits.py"]'
    root.configure("[limits]", 'set = ["GOMAXPROCS"]', table, f'user = "{USER}"')
    add(root, "30-b.sh", USER, "echo ${GOMAXPROCS:+set}")
    add(root, "40-c.sh", "", "echo ${GOMAXPROCS:+set}")
    ended = root.run("sh", "-c", "echo ${GOMAXPROCS:+set}")
    assert (said(ended.lines), ended.stdout) == (["set", ""], b"set\n")
