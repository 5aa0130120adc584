"""Promise: each file in a hook directory is run, in order and once, or said to be skipped."""

import socket
from contextlib import closing
from typing import Any

import pytest

from .engine import Engine, File, Outcome

pytestmark = pytest.mark.docker

DIRECTORY = "/docker-entrypoint.d"
# Each adds its name to the variable SEEN, in its own way.
SHELL = '#!/bin/sh\necho "${SEEN-} sh" >"$ENTRYKIT_ENV/SEEN"\n'
BASH = (
    "#!/bin/bash\nset -euo pipefail\nwords=(${SEEN-} bash)\n"
    'cat <(echo "${words[*]}") >"$ENTRYKIT_ENV/SEEN"\n'
)
SOURCED = 'export SEEN="${SEEN-} envsh"\n'
PYTHON = "def hook(start):\n    start.env['SEEN'] = start.env.get('SEEN', '') + ' py'\n"
PLAIN = 'echo "${SEEN-} plain" >"$ENTRYKIT_ENV/SEEN"\n'


def run_with_mounted(
    engine: Engine, image: str, *files: File, script: str = "", **options: Any
) -> Outcome:
    """Run `env` as the image's program, with hooks in a volume that is mounted read-only."""
    volume = engine.volume(*files, script=script, image=image)
    options["environment"] = {"ENTRYKIT_PROGRAM": "env"} | options.get("environment", {})
    return engine.run(image, volumes={volume: {"bind": DIRECTORY, "mode": "ro"}}, **options)


def seen(outcome: Outcome) -> str:
    """Return what the hooks have put into SEEN."""
    lines = [line for line in outcome.stdout.splitlines() if line.startswith("SEEN=")]
    return lines[0].removeprefix("SEEN=").strip() if lines else ""


def test_mounted_hooks_of_all_kinds_run_beside_the_images_own_in_order(
    engine: Engine, image: str
) -> None:
    outcome = run_with_mounted(
        engine,
        image,
        File("5-sh.sh", SHELL),
        File("20-bash", BASH),
        File("25-sourced.envsh", SOURCED, 0o644),
        File("35-python.py", PYTHON, 0o644),
        File("100-plain", PLAIN),
        File("101 with blanks.sh", SHELL),
        File("102-new\nline.sh", SHELL),
        File("103-trailing ", PLAIN),
        script="cp /bin/true 40-elf",
    )
    assert outcome.status == 0
    assert outcome.ran == [
        "5-sh.sh",
        "10-images.sh",
        "20-bash",
        "25-sourced.envsh",
        "30-htpasswd.py",
        "35-python.py",
        "40-elf",
        "100-plain",
        "101 with blanks.sh",
        "102-new\\nline.sh",
        "103-trailing ",
    ]
    assert seen(outcome) == "sh bash envsh py plain sh sh plain"


