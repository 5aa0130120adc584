"""`entrykit wait`: its exit statuses, and the command that it becomes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

WORDS = (sys.executable, "-m", "entrykit", "wait")
MISSING = "file:/no/such/file"


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WORDS, *words],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **variables},
    )


def test_it_ends_well_once_all_are_there() -> None:
    done = run("file:/", "file:/dev/null")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("entrykit: 2 targets are there (")
    assert done.stderr.count("\n") == 1


def test_quiet_says_nothing() -> None:
    done = run("file:/", ENTRYKIT_LOG="quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_it_becomes_the_command_with_its_options_and_environment() -> None:
    done = run("file:/", "--", "sh", "-c", 'echo "$0 $* $X"', "--timeout", "--", "-x", X="y z")
    assert (done.returncode, done.stdout) == (0, "--timeout -- -x y z\n")


def test_the_commands_signals_are_at_their_defaults() -> None:
    done = run("file:/", "--", "grep", "SigIgn", "/proc/self/status")
    assert int(done.stdout.split()[1], 16) & (1 << signal.SIGPIPE - 1) == 0


def test_at_the_limit_it_never_becomes_the_command() -> None:
    done = run("--timeout", "1s", MISSING, "file:/", "--", "echo", "command")
    assert (done.returncode, done.stdout) == (124, "")
    assert done.stderr.splitlines()[-1] == (
        f"entrykit: 1 of 2 targets is not there: {MISSING} (no such file or directory)"
    )


def test_what_is_no_target_is_said_at_once() -> None:
    done = run("db:1", "tcp://${NO_SUCH}:1", "file:/no", "--", "echo", "command")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.splitlines() == [
        "entrykit: db:1: it has no scheme (write tcp://HOST:PORT)",
        "entrykit: tcp://${NO_SUCH}:1: NO_SUCH is not set (set it, or leave the target out)",
    ]


def test_a_variable_keeps_its_password_out_of_the_command_line() -> None:
    done = run("--timeout=1s", "${URL}", URL="redis://:hush@127.0.0.1:1")
    assert done.returncode == 124
    assert "redis://127.0.0.1:1: connection refused" in done.stderr
    assert "hush" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the following arguments are required: TARGET"),
        (("--", "true"), "the following arguments are required: TARGET"),
        (("file:/", "--"), "a command is expected after --"),
        (("--timeout", "soon", "file:/"), "soon is no duration, as 30s or 5m"),
        (("--timeout", "0", "file:/"), "0 is no duration, as 30s or 5m"),
    ],
)
def test_a_mistake_of_usage_is_status_2(words: tuple[str, ...], message: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("command", "status", "reason"),
    [
        ("no-such-command", 127, "no-such-command: no such file or directory"),
        ("/dev/null", 126, "/dev/null: permission denied"),
        ("", 127, "the command: its first word is empty"),
    ],
)
def test_a_command_that_cannot_run_is_named(command: str, status: int, reason: str) -> None:
    done = run("file:/", "--", command)
    assert done.returncode == status
    assert done.stderr.splitlines()[-1] == f"entrykit: cannot run {reason}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_without_a_traceback(number: signal.Signals) -> None:
    process = subprocess.Popen([*WORDS, MISSING, "--", "echo"], stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait() == 128 + number
    assert said == f"entrykit: {MISSING}: no such file or directory\n"
    assert rest == ""


@pytest.mark.namespace
def test_term_ends_it_as_pid_1_too(tmp_path: Path) -> None:
    words = ["unshare", "--pid", "--fork", "--kill-child", *WORDS, MISSING]
    # The kernel ignores the default of a signal for a namespace's first process.
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    with process:
        assert process.stderr is not None
        assert MISSING in process.stderr.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        subprocess.run(["kill", "-TERM", *children.split()], check=True)
        assert process.wait(30) == 143


# A network of its own, in which 40000 is the first port that the kernel gives to a client.
ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("40000 40001")
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.root
@pytest.mark.namespace
def test_a_connection_with_itself_is_nobodys() -> None:
    words = ["unshare", "--net", sys.executable, "-c", ALONE, *WORDS]
    done = subprocess.run(
        [*words, "--timeout", "1s", "tcp://127.0.0.1:40000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 124, done.stderr
    assert done.stderr.splitlines()[0] == "entrykit: tcp://127.0.0.1:40000: connection refused"
