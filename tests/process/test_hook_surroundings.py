"""What a hook is given, and what it is not: descriptors, secrets, variables, settings."""

import json
import os
import pty
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from .probe import Probe
from .starts import SEARCH_PATH, Entrypoint, Given
from .test_hooks import said

# Lists its descriptors, but for the one that the listing itself is read through.
DESCRIPTORS = """\
import os
names = [int(name) for name in os.listdir("/proc/self/fd")]
print([name for name in sorted(names) if os.path.exists(f"/proc/self/fd/{name}")])
"""
OWN_VARIABLES = [
    "ENTRYKIT_ARGS", "ENTRYKIT_COMMAND", "ENTRYKIT_ENV", "ENTRYKIT_HOOK", "ENTRYKIT_OPTIONS",
    "ENTRYKIT_PROGRAM", "ENTRYKIT_UNSET",
]  # fmt: skip


def test_a_hook_has_no_descriptor_above_2(entrypoint: Entrypoint) -> None:
    inner = f"{sys.executable} -ISc '{DESCRIPTORS}'\n"
    entrypoint.hooks.add("10-a.sh", f"#!/bin/sh\n{inner}")
    entrypoint.hooks.add("20-b.envsh", inner)
    entrypoint.hooks.add("30-c.py", f"import os\nos.system({inner!r})\n")
    given = Given(descriptors={number: Path("/dev/null") for number in range(3, 9)})
    ended = entrypoint.run("true", given=given)
    assert said(ended.lines) == ["[0, 1, 2]"] * 3


def test_a_python_hook_has_one_descriptor_more(entrypoint: Entrypoint) -> None:
    """It reports through it, and no child of its own gets it."""
    entrypoint.hooks.add("10-a.py", DESCRIPTORS)
    given = Given(descriptors={number: Path("/dev/null") for number in range(3, 9)})
    (line,) = said(entrypoint.run("true", given=given).lines)
    descriptors = json.loads(line)
    assert descriptors[:3] == [0, 1, 2]
    assert len(descriptors) == 4


@pytest.mark.parametrize("closed", [[], [0], [2], [0, 1, 2]], ids=repr)
def test_odd_descriptors_reach_no_hook_and_those_of_entrykit_nobody(
    entrypoint: Entrypoint, probe: Probe, closed: list[int]
) -> None:
    """Those of its own are closed by each exec; a hook that runs once holds its lock too."""
    scratch = entrypoint.scratch
    entrypoint.configure(
        "[runners]", '".run" = ["sh"]', "[once]", f'journal = "{scratch}/once"',
        "[env.PASSWORD]", "secret = true",
    )  # fmt: skip
    lists = f"{sys.executable} -ISc '{DESCRIPTORS}'"
    names = ("10-a.sh", "20-b.envsh", "30-c.run", "40-once.sh", "50-elf-like", "60-d.py")
    for name in names:
        content = f"{lists} >'{scratch}/{name}'\n"
        if name.endswith(".py"):
            content = f"import os\nos.system({content!r})\n"
        once = "# entrykit: once=x\n" if "once" in name else ""
        entrypoint.hooks.add(name, once + content)
    left = scratch / "left"
    entrypoint.hooks.shell(
        "70-left.sh",
        f"({lists} >'{left}.part'; mv '{left}.part' '{left}') &",
        f"until [ -e '{left}' ]; do :; done",
    )
    odd = dict.fromkeys((3, 10, 255), Path("/dev/null"))
    given = Given(
        environment=[b"PATH=" + SEARCH_PATH.encode(), b"PASSWORD=geheim"],
        descriptors=odd,
        closed=closed,
    )
    shown = probe.run(entrypoint, given=given)
    for name in (*names, "left"):
        *streams, last = json.loads((scratch / name).read_text(encoding="utf-8"))
        if name == "40-once.sh":
            assert last > 10
        else:
            streams.append(last)
        assert streams == [0, 1, 2]
    plain = replace(given, environment=given.environment[:1] if given.environment else None)
    assert shown == probe.run(entrypoint, given=plain, directly=True)


def test_closed_streams_are_there_for_hooks(entrypoint: Entrypoint) -> None:
    report = entrypoint.scratch / "report"
    entrypoint.hooks.shell("10-a.sh", "cat", "echo out", "echo err >&2", f"echo ran >'{report}'")
    running = entrypoint.start("true", given=Given(closed=[0, 1, 2]))
    assert running.end().status == 0
    assert report.read_text(encoding="utf-8") == "ran\n"


