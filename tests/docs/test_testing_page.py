"""The page about tests: what it points at is there, and its sums are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
PAGE = (HERE / "docs/testing.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^### (\w+): ([\d.]+)$(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
EVIDENCE = sorted(
    set(re.findall(r"`((?:tests|differential_tests|load_tests|benchmarks)/[\w./]+(?:::\w+)?)`", PAGE))
)


def points(section: str) -> list[float]:
    return [float(row) for row in re.findall(r"^\| \d \| [^|]+ \| ([\d.]+) \|", section, re.MULTILINE)]


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_the_evidence_is_there(evidence: str) -> None:
    path, _, name = evidence.partition("::")
    assert (HERE / path).exists()
    assert not name or f"def {name}(" in (HERE / path).read_text(encoding="utf-8")


def test_all_twenty_eight_tests_have_a_row_and_the_sums_are_right() -> None:
    assert [name for name, *_ in SECTIONS] == ["Data", "Model", "Infrastructure", "Monitoring"]
    for name, told, section in SECTIONS:
        assert len(points(section)) == 7, name
        assert sum(points(section)) == float(told), name


def test_the_score_is_the_smallest_sum() -> None:
    assert f"here **{min(float(told) for _, told, _ in SECTIONS)}**" in PAGE


def test_a_full_point_names_what_runs() -> None:
    for _, _, section in SECTIONS:
        for row in re.findall(r"^\| \d .*\| 1 \| (.*) \|$", section, re.MULTILINE):
            assert re.search(r"`tests/|level D|recipes are code|`UmbraRollbackAlarm`", row), row


def test_every_folder_of_tests_is_told_of() -> None:
    folders = {path.name for path in (HERE / "tests").iterdir() if any(path.glob("test_*.py"))}
    table = PAGE.partition("| kind | where |")[2].partition("\n\n")[0]
    assert {name for name in folders if name not in table} == set()
