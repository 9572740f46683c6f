"""JUnit XML, as build servers read it: a suite for each level, a case for each check on its data.

There is no standard. The form is what Jenkins' junit-10 and Maven Surefire's schema have in common, so that
properties stand in the suite, and hold the name of the check they are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from differential_tests.findings import Check, Level
from differential_tests.reports import summary
from differential_tests.reports.formatting import count, visible

WORST = 5


def write(path: Path, checks: Sequence[Check]) -> None:
    """Write one file for all checks."""
    root = Element("testsuites", {"name": "differential_tests", **_counts(checks, skipped=False)})
    for level, members in summary.by_level(checks).items():
        _suite(root, level, members)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _suite(root: Element, level: Level, checks: Sequence[Check]) -> None:
    suite = SubElement(root, "testsuite", {"name": f"{level} {level.purpose}", **_counts(checks)})
    properties = SubElement(suite, "properties")
    for check in checks:
        for name, text in summary.facts(check).items():
            named = {"name": visible(f"{summary.title(check)}: {name}"), "value": visible(text)}
            SubElement(properties, "property", named)
    for check in checks:
        _case(suite, check)


def _case(suite: Element, check: Check) -> None:
    named = {"classname": f"differential_tests.{check.level}", "name": summary.title(check)}
    case = SubElement(suite, "testcase", named | {"time": f"{check.seconds:.3f}"})
    if check.error:
        error = SubElement(case, "error", {"type": "CouldNotRun", "message": visible(check.error)})
        error.text = "\n".join([*map(visible, check.error.splitlines()), *_worst(check)])
    elif check.findings:
        message = f"{count(len(check.findings), 'finding')} in {count(check.rows, 'row')}"
        failure = SubElement(case, "failure", {"type": check.findings[0].kind, "message": message})
        failure.text = "\n".join(_worst(check))
    if note := summary.unanswered(check):
        SubElement(case, "system-out").text = visible(note)


def _worst(check: Check) -> list[str]:
    return [summary.sentence(finding) for finding in check.findings[:WORST]]


def _counts(checks: Sequence[Check], *, skipped: bool = True) -> dict[str, str]:
    return {
        "tests": str(len(checks)),
        "failures": str(sum(bool(check.findings) and not check.error for check in checks)),
        "errors": str(sum(bool(check.error) for check in checks)),
        **({"skipped": "0"} if skipped else {}),
        "time": f"{sum(check.seconds for check in checks):.3f}",
    }
