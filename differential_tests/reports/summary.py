"""Figures and sentences that all reports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from itertools import islice
from math import inf, isnan

from differential_tests.findings import Check, Finding, FindingKind, KindCounts, Level
from differential_tests.reports.formatting import count, differing_digits, line, number, value

_WHOLE_ROW = frozenset(
    {FindingKind.MISSING, FindingKind.EXTRA, FindingKind.DOUBLED, FindingKind.FAILURE, FindingKind.REFUSAL}
)


class State(StrEnum):
    """The state of a check, or of all checks."""

    SAME = "same"
    FINDINGS = "findings"
    ERROR = "could not run"


@dataclass(frozen=True, slots=True)
class LevelCounts:
    """Totals of the checks of one level."""

    level: Level
    checks: int
    rows: int
    findings: int
    errors: int
    seconds: float

    @property
    def state(self) -> State:
        """Return the worst state of the checks."""
        return State.ERROR if self.errors else State.FINDINGS if self.findings else State.SAME


def state(check: Check) -> State:
    """Return the state of a check."""
    return State.ERROR if check.error else State.FINDINGS if check.findings else State.SAME


def overall(checks: Sequence[Check]) -> State:
    """Return the worst state; no check at all is an error, as in findings.exit_status."""
    states = {state(check) for check in checks} or {State.ERROR}
    return next(candidate for candidate in (State.ERROR, State.FINDINGS, State.SAME) if candidate in states)


def verdict(checks: Sequence[Check]) -> str:
    """Write the verdict of all checks in one line."""
    if not checks:
        return "could not run: there was nothing to check"
    of, rows = count(len(checks), "check"), count(sum(check.rows for check in checks), "row")
    total = sum(len(check.findings) for check in checks)
    match overall(checks):
        case State.ERROR:
            return f"could not run: {_count_errors(checks)} of {of}; {count(total, 'finding')} in all"
        case State.FINDINGS:
            where = f"look first at {_first_level(checks)}{_unanswered_note(checks)}"
            return f"{count(total, 'finding')} in {_count_failed(checks)} of {of}; {where}"
        case _:
            return f"same: {of} of {rows}{_unanswered_note(checks)}"


def _unanswered_note(checks: Sequence[Check]) -> str:
    rows = sum(check.unanswered for check in checks if not check.error)
    return f"; not answered by either side, but should be: {count(rows, 'row')}" if rows else ""


def _count_failed(checks: Sequence[Check]) -> int:
    return sum(bool(check.findings) for check in checks)


def _count_errors(checks: Sequence[Check]) -> int:
    return sum(bool(check.error) for check in checks)


def _first_level(checks: Sequence[Check]) -> str:
    first = min(check.level for check in checks if check.findings)
    return f"{first} ({first.purpose})"


def levels(checks: Sequence[Check]) -> list[LevelCounts]:
    """Add up the checks of each level, in order."""
    return [_level_counts(level, [c for c in checks if c.level is level]) for level in by_level(checks)]


def by_level(checks: Sequence[Check]) -> dict[Level, list[Check]]:
    """Group the checks by level, in the order of the levels."""
    members: dict[Level, list[Check]] = {level: [] for level in Level}
    for check in checks:
        members[check.level].append(check)
    return {level: members for level, members in members.items() if members}


def _level_counts(level: Level, checks: Sequence[Check]) -> LevelCounts:
    return LevelCounts(
        level=level,
        checks=len(checks),
        rows=sum(check.rows for check in checks),
        findings=sum(len(check.findings) for check in checks),
        errors=_count_errors(checks),
        seconds=sum(check.seconds for check in checks),
    )


def worst(checks: Sequence[Check], most: int) -> list[tuple[Check, Finding]]:
    """Return the worst findings: those of whole rows first, then the largest differences."""
    findings = ((check, finding) for check in checks for finding in islice(check.findings, most))
    return nsmallest(most, findings, key=lambda pair: _rank(pair[1]))


def _rank(finding: Finding) -> tuple[int, float]:
    size = inf if finding.percent is None or isnan(finding.percent) else abs(finding.percent)
    return (0 if finding.kind in _WHOLE_ROW else 1, -size)


def kinds(check: Check) -> dict[str, int]:
    """Count the findings of each kind."""
    counts = Counter(finding.kind for finding in check.findings)
    return {str(kind): counts[kind] for kind in FindingKind if counts[kind]}


def facts(check: Check) -> dict[str, str]:
    """Collect what a reader needs to repeat the check: rows, tolerance, noise, sides."""
    texts = {"rows": str(check.rows), **check.facts}
    texts |= {f"asked: {kind.kind}": _kind_sentence(kind) for kind in check.kind_counts}
    for side, header in (("a", check.a), ("b", check.b)):
        if header is None:
            continue
        known = {
            "source": header.source,
            "model": header.model,
            "artifact sha256": header.artifact_sha256,
            "questions sha256": header.questions_sha256,
            "recorded at": header.recorded_at,
            **header.facts,
        }
        texts |= {f"{side} {name}": text for name, text in known.items() if text}
    return texts


def _kind_sentence(kind: KindCounts) -> str:
    """Describe how the questions of a kind were answered."""
    empty = f" ({kind.empty:,} with nothing but null and NaN)" if kind.empty else ""
    refusal = f", most with {kind.refusal}" if kind.refusal else ""
    return (
        f"{count(kind.rows, 'row')}, {kind.answered:,} answered by both{empty}, {kind.refused:,} refused by "
        f"both{refusal}"
    )


def unanswered(check: Check) -> str:
    """Describe the questions without an answer in one line; return "" if there are none."""
    if not check.unanswered:
        return ""
    kinds = [kind for kind in check.kind_counts if kind.should_be_answered and kind.refused + kind.empty]
    return "should be answered and was not, by either side: " + "; ".join(
        f"{line(kind.kind)}: {line(_kind_sentence(kind), 200)}" for kind in kinds
    )


def names(check: Check) -> tuple[str, str]:
    """Name the two sides by model, by source if the model is the same, else A and B."""
    if check.a is None or check.b is None:
        return "A", "B"
    a, b = check.a, check.b
    if a.model != b.model and a.model and b.model:
        return line(a.model, 40), line(b.model, 40)
    return (line(a.source, 40), line(b.source, 40)) if a.source != b.source else ("A", "B")


def sides_sentence(check: Check) -> str:
    """Name both sides and the base of the percentages."""
    sentences = [
        f"{name} is {line(' '.join(filter(None, (header.model, header.source))))}"
        for name, header in zip(("A", "B"), (check.a, check.b), strict=True)
        if header is not None
    ]
    return ", ".join([*sentences, "a difference is B - A, a percentage is of the larger of the two"])


def title(check: Check) -> str:
    """Return the name of a check with its dataset."""
    return line(f"{check.name} x {check.dataset}" if check.dataset else check.name, 120)


def sides(finding: Finding) -> tuple[str, str]:
    """Write both answers; return two empty texts if the finding has none."""
    if finding.a is None and finding.b is None:
        return "", ""
    return value(finding.a), value(finding.b)


def rounded(finding: Finding) -> tuple[str, str]:
    """Write both answers; round two numbers to the digits that differ."""
    if isinstance(finding.a, float | int) and isinstance(finding.b, float | int):
        return differing_digits(finding.a, finding.b)
    return sides(finding)


def sentence(finding: Finding) -> str:
    """Write a finding as one line: `r7 $.price_dollars: number 1.0 -> 2.0 (50 %)`."""
    return "".join(_sentence_parts(finding))


def _sentence_parts(finding: Finding) -> Iterator[str]:
    yield f"{line(finding.row)} {line(finding.path)}".rstrip() + f": {finding.kind}"
    if any(sides(finding)):
        yield " " + " -> ".join(sides(finding))
    if finding.percent is not None:
        yield f" ({number(finding.percent)} %)"
    if finding.segment:
        yield f" [{line(finding.segment)}]"
    if finding.detail:
        yield f" {line(finding.detail, 200)}"
