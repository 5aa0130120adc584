"""What a hook with `user=` cannot do, and the starts that cannot give it that user."""

import json
import os
import pty
from pathlib import Path

import pytest

from .conftest import FEW_RIGHTS
from .starts import Entrypoint, Given
from .test_hook_user import USER, add
from .test_hooks import said

pytestmark = pytest.mark.others

# Whoever may read from a terminal, and leads a session, can make it its own and type into it.
TYPES = """\
import fcntl, os, sys, termios
if os.fork():
    os.wait()
    sys.exit()
os.setsid()
for what, attempt in {
    "tty": lambda: os.open("/dev/tty", os.O_RDWR),
    "reopen": lambda: os.open("/proc/self/fd/2", os.O_RDWR),
    "control": lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0),
    "type": lambda: fcntl.ioctl(2, termios.TIOCSTI, b"x"),
    "read": lambda: os.set_blocking(2, False) or os.read(2, 1),
}.items():
    try:
        attempt()
    except OSError as error:
        print(what, type(error).__name__, flush=True)
    else:
        print(what, "DONE", flush=True)
"""


def read_all(descriptor: int) -> list[str]:
    """Return the lines that a terminal shows, once all that write to it are gone."""
    shown = b""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:
            return shown.decode().split("\r\n")[:-1]
        shown += piece


@pytest.mark.parametrize("user", [USER, ""])
def test_it_cannot_take_the_terminal_that_it_writes_to(root: Entrypoint, user: str) -> None:
    """One that no session has: a hook of root's own, which can, shows that the attempt is one."""
    script = root.scratch / "types.py"
    script.write_text(TYPES, encoding="utf-8")
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    add(root, "10-a.sh", user, f"/usr/bin/python3 -IS {script} </dev/null")
    running = root.start("true", given=Given(descriptors={2: Path(path), 1: Path(path)}))
    os.close(slave)
    running.end()
    lines = [line for line in read_all(master) if not line.startswith("entrykit: ")]
    os.close(master)
    shown = dict(line.split() for line in lines)
    if user:
        assert set(shown) == {"tty", "reopen", "read", "control", "type"}
        assert "DONE" not in shown.values()
    else:
        assert (shown["reopen"], shown["control"]) == ("DONE", "DONE")


@pytest.mark.parametrize(
    ("makes", "reason"),
    [
        ("ln -s /etc/shadow", "it is a link"),
        ("mkfifo", "it is a FIFO, not a regular file"),
        ("mkdir", "it is a directory, not a regular file"),
    ],
)
def test_nothing_but_a_file_is_read(root: Entrypoint, makes: str, reason: str) -> None:
    add(root, "10-a.sh", USER, f"{makes} $ENTRYKIT_ENV/STOLEN")
    ended = root.run("true")
    assert ended.status == 78
    assert "ENTRYKIT_ENV: cannot read STOLEN: " in ended.last_line
    if "link" not in reason:
        assert reason in ended.last_line


def test_a_directory_that_it_closes_or_removes_is_no_matter(root: Entrypoint) -> None:
    add(root, "10-a.sh", USER, "echo x >$ENTRYKIT_ENV/A; chmod 0 $ENTRYKIT_OPTIONS")
    add(root, "20-b.sh", USER, "mv $ENTRYKIT_ENV /tmp/x; ln -s /etc $ENTRYKIT_ENV; :")
    ended = root.run("sh", "-c", "echo $A")
    # A directory of its own it may close, and is told so; the place of one it may not have.
    if ended.status:
        assert "cannot read" in ended.last_line
    else:
        assert ended.stdout == b"x\n"


def test_what_it_leaves_running_changes_nothing_later(root: Entrypoint) -> None:
    """The next hook of the same user has other directories."""
    left = root.scratch / "left"
    root.scratch.chmod(0o777)
    writes = "while :; do echo evil >$d/EVIL; echo 1 >$d/wrote; done >/dev/null 2>&1"
    script = f"d=$ENTRYKIT_ENV; echo ok >$d/OK; (sleep 0.1; {writes}) & echo $! >{left}"
    add(root, "10-a.sh", USER, script)
    add(root, "20-b.sh", USER, "sleep 0.3; echo mine >$ENTRYKIT_ENV/MINE")
    add(root, "30-c.sh", USER, f"kill -9 $(cat {left})")
    ended = root.run("sh", "-c", "echo ${EVIL-unset} $OK $MINE")
    assert (ended.status, ended.stdout) == (0, b"unset ok mine\n"), ended.stderr


def test_it_cannot_signal_the_start(root: Entrypoint) -> None:
    add(root, "10-a.sh", USER, "kill -TERM $PPID && echo done || echo refused")
    ended = root.run("true")
    assert (ended.status, said(ended.lines)[-1]) == (0, "refused")


def test_a_report_that_it_forges_is_an_error_of_its_own(root: Entrypoint) -> None:
    text = "export X=$'\\\\Uffffffff'"
    script = f'yes "{text}" | head -c 100000 2>/dev/null >$fd || :'
    add(root, "10-a.envsh", USER, f"for fd in /proc/$$/fd/1[0-9]; do {script}; done")
    ended = root.run("true")
    assert ended.status == 78
    assert "defect" not in ended.stderr.decode()


