"""Kinds of findings: each explained, and what a start says is one of them."""

import re
from pathlib import Path

import pytest

from entrykit.lint import findings
from entrykit.steps import kinds

PAGE = Path(__file__).parents[3] / "docs/check.md"
_ROW = re.compile(r"^\| `([a-z-]+)` \| (error|warning|note) \|", re.MULTILINE)


def test_each_code_is_explained_with_its_severity_and_no_other_is() -> None:
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert rows == [(code, severity) for code, (severity, _) in findings.CODES.items()]


def test_each_fault_of_a_hooks_kind_has_a_code_of_its_own() -> None:
    source = Path(kinds.__file__).read_text(encoding="utf-8")
    messages = re.findall(r'(?:FAULT|SKIPPED), \[\], f?"([^"]+)"', source)
    messages += re.findall(r'message = f?"([^"]+)"', source)
    assert len(messages) > 10
    for message in messages:
        # Those that nothing is known of are taken for the settings'.
        assert findings.code_of(message) != "settings", message


@pytest.mark.parametrize(
    ("message", "shown"), [("a\nb", "a b"), ("a\0\x1b", "a\\x00\\x1b"), ("\udcff", "\\udcff")]
)
def test_a_message_is_one_printable_line(message: str, shown: str) -> None:
    assert findings.make("bom", b"x", 1, message).message == shown


def test_findings_are_sorted_without_doubles() -> None:
    first = findings.make("bom", b"a", 1, "x")
    second = findings.make("crlf-line", b"a", 1, "x")
    third = findings.make("bom", b"a", 2, "x")
    assert findings.ordered([third, second, first, first]) == [first, second, third]
