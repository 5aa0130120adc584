"""Promise: an htpasswd file is as the environment says, and what is right in it stays."""

import re
from pathlib import Path

import pytest
from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

from entrykit.testing import Entrypoint, Outcome

PAGE = (Path(__file__).parents[2] / "docs/htpasswd.md").read_text(encoding="utf-8")
FILE = "/srv/volume/users"
CONFIG = f"""\
program = "/srv/app"
[htpasswd]
username = "LOGIN"
password = "PASSWORD"
users = "USERS"
entries = "ENTRIES"
file = "{FILE}"
option = "-htpasswd"
"""
READY = "eve:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"
USERS = {"LOGIN": "admin", "PASSWORD": "hush", "USERS": "ann:a\nbob:b\n", "ENTRIES": READY}
# Makes the directory, and says which file it finds and since when.
LOOKS = f"mkdir -p {Path(FILE).parent}\nstat -c '%i %Y' {FILE} 2>/dev/null || :\n"
HOOKS = {"10-looks.sh": LOOKS}
pytestmark = pytest.mark.sandbox


def lines(outcome: Outcome) -> dict[str, str]:
    """Return the line of each user."""
    text = outcome.files[FILE].text
    return {line.partition(":")[0]: line for line in text.splitlines()}


def judge(outcome: Outcome) -> HtpasswdFile:
    """Return what tells whether a password is right."""
    return HtpasswdFile.from_string(outcome.files[FILE].text)


def test_all_users_are_let_in_and_the_command_sees_no_password(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(["-own"], config=CONFIG, hooks=HOOKS, env=USERS)
    assert outcome.argv == ["/srv/app", "-htpasswd", FILE, "-own"]
    assert set(outcome.env) == {"PATH", "LOGIN"}
    passwords = {"admin": "hush", "ann": "a", "bob": "b", "eve": "myPassword"}
    assert {
        name: judge(outcome).check_password(name, word) for name, word in passwords.items()
    } == (dict.fromkeys(passwords, True))
    assert list(lines(outcome)) == list(passwords)
    assert outcome.log.events[-1].message.startswith(f"4 users in {FILE} (")


def test_secrets_come_from_files_and_reach_no_command(entrypoint: Entrypoint) -> None:
    secrets = {name: f"# {name}\r\n{USERS[name]}\r\n" for name in ("USERS", "ENTRIES")}
    outcome = entrypoint(config=CONFIG, hooks=HOOKS, secrets=secrets)
    assert list(lines(outcome)) == ["ann", "bob", "eve"]
    assert set(outcome.env) == {"PATH"}


def test_a_restart_keeps_the_file_and_each_line_that_is_right(entrypoint: Entrypoint) -> None:
    first = entrypoint(config=CONFIG, hooks=HOOKS, env=USERS)
    second = first.restart()
    assert f"4 users in {FILE}, unchanged (" in second.log.lines[-1]
    assert second.files == first.files
    third = second.restart(env={**USERS, "USERS": "ann:changed\nbob:b\nzoe:z"})
    # The same one as the second start found.
    assert third.log.lines[0] == second.log.lines[0]
    assert f"5 users in {FILE}, 3 of them unchanged (" in third.log.lines[-1]
    kept = [name for name, line in lines(third).items() if lines(first).get(name) == line]
    assert kept == ["admin", "bob", "eve"]
    assert judge(third).check_password("ann", "changed")


def test_all_mistakes_are_told_at_once_without_any_secret(entrypoint: Entrypoint) -> None:
    odd = {"USERS": "ann:a\nSeCrEt\n\nbob:", "ENTRIES": f"{READY}\nann:SeCrEt\neve:SeCrEt"}
    outcome = entrypoint(config=CONFIG, hooks=HOOKS, env=odd)
    assert outcome.exit_status == 78
    assert "SeCrEt" not in outcome.log.text
    no_hash = "after the name stands no hash of a known scheme"
    events = [event for event in outcome.log.events if event.where == "30-htpasswd.py"]
    assert [event.message.partition("; ")[0] for event in events] == [
        "USERS, line 2: it has no colon",
        "USERS, line 4: the password is empty",
        f"ENTRIES, line 2: {no_hash}",
        f"ENTRIES, line 3: {no_hash}",
    ]
    assert not outcome.files


def test_without_users_an_old_file_goes(entrypoint: Entrypoint) -> None:
    first = entrypoint(config=CONFIG, hooks=HOOKS, env=USERS)
    outcome = first.restart(env={"USERS": "# nobody"})
    assert outcome.argv == ["/srv/app"]
    assert not outcome.files
    assert "USERS holds no user" in outcome.log.lines[-1]
    assert "no htpasswd file, the old one is removed (" in outcome.log.lines[-1]


def test_the_messages_are_as_shown(entrypoint: Entrypoint) -> None:
    (toml,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    odd = {"APP_USERS": "ann:a\nSeCrEt\n\nbob:\nann:b", "APP_HTPASSWD": "eve:SeCrEt"}
    outcome = entrypoint(["true"], config=toml, hooks={}, env=odd)
    assert outcome.exit_status == 78
    times_and_places = re.compile(r"after \d+ ms, in \S+;")
    assert times_and_places.sub("…", outcome.log.text) == times_and_places.sub("…", shown)
