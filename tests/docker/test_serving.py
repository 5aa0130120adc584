"""Promise: the image serves, however it is run, and its server is PID 1."""

import json
from typing import Any

import pytest

from .engine import DONE, READY, Engine, File, wait_for_line

pytestmark = pytest.mark.docker

PASSWORD = {"YOUP0M_PASSWORD": "admin"}
NO_SLEEP = json.dumps(
    {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["nanosleep", "clock_nanosleep"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
        ],
    }
)
HARDENED: dict[str, dict[str, Any]] = {
    "read-only": {"read_only": True, "tmpfs": {"/run": ""}},
    "cap-drop": {"cap_drop": ["ALL"]},
    "user": {"user": "12345:0"},
    "no-new-privileges": {"security_opt": ["no-new-privileges"]},
    "limits": {"mem_limit": "64m", "cpu_shares": 512},
    "seccomp": {"security_opt": [f"seccomp={NO_SLEEP}"]},
    "all": {
        "read_only": True,
        "tmpfs": {"/run": ""},
        "cap_drop": ["ALL"],
        "user": "12345:0",
        "security_opt": ["no-new-privileges", f"seccomp={NO_SLEEP}"],
        "mem_limit": "64m",
        "cpu_shares": 512,
    },
}


def test_a_password_is_all_that_it_takes(engine: Engine, image: str) -> None:
    with engine.server(image, environment=PASSWORD, stdin_open=True) as server:
        assert server.admin() == [401, 200, 401]
        assert server.get("/") == 200


def test_a_user_name_of_ones_own_is_taken(engine: Engine, image: str) -> None:
    environment = {"YOUP0M_USERNAME": "someone", "YOUP0M_PASSWORD": "the word"}
    with engine.server(image, environment=environment) as server:
        assert server.get("/admin/", "someone:the word") == 200
        assert server.get("/admin/", "admin:the word") == 401


def test_a_password_comes_from_a_file_too(engine: Engine, image: str) -> None:
    secret = File("/run/secrets/password", "admin\r\n", 0o444)
    with engine.server(
        image, files=[secret], environment={"YOUP0M_PASSWORD_FILE": "/run/secrets/password"}
    ) as server:
        assert server.admin() == [401, 200, 401]
        assert "YOUP0M_PASSWORD_FILE" not in server.environment()


def test_without_a_password_the_admin_pages_stay_closed(engine: Engine, image: str) -> None:
    with engine.server(image) as server:
        assert server.get("/admin/", "admin:") == 403
        assert server.arguments() == ["/srv/youp0m"]
        assert "YOUP0M_PASSWORD is not set: no htpasswd file" in server.ready_log


@pytest.mark.parametrize(
    "command", [["-bind", ":80"], ["/srv/youp0m", "-bind", ":80"], ["youp0m", "-bind", ":80"]]
)
def test_options_the_path_and_the_bare_name_are_the_program(
    engine: Engine, image: str, command: list[str]
) -> None:
    with engine.server(image, *command, port=80, environment=PASSWORD) as server:
        assert server.admin() == [401, 200, 401]
        path, *rest = server.arguments()
        assert path == "/srv/youp0m"
        assert rest[0] == "-htpasswd"
        assert rest[2:] == ["-bind", ":80"]


def test_a_users_own_option_is_not_doubled(engine: Engine, image: str) -> None:
    # The hash is examples/youp0m/main_test.go's.
    accounts = File("/srv/accounts", "other:$1$LMDLn5d2$3znepxfXDbY5LYzk4EwsS/\n", 0o444)
    option = "--htpasswd=/srv/accounts"
    with engine.server(image, option, files=[accounts], environment=PASSWORD) as server:
        assert server.arguments() == ["/srv/youp0m", option]
        assert server.get("/admin/", "other:wall's own") == 200


def test_pid_1_is_the_server_and_knows_nothing_of_entrykit(engine: Engine, image: str) -> None:
    environment = {
        "YOUP0M_PASSWORD": "a word that nobody sees",
        "YOUP0M_USERNAME": "a-name-of-mine",
        "ENTRYKIT_LOG": "debug",
        "TOLD": "with = and blanks ",
        "EMPTY": "",
    }
    with engine.server(image, environment=environment) as server:
        assert server.read("readlink", "/proc/1/exe") == b"/srv/youp0m\n"
        path = "/run/entrykit/htpasswd"
        assert server.arguments() == ["/srv/youp0m", "-htpasswd", path]
        seen = server.environment()
        assert seen.pop("PATH").startswith("/usr/local/sbin:")
        assert str(server.container.id).startswith(seen.pop("HOSTNAME"))
        assert seen == {
            "EMPTY": "",
            "HOME": "/images",
            "TOLD": "with = and blanks ",
            "YOUP0M_USERNAME": "a-name-of-mine",
        }
        assert server.read("stat", "-c", "%a %u %g", path) == b"640 10001 0\n"
        assert server.read("ls", "-A", "/run/entrykit") == b".held-by\nhtpasswd\n"


@pytest.mark.parametrize("level", ["", "debug"])
def test_the_log_names_hooks_and_times_and_no_value(engine: Engine, image: str, level: str) -> None:
    environment = {
        "YOUP0M_PASSWORD": "a word that nobody sees",
        "YOUP0M_USERNAME": "a-name-of-mine",
        "TOLD": "a-value-of-mine",
        "ENTRYKIT_LOG": level,
    }
    with engine.server(image, environment=environment) as server:
        log = server.ready_log
        assert DONE.findall(log) == ["10-images.sh", "30-htpasswd.py"]
        assert not [value for value in list(environment.values())[:3] if value in log]
        assert server.container.logs(stdout=True, stderr=False) == b""


@pytest.mark.parametrize("how", HARDENED)
def test_it_serves_with_little_allowed(engine: Engine, image: str, how: str) -> None:
    with engine.server(image, environment=PASSWORD, **HARDENED[how]) as server:
        assert server.admin() == [401, 200, 401]
        assert server.arguments()[:2] == ["/srv/youp0m", "-htpasswd"]


def test_a_restart_starts_as_the_first_time(engine: Engine, image: str) -> None:
    with engine.server(image, environment=PASSWORD) as server:
        first = server.arguments()
        for starts in (2, 3):
            server.container.restart(timeout=5)
            wait_for_line(server.container, READY, times=starts)
            assert server.arguments() == first
            assert server.admin() == [401, 200, 401]
            assert server.read("ls", "-A", "/run/entrykit") == b".held-by\nhtpasswd\n"
            assert server.read("wc", "-l", first[2]).split()[0] == b"1"


def test_a_second_start_in_the_container_leaves_the_first_ones_files(
    engine: Engine, image: str
) -> None:
    with engine.server(image, environment=PASSWORD) as server:
        before = server.read("cat", "/run/entrykit/htpasswd")
        second = server.container.exec_run(
            ["/entrypoint"], environment={"ENTRYKIT_PROGRAM": "true"}, stdout=False
        )
        assert second.exit_code == 0
        assert server.read("cat", "/run/entrykit/htpasswd") == before


def test_the_server_gets_the_stop_signal(engine: Engine, image: str) -> None:
    with engine.server(image) as server:
        server.container.stop(timeout=30)
        assert engine.outcome(server.container).status == 0
