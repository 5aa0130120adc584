"""Writes findings: for people, as JSON, as SARIF and as annotations of GitHub's workflows."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

from entrykit import __version__
from entrykit.lint.findings import CODES, ERROR, NOTE, SEVERITIES, WARNING, Finding
from entrykit.system import log

FORMAT = 1
_SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_GITHUB = {ERROR: "error", WARNING: "warning", NOTE: "notice"}
# GitHub's workflow commands: a value's end and a property's, and what begins an escape.
_DATA = {ord("%"): "%25", ord("\r"): "%0D", ord("\n"): "%0A"}
_PROPERTY = {**_DATA, ord(":"): "%3A", ord(","): "%2C"}


def lines(form: str, findings: list[Finding]) -> Iterator[str]:
    """Yield the lines of a format: `text`, `json`, `sarif` or `github`."""
    formats = {"text": _text, "json": _json, "sarif": _sarif, "github": _github}
    return formats[form](findings)


def counts(findings: list[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    found = Counter(one.severity for one in findings)
    return {severity: found[severity] for severity in SEVERITIES}


def _text(findings: list[Finding]) -> Iterator[str]:
    for one in findings:
        place = log.text(one.path) + (f":{one.line}" if one.line else "")
        yield f"{place}: {one.severity} {one.code}: {_sentence(one)}"


def _sentence(one: Finding) -> str:
    return f"{one.message} ({one.mend})" if one.mend else one.message


def _json(findings: list[Finding]) -> Iterator[str]:
    rows = [
        {
            "code": one.code,
            "severity": one.severity,
            "path": log.text(one.path),
            "line": one.line or None,
            "message": one.message,
            "mend": one.mend,
        }
        for one in findings
    ]
    document = {"format": FORMAT, "findings": rows, "counts": counts(findings)}
    yield json.dumps(document, indent=2, ensure_ascii=False)


def _github(findings: list[Finding]) -> Iterator[str]:
    for one in findings:
        properties = {"file": log.text(one.path)}
        if one.line:
            properties["line"] = str(one.line)
        properties["title"] = f"entrykit {one.code}"
        written = ",".join(f"{key}={text.translate(_PROPERTY)}" for key, text in properties.items())
        yield f"::{_GITHUB[one.severity]} {written}::{_sentence(one).translate(_DATA)}"


def _sarif(findings: list[Finding]) -> Iterator[str]:
    """Yield SARIF 2.1.0 (OASIS standard, errata 01)."""
    used = sorted({one.code for one in findings})
    driver = {
        "name": "entrykit",
        "version": __version__,
        "rules": [_rule(code) for code in used],
    }
    results = [_result(one, used.index(one.code)) for one in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    document = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    yield json.dumps(document, indent=2, ensure_ascii=False)


def _rule(code: str) -> dict[str, Any]:
    severity, summary = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": summary},
        "help": {"text": f"docs/check.md of entrykit explains {code}."},
        "defaultConfiguration": {"level": severity},
    }


def _result(one: Finding, rule: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(one.path)}}
    if one.line:
        location["region"] = {"startLine": one.line}
    return {
        "ruleId": one.code,
        "ruleIndex": rule,
        "level": one.severity,
        "message": {"text": _sentence(one)},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: bytes) -> str:
    """Return a relative path as a relative reference (RFC 3986), an absolute one as a file's."""
    quoted = quote_from_bytes(os.path.normpath(path))
    return f"file://{quoted}" if quoted.startswith("/") else quoted
