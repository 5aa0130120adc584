"""What a start makes lies in one directory: nothing else is touched, and nothing is left behind."""

import os

import pytest

from .starts import Entrypoint, program
from .test_hooks import said

NESTS = """\
import os
if not os.path.exists({mark!r}):
    open({mark!r}, "w").close()
    os.chdir(os.environ["ENTRYKIT_ENV"])
    for _ in range(1500):
        os.mkdir("A")
        os.chdir("A")
"""
# For setpriv(1): root without these is stopped by the modes of its own files, as anybody is.
_OVERRIDES = "-dac_override,-dac_read_search"
WITHOUT_OVERRIDE = [f"--bounding-set={_OVERRIDES}", f"--inh-caps={_OVERRIDES}"]


def within_a_shell(entrypoint: Entrypoint, *lines: str) -> None:
    """Let a shell run these lines, in which `"$@"` is the start."""
    entrypoint.words = [program("sh"), "-c", "\n".join(lines), "sh", *entrypoint.words]


@pytest.mark.parametrize("target", ["/run/entrykit/data", "/run/entrykit/deep/data"])
@pytest.mark.parametrize("kind", ["directory", "file"])
def test_what_is_mounted_in_it_is_left_alone(pid1: Entrypoint, kind: str, target: str) -> None:
    """Of the same file system, so that no device number tells."""
    source = "/run/kept"
    make = f"mkdir -p {target}"
    if kind == "file":
        source, make = "/run/kept/file", f"mkdir -p {os.path.dirname(target)} && touch {target}"
    within_a_shell(
        pid1, "mkdir /run/kept && echo kept >/run/kept/file || exit 9",
        f'{make} && mount --bind {source} {target} && exec "$@"',
    )  # fmt: skip
    pid1.hooks.shell("10-asks.sh", 'echo "$ENTRYKIT_ENV"', 'echo 1 >"$ENTRYKIT_ENV/A"')
    inner = f"{target}/file" if kind == "directory" else target
    ended = pid1.run("sh", "-c", f"echo $A; cat /run/kept/file {inner}")
    assert (ended.status, ended.stdout) == (0, b"1\nkept\nkept\n"), ended.lines
    assert said(ended.lines)[0].startswith("/dev/shm/entrykit-")  # noqa: S108 - a start's choice


@pytest.mark.parametrize(
    "way",
    [
        ":",
        'echo 1 >"$ENTRYKIT_ENV/A"',
        'rmdir "$ENTRYKIT_ENV"',
        'rmdir "$ENTRYKIT_ENV"; : >"$ENTRYKIT_ENV"',
        'rmdir "$ENTRYKIT_ENV"; ln -s "$KEPT" "$ENTRYKIT_ENV"',
        'rmdir "$ENTRYKIT_ENV"; mkfifo "$ENTRYKIT_ENV"',
        'chmod 0 "$ENTRYKIT_ENV"',
        ': >"$ENTRYKIT_ENV/A"; chmod 0 "$ENTRYKIT_ENV"',
        'cd "$ENTRYKIT_ENV"; mkdir -p A/B; : >A/B/C; chmod 0 A/B A .',
        'ln -s "$KEPT" "$ENTRYKIT_ENV/A"',
        'mkdir "$ENTRYKIT_ENV/A"; ln -s "$KEPT" "$ENTRYKIT_ENV/A/B"',
    ],
)
@pytest.mark.parametrize("command", ["true", "no-such-command"])
def test_nothing_is_left_whatever_a_hook_makes_of_its_directories(
    pid1: Entrypoint, way: str, command: str
) -> None:
    if os.geteuid() == 0:
        pid1.words = [program("setpriv"), *WITHOUT_OVERRIDE, *pid1.words]
    within_a_shell(pid1, '"$@"', "ls -A /run")
    kept = pid1.scratch / "kept"
    kept.mkdir()
    (kept / "file").touch()
    pid1.hooks.shell("10-makes.sh", "# entrykit: on-error=continue", f"KEPT='{kept}'", way)
    pid1.hooks.shell("20-next.sh", 'echo 1 >"$ENTRYKIT_ENV/B"')
    ended = pid1.run(command)
    assert (ended.status, ended.stdout) == (0, b""), ended.lines
    assert any(line.startswith("entrykit: 20-next.sh: done ") for line in ended.lines)
    assert os.listdir(kept) == ["file"]


