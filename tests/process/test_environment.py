"""Who gets which variable: hooks, the command, and a command that gets no set-up."""

from pathlib import Path

import pytest

from .starts import Entrypoint

SHOW = 'echo "$ENTRYKIT_HOOK: ${PASSWORD-none} ${TOKEN-none} ${OLD-none} ${LOGIN-none}"'
COMMAND = ("sh", "-c", 'echo "${PASSWORD-none} ${TOKEN-none} ${OLD-none} ${LOGIN-none}"')


@pytest.fixture
def secrets(entrypoint: Entrypoint) -> Path:
    """Return an env-dir as Kubernetes mounts it, with hooks that name some of its values."""
    directory = entrypoint.scratch / "secrets"
    data = directory / "..2026_11_25"
    data.mkdir(parents=True)
    (directory / "..data").symlink_to(data.name)
    for name in ("TOKEN", "LOGIN"):
        (data / name).write_text(f"geheim-{name}\n", encoding="utf-8")
        (directory / name).symlink_to(f"..data/{name}")
    entrypoint.configure(
        f'env-dirs = ["{directory}"]', "[env.PASSWORD]", "secret = true", 'deprecated = ["OLD"]',
        "[env.LOGIN]", "help = 'declared, and no secret of itself'",
    )  # fmt: skip
    entrypoint.hooks.shell("10-none.sh", SHOW)
    entrypoint.hooks.shell("20-one.sh", "# entrykit: secrets=TOKEN", SHOW)
    entrypoint.hooks.add("30-all.envsh", f"# entrykit: secrets=TOKEN,PASSWORD,LOGIN\n{SHOW}\n")
    entrypoint.hooks.add("40-none.envsh", f"{SHOW}\n")
    return directory


def test_only_hooks_that_name_a_secret_get_it_and_the_command_never(
    entrypoint: Entrypoint, secrets: Path
) -> None:
    assert secrets.exists()
    entrypoint.with_environment(OLD="geheim-OLD", ENTRYKIT_LOG="debug")
    ended = entrypoint.run(*COMMAND)
    assert (ended.status, ended.stdout) == (0, b"none none none none\n")
    shown = [line for line in ended.lines if not line.startswith("entrykit: ")]
    assert shown == [
        "10-none.sh: none none none none",
        "20-one.sh: none geheim-TOKEN none none",
        "30-all.envsh: geheim-OLD geheim-TOKEN none geheim-LOGIN",
        "40-none.envsh: none none none none",
    ]
    own = [line for line in ended.lines if line.startswith("entrykit: ")]
    assert not [line for line in own if "geheim" in line]


def test_an_exposed_secret_reaches_the_command(entrypoint: Entrypoint, secrets: Path) -> None:
    entrypoint.configure(
        f'env-dirs = ["{secrets}"]', "[env.TOKEN]", "expose = true",
        "[env.PASSWORD]", "secret = true", "expose = true", 'deprecated = ["OLD"]',
    )  # fmt: skip
    ended = entrypoint.with_environment(OLD="geheim-OLD").run(*COMMAND)
    assert ended.stdout == b"geheim-OLD geheim-TOKEN none none\n"


def test_a_command_without_the_set_up_gets_no_secret_under_any_name(
    entrypoint: Entrypoint, secrets: Path
) -> None:
    entrypoint.configure(
        'program = "/srv/server"', f'env-dirs = ["{secrets}"]',
        f'env-files = ["{secrets}/LOGIN"]',
        "[env.PASSWORD]", "secret = true", 'deprecated = ["OLD"]', 'type = "int"',
        "[env.WORKERS]", 'type = "int"', 'default = "4"', "[env.NEEDED]", "required = true",
        "[env.NEW]", 'deprecated = ["PLAIN"]',
    )  # fmt: skip
    entrypoint.with_environment(
        OLD="geheim", PASSWORD="geheim", OLD_FILE="/x", PASSWORD_FILE="/y", WORKERS="x",  # noqa: S106
        PLAIN="p",
    )  # fmt: skip
    ended = entrypoint.run("env")
    assert ended.status == 0
    entries = ended.stdout.decode().splitlines()
    assert "WORKERS=x" in entries
    assert "PLAIN=p" in entries
    assert not [entry for entry in entries if "geheim" in entry or "_FILE" in entry]


def test_a_valid_value_reaches_the_command_as_it_is(entrypoint: Entrypoint) -> None:
    entrypoint.configure(
        "[env.A]", 'type = "int"', "[env.B]", 'type = "bool"', "[env.C]", 'type = "str"',
        "[env.D]", 'type = "json"',
    )  # fmt: skip
    values = {"A": "+0007", "B": "YeS", "C": " \t\n", "D": ' { "a" : 1.0 }\n'}
    ended = entrypoint.with_environment(**values).run("env", "-0")
    entries = ended.stdout.decode().split("\0")
    assert [entry for entry in entries if entry[:2] in ("A=", "B=", "C=", "D=")] == [
        f"{name}={value}" for name, value in values.items()
    ]


def test_a_stock_hook_gets_what_its_section_names_from_an_env_dir(entrypoint: Entrypoint) -> None:
    directory = entrypoint.scratch / "secrets"
    directory.mkdir()
    (directory / "LOGIN").write_text("admin\n", encoding="utf-8")
    (directory / "PASSWORD").write_text("geheim\n", encoding="utf-8")
    entrypoint.configure(
        f'env-dirs = ["{directory}"]', "[htpasswd]", 'username = "LOGIN"', 'password = "PASSWORD"',
    )  # fmt: skip
    # In the place of the stock hook, which needs bcrypt.
    show = "def hook(start):\n    print(start.env['LOGIN'], start.env['PASSWORD'])\n"
    entrypoint.hooks.add("30-htpasswd.py", show)
    ended = entrypoint.run("env")
    assert (ended.status, ended.lines[0]) == (0, "admin geheim")
    assert b"geheim" not in ended.stdout
    assert b"admin" not in ended.stdout


def test_what_is_wrong_is_told_before_any_hook_runs(entrypoint: Entrypoint) -> None:
    entrypoint.configure("[env.A]", 'type = "int"', "[env.B]", "required = true")
    entrypoint.hooks.shell("10-a.sh", "echo ran")
    ended = entrypoint.with_environment(A="1\x1b[31m\n").run("echo", "x")
    assert (ended.status, ended.stdout) == (78, b"")
    assert ended.lines == [
        'entrykit: A: expected an integer, found "1\\x1b[31m\\n"',
        "entrykit: B: is required and not set (set it)",
    ]
