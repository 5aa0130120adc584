"""Promise: bad input ends the start with a status that tells whose fault it was, and a mend."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from .engine import Engine, File, Outcome

pytestmark = pytest.mark.docker

DIRECTORY = "/docker-entrypoint.d"
CONFIGURATION = "/etc/entrykit.toml"
PROGRAM = 'program = "/srv/youp0m"\n'
SECRET = "a word that nobody sees"  # noqa: S105 - a test's
SECRETS = (
    "mkfifo fifo && truncate -s 1G huge && echo x >closed && chmod 0 closed && mkdir directory"
)


# The long ends of messages.
DURATION = 'a duration ("30s", "500ms", "5m", or a number of seconds)'
INSTALL = f"in {DIRECTORY} (install it, or change the hook's first line)"
MAKE_IT = "make it, or change --hooks (ENTRYKIT_HOOKS)"
NO_BOM = f"in {DIRECTORY} (save it as UTF-8 without BOM)"
TOMLLIB_SAYS = "Expected '=' after a key in a key/value pair (at line 1, column 9)"
UNIX = f"in {DIRECTORY} (save it with Unix line endings, for instance by dos2unix)"


@dataclass(frozen=True)
class Case:
    """What is given, and the lines that come of it; the last is the log's last."""

    lines: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    status: int = 78


def configured(text: str) -> list[File]:
    """Return a configuration file in place of the baked one."""
    return [File(CONFIGURATION, text, 0o644)]


def check(outcome: Outcome, case: Case) -> None:
    """Fail unless a start has ended as the case says, before any hook and the server."""
    assert outcome.status == case.status, outcome.stderr
    assert outcome.stdout == ""
    assert outcome.log == [f"entrykit: {line}" for line in case.lines]
    assert SECRET not in outcome.stderr


CASES = {
    "unknown-key": Case(
        [f"{CONFIGURATION}:2: unknown key progam (did you mean program?)"],
        files=configured('# ours\nprogam = "/srv/youp0m"\n'),
    ),
    "wrong-types-all-together": Case(
        [
            f"{CONFIGURATION}:2: timeout: expected {DURATION}, found a truth value",
            f"{CONFIGURATION}:4: env.X.secret: expected true or false, found a string",
            f"{CONFIGURATION}:5: unknown key env.X.defalt (did you mean default?)",
        ],
        files=configured(PROGRAM + 'timeout = true\n[env.X]\nsecret = "yes"\ndefalt = "1"\n'),
    ),
    "no-toml": Case(
        [
            f"{CONFIGURATION}:1: it is not valid TOML: {TOMLLIB_SAYS} (write KEY = VALUE)",
        ],
        files=configured("program /srv/youp0m\n"),
    ),
    "both-x-and-x-file": Case(
        [
            "YOUP0M_PASSWORD: is set, and so is YOUP0M_PASSWORD_FILE (set one of the two)",
        ],
        environment={"YOUP0M_PASSWORD": SECRET, "YOUP0M_PASSWORD_FILE": "/run/secrets/x"},
    ),
    "all-that-is-missing": Case(
        [
            "DATABASE: is required and not set (set it: where the images are listed)",
            "TOKEN: is required and not set (set it or TOKEN_FILE)",
        ],
        environment={"TOKEN": ""},
        files=configured(
            PROGRAM + '[env.DATABASE]\nrequired = true\nhelp = "where the images are listed"\n'
            "[env.TOKEN]\nrequired = true\nsecret = true\n"
        ),
    ),
    "all-faults-of-hooks": Case(
        [
            f"20-crlf.sh: its lines end with a carriage return (CRLF), {UNIX}",
            f"21-bom.envsh: it begins with a byte order mark (BOM), {NO_BOM}",
            f"22-gone.sh: its interpreter /no/such/shell is missing or not executable, {INSTALL}",
        ],
        files=[
            File(f"{DIRECTORY}/20-crlf.sh", "#!/bin/sh\r\necho\r\n"),
            File(f"{DIRECTORY}/21-bom.envsh", "\ufeffexport X=1\n"),
            File(f"{DIRECTORY}/22-gone.sh", "#!/no/such/shell\n"),
        ],
    ),
    "no-such-hook-directory": Case(
        [
            f"cannot read the hook directory /srv/hooks: no such file or directory ({MAKE_IT})",
        ],
        environment={"ENTRYKIT_HOOKS": "/srv/hooks"},
    ),
    "not-yet-a-form-of-the-log": Case(
        ["the JSON log is not available in this version (leave `json` out of ENTRYKIT_LOG)"],
        environment={"ENTRYKIT_LOG": "json"},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_is_said_before_any_hook_runs(engine: Engine, image: str, case: Case) -> None:
    check(engine.run(image, *case.command, environment=case.environment, files=case.files), case)


CHANGE = "change YOUP0M_PASSWORD_FILE"


@pytest.fixture(scope="module")
def secrets(engine: Engine, image: str) -> str:
    """Make a volume with files that hold no secret."""
    return engine.volume(script=SECRETS, image=image)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/s/directory", f"it is a directory, not a regular file ({CHANGE})"),
        ("/s/fifo", f"it is a FIFO, not a regular file ({CHANGE})"),
        ("/s/huge", f"it has 1073741824 bytes, more than 65536 ({CHANGE})"),
        ("/s/closed", "permission denied (make it accessible for uid 10001)"),
        ("/s/missing", f"no such file or directory (mount it there, or {CHANGE})"),
        ("/dev/zero", f"it is a character device, not a regular file ({CHANGE})"),
        ("/proc/self/mem", f"input/output error ({CHANGE})"),
    ],
)
def test_a_secrets_file_that_cannot_be_one_is_said(
    engine: Engine, image: str, secrets: str, path: str, reason: str
) -> None:
    outcome = engine.run(
        image,
        environment={"YOUP0M_PASSWORD_FILE": path},
        volumes={secrets: {"bind": "/s", "mode": "ro"}},
    )
    check(outcome, Case([f"YOUP0M_PASSWORD: cannot read {path}: {reason}"]))


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (
            {"YOUP0M_PASSWORD": (SECRET * 4)[:73]},
            "YOUP0M_PASSWORD has 73 bytes, and bcrypt reads 72",
        ),
        (
            {"YOUP0M_PASSWORD": SECRET, "YOUP0M_USERNAME": "some:one"},
            "YOUP0M_USERNAME holds a colon",
        ),
        (
            {"YOUP0M_PASSWORD": SECRET, "YOUP0M_USERNAME": "some\none"},
            "YOUP0M_USERNAME holds a newline or another control character",
        ),
    ],
    ids=["73-bytes", "colon", "newline"],
)
def test_an_account_that_htpasswd_cannot_hold_is_refused(
    engine: Engine, image: str, environment: dict[str, str], reason: str
) -> None:
    outcome = engine.run(image, environment=environment)
    assert outcome.status == 78
    assert outcome.log[-1].startswith(f"entrykit: 30-htpasswd.py: {reason}; exit status 78 after ")
    assert outcome.ran == ["10-images.sh"]
    assert SECRET not in outcome.stderr
    assert "listening" not in outcome.stderr


