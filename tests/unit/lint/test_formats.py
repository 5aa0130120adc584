"""The formats of what is found, as they stand."""

import json

from hypothesis import given
from hypothesis import strategies as st

from entrykit.lint import findings, formats

FOUND = [
    findings.make("bom", b"hooks.d/10-a.sh", 1, "it begins so", "save it"),
    findings.make("empty", b"/x/20-\xff b.sh", 0, "100%, it is\nempty"),
    findings.make("masked", b"a:b,c", 2, "masked"),
]


def written(form: str) -> str:
    return "\n".join(formats.lines(form, FOUND))


def test_the_text_is_a_line_each() -> None:
    assert written("text").splitlines() == [
        "hooks.d/10-a.sh:1: error bom: it begins so (save it)",
        "/x/20-\\xff b.sh: warning empty: 100%, it is empty",
        "a:b,c:2: note masked: masked",
    ]


def test_the_annotations_are_escaped() -> None:
    assert written("github").splitlines() == [
        "::error file=hooks.d/10-a.sh,line=1,title=entrykit bom::it begins so (save it)",
        "::warning file=/x/20-\\xff b.sh,title=entrykit empty::100%25, it is empty",
        "::notice file=a%3Ab%2Cc,line=2,title=entrykit masked::masked",
    ]


def test_the_json_has_a_format_and_counts() -> None:
    document = json.loads(written("json"))
    assert document["format"] == 1
    assert document["counts"] == {"error": 1, "warning": 1, "note": 1}
    assert document["findings"][0] == {
        "code": "bom",
        "severity": "error",
        "path": "hooks.d/10-a.sh",
        "line": 1,
        "message": "it begins so",
        "mend": "save it",
    }
    assert document["findings"][1]["line"] is None


def test_the_uris_are_references() -> None:
    results = json.loads(written("sarif"))["runs"][0]["results"]
    uris = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results
    ]
    assert uris == ["hooks.d/10-a.sh", "file:///x/20-%FF%20b.sh", "a%3Ab%2Cc"]


@given(st.binary(min_size=1), st.text())
def test_any_path_and_message_can_be_written(path: bytes, message: str) -> None:
    one = findings.make("bom", path.replace(b"\0", b""), 1, message)
    for form in ("text", "json", "sarif", "github"):
        text = "\n".join(formats.lines(form, [one]))
        text.encode()
        if form in ("text", "github"):
            assert len(text.splitlines()) == 1