@pytest.mark.parametrize("name", ["10-a.envsh", "10-a.py"])
def test_a_report_without_an_end_is_refused(root: Entrypoint, name: str) -> None:
    if name.endswith(".py"):
        comment = f"# entrykit: user={USER}\n"
        root.hooks.add(
            name, f"{comment}import os\nos.truncate('/proc/self/fd/3', 1 << 40)\nos._exit(0)\n"
        )
    else:
        script = "for fd in /proc/$$/fd/*; do truncate -s 1T $fd 2>/dev/null || :; done"
        add(root, name, USER, script)
    ended = root.run("true")
    assert ended.status == 78
    assert "said more than" in ended.last_line


def test_all_that_is_wrong_with_users_is_told_at_once(root: Entrypoint) -> None:
    add(root, "10-a.sh", "nosuch", "echo ran")
    add(root, "20-b.sh", "daemon:nosuch", "echo ran")
    add(root, "30-c.sh", USER, "echo ran")
    (root.hooks.path / "30-c.sh").chmod(0o700)
    root.hooks.add("40-d.sh", "#!/bin/sh\n# entrykit: user=:33\necho ran\n")
    root.hooks.add("50-e.py", f"# entrykit: user={USER}\n", 0o600)
    root.hooks.add("60-f.envsh", f"# entrykit: user={USER}\n", 0o600)
    ended = root.run("true")
    assert ended.status == 78
    path = root.hooks.path
    hint = "and to search the directories on the way)"
    assert [line.removeprefix("entrykit: ") for line in ended.lines] == [
        (
            '40-d.sh: settings comment: user: expected a user ("app", "1500", "app:staff" or'
            ' "1500:1500")'
        ),
        (
            "10-a.sh: there is no user 'nosuch' in /etc/passwd (make it in the image (useradd), or"
            " give its number)"
        ),
        (
            "20-b.sh: there is no group 'nosuch' in /etc/group (make it in the image (groupadd), or"
            " give its number)"
        ),
        (
            f"30-c.sh: its user daemon (1:1) may not read {path}/30-c.sh (give it the right to read"
            f" it, {hint}"
        ),
        (
            f"30-c.sh: its user daemon (1:1) may not execute {path}/30-c.sh (give it the right to"
            f" execute it, {hint}"
        ),
        (
            f"50-e.py: its user daemon (1:1) may not read {path}/50-e.py (give it the right to read"
            f" it, {hint}"
        ),
        (
            f"60-f.envsh: its user daemon (1:1) may not read {path}/60-f.envsh (give it the right"
            f" to read it, {hint}"
        ),
    ]


def test_a_program_that_only_its_user_may_execute_is_run(root: Entrypoint) -> None:
    program = root.hooks.add("10-a", Path("/bin/true").read_bytes(), 0o711)
    root.configure('[hooks."10-a"]', f'user = "{USER}"')
    assert root.run("true").status == 0
    program.chmod(0o700)
    ended = root.run("true")
    assert ended.status == 78
    assert "may not execute" in ended.last_line


def stripped(root: Entrypoint, *rights: str) -> Entrypoint:
    """Let a start be given fewer rights yet."""
    words = root.words[len(FEW_RIGHTS) :] if root.words[0] == FEW_RIGHTS[0] else root.words
    root.words = [*rights, *words]
    return root


def test_a_start_that_may_not_change_its_user_says_what_it_lacks(root: Entrypoint) -> None:
    add(root, "10-a.sh", "", "echo ran")
    add(root, "20-b.sh", USER, "echo ran")
    root = stripped(root, "setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
    ended = root.run("true")
    assert ended.status == 126
    assert ended.lines == [
        (
            "entrykit: 20-b.sh: cannot become daemon (1:1): the container lacks CAP_SETGID and"
            " CAP_SETUID (give it --cap-add SETGID --cap-add SETUID, or start it with --user 1:1)"
        )
    ]
    ended = root.with_environment(ENTRYKIT_PLAN="1").run("true")
    assert ended.status == 78
    assert b"the container lacks CAP_SETGID and CAP_SETUID" in ended.stdout + ended.stderr


def test_a_start_that_is_not_root_keeps_its_user_and_says_so(root: Entrypoint) -> None:
    add(root, "10-a.sh", USER, "id -u; echo 1 >$ENTRYKIT_ENV/A")
    add(root, "20-b.envsh", "nosuch", "id -u")
    add(root, "30-c.sh", "1500:1600", "id -u; echo $A")
    ids = ("setpriv", "--reuid", "1500", "--regid", "1600", "--clear-groups")
    root.scratch.chmod(0o777)
    ended = stripped(root, *ids).run("sh", "-c", "echo $A")
    assert (ended.status, ended.stdout) == (0, b"1\n")
    assert ended.lines[0] == (
        "entrykit: 10-a.sh, 20-b.envsh: run as uid 1500, which this start has: only root could"
        " become their user"
    )
    assert said(ended.lines) == ["1500"] * 3 + ["1"]


def test_a_plan_shows_the_user(root: Entrypoint) -> None:
    add(root, "10-a.sh", USER, "echo ran")
    ended = root.with_environment(ENTRYKIT_PLAN="json").run("true")
    (hook,) = json.loads(ended.stdout)["hooks"]
    assert hook["settings"] == [{"name": "user", "value": USER, "source": "its settings comment"}]
    assert b"ran" not in ended.stderr
