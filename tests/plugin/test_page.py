"""An author's session as the page shows it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.sandbox


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language in the page."""
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(language: str, number: int = 0) -> str:
    """Return one of them."""
    return blocks(language)[number]


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Write the files that the page shows."""
    hook = pytester.mkdir("docker-entrypoint.d") / "20-htpasswd.sh"
    hook.write_text(block("sh"), encoding="utf-8")
    hook.chmod(0o755)
    (pytester.path / "entrykit.toml").write_text(block("toml"), encoding="utf-8")
    test = "\n\n".join(blocks("python"))
    (pytester.path / "test_hooks.py").write_text(test, encoding="utf-8")
    return pytester


def test_the_session_is_green(project: pytest.Pytester) -> None:
    ended = project.runpytest_subprocess()
    ended.assert_outcomes(passed=3)
    ended.stdout.fnmatch_lines(["entrykit: sandbox (namespaces and an overlay, *"])


def test_a_broken_hook_is_named_with_its_reason(project: pytest.Pytester) -> None:
    hook = project.path / "docker-entrypoint.d" / "20-htpasswd.sh"
    hook.write_text(block("sh").replace("/etc/app.users\nchmod", "/no/where\nchmod"), "utf-8")
    ended = project.runpytest_subprocess()
    ended.assert_outcomes(passed=1, failed=2)
    shown = ended.stdout.str()
    assert "no command was started, exit status 2: entrykit: 20-htpasswd.sh: failed" in shown
    assert "cannot create /no/where" in shown
    assert "20-htpasswd.sh: status 2" in shown


def test_a_difference_is_shown(project: pytest.Pytester) -> None:
    test = project.path / "test_hooks.py"
    test.write_text(block("python").replace('":80"]\n', '":8080"]\n'), encoding="utf-8")
    shown = project.runpytest_subprocess().stdout.str()
    assert "At index 3 diff: ':80' != ':8080'" in shown
    assert "changed: /etc/app.users" in shown


def test_try_says_what_the_page_shows(project: pytest.Pytester) -> None:
    command = [sys.executable, "-m", "entrykit", "try", "--secret", "APP_PASSWORD=geheim"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=project.path)
    shown = next(one for one in blocks("text") if one.startswith("$ entrykit try"))
    times = re.compile(r"[0-9.]+ m?s")
    said = times.sub("N", done.stdout)
    assert said.splitlines() == times.sub("N", shown).splitlines()[1:]
