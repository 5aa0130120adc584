"""Killed anywhere, a start comes to the same when it is started again; or the place is named."""

import pytest

from entrykit.testing import Entrypoint

pytestmark = pytest.mark.sandbox


def test_a_start_of_stock_hooks_converges_wherever_it_is_killed(entrypoint: Entrypoint) -> None:
    config = (
        'program = "/srv/app"\n[env.NAME]\ndefault = "admin"\n[env.PW]\nsecret = true\n'
        '[htpasswd]\nusername = "NAME"\npassword = "PW"\nfile = "htpasswd"\n'
        'option = "-htpasswd"\n'
    )
    hooks = {"20-a.sh": 'echo a >/etc/app.a\necho 4 >"$ENTRYKIT_ENV/THREADS"\n'}
    # A hash has another salt each time.
    salted = ["/run/entrykit/htpasswd", "/run/entrykit/.htpasswd.entrykit"]
    names = entrypoint.crash_everywhere(
        secrets={"PW": "geheim"}, config=config, hooks=hooks, ignoring=salted
    )
    assert "before 20-a.sh" in names
    assert "before writing /run/entrykit/htpasswd" in names
    assert "after writing /run/entrykit/htpasswd" in names
    assert "after making the directories for changes" in names
    assert "before reading the changes" in names


def test_a_start_with_an_init_converges_wherever_it_is_killed(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": 'echo a >/etc/app.a\necho 4 >"$ENTRYKIT_ENV/THREADS"\n'}
    config = 'program = "/srv/app"\ninit = true\n'
    names = entrypoint.crash_everywhere(config=config, hooks=hooks)
    assert names == entrypoint.crash_everywhere(config=config.replace("true", "false"), hooks=hooks)


def test_a_hook_that_runs_once_is_done_once_wherever_it_is_killed(entrypoint: Entrypoint) -> None:
    config = 'program = "/srv/app"\n[once]\njournal = "/var/lib/app.once"\n'
    seed = "mkdir -p /srv/db\necho seeded >>/srv/db/seed\n"
    comment = "# entrykit: once=seed on-interrupted=redo makes=/srv/db\n"
    dates = ["/var/lib/app.once/*"]
    names = entrypoint.crash_everywhere(
        config=config, hooks={"10-seed.sh": comment + seed}, ignoring=dates
    )
    assert names.count("before writing /var/lib/app.once/seed.journal") == 2
    with pytest.raises(AssertionError) as failure:
        entrypoint.crash_everywhere(
            config=config, hooks={"10-seed.sh": comment.replace("=redo", "=fail") + seed}
        )
    assert "10-seed.sh: was interrupted in its run of" in str(failure.value)


def test_what_a_killed_start_was_writing_makes_no_difference(entrypoint: Entrypoint) -> None:
    config = (
        'program = "/srv/app"\n[templates]\nfrom = "/srv/from"\nto = "/etc/app.to"\nnames = "A"\n'
    )
    names = entrypoint.crash_everywhere(
        env={"A": "1"}, config=config, files={"/srv/from/a.conf.template": "${A}\n"}, hooks={}
    )
    assert "before writing /etc/app.to/a.conf" in names


def test_the_places_after_which_a_restart_differs_are_named(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "echo x >>/etc/app.count\n", "20-b.sh": ":\n"}
    with pytest.raises(AssertionError) as failure:
        entrypoint.crash_everywhere(["true"], hooks=hooks)
    (line,) = str(failure.value).splitlines()
    points, _, difference = line.partition(": a restart comes to something else: ")
    assert points.removeprefix("killed ").split(", ") == [
        "before reading the changes",
        "after 10-a.sh",
        "before 20-b.sh",
        "after making the directories for changes",
        "before reading the changes",
        "after 20-b.sh",
        "before the handoff",
    ]
    assert difference == r"files: /etc/app.count: content is b'x\nx\n'; else b'x\n'"


def test_a_start_without_hooks_has_no_place_to_be_killed_at(entrypoint: Entrypoint) -> None:
    assert entrypoint.crash_everywhere(["true"], hooks={}) == []
