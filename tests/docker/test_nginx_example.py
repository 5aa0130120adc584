"""Promise: examples/nginx serves what its README says, on a read-only root file system."""

import contextlib
import http.client
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from docker.models.containers import Container

from .engine import ROOT, Engine, File, Outcome, Server, wait_for_line

pytestmark = pytest.mark.docker

# nginx's first worker runs.
READY = "start worker process "
PASSWORD = {"ADMIN_PASSWORD": "hush"}
SHOW = ("nginx", "-e", "stderr", "-c", "/run/nginx/nginx.conf", "-T")
# As a careful operator runs it.
STRICT: dict[str, Any] = {
    "cap_drop": ["ALL"],
    "read_only": True,
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/run": ""},
}


class Nginx:
    """Starts of the example's image."""

    def __init__(self, engine: Engine, image: str) -> None:
        self.engine = engine
        self.image = image

    def server(self, **options: Any) -> AbstractContextManager[Server]:
        """Start the server, strictly confined unless told otherwise."""
        given = {"environment": PASSWORD, **STRICT, **options}
        return self.engine.server(self.image, ready=READY, **given)

    def run(self, *command: str, **options: Any) -> Outcome:
        """Run it to its end."""
        return self.engine.run(self.image, *command, **{**STRICT, **options})


@pytest.fixture(scope="module")
def nginx(engine: Engine, nginx_example: str) -> Nginx:
    """Return starts of the example."""
    return Nginx(engine, nginx_example)


def location(server: Server, path: str) -> tuple[int, str | None]:
    """Return status and Location of an answer."""
    server.container.reload()
    (published,) = server.container.ports["8080/tcp"] or []
    port = int(published["HostPort"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status, answer.getheader("Location")


def workers(container: Container) -> int:
    """Return how many workers run."""
    processes = container.top()["Processes"]
    return sum("nginx: worker process" in " ".join(process) for process in processes)


def test_the_page_is_everybodys_and_the_admin_page_is_not(nginx: Nginx) -> None:
    with nginx.server() as server:
        assert server.get("/") == 200
        assert server.get("/none") == 404
        asked = [server.get("/admin/", who) for who in ("", "admin:hush", "admin:wrong", "x:hush")]
        assert asked == [401, 200, 401, 401]


def test_the_server_is_process_1_and_no_root(nginx: Nginx) -> None:
    with nginx.server() as server:
        assert server.read("cat", "/proc/1/comm") == b"nginx\n"
        status = server.read("cat", "/proc/1/status").decode()
        assert re.search(r"^Uid:\t33\t33\t33\t33$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert b"hush" not in server.read("cat", "/proc/1/environ")


@pytest.fixture(params=[(1, {}, 1), (None, {"NGINX_WORKERS": "3"}, 3)], ids=["cpus", "told"])
def sized(request: pytest.FixtureRequest, nginx: Nginx) -> Iterator[tuple[Server, int]]:
    """Yield a server, and how many workers it should have."""
    cpus, variables, expected = request.param
    options = {"nano_cpus": cpus * 10**9} if cpus else {}
    with nginx.server(environment=PASSWORD | variables, **options) as server:
        yield server, expected


def test_there_are_as_many_workers_as_cpus_unless_told(sized: tuple[Server, int]) -> None:
    server, expected = sized
    assert f"\nworker_processes {expected};\n" in server.read(*SHOW).decode()
    # nginx says that it is ready with its first one.
    if expected > 1:
        wait_for_line(server.container, READY, times=expected)
    assert workers(server.container) == expected


def test_names_and_redirects_are_from_the_environment(nginx: Nginx) -> None:
    environment = PASSWORD | {
        "NGINX_REDIRECTS": "/old=/ /a=https://example.org/?b=c;d",
        "NGINX_SERVER_NAME": "a b; }",
    }
    with nginx.server(environment=environment) as server:
        assert location(server, "/old") == (301, "/")
        assert location(server, "/a") == (301, "https://example.org/?b=c;d")
        assert 'server_name "a b; }";' in server.read(*SHOW).decode()


def test_a_password_may_be_a_secret_file(nginx: Nginx, nginx_example: str) -> None:
    script = "printf 'from a file\\n' >password && chmod 644 password"
    volume = nginx.engine.volume(script=script, image=nginx_example)
    with nginx.server(
        environment={"ADMIN_PASSWORD_FILE": "/run/secrets/password"},
        volumes={volume: {"bind": "/run/secrets", "mode": "ro"}},
    ) as server:
        assert server.get("/admin/", "admin:from a file") == 200


def test_it_serves_any_user(nginx: Nginx) -> None:
    with nginx.server(user="12345:0") as server:
        assert server.get("/admin/", "admin:hush") == 200


def test_a_restart_finds_everything_right(nginx: Nginx) -> None:
    writable = {"read_only": False, "tmpfs": {}}
    with nginx.server(environment=PASSWORD | {"NGINX_WORKERS": "1"}, **writable) as server:
        server.container.restart(timeout=10)
        log = wait_for_line(server.container, READY, times=2)
        assert "30-htpasswd.py: 1 user in /run/nginx.htpasswd, unchanged (" in log
        assert "40-templates.py: 2 files in /run/nginx, unchanged (" in log
        assert server.get("/admin/", "admin:hush") == 200


def test_without_a_password_it_does_not_start(nginx: Nginx) -> None:
    outcome = nginx.run()
    assert outcome.status == 78
    assert outcome.log[-1].startswith("entrykit: ADMIN_PASSWORD: is required and not set")


def test_redirects_of_another_form_are_refused_by_name(nginx: Nginx) -> None:
    for redirects in ("/old", "/a=/b /old", "=/b"):
        outcome = nginx.run(environment=PASSWORD | {"NGINX_REDIRECTS": redirects})
        assert outcome.status == 78
        (line,) = outcome.log
        assert line.startswith("entrykit: NGINX_REDIRECTS: expected ")
        assert line.endswith("(/from=/to, several separated by blanks)")


def test_a_value_that_nginx_cannot_take_ends_the_start_in_its_words(nginx: Nginx) -> None:
    outcome = nginx.run(environment=PASSWORD | {"NGINX_PORT": "eighty"})
    assert outcome.status == 78
    assert 'host not found in "eighty" of the "listen" directive' in outcome.stderr
    assert outcome.log[-1].startswith("entrykit: 40-templates.py: ")


def test_quit_ends_it_well(nginx: Nginx) -> None:
    with nginx.server() as server:
        server.container.stop(timeout=20)
        assert server.container.wait()["StatusCode"] == 0


def test_the_log_is_that_of_the_readme(nginx: Nginx) -> None:
    page = (ROOT / "examples/nginx/README.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if line.startswith("entrykit: ")]
    with nginx.server(nano_cpus=10**9) as server:
        said = [line for line in server.ready_log.splitlines() if line.startswith("entrykit: ")]
    assert [without_time(line) for line in said] == [without_time(line) for line in shown]
    assert len(shown) == 3


def without_time(line: str) -> str:
    """Return a line of the log without the time that it took."""
    return re.sub(r" \([0-9.]+ m?s\)$", "", line)


def test_sites_of_ones_own_may_be_mounted(nginx: Nginx, nginx_example: str) -> None:
    site = "server { listen $NGINX_PORT; location / { return 204; } }\n"
    volume = nginx.engine.volume(File("own.conf.template", site, 0o644), image=nginx_example)
    mounted = {volume: {"bind": "/etc/nginx/templates/conf.d", "mode": "ro"}}
    with nginx.server(volumes=mounted) as server:
        assert server.get("/") == 204