@pytest.mark.parametrize("name", ["10-a.sh", "10-a.envsh", "10-a.py"])
@pytest.mark.parametrize("closed", [[2], [0, 1, 2]], ids=repr)
def test_a_closed_standard_error_is_the_null_device_for_hooks(
    entrypoint: Entrypoint, name: str, closed: list[int]
) -> None:
    report = entrypoint.scratch / "report"
    shell = f"readlink /proc/$$/fd/2 >'{report}'\n"
    python = f"import os\nopen({str(report)!r}, 'w').write(os.readlink('/proc/self/fd/2'))\n"
    entrypoint.hooks.add(name, python if name.endswith(".py") else shell)
    assert entrypoint.start("true", given=Given(closed=closed)).end().status == 0
    assert report.read_text(encoding="utf-8").rstrip("\n") == "/dev/null"


def test_a_hook_has_no_terminal_to_wait_for(entrypoint: Entrypoint) -> None:
    """In another process group than the foreground's, it would be stopped, and the start wait."""
    entrypoint.hooks.shell("10-asks.sh", "if read answer </dev/tty; then exit 9; fi")
    entrypoint.hooks.add("20-asks.envsh", "if read answer </dev/tty; then exit 9; fi\n")
    entrypoint.hooks.add(
        "30-asks.py",
        "try:\n    open('/dev/tty').read()\n    raise SystemExit(9)\nexcept OSError:\n    pass\n",
    )
    master, terminal = pty.openpty()
    try:
        given = Given(terminal=os.ttyname(terminal))
        assert entrypoint.start("true", given=given).end_promptly().status == 0
    finally:
        os.close(master)
        os.close(terminal)


@pytest.mark.parametrize("name", ["50-names.sh", "50-names.envsh", "50-names.py"])
def test_a_secret_reaches_those_who_name_it(entrypoint: Entrypoint, name: str) -> None:
    entrypoint.configure(
        "[env.PASSWORD]", "secret = true", "[env.TOKEN]", "secret = true", "[env.OPEN]",
        'default = "o"',
    )  # fmt: skip
    shell = 'echo "${PASSWORD-none} ${TOKEN-none} $OPEN"\n'
    python = (
        "import os\nprint(*(os.environ.get(n, 'none') for n in ('PASSWORD', 'TOKEN', 'OPEN')))\n"
    )
    content = python if name.endswith(".py") else shell
    entrypoint.hooks.add(name, "# entrykit: secrets=PASSWORD\n" + content)
    for other in ("10-other.sh", "20-other.envsh", "30-other.py"):
        entrypoint.hooks.add(other, python if other.endswith(".py") else shell)
    secret = entrypoint.scratch / "secret"
    secret.write_text("from a file\r\n\n", encoding="utf-8")
    entrypoint.with_environment(PASSWORD="geheim", TOKEN_FILE=str(secret))  # noqa: S106 - a test's
    ended = entrypoint.run("sh", "-c", 'echo "${PASSWORD-none} ${TOKEN-none}${TOKEN_FILE-}"')
    assert ended.stdout == b"none none\n"
    assert said(ended.lines) == ["none none o"] * 3 + ["geheim none o"]


def test_a_secret_file_is_read_and_stripped(entrypoint: Entrypoint) -> None:
    entrypoint.configure('[hooks."10-a.sh"]', 'secrets = ["TOKEN"]', "[env.TOKEN]", "secret = true")
    entrypoint.hooks.shell("10-a.sh", 'printf "<%s>\\n" "$TOKEN"')
    secret = entrypoint.scratch / "secret"
    secret.write_bytes(b" two words \r\n")
    ended = entrypoint.with_environment(TOKEN_FILE=str(secret)).run("true")
    assert said(ended.lines) == ["< two words >"]