def test_a_hook_may_nest_directories_as_deep_as_it_likes(pid1: Entrypoint) -> None:
    """The start fails, leaves nothing, and the next one in the same container goes on."""
    within_a_shell(pid1, '"$@"', "echo $?", "ls -A /run", 'exec "$@"')
    pid1.hooks.add("10-nests.py", NESTS.format(mark=str(pid1.scratch / "mark")))
    ended = pid1.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"78\ncommand\n"), ended.lines
    assert ended.lines[0].startswith("entrykit: 10-nests.py: ENTRYKIT_ENV: ")


@pytest.mark.parametrize(
    ("ending", "command", "status"),
    [
        ("exit 3", "true", 3),
        ("kill -TERM $PPID", "true", 143),
        ("exit 0", "no-such-command", 127),
    ],
)
def test_a_start_that_fails_leaves_nothing_that_a_hook_has_made(
    pid1: Entrypoint, ending: str, command: str, status: int
) -> None:
    """What a hook makes there is the command's, which there is none of."""
    within_a_shell(pid1, '"$@"', "status=$?; ls -A /run; exit $status")
    pid1.hooks.add(
        "10-makes.py",
        "import os\ndef hook(start):\n    print(start.runtime_directory)\n"
        "    os.makedirs(start.runtime_directory + '/made/deep')\n"
        "    open(start.runtime_directory + '/made/deep/file', 'w').close()\n",
    )
    pid1.hooks.shell("20-ends.sh", "ls /run/entrykit", ending)
    ended = pid1.run(command)
    assert said(ended.lines) == ["/run/entrykit", "made"]
    assert (ended.status, ended.stdout) == (status, b"")


def test_what_a_hook_has_made_for_the_command_stays(pid1: Entrypoint) -> None:
    pid1.hooks.add(
        "10-makes.py",
        "def hook(start):\n    open(start.runtime_directory + '/made', 'w').close()\n",
    )
    assert pid1.run("ls", "/run/entrykit").stdout == b"made\n"


@pytest.mark.root
@pytest.mark.parametrize(
    ("makes", "parent"),
    [
        ("chmod 1777", "/run/"),
        ("chmod 777", "/dev/shm/"),  # noqa: S108 - as above
        ("chmod 775", "/dev/shm/"),  # noqa: S108
        ("chown 1500", "/dev/shm/"),  # noqa: S108
        ("chmod 1777 /run; chown 1500", "/dev/shm/"),  # noqa: S108
    ],
)
def test_root_makes_it_where_nobody_else_can_replace_it(
    pid1: Entrypoint, makes: str, parent: str
) -> None:
    within_a_shell(pid1, f'{makes} /run && exec "$@"')
    pid1.hooks.shell("10-asks.sh", 'echo "$ENTRYKIT_ENV"')
    ended = pid1.run("true")
    assert said(ended.lines)[0].startswith(f"{parent}entrykit"), ended.lines


@pytest.mark.others
@pytest.mark.namespace
def test_root_of_a_user_namespace_makes_it_in_what_is_roots_outside(root: Entrypoint) -> None:
    if root.is_pid1 or root.words[0] == "setpriv":
        return
    ids = ("setpriv", "--reuid=1500", "--regid=1500", "--clear-groups")
    root.words = [*ids, "unshare", "--user", "--map-root-user", *root.words]
    root.hooks.shell("10-asks.sh", 'echo "$ENTRYKIT_ENV"')
    ended = root.run("true")
    assert said(ended.lines)[0].startswith("/dev/shm/entrykit"), ended.lines  # noqa: S108
