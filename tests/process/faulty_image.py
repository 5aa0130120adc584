"""A tree with each kind of fault that `entrykit check` knows, and where each of them lies."""

import os
from pathlib import Path

CONFIGURATION = """\
program = "echo"
commands = 5
"""
RIGHT_CONFIGURATION = """\
program = "echo"

[env.LISTEN_PORT]
default = "80"

[env.DB_PASSWORD]
secret = true

[env.API_TOKEN]
help = "looks like one"

[runners]
".nope" = ["/no/such/runner"]

[templates]
from = "/etc/templates"
to = "/run/x"
names = "^APP_"

[hooks."99-none.sh"]
timeout = "5s"
"""
OWN, DERIVED = "usr/lib/entrykit/hooks.d", "docker-entrypoint.d"
CONFIG = "etc/entrykit.toml"
SH = "#!/bin/sh\n"
LATE = SH + "#\n" * 20 + "# entrykit: timeout=1s\n"

# Directory, name, content, mode; and what is to be found there: codes and lines.
HOOKS: tuple[tuple[str, str, str | bytes, int, tuple[tuple[str, int], ...]], ...] = (
    (OWN, "01-good.sh", SH + 'echo "$LISTEN_PORT"\n', 0o755, ()),
    (OWN, "02-bom.sh", b"\xef\xbb\xbf#!/bin/sh\n", 0o755, (("bom", 1),)),
    (OWN, "03-crlf.sh", "#!/bin/sh\r\n", 0o755, (("crlf", 1),)),
    (OWN, "04-interpreter", "#!/no/such/shell\n", 0o755, (("interpreter", 1),)),
    (OWN, "05-runner.nope", "x\n", 0o644, (("runner", 0),)),
    (OWN, "06-foreign.sh", b"MZ\x90\0", 0o755, (("foreign-program", 0),)),
    (OWN, "07-settings.sh", SH + "#\n# entrykit: timeot=1s\n", 0o755, (("settings", 3),)),
    (OWN, "08-once.sh", SH + "# entrykit: once=data\n", 0o755, (("once", 2),)),
    (OWN, "09-syntax.sh", SH + "if true; then\n    echo\n", 0o755, (("shell-syntax", 4),)),
    (OWN, "10-sourced.envsh", "A=1\nfi\n", 0o644, (("shell-syntax", 2),)),
    (OWN, "11-python.py", "import os\ndef hook(start:\n", 0o644, (("python-syntax", 2),)),
    (OWN, "12-other.py", "#!/usr/bin/env python3\nx = = 1\n", 0o755, (("python-syntax", 2),)),
    (OWN, "13-cr.sh", SH + "echo a\r\necho b\n", 0o755, (("crlf-line", 2),)),
    (OWN, "14-latin.sh", b"#!/bin/sh\n\necho '\xe9'\n", 0o755, (("encoding", 3),)),
    (OWN, "15-mode.sh", SH, 0o644, (("not-executable", 0),)),
    (OWN, "16-what.sql", "SELECT 1;\n", 0o644, (("not-a-hook", 0),)),
    (OWN, "17-empty.sh", "", 0o755, (("empty", 0),)),
    (OWN, "018-tie.sh", SH, 0o755, ()),
    (OWN, "18-tie.sh", SH, 0o755, (("order-tie", 0),)),
    (OWN, "19-world.sh", SH, 0o757, (("world-writable", 0),)),
    (OWN, "20-group.sh", SH, 0o775, (("group-writable", 0),)),
    (OWN, "21-named.sh", SH + "# entrykit: secrets=NOBODYS\n", 0o755, (("undeclared-secret", 2),)),
    (OWN, "22-secret.sh", SH + "cat <<E\n$DB_PASSWORD\nE\n", 0o755, (("secret-not-named", 3),)),
    (OWN, "23-near.sh", SH + 'echo "${LISTEN_PROT:-}"\n', 0o755, (("misspelt-variable", 2),)),
    (OWN, "24-other.sh", SH + "echo $OTHER\n", 0o755, (("undeclared-variable", 2),)),
    (
        OWN,
        "25-env.py",
        'import os\n\n\ndef hook(start):\n    return start.env["MORE"] + os.environ["AND_MORE"]\n',
        0o644,
        (("undeclared-variable", 5), ("undeclared-variable", 5)),
    ),
    (OWN, "26-token.sh", SH + 'echo "$MY_TOKEN"\n', 0o755, (("secret-name", 2),)),
    (OWN, "27-replaced.sh", SH, 0o755, ()),
    (DERIVED, "27-replaced.sh", SH, 0o755, (("replaced", 0),)),
    (OWN, "28-masked.sh", SH, 0o755, ()),
    (OWN, "32-late.sh", LATE, 0o755, (("unread-settings", 22),)),
    (OWN, "32-user.sh", SH + "# entrykit: user=app\n", 0o755, ()),
    (OWN, "34-later.py", "\nasync def hook(start): ...\n", 0o644, (("python-hook", 2),)),
    (OWN, "33-user.sh", SH + "\n# entrykit: user=nosuch\n", 0o755, (("user", 3),)),
)  # fmt: skip


def seed(root: Path) -> set[tuple[str, str, int]]:
    """Make the tree; return the codes, paths and lines that are to be found in it."""
    wanted: set[tuple[str, str, int]] = set()
    for directory in (OWN, DERIVED, "etc/templates"):
        (root / directory).mkdir(parents=True, mode=0o755)
    (root / "etc/passwd").write_text("app:x:1500:1500::/:/bin/sh\n", encoding="utf-8")
    for directory, name, content, mode, faults in HOOKS:
        path = root / directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        wanted |= {(code, f"{directory}/{name}", line) for code, line in faults}
    (root / DERIVED / "28-masked.sh").symlink_to("/dev/null")
    wanted.add(("masked", f"{DERIVED}/28-masked.sh", 0))
    (root / OWN / "29-dangling.sh").symlink_to("/nowhere")
    wanted.add(("dangling-link", f"{OWN}/29-dangling.sh", 0))
    (root / OWN / "30-circle.sh").symlink_to("30-circle.sh")
    wanted.add(("unreadable", f"{OWN}/30-circle.sh", 0))
    os.mkfifo(root / OWN / "31-fifo.sh", 0o755)
    wanted.add(("not-a-hook", f"{OWN}/31-fifo.sh", 0))
    (root / "etc/templates/a.template").write_text("$uri\n${APP_NAME} $OTHER\n", encoding="utf-8")
    wanted.add(("undeclared-variable", "etc/templates/a.template", 2))
    (root / "etc/templates/b.j2").write_text("a\n{% if %}\n", encoding="utf-8")
    wanted.add(("template", "etc/templates/b.j2", 2))
    return wanted


def configure(root: Path, *, rightly: bool) -> set[tuple[str, str, int]]:
    """Write a configuration that is right but for what it names, or one that is wrong."""
    text = RIGHT_CONFIGURATION if rightly else CONFIGURATION
    (root / CONFIG).write_text(text, encoding="utf-8")
    if not rightly:
        return {("configuration", CONFIG, 2)}
    return {("secret-name", CONFIG, 9), ("unknown-hook", CONFIG, 20)}
