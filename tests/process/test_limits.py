"""The stock hook 20-limits.py in a real start: what the command gets, and what it costs nobody."""

from pathlib import Path

import pytest

from .starts import Entrypoint, program

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
LIMITED = {
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": "29 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
    "proc/self/status": "Cpus_allowed_list:\t0-7\n",
    "proc/meminfo": "MemTotal: 16000000 kB\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/memory.max": "536870912\n",
}


@pytest.fixture
def sysroot(tmp_path: Path) -> Path:
    """Return a tree in which 1.5 CPUs and 512 MiB are allowed."""
    root = tmp_path / "another root"
    for path, content in LIMITED.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="ascii")
    return root


def environment(stdout: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in stdout.decode().splitlines())


def test_the_command_gets_what_the_section_names(entrypoint: Entrypoint, sysroot: Path) -> None:
    entrypoint.configure("[limits]", 'set = ["GOMAXPROCS", "GOMEMLIMIT"]', 'cpus = ["WORKERS"]')
    entrypoint.environment |= {"ENTRYKIT_SYSROOT": str(sysroot), "GOMAXPROCS": "7"}
    ended = entrypoint.run(program("env"))
    assert ended.status == 0, ended.stderr
    given = environment(ended.stdout)
    assert (given["GOMAXPROCS"], given["GOMEMLIMIT"], given["WORKERS"]) == ("7", "483183821", "2")
    assert not [name for name in given if name.startswith("ENTRYKIT_")]
    (line,) = ended.lines
    assert line.startswith(
        "entrykit: 20-limits.py: GOMEMLIMIT=483183821 WORKERS=2; already set: GOMAXPROCS"
        " (2 CPUs, 512 MiB) ("
    )


def test_the_machine_itself_is_looked_at_without_another_root(entrypoint: Entrypoint) -> None:
    entrypoint.configure("[limits]", 'set = ["GOMAXPROCS"]')
    ended = entrypoint.run(program("sh"), "-c", 'test "$GOMAXPROCS" -ge 1 && nproc')
    assert ended.status == 0, ended.stderr
    assert f"GOMAXPROCS={int(ended.stdout)} (" in ended.last_line


def test_an_earlier_hooks_value_stays_and_a_later_hook_sees_the_number(
    entrypoint: Entrypoint, sysroot: Path
) -> None:
    entrypoint.configure("[limits]", 'set = ["GOMAXPROCS"]', 'cpus = ["NGINX_WORKERS"]')
    entrypoint.environment["ENTRYKIT_SYSROOT"] = str(sysroot)
    entrypoint.hooks.add("10-own.envsh", "export GOMAXPROCS=5\n", 0o644)
    entrypoint.hooks.shell("40-later.sh", 'echo "sees $NGINX_WORKERS $GOMAXPROCS"', "env >&2")
    ended = entrypoint.run(program("true"))
    assert ended.status == 0, ended.stderr
    assert "sees 2 5" in ended.lines
    assert not [line for line in ended.lines if line.startswith("ENTRYKIT_SYSROOT")]


def test_without_its_section_it_does_not_run(entrypoint: Entrypoint, sysroot: Path) -> None:
    entrypoint.environment["ENTRYKIT_SYSROOT"] = str(sysroot)
    ended = entrypoint.run(program("env"))
    assert ended.lines == []
    assert "GOMAXPROCS" not in environment(ended.stdout)


def test_another_root_that_is_not_there_is_an_error(entrypoint: Entrypoint) -> None:
    entrypoint.environment["ENTRYKIT_SYSROOT"] = "/no/such"
    ended = entrypoint.run(program("true"))
    assert ended.status == 78
    assert ended.last_line == (
        "entrykit: --sysroot (ENTRYKIT_SYSROOT) is no directory: /no/such"
        " (it is for tests: leave it out)"
    )


def test_the_page_shows_what_is_said(entrypoint: Entrypoint, sysroot: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    entrypoint.configure(page.partition("```toml\n")[2].partition("```")[0])
    entrypoint.environment["ENTRYKIT_SYSROOT"] = str(sysroot)
    ended = entrypoint.run(program("true"))
    (shown,) = [line for line in page.splitlines() if line.startswith("entrykit: 20-limits.py: ")]
    assert [without_time(line) for line in ended.lines] == [without_time(shown)]


def without_time(line: str) -> str:
    """Return a line of the log without how long its hook took."""
    return line.rpartition(" (")[0]