def test_a_password_of_72_bytes_is_taken_whole(engine: Engine, image: str) -> None:
    password = "ü" * 36
    with engine.server(image, environment={"YOUP0M_PASSWORD": password}) as server:
        assert server.get("/admin/", f"admin:{password}") == 200
        assert server.get("/admin/", f"admin:{password[:-1]}") == 401


def test_options_without_the_program_to_stand_after_are_refused(engine: Engine, image: str) -> None:
    files = [
        *configured(PROGRAM + 'commands = ["echo"]\n'),
        File(f"{DIRECTORY}/20-option.sh", 'echo -v >"$ENTRYKIT_OPTIONS/verbose"\n'),
    ]
    outcome = engine.run(image, "echo", "hello", files=files)
    assert (outcome.status, outcome.stdout) == (78, "")
    assert outcome.log[-1].startswith(
        "entrykit: 20-option.sh: asks for options, but the command echo does not begin with"
        " /srv/youp0m; exit status 78 after "
    )


FULL = {"tmpfs": {"/run/entrykit": "size=4k,mode=0711,uid=10001"}, "user": "10001:0"}


def test_a_full_runtime_directory_is_no_empty_value(engine: Engine, image: str) -> None:
    files = [File(f"{DIRECTORY}/20-write.sh", 'seq 9999 >"$ENTRYKIT_ENV/MANY" || :\n')]
    outcome = engine.run(image, files=files, environment={"ENTRYKIT_PROGRAM": "true"}, **FULL)
    assert outcome.status == 78
    assert outcome.log[-1].startswith(
        "entrykit: 20-write.sh: the runtime directory /run/entrykit is full"
    )


def test_a_full_runtime_directory_takes_no_half_htpasswd_file(engine: Engine, image: str) -> None:
    files = [File(f"{DIRECTORY}/20-fill.sh", "seq 9999 >/run/entrykit/filler || :\n")]
    outcome = engine.run(image, files=files, environment={"YOUP0M_PASSWORD": SECRET}, **FULL)
    assert outcome.status == 78
    assert outcome.log[-1].startswith("entrykit: 30-htpasswd.py: cannot write ")
    assert "no space left on device" in outcome.log[-1]
    assert "make room there" in outcome.log[-1]


NOWHERE: dict[str, Any] = {"read_only": True, "ipc_mode": "none"}


def test_without_any_runtime_directory_there_is_no_place_for_an_htpasswd_file(
    engine: Engine, image: str
) -> None:
    outcome = engine.run(image, environment={"YOUP0M_PASSWORD": SECRET}, **NOWHERE)
    assert outcome.status == 78
    assert "there is no place for the htpasswd file" in outcome.log[-1]
    assert "--tmpfs /tmp" in outcome.log[-1]


def test_without_any_runtime_directory_it_serves_all_the_same(engine: Engine, image: str) -> None:
    with engine.server(image, **NOWHERE) as server:
        assert server.get("/") == 200


def test_without_any_runtime_directory_a_change_fails_and_is_not_lost(
    engine: Engine, image: str
) -> None:
    writing = File("20-write.sh", 'set -e\necho 1 >"$ENTRYKIT_ENV/X"\n')
    exporting = File("15-export.envsh", "export X=1\n")
    volume = engine.volume(exporting, writing, image=image)
    mounted = {volume: {"bind": DIRECTORY, "mode": "ro"}}
    outcome = engine.run(image, volumes=mounted, **NOWHERE)
    assert outcome.ran == ["10-images.sh", "15-export.envsh"]
    assert outcome.status == 2
    assert outcome.log[-1].startswith("entrykit: 20-write.sh: failed with exit status 2 after ")