def test_a_derived_image_adds_its_hooks_to_the_images_own(engine: Engine, derived: str) -> None:
    with engine.server(
        derived, environment={"YOUP0M_PASSWORD": "admin"}, mem_limit="64m"
    ) as server:
        assert server.admin() == [401, 200, 401]
        log = server.ready_log
        names = ["10-images.sh", "20-traceback.envsh", "30-htpasswd.py", "40-memory.sh"]
        ended = Outcome(0, "", log).ran
        assert ended == [*names, "50-count.py"]
        environment = server.environment()
        assert environment["GOTRACEBACK"] == "all"
        assert environment["GOMEMLIMIT"] == str((64 << 20) // 10 * 9)
        assert "0 files in /images" in log


def test_a_config_map_runs_each_hook_once_at_mode_0644(engine: Engine, image: str) -> None:
    inside = "..2026_01_02_03_04_05.6"
    files = [
        File(f"{inside}/5-sh.sh", SHELL, 0o644),
        File(f"{inside}/20-bash", BASH, 0o644),
        File(f"{inside}/25-sourced.envsh", SOURCED, 0o644),
        File(f"{inside}/35-python.py", PYTHON, 0o644),
        File(f"{inside}/users.csv", "a,b\n", 0o644),
    ]
    names = [file.path.partition("/")[2] for file in files]
    links = [File("..data", link=inside), *(File(name, link=f"..data/{name}") for name in names)]
    outcome = run_with_mounted(engine, image, *files, *links)
    assert outcome.status == 0
    assert seen(outcome) == "sh bash envsh py"
    assert outcome.ran[:1] == ["5-sh.sh"]
    assert [line for line in outcome.log if "users.csv: skipped" in line]


def test_without_an_x_bit_a_script_is_skipped_with_the_mend(engine: Engine, image: str) -> None:
    outcome = run_with_mounted(engine, image, File("5-sh.sh", SHELL, 0o644))
    assert outcome.status == 0
    assert seen(outcome) == ""
    [line] = [line for line in outcome.log if "5-sh.sh" in line]
    assert line.startswith("entrykit: 5-sh.sh: skipped: it is not executable (")


def test_where_all_is_0777_data_is_not_run(engine: Engine, image: str) -> None:
    outcome = run_with_mounted(
        engine,
        image,
        File("5-sh.sh", SHELL, 0o777),
        File("6-plain", PLAIN, 0o777),
        File("25-sourced.envsh", SOURCED, 0o777),
        File("35-python.py", PYTHON, 0o777),
        File("users.csv", "touch,/tmp/harm\n", 0o777),
        File("README.md", "rm -rf\n", 0o777),
        File("notes.txt", "false\n", 0o777),
        File("more/", mode=0o777),
        File("more/7-sub.sh", SHELL, 0o777),
    )
    assert outcome.status == 0
    assert seen(outcome) == "sh plain envsh py"
    [line] = [line for line in outcome.log if "skipped" in line]
    assert line.startswith("entrykit: users.csv: skipped: nothing says how to run it (")


def test_hooks_that_read_stdin_take_nothing_from_the_command(engine: Engine, image: str) -> None:
    hooks = [
        File(f"{DIRECTORY}/20-read.sh", "#!/bin/sh\ncat\nread -r line || true\n"),
        File(f"{DIRECTORY}/21-read.envsh", "cat\nread -r LINE || true; export LINE\n"),
        File(f"{DIRECTORY}/22-read.py", "import sys\nassert sys.stdin.read() == ''\n"),
    ]
    environment = {"ENTRYKIT_PROGRAM": "cat"}
    with engine.container(
        image, files=hooks, environment=environment, stdin_open=True
    ) as container:
        stdin: Any = container.attach_socket(params={"stdin": 1, "stream": 1})
        with closing(stdin), closing(stdin._sock) as connection:  # noqa: SLF001 - no other way
            container.start()
            connection.sendall(b"one\ntwo\n")
            connection.shutdown(socket.SHUT_WR)
            outcome = engine.outcome(container)
    assert outcome.status == 0
    assert outcome.stdout == "one\ntwo\n"
    names = ["10-images.sh", "20-read.sh", "21-read.envsh", "22-read.py", "30-htpasswd.py"]
    assert outcome.ran == names


def test_exit_0_in_a_sourced_hook_ends_only_itself(engine: Engine, image: str) -> None:
    outcome = run_with_mounted(
        engine,
        image,
        File("20-leave.envsh", "export SEEN=early\nset -eu\ncd /tmp\nexit 0\nexport SEEN=late\n"),
        File("21-after.envsh", 'export SEEN="$SEEN $PWD $-"\n'),
    )
    assert outcome.status == 0
    assert outcome.ran[-3:] == ["20-leave.envsh", "21-after.envsh", "30-htpasswd.py"]
    words = seen(outcome).split()
    assert words[:2] == ["early", "/"]
    assert "u" not in words[2]


def test_a_link_to_dev_null_masks_a_stock_hook_and_an_image_hook(
    engine: Engine, image: str
) -> None:
    outcome = run_with_mounted(
        engine,
        image,
        File("30-htpasswd.py", link="/dev/null"),
        File("10-images.sh", link="/dev/null"),
        environment={"YOUP0M_PASSWORD": "admin"},
    )
    assert outcome.status == 0
    assert outcome.ran == []
    masks = [
        f"entrykit: {n}: skipped: masked by {DIRECTORY}/{n}"
        for n in ("10-images.sh", "30-htpasswd.py")
    ]
    assert outcome.log == masks


def test_a_file_of_the_same_name_replaces_the_images_own(engine: Engine, image: str) -> None:
    outcome = run_with_mounted(engine, image, File("10-images.sh", SHELL))
    assert outcome.ran == ["10-images.sh", "30-htpasswd.py"]
    assert seen(outcome) == "sh"


def test_an_empty_file_replaces_nothing(engine: Engine, image: str) -> None:
    outcome = run_with_mounted(engine, image, File("10-images.sh"))
    assert outcome.ran == ["10-images.sh", "30-htpasswd.py"]
    assert "skipped: /docker-entrypoint.d/10-images.sh is empty" in outcome.stderr


def test_skipped_by_name_is_said(engine: Engine, image: str) -> None:
    environment = {"ENTRYKIT_SKIP": "30-htpasswd.py,20-gone.sh", "ENTRYKIT_PROGRAM": "true"}
    outcome = engine.run(image, environment=environment)
    assert outcome.ran == ["10-images.sh"]
    assert outcome.log[:2] == [
        "entrykit: 30-htpasswd.py: skipped: named in ENTRYKIT_SKIP or --skip",
        "entrykit: no such hook: 20-gone.sh (skips and [hooks] take file names)",
    ]


def test_what_hooks_print_goes_to_stderr(engine: Engine, image: str) -> None:
    hooks = [
        File(f"{DIRECTORY}/20-print.sh", "#!/bin/sh\necho from sh\n"),
        File(f"{DIRECTORY}/21-print.envsh", "echo from envsh\n"),
        File(f"{DIRECTORY}/22-print.py", "print('from python')\n"),
    ]
    outcome = engine.run(
        image, "echo", "out", files=hooks, environment={"ENTRYKIT_PROGRAM": "echo"}
    )
    assert outcome.stdout == "out\n"
    assert [line for line in outcome.log if line.startswith("from ")] == [
        "from sh",
        "from envsh",
        "from python",
    ]


def test_a_hook_sees_no_secret_that_it_does_not_name(engine: Engine, image: str) -> None:
    hooks = [
        File(f"{DIRECTORY}/20-blind.sh", '#!/bin/sh\ntest -z "${YOUP0M_PASSWORD+x}"\n'),
        File(
            f"{DIRECTORY}/21-told.sh",
            '#!/bin/sh\n# entrykit: secrets=YOUP0M_PASSWORD\ntest "$YOUP0M_PASSWORD" = admin\n',
        ),
        File(
            f"{DIRECTORY}/22-environ.sh",
            "#!/bin/sh\n! tr '\\0' '\\n' </proc/$$/environ | grep admin\n",
        ),
    ]
    environment = {"ENTRYKIT_PROGRAM": "true", "YOUP0M_PASSWORD": "admin", "YOUP0M_USERNAME": "me"}
    outcome = engine.run(image, files=hooks, environment=environment)
    assert outcome.status == 0, outcome.stderr
    assert len(outcome.ran) == 5
