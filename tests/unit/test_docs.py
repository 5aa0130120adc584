"""The pages say what holds: their settings are all there, and what they show parses."""

import re
from pathlib import Path

import pytest

from entrykit import commands
from entrykit.settings import configuration, hook, options, schema, typed
from entrykit.settings.sections import SECTIONS

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md"))
)


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a language in a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [text for page in PAGES for text in blocks(page, "toml")])
def test_a_configuration_that_is_shown_is_right(text: str) -> None:
    configuration.parse(text.encode(), "shown.toml")


def test_the_configuration_of_the_nginx_example_is_right_and_its_variables_are_explained() -> None:
    text = (ROOT / "examples/nginx/entrykit.toml").read_bytes()
    page = (ROOT / "examples/nginx/README.md").read_text(encoding="utf-8")
    for name in configuration.parse(text, "entrykit.toml")["env"]:
        assert f"`{name}`" in page


@pytest.mark.parametrize(
    ("example", "program"), [("youp0m", "/srv/youp0m"), ("postgres", "postgres")]
)
def test_the_configuration_of_an_example_is_right(example: str, program: str) -> None:
    path = ROOT / f"examples/{example}/entrykit.toml"
    assert configuration.parse(path.read_bytes(), str(path))["program"] == [program]


@pytest.mark.parametrize("kind", list(typed.TYPES))
def test_each_type_of_a_variable_is_explained(kind: str) -> None:
    assert f"| `{kind}` |" in (ROOT / "docs/environment.md").read_text(encoding="utf-8")


def test_the_readme_of_the_example_lists_the_variables_of_its_configuration(
    capfd: pytest.CaptureFixture[str],
) -> None:
    directory = ROOT / "examples/youp0m"
    words = ["env", "--config", str(directory / "entrykit.toml"), "--format", "markdown"]
    assert commands.main(words) == 0
    text = (directory / "README.md").read_text(encoding="utf-8")
    table = "".join(line for line in text.splitlines(keepends=True) if line.startswith("|"))
    assert table == capfd.readouterr().out


@pytest.mark.parametrize("key", [*schema.TOP, *schema.VARIABLE, *SECTIONS])
def test_each_key_of_the_configuration_is_explained(key: str) -> None:
    assert f"`{key}`" in _operators() or f"`[{key}]`" in _operators()


@pytest.mark.parametrize("key", SECTIONS["templates"].keys)
def test_each_key_of_the_templates_is_explained(key: str) -> None:
    text = (ROOT / "docs/templates.md").read_text(encoding="utf-8")
    assert f"| `{key}` |" in text


@pytest.mark.parametrize("name", [name for name, *_ in options.SETTINGS])
def test_each_setting_of_a_start_is_explained(name: str) -> None:
    assert f"`--{name}`" in _operators()


def test_each_variable_of_a_start_is_explained() -> None:
    for name, _, has_variable, _ in options.SETTINGS:
        if has_variable:
            assert f"`ENTRYKIT_{name.upper()}`" in _operators()


def test_the_settings_comment_that_is_shown_is_right() -> None:
    texts = [*blocks("docs/hooks.md", "sh"), *blocks("docs/once.md", "sh")]
    shown = [line for text in texts for line in text.splitlines()]
    comments = [line for line in shown if line.startswith("# entrykit:")]
    assert comments
    for comment in comments:
        _, problems = hook.from_comment(comment.partition("entrykit:")[2])
        assert problems == []


def test_the_dockerfile_of_the_readme_is_that_of_the_example() -> None:
    example = (ROOT / "Dockerfile.example").read_text(encoding="utf-8").splitlines()
    (shown,) = blocks("README.md", "dockerfile")
    missing = [
        line for line in shown.splitlines() if not line.startswith("#") and line not in example
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target


def _operators() -> str:
    return (ROOT / "docs/operators.md").read_text(encoding="utf-8")


def test_what_shows_that_a_defence_holds_is_there() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 40
    tests = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    assert named - set(re.findall(r"^def (test_\w+)\(", tests, re.MULTILINE)) == set()


def test_each_attempt_that_is_listed_is_shown_to_fail() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    for section in page.split("\n## "):
        if section.startswith("What") and "| attempt |" in section:
            rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
            assert rows
            assert [row for row in rows if "`test_" not in row.split(" | ")[-1]] == []


def test_each_module_that_handles_what_is_dangerous_is_there() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    modules = re.findall(r"`(entrykit/[\w/]+\.py)`", page)
    assert modules
    assert [path for path in modules if not (ROOT / path).is_file()] == []


def test_the_tests_that_the_page_of_the_init_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/init.md").read_text(encoding="utf-8")))
    files = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/process/test_init*.py")]
    there = {name for text in files for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    assert named
    assert named <= there


def test_each_failure_of_a_peer_that_is_known_is_of_a_test_that_is_there() -> None:
    known = (ROOT / "tests/process/inits.py").read_text(encoding="utf-8")
    files = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/process/test_init*.py")]
    for name in re.findall(r'"(test_\w+)"', known):
        assert any(f"def {name}(" in text for text in files), name
