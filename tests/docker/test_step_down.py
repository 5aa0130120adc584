"""Promise: in a real container the command is the user that the image names, and root is gone."""

from typing import Any, cast

import pytest

from .engine import Engine, File

pytestmark = pytest.mark.docker

TOML = 'user = "app"\n[htpasswd]\nusername = "U"\npassword = "P"\n'
# More than one group, and a home.
USERS = [
    File("/etc/entrykit.toml", TOML, 0o644),
    File(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\napp:x:1500:1500:App:/srv/app:/bin/sh\n",
        0o644,
    ),
    File("/etc/group", "root:x:0:\napp:x:1500:\nstaff:x:50:app\n", 0o644),
]
# An empty directory: the image's own hook has nothing to do with it.
ENVIRONMENT = {"U": "ann", "P": "hush", "ENTRYKIT_HOOKS": "/media"}
ROOT: dict[str, Any] = {"user": "0:0", "files": USERS, "environment": ENVIRONMENT}
SHOW = (
    'grep -E "^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs):" /proc/self/status; echo $HOME;'
    'cut -d: -f1 "$1"'
)
# The image's user has /run/entrykit: what root makes lies in /dev/shm, at a random name.
SCRIPT = f"set -- /dev/shm/entrykit-*/htpasswd; {SHOW}"
ARE_APP = """\
Uid:	1500	1500	1500	1500
Gid:	1500	1500	1500	1500
Groups:	50 1500 
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	0
/srv/app
ann
"""  # noqa: W291 - as the kernel writes it


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cap_drop": ["ALL"], "cap_add": ["SETUID", "SETGID"]},
        {"init": True},
    ],
    ids=str,
)
def test_the_command_is_the_user_and_reads_what_was_made_for_it(
    engine: Engine, image: str, options: dict[str, Any]
) -> None:
    outcome = engine.run(image, "sh", "-c", SCRIPT, **ROOT, **options)
    assert (outcome.status, outcome.stdout) == (0, ARE_APP), outcome.stderr


def test_a_read_only_root_file_system_is_no_hindrance(engine: Engine, image: str) -> None:
    # Docker puts no files into a container whose root is read-only.
    with engine.container(image, **ROOT) as made:
        made.commit(repository=(tag := f"entrykit-test-{engine.run_name}"), tag="step-down")
    outcome = engine.run(
        f"{tag}:step-down",
        "sh", "-c", f"{SCRIPT}; : >/etc/x",
        user="0:0", environment=ENVIRONMENT, read_only=True,
    )  # fmt: skip
    assert outcome.stdout == ARE_APP
    assert "Read-only file system" in outcome.stderr


@pytest.mark.parametrize(
    ("added", "lacks"),
    [
        ([], "CAP_SETGID and CAP_SETUID (give it --cap-add SETGID --cap-add SETUID"),
        (["SETUID"], "CAP_SETGID (give it --cap-add SETGID"),
        (["SETGID"], "CAP_SETUID (give it --cap-add SETUID"),
    ],
    ids=str,
)
def test_without_capabilities_the_start_ends_before_any_hook(
    engine: Engine, image: str, added: list[str], lacks: str
) -> None:
    outcome = engine.run(image, "id", **ROOT, cap_drop=["ALL"], cap_add=added)
    assert (outcome.status, outcome.stdout) == (126, "")
    reason = f"the container lacks {lacks}, or start it with --user 1500:1500)"
    assert outcome.log == [f"entrykit: cannot become app (1500:1500): {reason}"]


@pytest.mark.parametrize("user", ["1000", "1000710000:0"])
def test_any_other_user_is_kept_in_one_line(engine: Engine, image: str, user: str) -> None:
    """As OpenShift starts it: a uid that /etc/passwd does not know, in group 0."""
    outcome = engine.run(image, "sh", "-c", "id -u; id -g; echo $HOME", **(ROOT | {"user": user}))
    uid = user.partition(":")[0]
    assert outcome.stdout.splitlines() == [uid, "0", "/"]
    said = f"entrykit: the start is uid {uid}, not root: it stays so, and does not become app"
    assert outcome.log[0] == said
    assert len(outcome.log) == 2


def test_a_start_as_that_user_says_nothing(engine: Engine, image: str) -> None:
    outcome = engine.run(
        image, "id", user="app", files=USERS,
        environment={"ENTRYKIT_HOOKS": "/media"},
    )  # fmt: skip
    assert outcome.stdout.startswith("uid=1500(app) gid=1500(app) groups=1500(app),50(staff)")
    assert "not root" not in outcome.stderr


def test_docker_exec_gets_the_environment_that_the_hooks_made(engine: Engine, image: str) -> None:
    hook = File("/hooks/10-a.sh", '#!/bin/sh\necho 4 >"$ENTRYKIT_ENV/MADE"\n', 0o755)
    given = {"U": "ann", "P": "hush", "ENTRYKIT_HOOKS": "/hooks"}
    command = ("sh", "-c", "echo ready; exec sleep 1000")
    options = ROOT | {"files": [*USERS, hook], "environment": given}
    with engine.server(image, *command, ready="ready", **options) as server:

        def call(*words: str, user: str = "0:0") -> tuple[int, str]:
            found = server.container.exec_run(["entrykit", "exec", *words], user=user)
            return int(found.exit_code or 0), cast("bytes", found.output).decode()

        status, told = call("--env-of", "1", "env")
        assert status == 0, told
        assert {"MADE=4", "U=ann", "HOME=/srv/app"} <= set(told.splitlines())
        assert "hush" not in told
        show = ("--", "sh", "-c", "id -u; echo $MADE $HOME")
        assert call("--user", "app", "--env-of", "1", *show) == (0, "1500\n4 /srv/app\n")
        assert call("--user", "root", "--env-of", "1", *show) == (0, "0\n4 /root\n")
        assert call("--env-of", "1", *show, user="app") == (0, "1500\n4 /srv/app\n")
        status, told = call("--env-of", "1", "env", user="1000")
        assert status == 78
        assert told.endswith("permission denied (run it as the user of that process, 1500:1500)\n")
        assert call("--user", "app", "true", user="1000")[0] == 126
        assert call("--user", "1500:4294967295", "true")[0] == 78
        assert call("--env-of", "4000000", "true")[0] == 78


@pytest.mark.parametrize(("isolated", "ids"), [([], ["0", "1500"]), (["-I"], ["1500"])], ids=str)
def test_exec_is_isolated_where_it_is_called_so(
    engine: Engine, image: str, isolated: list[str], ids: list[str]
) -> None:
    """Python reads what lies below HOME, which an image may have set to that of the user."""
    words = ["python3", *isolated, "-m", "entrykit", "exec", "--user=app", "id", "-u"]
    below = "d=$(python3 -m site --user-site); mkdir -p $d; echo 'import os; os.system(\"id -u\")'"
    outcome = engine.run(
        image, "-c", f'{below} >$d/x.pth; exec "$@"', "sh", *words,
        entrypoint="/bin/sh", user="0:0", files=USERS, environment={"HOME": "/home/app"},
    )  # fmt: skip
    assert outcome.stdout.split() == ids, outcome.stderr
