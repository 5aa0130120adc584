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


def test_the_places_after_which_a_restart_differs_are_named(entrypoint: Entrypoint) -> None:
    hooks = {"10-a.sh": "echo x >>/etc/app.count\n", "20-b.sh": ":\n"}
    with pytest.raises(AssertionError) as failure:
        entrypoint.crash_everywhere(["true"], hooks=hooks)
    lines = str(failure.value).splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "killed after 10-a.sh", "killed before 20-b.sh", "killed after 20-b.sh",
    ]  # fmt: skip
    assert "files: /etc/app.count is File(bytes=b'x\\nx\\n'" in lines[0]


def test_a_start_without_hooks_has_no_place_to_be_killed_at(entrypoint: Entrypoint) -> None:
    assert entrypoint.crash_everywhere(["true"], hooks={}) == []
