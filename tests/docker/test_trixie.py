"""The same image on Debian 13, with another Python, shell and C library: what could differ."""

import pytest

from .engine import Engine, File

pytestmark = pytest.mark.docker


def test_it_serves_hardened_and_becomes_the_server(engine: Engine, trixie: str) -> None:
    environment = {"YOUP0M_PASSWORD": "admin"}
    with engine.server(
        trixie,
        "-bind",
        ":8080",
        environment=environment,
        read_only=True,
        tmpfs={"/run": ""},
        cap_drop=["ALL"],
        user="12345:0",
    ) as server:
        assert server.admin() == [401, 200, 401]
        assert server.read("readlink", "/proc/1/exe") == b"/srv/youp0m\n"
        program, option, _, *rest = server.arguments()
        assert [program, option, *rest] == ["/srv/youp0m", "-htpasswd", "-bind", ":8080"]
        assert set(server.environment()) == {"HOME", "HOSTNAME", "PATH", "YOUP0M_USERNAME"}


def test_another_command_is_left_alone(engine: Engine, trixie: str) -> None:
    outcome = engine.run(trixie, "echo", "hello  world")
    assert (outcome.status, outcome.stdout, len(outcome.log)) == (0, "hello  world\n", 1)


def test_the_record_fits_and_hooks_of_all_kinds_run(engine: Engine, trixie: str) -> None:
    directory = "/docker-entrypoint.d"
    hooks = [
        File(f"{directory}/1-sh.sh", '#!/bin/sh\necho 1 >"$ENTRYKIT_ENV/SH"\n'),
        File(f"{directory}/2-sourced.envsh", 'export SOURCED="a \'b\' \\"c\\"\n$d"\nunset GONE\n'),
        File(f"{directory}/3-bash.envsh", "#!/bin/bash\nexport BASH_SAYS=$'\\a\\n'\n"),
        File(f"{directory}/4-python.py", "def hook(start):\n    start.env['PYTHON'] = '1'\n"),
    ]
    environment = {"ENTRYKIT_PROGRAM": "env", "GONE": "1", "d": "dollar"}
    outcome = engine.run(trixie, "-0", files=hooks, environment=environment)
    assert outcome.status == 0, outcome.stderr
    names = ["1-sh.sh", "2-sourced.envsh", "3-bash.envsh", "4-python.py"]
    assert outcome.ran == [*names, "10-images.sh", "30-htpasswd.py"]
    said = dict(word.split("=", 1) for word in outcome.stdout.split("\0") if word)
    wanted = {"SH": "1", "SOURCED": "a 'b' \"c\"\ndollar", "BASH_SAYS": "\a\n", "PYTHON": "1"}
    assert {name: said.get(name) for name in (*wanted, "GONE")} == {**wanted, "GONE": None}
    assert len(outcome.log) == 6
