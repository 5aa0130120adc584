"""What a start is given: by the call, by the project, and what it does not get."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrykit.testing import Entrypoint
from entrykit.testing.given import SEARCH_PATH

pytestmark = pytest.mark.sandbox
ASKS = """\
import socket
socket.create_connection(("127.0.0.1", {port}), 5).close()
"""


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of a server of this test; the kernel takes its connections."""
    server = socket.create_server(("127.0.0.1", 0))
    with server:
        yield server.getsockname()[1]


def test_nothing_of_this_process_gets_into_the_environment(
    entrypoint: Entrypoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREIGN", "1")
    assert entrypoint(["true"]).env == {"PATH": SEARCH_PATH}
    assert entrypoint(["true"], env={"PATH": "/bin"}).env == {"PATH": "/bin"}


def test_a_start_has_no_network_but_what_it_asks_for(entrypoint: Entrypoint, port: int) -> None:
    hooks = {"10-a.py": ASKS.format(port=port)}
    assert "Connection refused" in entrypoint(["true"], hooks=hooks).log.text
    assert entrypoint(["true"], hooks=hooks, network=True).exit_status == 0


def test_a_user_is_what_run_makes_of_it(entrypoint: Entrypoint) -> None:
    outcome = entrypoint(["true"], user="no-such-user")
    assert outcome.exit_status == 78
    assert "user" in outcome.log.lines[-1]


def test_a_start_that_goes_on_is_ended(entrypoint: Entrypoint) -> None:
    with pytest.raises(AssertionError, match=r"10-a\.sh goes on and on; so far it has said:\nhere"):
        entrypoint(["true"], hooks={"10-a.sh": "echo here\nsleep 600\n"}, seconds=1)


def test_a_path_of_a_file_is_absolute(entrypoint: Entrypoint) -> None:
    with pytest.raises(ValueError, match="'etc/x' is no absolute path"):
        entrypoint(["true"], files={"etc/x": ""})


def test_no_host_socket_is_to_be_reached(entrypoint: Entrypoint, tmp_path: Path) -> None:
    """A socket's file shows through the overlay; what listens on it does not."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        hook = f"import socket\nsocket.socket(socket.AF_UNIX).connect({str(tmp_path / 's')!r})\n"
        outcome = entrypoint(["true"], hooks={"10-a.py": hook})
    assert "Connection refused" in outcome.log.text


def test_a_link_to_dev_null_masks_a_hook(entrypoint: Entrypoint, tmp_path: Path) -> None:
    config = '[wait]\ntargets = ["file:/bin/sh"]\n'
    (tmp_path / "10-wait.py").symlink_to("/dev/null")
    (tmp_path / "20-a.sh").write_text("echo 1 >$ENTRYKIT_ENV/A\n", encoding="utf-8")
    (tmp_path / "20-a.sh").chmod(0o755)
    assert [hook.name for hook in entrypoint(["true"], config=config, hooks={}).hooks] == [
        "10-wait.py"
    ]
    for hooks in (tmp_path, {"10-wait.py": Path("/dev/null"), "20-a.sh": tmp_path / "20-a.sh"}):
        outcome = entrypoint(["true"], config=config, hooks=hooks)
        assert [hook.name for hook in outcome.hooks] == ["20-a.sh"]
        assert outcome.env["A"] == "1"


def test_bytes_are_what_they_are(entrypoint: Entrypoint) -> None:
    odd = b"\xff\n"
    hooks = {"10-a.py": "import os\nopen('/srv/pw', 'wb').write(os.environb[b'PW'])\n"}
    outcome = entrypoint(
        [b"/srv/app", odd],
        env={"ODD": odd},
        secrets={"PW": b"\xfe"},
        config="[env.PW]\nsecret = true\n",
        hooks={"10-a.py": "# entrykit: secrets=PW\n" + hooks["10-a.py"]},
    )
    assert outcome.env_bytes[b"ODD"] == odd
    assert outcome.argv == ["/srv/app", "\udcff\n"]
    assert outcome.files["/srv/pw"].bytes == b"\xfe"


def test_the_section_of_the_project_says_what_is_not_given(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        """
        [tool.entrykit]
        hooks = "image/hooks"
        config = "image/settings.toml"
        program = "/srv/other serve"
        """
    )
    hooks = pytester.path / "image" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "10-a.envsh").write_text("export A=$B\n", encoding="utf-8")
    settings = 'program = "/srv/app"\n[env.B]\ndefault = "b"\n'
    (pytester.path / "image" / "settings.toml").write_text(settings, encoding="utf-8")
    test = pytester.mkdir("tests") / "test_it.py"
    test.write_text(
        "def test_it(entrypoint):\n"
        "    outcome = entrypoint(['-x'])\n"
        "    assert outcome.argv == ['/srv/other', 'serve', '-x']\n"
        "    assert outcome.env['A'] == 'b'\n",
        encoding="utf-8",
    )
    ended = pytester.runpytest_subprocess()
    ended.assert_outcomes(passed=1)
    ended.stdout.fnmatch_lines(["entrykit: sandbox *"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('hook = "x"', "[tool.entrykit] has no key `hook`; it has backend, config,"),
        ("hooks = 1", "[tool.entrykit] hooks is 1; expected text"),
        ('hooks = "gone"', "[tool.entrykit] hooks: there is no /"),
        ('config = "gone"', "[tool.entrykit] config: there is no /"),
        ("= 1", "pyproject.toml: Invalid statement (at line 2, column 1)"),
    ],
)
def test_a_slip_in_the_section_is_named(pytester: pytest.Pytester, line: str, says: str) -> None:
    (pytester.path / "pyproject.toml").write_text(f"[tool.entrykit]\n{line}\n", encoding="utf-8")
    pytester.makepyfile("def test_it(entrypoint): pass")
    ended = pytester.runpytest_subprocess("-c", "/dev/null", f"--rootdir={pytester.path}")
    ended.assert_outcomes(errors=1)
    assert says in ended.stdout.str()
    assert "Traceback" not in ended.stdout.str()
