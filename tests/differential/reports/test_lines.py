"""Every finding is a line that strict readers read, and comes back as it was."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differential_tests.findings import Check, Finding, FindingKind, Level
from differential_tests.reports import json_lines


def told(finding: Finding) -> str:
    """All of a finding, so that NaN is like NaN; half a pair of surrogates is the escape it is written as."""
    fields = {name: getattr(finding, name) for name in Finding.__slots__}
    return repr(fields).encode("utf-8", "backslashreplace").decode().replace("\\\\ud", "\\ud")


def test_each_check_is_followed_by_its_findings(tmp_path: Path, every: tuple[Check, ...]) -> None:
    path = tmp_path / "findings.jsonl"
    json_lines.write(path, every)
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    headers = [record for record in records if "check" in record]
    assert [header["findings"] for header in headers] == [len(check.findings) for check in every]
    assert [header["state"] for header in headers] == ["findings", "same", "findings", "could not run"]
    assert len(records) == sum(1 + len(check.findings) for check in every)
    assert records[0]["facts"]["tolerance"] == "100 dollars, 5 %"
    assert records[0]["kinds"] == {"missing": 1, "number": 80}


def test_findings_come_back_as_they_were(tmp_path: Path, every: tuple[Check, ...]) -> None:
    path = tmp_path / "findings.jsonl"
    json_lines.write(path, every)
    findings = [record for record in json_lines.read(path) if isinstance(record, Finding)]
    put = [finding for check in every for finding in check.findings]
    assert list(map(told, findings)) == list(map(told, put))
    assert findings[-3].a == math.inf


def test_a_text_that_says_nan_is_not_the_number(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    json_lines.write(
        path, [Check(Level.D2, "x", "y", 1, findings=(Finding(FindingKind.TYPE, "r", "$", "NaN", math.nan),))]
    )
    (finding,) = (record for record in json_lines.read(path) if isinstance(record, Finding))
    assert finding.a == "NaN"
    assert math.isnan(finding.b)


texts = st.text(st.characters(exclude_categories=()), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(values, values, texts)
def test_any_value_is_read_by_a_strict_reader(
    tmp_path_factory: pytest.TempPathFactory, a: Any, b: Any, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    put = Finding(FindingKind.TEXT, text, text, a, b, segment=text, detail=text)
    json_lines.write(path, [Check(Level.D3, text, text, 1, findings=(put,), facts={text: text})])
    for line in path.read_bytes().splitlines():
        orjson.loads(line)
    (finding,) = (record for record in json_lines.read(path) if isinstance(record, Finding))
    if "\\ud" not in json.dumps([a, b, text], ensure_ascii=True):
        assert told(finding) == told(put)
