"""Hooks that would harm the machine: nothing outside of the sandbox is other than it was."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox
ROOT = Path(__file__).parents[2]
KILLED = "killed in 10-it.sh for more than 1000 processes and threads at once"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
NOBODY += ["env", f"PYTHONPATH={ROOT}", "/usr/bin/python3", "-m", "entrykit"]
# What a hook of Python's does, and says when it is refused.
REFUSED = """\
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *words):
    if getattr(libc, name)(*words) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
try:
    {lines}
except OSError as error:
    print("refused:", error.strerror, file=sys.stderr)
else:
    print("done", file=sys.stderr)
"""
# x86_64's numbers; the others have them, too.
CALLS = {
    "a key for all sessions of the user": "call('syscall', 248, b'user', b'entrykit', b'x', 1, -4)",
    "the user's keys": "call('syscall', 250, 0, -4, 0)",
    "the hypervisor": "socket.socket(40, socket.SOCK_STREAM)",
    "one more user namespace": "call('unshare', 0x10000000)",
    "io_uring": "call('syscall', 425, 1, 0)",
    "the clock": "call('clock_settime', 0, (ctypes.c_long * 2)(1, 0))",
    "the name": "call('sethostname', b'entrykit', 8)",
    "a mount": "call('mount', b'tmpfs', b'/mnt', b'tmpfs', 0, None)",
    "an unmount": "call('umount2', b'/proc/sys', 2)",
    "another root": "os.mkdir('/n'); call('syscall', 155, b'/n', b'/n')",
    "a disk": "os.mknod('/disk', 0o60600, os.makedev(254, 0))",
    "the memory": "os.mknod('/memory', 0o20600, os.makedev(1, 1))",
    "the log of the kernel": "os.mknod('/kmsg', 0o20600, os.makedev(1, 11))",
    "a loop device": "open('/dev/loop-control')",
    "where cores go": "open('/proc/sys/kernel/core_pattern', 'w').write('|/bin/false')",
    "the keys of the keyboard": "open('/proc/sysrq-trigger', 'w').write('h')",
    "the memory of processors": "open('/proc/mtrr', 'w').write('disable=9')",
    "a process's score": "open('/proc/{outside}/oom_score_adj', 'w').write('1000')",
    "another process": "call('ptrace', 16, {outside}, 0, 0)",
    "control groups": "os.mkdir(sorted(g for g, *_ in os.walk('/sys/fs/cgroup'))[-1] + '/made')",
    "the mode of a device": "os.chmod('/dev/null', 0o600)",
    "another system": "call('syscall', 169, 0xfee1dead, 672274793, 0x1234567, 0)",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return where hooks lie, and a file that they would change."""
    (tmp_path / "docker-entrypoint.d").mkdir()
    (tmp_path / "file").write_text("a\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.other_user)])
def by(request: pytest.FixtureRequest) -> list[str]:
    """Return the words before `try`: of the tests' user, and of one who may nothing."""
    if not request.param:
        return [sys.executable, "-m", "entrykit"]
    return NOBODY


@pytest.fixture(autouse=True)
def machine() -> Iterator[None]:
    """Compare the machine after a test with what it was before."""
    before = facts()
    yield
    assert facts() == before


def facts() -> dict[str, object]:
    """Return what hostile hooks would change."""
    mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    return {
        "name": os.uname().nodename,
        "mounts": [line for line in mounts if "docker" not in line],
        "core_pattern": Path("/proc/sys/kernel/core_pattern").read_bytes(),
        "score": Path("/proc/self/oom_score_adj").read_bytes(),
        "devices": {one.name: one.lstat().st_mode for one in Path("/dev").iterdir()},
        "top": sorted(os.listdir("/")),
        "etc": sorted(os.listdir("/etc")),
        "groups": sorted(name for name, *_ in os.walk("/sys/fs/cgroup") if name.endswith("/made")),
        "keys": b"entrykit" in Path("/proc/keys").read_bytes(),
        "is_now": time.time() > 1e9,
    }


def try_hook(
    by: list[str], place: Path, name: str, hook: str, *words: str, seconds: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run `entrykit try` beside one hook."""
    path = place / "docker-entrypoint.d" / name
    path.write_text(hook, encoding="utf-8")
    path.chmod(0o755)
    # pytest's own, closed to the other user: one deeper where several processes run the tests.
    for one in (place, *place.parents):
        if one.stat().st_mode & 0o5 != 0o5:
            one.chmod(0o755)
    return subprocess.run(
        [*by, "try", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=place,
        timeout=seconds,
    )


@pytest.mark.parametrize("what", CALLS)
def test_a_call_that_reaches_the_machine_is_refused(by: list[str], place: Path, what: str) -> None:
    if "syscall" in CALLS[what] and os.uname().machine != "x86_64":
        pytest.skip("numbers of another architecture")
    hook = REFUSED.format(lines=CALLS[what].format(outside=os.getpid()))
    done = try_hook(by, place, "10-it.py", hook)
    assert "refused: " in done.stdout, done.stdout + done.stderr


def test_a_server_s_socket_is_not_reached(by: list[str], place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as file, socket.socket(socket.AF_UNIX) as abstract:
        file.bind(str(place / "socket"))
        (place / "socket").chmod(0o777)
        abstract.bind(f"\0entrykit-{os.getpid()}")
        for one in (file, abstract):
            one.listen()
        for address in (str(place / "socket"), f"\0entrykit-{os.getpid()}"):
            lines = f"socket.socket(socket.AF_UNIX).connect({address!r})"
            done = try_hook(by, place, "10-it.py", REFUSED.format(lines=lines))
            assert "refused: Connection refused" in done.stdout


@pytest.mark.parametrize("path", ["/run/docker.sock", "/var/run/docker.sock"])
def test_an_engine_s_socket_is_not_seen(by: list[str], place: Path, path: str) -> None:
    lines = f"socket.socket(socket.AF_UNIX).connect({path!r})"
    done = try_hook(by, place, "10-it.py", REFUSED.format(lines=lines))
    assert "refused: No such file or directory" in done.stdout


def test_a_pipe_of_the_machine_is_another_one(by: list[str], place: Path) -> None:
    os.mkfifo(place / "pipe")
    (place / "pipe").chmod(0o666)
    reading = os.open(place / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    lines = f"os.open({str(place / 'pipe')!r}, os.O_WRONLY | os.O_NONBLOCK)"
    done = try_hook(by, place, "10-it.py", REFUSED.format(lines=lines))
    os.close(reading)
    assert "refused: No such device or address" in done.stdout


def test_links_and_a_chroot_lead_to_the_sandbox_alone(by: list[str], place: Path) -> None:
    hook = f"""#!/bin/sh
ln -s ../../../../../../../../../.. /tmp/up && echo b >/tmp/up{place}/file
echo b >/proc/1/root{place}/file; echo b >/proc/self/cwd{place}/file
mkdir /tmp/jail; python3 - <<'EOF'
import os
root = os.open("/", os.O_RDONLY)
os.chroot("/tmp/jail")
os.fchdir(root)
for _ in range(50): os.chdir("..")
os.chroot(".")
open("{place}/file", "w").write("b")
EOF
rm -rf {place}/*; kill -9 -1; echo on
"""
    try_hook(by, place, "10-it.sh", hook)
    assert (place / "file").read_text(encoding="utf-8") == "a\n"
    assert "10-it.sh" in os.listdir(place / "docker-entrypoint.d")


def test_a_fork_bomb_is_ended_by_name(place: Path) -> None:
    hook = "#!/bin/sh\nb() { b | b & }; b; sleep 50\n"
    done = try_hook([sys.executable, "-m", "entrykit"], place, "10-it.sh", hook, seconds=30)
    assert done.returncode == 1
    assert KILLED in done.stdout.splitlines()[-1]


@pytest.mark.other_user
def test_a_fork_bomb_of_an_author_without_privileges_is_ended(place: Path) -> None:
    """By name, or by its limit before it was counted: nothing lets the counting go first."""
    hook = "#!/bin/sh\nb() { b | b & }; b; sleep 10\n"
    done = try_hook(NOBODY, place, "10-it.sh", hook, seconds=30)
    # The hook's own shell may be the one that cannot fork, and fail.
    assert KILLED in done.stdout.splitlines()[-1] or "Cannot fork" in done.stdout


def test_a_fork_bomb_in_the_background_is_ended_by_name_or_with_its_start(
    by: list[str], place: Path
) -> None:
    """The hook has ended at once, and so may the start have, before the bomb is counted."""
    done = try_hook(by, place, "10-it.sh", "#!/bin/sh\nb() { b | b & }; b\n", seconds=30)
    if done.returncode == 0:
        assert "entrykit: 10-it.sh: leaves running: " in done.stdout
    else:
        assert KILLED in done.stdout.splitlines()[-1]


def test_threads_are_counted(by: list[str], place: Path) -> None:
    hook = """\
import threading, time
for _ in range(1500):
    threading.Thread(target=time.sleep, args=(50,), daemon=True).start()
time.sleep(50)
"""
    done = try_hook(by, place, "10-it.py", hook)
    assert "for more than 1000 processes and threads at once" in done.stdout.splitlines()[-1]


def test_output_without_end_is_ended_by_name(by: list[str], place: Path) -> None:
    done = try_hook(by, place, "10-it.sh", "#!/bin/sh\nyes >&2\n")
    assert done.returncode == 1
    assert "killed in 10-it.sh for more than 16 MB of output" in done.stdout.splitlines()[-1]


def test_a_file_without_end_comes_to_one(by: list[str], place: Path) -> None:
    done = try_hook(by, place, "10-it.sh", "#!/bin/sh\ncat /dev/zero >/etc/zeros\n")
    assert "No space left on device" in done.stdout
    assert "no command was started: exit status 1" in done.stdout.splitlines()[-1]
    assert re.search(r"\+\(\d+ bytes\)", done.stdout)


@pytest.mark.parametrize(
    "written",
    [
        "\\373\\300garbage",
        '{"hooks": 5}',
        '{"hooks": [{}], "handoff": {}}',
        '{"hooks": [], "handoff": {"argv": [1]}}',
        "(" * 5000,
    ],
)
def test_what_a_hook_writes_over_the_report_is_not_believed(place: Path, written: str) -> None:
    # The start writes it again unless it is killed, which takes more than a hook in there.
    hook = f"""#!/bin/sh
: >/proc/1/fd/3
printf '%b' '{written}' >/proc/1/fd/3
yes
"""
    done = try_hook([sys.executable, "-m", "entrykit"], place, "10-it.sh", hook)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "killed for more than 16 MB of output" in done.stdout.splitlines()[-1]


def test_any_name_and_depth_is_shown(by: list[str], place: Path) -> None:
    hook = """\
import os
open(b"/etc/\\xff\\x1b[31m\\nname", "w").write("\\x1b[31m\\n")
os.chdir("/etc")
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
"""
    done = try_hook(by, place, "10-it.py", hook)
    assert done.returncode == 0, done.stderr
    assert "made: /etc/\\xff\\x1b[31m\\nname, 0644" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]
)
def test_a_stop_shows_what_came_of_it_so_far(place: Path, number: int, name: str) -> None:
    hook = place / "docker-entrypoint.d" / "10-it.sh"
    mark = str(910_000_000 + os.getpid())
    hook.write_text(f"#!/bin/sh\necho a >/etc/made; echo so far\nsleep {mark}\n", encoding="utf-8")
    hook.chmod(0o755)
    words = [sys.executable, "-m", "entrykit", "try"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=place) as process:
        while not sleeps(mark):
            assert process.poll() is None
        process.send_signal(number)
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "so far" in told
    assert "made: /etc/made, 0644 0:0" in told
    assert f"no command was started: killed in 10-it.sh for {name}" in told.splitlines()[-1]
    assert not sleeps(mark)


def sleeps(mark: str) -> bool:
    """Tell whether a hook of this test runs."""
    return any(mark.encode() in words(one) for one in Path("/proc").glob("[0-9]*/cmdline"))


def words(path: Path) -> bytes:
    """Return a process's words, none where it has gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
