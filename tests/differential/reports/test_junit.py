"""The JUnit file validates, and another program reads from it what was found, whatever a service said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml
from xmlschema import XMLSchema

from differential_tests.findings import Check, Finding, FindingKind, Level
from differential_tests.reports import junit, summary

SCHEMA = XMLSchema(Path(__file__).with_name("junit.xsd"))
Written = Callable[[Sequence[Check]], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Provide a writer of valid JUnit files."""

    def make(checks: Sequence[Check]) -> Path:
        path = tmp_path / "junit.xml"
        junit.write(path, checks)
        SCHEMA.validate(path)
        return path

    return make


def test_levels_are_suites_and_checks_are_cases(written: Written, every: tuple[Check, ...]) -> None:
    read = JUnitXml.fromfile(str(written(every)))
    suites = list(read)
    assert [suite.name.split()[0] for suite in suites] == ["D0", "D1", "D2", "D4"]
    assert (read.tests, read.failures, read.errors) == (4, 2, 1)
    assert read.time == pytest.approx(sum(check.seconds for check in every))
    results = {case.name: [type(outcome) for outcome in case.result] for suite in suites for case in suite}
    assert results[summary.title(every[0])] == [Failure]
    assert results["shuffled x ordinary"] == []
    assert results["research x package x test split"] == [Error]


def test_a_failure_tells_the_five_worst_rows(written: Written, every: tuple[Check, ...]) -> None:
    (case,) = next(iter(JUnitXml.fromfile(str(written(every[:1])))))
    (failure,) = case.result
    rows = failure.text.splitlines()
    assert [row.split()[0].rstrip(":") for row in rows] == [finding.row for finding in every[0].findings[:5]]
    assert failure.message == "81 findings in 1,200 rows"
    assert failure.type == "missing"


def test_properties_tell_rows_tolerance_noise_and_hashes(written: Written, every: tuple[Check, ...]) -> None:
    (suite,) = JUnitXml.fromfile(str(written(every[:1])))
    values = {
        property_.name.removeprefix("live x candidate x traffic: "): property_.value
        for property_ in suite.properties()
    }
    assert (values["rows"], values["tolerance"], values["noise p99.9"]) == ("1200", "100 dollars, 5 %", "0")
    assert (values["a artifact sha256"], values["b artifact sha256"]) == ("a" * 64, "b" * 64)


def test_no_checks_are_a_file_all_the_same(written: Written) -> None:
    assert JUnitXml.fromfile(str(written(()))).tests == 0


def test_what_could_not_run_counts_as_an_error_only(written: Written, found: tuple[Check, ...]) -> None:
    broken = replace(found[1], error="the side died at row 900")
    read = JUnitXml.fromfile(str(written([broken])))
    assert (read.tests, read.failures, read.errors) == (1, 0, 1)
    (case,) = next(iter(read))
    assert case.result[0].text.splitlines()[:2] == ["the side died at row 900", "house-1: missing " + _SAID]


_SAID = '{"price_dollars": 1.0} -> null [NAmes]'


def test_characters_that_xml_forbids_are_seen_as_escapes(written: Written, every: tuple[Check, ...]) -> None:
    text = written(every).read_text(encoding="utf-8")
    assert "\\u0000\\u001b[31m\\ud800\\u202e\\n" in text
    assert not {character for character in text if ord(character) < 32} - {"\n"}


# Any code point, lone surrogates too: JSON may hold "\ud800".
texts = st.text(st.characters(exclude_categories=()), max_size=40)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    texts, texts, texts, st.one_of(texts, st.floats(), st.none(), st.dictionaries(texts, texts, max_size=2))
)
def test_any_text_gives_a_file_that_validates(
    tmp_path_factory: pytest.TempPathFactory, name: str, row: str, detail: str, said: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.xml"
    finding = Finding(FindingKind.TEXT, row, name, said, said, detail=detail, segment=row)
    checks = [
        Check(Level.D2, name, row, 1, findings=(finding,), facts={name: detail}),
        Check(Level.D2, name, row, 1, error=detail or "x"),
    ]
    junit.write(path, checks)
    SCHEMA.validate(path)
    assert JUnitXml.fromfile(str(path)).tests == 2


def test_the_schema_refuses_what_it_should(written: Written, every: tuple[Check, ...]) -> None:
    text = written(every).read_text(encoding="utf-8")
    faults = (
        ('classname="differential_tests.D0" ', ""),
        ('type="missing"', ""),
        ('time="1.500"', 'time="1.5 s"'),
        ('tests="4"', 'tests="four"'),
        ("<properties>", "<skipped /><properties>"),
    )
    for good, bad in faults:
        assert good in text
        assert not SCHEMA.is_valid(text.replace(good, bad)), bad
