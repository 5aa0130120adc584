"""What a failed test says: which start, which hook, why, and what differs."""

import pytest

HOOK = """\
echo "no such server" >&2
mkdir -p /srv/new
echo a >/etc/app.conf
chmod 644 /etc/app.conf
[ -z "$FAILS" ] || exit 3
"""
CALLS = f"HOOKS = {{'10-a.sh': {HOOK!r}}}\nCOMMAND = ['/srv/app', '-x']\n"
pytestmark = pytest.mark.sandbox


def failure(pytester: pytest.Pytester, *lines: str) -> str:
    """Return what pytest shows of a test of these lines, which must fail."""
    body = "".join(f"    {line}\n" for line in lines)
    pytester.makepyfile(f"{CALLS}\ndef test_it(entrypoint):\n{body}")
    ended = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    ended.assert_outcomes(failed=1)
    return ended.stdout.str()


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("outcome.argv == ['/srv/app']", "Left contains one more item: '-x'"),
        ("outcome.env == {'PATH': '/bin'}", "Differing items:"),
        ("outcome.env['MODE'] == '1'", "the command has no variable MODE; it has these: PATH"),
        ("outcome.umask == 0o077", "assert 0o022 == 0o077"),
        ("outcome.files['/etc/app.conf'].mode == 0o640", "assert 0o644 == 0o640"),
        ("outcome.files['/etc/app.conf'].text == 'b\\n'", "assert 'a\\n' == 'b\\n'"),
        ("outcome.files['/etc/app'].text == 'b'", "neither made nor changed /etc/app; it did"),
    ],
)
def test_what_differs_is_shown(pytester: pytest.Pytester, expression: str, says: str) -> None:
    shown = failure(pytester, "outcome = entrypoint(COMMAND, hooks=HOOKS)", f"assert {expression}")
    assert says in shown
    assert "10-a.sh: status 0" in shown
    assert "changed: /etc/app.conf, /srv/new" in shown
    assert "no such server" in shown


def test_a_file_that_a_hook_removes_is_not_called_changed(pytester: pytest.Pytester) -> None:
    hook = "rm /srv/old\\necho a >/srv/new\\n"
    call = f"outcome = entrypoint(COMMAND, hooks={{'10-a.sh': '{hook}'}}, files={{'/srv/old': ''}})"
    shown = failure(pytester, call, "assert outcome.removed == set()")
    assert "changed: /srv/new\nremoved: /srv/old\n" in shown


def test_files_that_differ_are_shown_each_by_what_differs(pytester: pytest.Pytester) -> None:
    counts = "echo x >>/etc/app.count\\n[ -e /srv/once ] || echo long words >/srv/once\\n"
    shown = failure(
        pytester,
        f"outcome = entrypoint(COMMAND, hooks={{'10-a.sh': '{counts}chmod 600 /srv/once'}})",
        "file = outcome.files['/srv/once']",
        "assert outcome.restart().files == {**outcome.files, '/srv/gone': file}",
    )
    assert "assert the files that a start changed" in shown
    assert "/etc/app.count: content is b'x\\nx\\n'; else b'x\\n'" in shown
    assert "/srv/gone is not there; else it is" in shown
    assert "/srv/once:" not in shown
    assert "entrykit, start 1, restarted" in shown


@pytest.mark.parametrize("asked", ["argv", "files['/etc/x']", "umask"])
def test_a_failed_start_is_told_whatever_is_asked(pytester: pytest.Pytester, asked: str) -> None:
    shown = failure(pytester, f"entrypoint(COMMAND, hooks=HOOKS, env={{'FAILS': '1'}}).{asked}")
    told = "no command was started, exit status 3: entrykit: 10-a.sh: failed with exit status 3"
    assert told in shown
    assert "E       no such server" in shown


def test_what_a_fixture_of_ones_own_started_is_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        HOOKS = {"10-a.sh": "echo no such server\\nexit 3\\n"}
        @pytest.fixture
        def argv(entrypoint): return entrypoint(["true"], hooks=HOOKS).argv
        def test_it(argv): pass
        """
    )
    ended = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    ended.assert_outcomes(errors=1)
    assert "entrykit, start 1" in ended.stdout.str()
    assert "no such server" in ended.stdout.str()


def test_a_hook_that_hangs_is_named_with_what_came_before(pytester: pytest.Pytester) -> None:
    for runs in ("", ", run_command=True"):
        shown = failure(
            pytester,
            "hooks = {'10-a.sh': 'echo x >/srv/x', '20-b.sh': 'echo odd; sleep 600'}",
            f"entrypoint(['true'], hooks=hooks, seconds=1.0{runs}){'.wait(1.0)' if runs else ''}",
        )
        assert "20-b.sh goes on and on; so far it has said:" in shown
        assert "no command was started: killed in 20-b.sh for more than 1.0 s" in shown
        assert "10-a.sh: status 0 (" in shown
        assert "20-b.sh: not done (" in shown
        assert ", /srv/x\n" in shown
        assert "odd" in shown


def test_a_running_command_that_fails_its_test_is_told_with_what_it_said(
    pytester: pytest.Pytester,
) -> None:
    shown = failure(
        pytester,
        "command = ['sh', '-c', 'trap \"\" TERM; echo listens; echo odd >&2; exec sleep 600']",
        "with entrypoint(command, run_command=True) as running:",
        "    running.wait_for('odd')",
        "    running.stop(seconds=0.1)",
    )
    assert "SIGTERM does not end it: goes on and on; so far it has said:" in shown
    assert "exit status 137 (ended by the test), argv ['sh'," in shown
    assert "standard output:\nlistens" in shown
    assert "def stop(" not in shown


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        ("environment={}", "a start is told nothing of `environment`; it is told of env, secrets"),
        ("env={'PORT': 80}", "env: PORT is 80, and no text"),
        ("hooks='no/where'", "hooks: no/where is no directory"),
        ("program=['/srv/an app']", "program: '/srv/an app' is not one word"),
        ("files={'etc/x': ''}", "files: 'etc/x' is no absolute path"),
    ],
)
def test_a_slip_is_named(pytester: pytest.Pytester, slip: str, says: str) -> None:
    shown = failure(pytester, f"entrypoint(COMMAND, {slip})")
    assert says in shown
    assert "entrykit/testing" not in shown
