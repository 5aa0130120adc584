"""Promise: what entrykit makes Debian's Apache and nginx verify, and it verifies what they make."""

import base64
import http.client
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from entrykit import commands
from entrykit.stock import htpasswd_lines, passwords, schemes

from .conftest import build_once
from .engine import Engine, File, pack, wait_for_line

pytestmark = pytest.mark.docker

DOCKERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends apache2-utils nginx-light
"""
NGINX = """\
daemon off;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events {}
http {
    access_log off;
    server {
        listen 8080;
        auth_basic "closed";
        auth_basic_user_file /users;
        location / { return 404; }
        location /inside { alias /etc/hostname; }
    }
}
"""
PASSWORDS = {
    "bcrypt": "hush", "blanks": " a b ", "colons": "a:b:", "bytes": "é€", "long": "x" * 72,
    "sha512-crypt": "hush", "sha256-crypt": "hush",
}  # fmt: skip


@pytest.fixture(scope="module")
def judges(engine: Engine) -> str:
    """Build an image with Apache's htpasswd and nginx."""
    context = pack([File("Dockerfile", DOCKERFILE)])
    return build_once("judges", lambda: engine.build("judges", context))


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a user of each scheme, and of passwords of several kinds."""
    folder = tmp_path_factory.mktemp("users")
    action = "create"
    for name, password in PASSWORDS.items():
        (folder / "secret").write_text(password)
        scheme = name if name in schemes.TO_MAKE else schemes.BCRYPT
        words = ["htpasswd", action, str(folder / "users"), name, "--scheme", scheme]
        assert commands.main([*words, "--password-file", str(folder / "secret")]) == 0
        action = "add"
    return folder / "users"


def test_apaches_htpasswd_verifies_what_is_made(engine: Engine, judges: str, users: Path) -> None:
    script = """\
while IFS= read -r name && IFS= read -r password; do
    htpasswd -vb /users "$name" "$password" 2>/dev/null && echo "$name right"
    htpasswd -vb /users "$name" "wrong" 2>/dev/null || echo "$name wrong"
done </words
"""
    words = "".join(f"{name}\n{password}\n" for name, password in PASSWORDS.items())
    files = [File("/users", users.read_bytes(), 0o644), File("/words", words, 0o644)]
    outcome = engine.run(judges, "bash", "-c", script, files=files)
    expected = [f"{name} {what}" for name in PASSWORDS for what in ("right", "wrong")]
    assert outcome.stdout.splitlines() == expected, outcome


def test_nginx_lets_in_who_has_the_password(engine: Engine, judges: str, users: Path) -> None:
    files = [File("/users", users.read_bytes(), 0o644), File("/nginx.conf", NGINX, 0o644)]
    with engine.container(
        judges, "nginx", "-c", "/nginx.conf", files=files,
        ports={"8080/tcp": ("127.0.0.1", 0)},
    ) as container:  # fmt: skip
        container.start()
        wait_for_line(container, "start worker process")
        container.reload()
        port = int((container.ports["8080/tcp"] or [])[0]["HostPort"])

        def get(credentials: str) -> int:
            token = base64.b64encode(credentials.encode()).decode()
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", "/inside", headers={"Authorization": f"Basic {token}"})
                return connection.getresponse().status

        for name, password in PASSWORDS.items():
            assert (name, get(f"{name}:{password}")) == (name, 200)
            assert (name, get(f"{name}:{password[:-1]}")) == (name, 401)
        assert get("nobody:hush") == 401


@pytest.mark.parametrize(
    ("option", "scheme"),
    [
        ("-B", "bcrypt"), ("-m", "apr1"), ("-s", "sha1"), ("-2", "sha256-crypt"),
        ("-5", "sha512-crypt"),
    ],
)  # fmt: skip
def test_what_apaches_htpasswd_makes_is_verified(
    engine: Engine, judges: str, option: str, scheme: str
) -> None:
    outcome = engine.run(judges, "htpasswd", "-nb", option, "ann", "hush")
    name, _, hashed = outcome.stdout.encode().strip().partition(b":")
    assert name == b"ann", outcome
    assert htpasswd_lines.scheme(hashed) == scheme
    assert schemes.verify(b"hush", hashed, "x")
    assert not schemes.verify(b"huSh", hashed, "x")


def test_both_edit_the_same_file(engine: Engine, judges: str, tmp_path: Path) -> None:
    outcome = engine.run(
        judges, "sh", "-c",
        "htpasswd -cbB /u ann hush && htpasswd -bB /u bob b && htpasswd -b /u zoe z && cat /u",
    )  # fmt: skip
    file = tmp_path / "users"
    file.write_text(outcome.stdout)
    words = [sys.executable, "-m", "entrykit", "htpasswd"]
    subprocess.run([*words, "add", str(file), "bob"], input=b"new", check=True)
    subprocess.run([*words, "delete", str(file), "zoe"], check=True)
    ann, bob = file.read_bytes().splitlines()
    assert ann.decode() == outcome.stdout.splitlines()[0]
    assert passwords.verify_bcrypt(b"new", bob.removeprefix(b"bob:"))
    files = [File("/u", file.read_bytes(), 0o644)]
    assert engine.run(judges, "htpasswd", "-vb", "/u", "bob", "new", files=files).status == 0
    assert engine.run(judges, "htpasswd", "-vb", "/u", "bob", "b", files=files).status == 3


def test_several_users_are_hashed_where_no_thread_can_be_had(engine: Engine, image: str) -> None:
    toml = """
program = "cat"
[htpasswd]
users = "USERS"
file = "/tmp/users"
"""
    outcome = engine.run(
        image, "cat", "/tmp/users",  # noqa: S108 - the container's own
        files=[File("/etc/entrykit.toml", toml, 0o644)],
        environment={"USERS": "ann:a\nbob:b", "ENTRYKIT_SKIP": "10-images.sh"},
        pids_limit=2,
    )  # fmt: skip
    assert outcome.status == 0, outcome
    ann, bob = outcome.stdout.encode().splitlines()
    assert passwords.verify_bcrypt(b"a", ann.removeprefix(b"ann:"))
    assert passwords.verify_bcrypt(b"b", bob.removeprefix(b"bob:"))
    assert outcome.log[-1].startswith("entrykit: 30-htpasswd.py: 2 users in /tmp/users (")