def test_an_undeclared_file_variable_passes(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", 'echo "$OTHER_FILE"')
    ended = entrypoint.with_environment(OTHER_FILE="/x").run("sh", "-c", "echo $OTHER_FILE")
    assert ended.stdout == b"/x\n"
    assert said(ended.lines) == ["/x"]


@pytest.mark.parametrize("name", ["10-a.sh", "10-a.envsh", "10-a.py"])
def test_a_hook_gets_the_documented_variables_alone(entrypoint: Entrypoint, name: str) -> None:
    python = "import os\nprint(*sorted(n for n in os.environ if n.startswith('ENTRYKIT_')))\n"
    shell = "echo $(env | sed -n 's/^\\(ENTRYKIT_[A-Z]*\\)=.*/\\1/p' | LC_ALL=C sort)\n"
    entrypoint.hooks.add(name, python if name.endswith(".py") else shell)
    entrypoint.with_environment(ENTRYKIT_SKIP="x", ENTRYKIT_LOG="quiet", ENTRYKIT_HOOK="outer")
    ended = entrypoint.run("echo", "command")
    assert said(ended.lines) == [" ".join(OWN_VARIABLES)]


def test_a_hook_sees_what_those_before_it_have_changed(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", 'echo a >"$ENTRYKIT_ENV/A"')
    entrypoint.hooks.add("20-b.envsh", "echo $A\nexport B=b\n")
    entrypoint.hooks.add(
        "30-c.py", "def hook(start):\n    print(start.env['B'])\n    start.env['C'] = 'c'\n"
    )
    entrypoint.hooks.shell("40-d.sh", "echo $C $ENTRYKIT_PROGRAM")
    assert said(entrypoint.run("true").lines) == ["a", "b", "c true"]


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("10-a.sh", "# entrykit: on-error=continue"),
        ("10-a.sh", "  #entrykit: on-error=continue"),
        ("10-a.run", "// entrykit: on-error=continue"),
        ("10-a.run", "-- entrykit: on-error=continue"),
        ("10-a.py", "# entrykit: timeout=5m on-error=continue"),
        ("10-a.envsh", "# entrykit: on-error=continue secrets=A,B"),
    ],
)
def test_settings_stand_in_a_comment_of_any_language(
    entrypoint: Entrypoint, name: str, comment: str
) -> None:
    entrypoint.configure("[runners]", '".run" = ["false"]')
    entrypoint.hooks.add(
        name, f"{comment}\n{'raise SystemExit(1)' if 'py' in name else 'exit 1'}\n"
    )
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (0, b"command\n")


def test_a_wrong_setting_is_told_before_any_hook_runs(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", "echo ran")
    entrypoint.hooks.shell("20-b.sh", "# entrykit: timeot=3s on-error=ignore")
    ended = entrypoint.run("echo", "command")
    assert (ended.status, ended.stdout) == (78, b"")
    assert said(ended.lines) == []
    assert "did you mean timeout?" in ended.lines[0]
    assert "on-error: expected stop or continue" in ended.lines[1]


def test_what_a_hook_leaves_running_goes_on_and_holds_up_nothing(entrypoint: Entrypoint) -> None:
    """It is there while the command runs, which ends it by letting it read a line."""
    scratch = entrypoint.scratch
    fifo = f"'{scratch}/fifo'"
    entrypoint.hooks.shell(
        "10-leaves.sh", f"mkfifo {fifo}", f'(read line <{fifo}; echo "$line" >&2) &'
    )
    entrypoint.hooks.shell("20-next.sh", "echo next")
    running = entrypoint.start("sh", "-c", f"echo 'still there' >{fifo}")
    ended = running.end_promptly()
    assert ended.status == 0 or entrypoint.is_pid1
    assert "next" in ended.lines
    if not entrypoint.is_pid1:
        # As PID 1 the command takes it along when it ends.
        assert "still there" in ended.lines


def test_a_left_process_that_writes_late_changes_nothing(entrypoint: Entrypoint) -> None:
    fifo = f"'{entrypoint.scratch}/fifo'"
    entrypoint.hooks.shell(
        "10-leaves.sh", f"mkfifo {fifo}",
        f'(read go <{fifo}; echo late >"$ENTRYKIT_ENV/LATE"; echo wrote) 2>/dev/null &',
    )  # fmt: skip
    entrypoint.hooks.shell("20-lets-it.sh", f"echo go >{fifo}", f"mkfifo {fifo}2")
    entrypoint.hooks.shell("30-next.sh", 'echo "${LATE-nothing}"')
    ended = entrypoint.run("sh", "-c", 'echo "${LATE-nothing}"')
    assert ended.stdout == b"nothing\n"
    assert "nothing" in ended.lines


def test_a_plain_start_says_nothing(entrypoint: Entrypoint) -> None:
    assert entrypoint.run("true").lines == []


def test_a_hook_directory_is_no_place_for_modules(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("json", "echo 'a hook'\n")
    entrypoint.hooks.add("json.py", "import json\nprint(json.dumps([1]))\n")
    assert said(entrypoint.run("true").lines) == ["a hook", "[1]"]
