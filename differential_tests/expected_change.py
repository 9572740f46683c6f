"""Expected changes: a reviewer approves how far the answers of a new model may differ.

One entry of `expected_change.toml` is for one pair of artifacts and never counts for another. It excuses
other numbers within its limits, and nothing else: rows, refusals, types, signs, NaN and infinities remain.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from differential_tests.findings import Check, Finding, FindingKind
from differential_tests.settings import toml_file
from differential_tests.settings.toml_file import InvalidDocument, Share, Size, TomlTable

FACT = "expected change"

NonBlankText = Annotated[str, Field(min_length=1, pattern=r"\S")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class InvalidChange(InvalidDocument):
    """An entry with a key or a value that cannot be right."""

    document = "expected change"


class ExpectedChange(TomlTable):
    """One approved change; `before` and `after` are the SHA-256 of the artifacts.

    Limits: shares of the rows that may differ by more than 1 % and 5 %, the largest difference in percent,
    and the mean one (b against a, its sign left out) in percent.
    """

    model: NonBlankText
    before: Digest = Field(alias="from")
    after: Digest = Field(alias="to")
    reason: NonBlankText
    approved_by: NonBlankText
    beyond_1_percent: Share
    beyond_5_percent: Share
    max_percent: Size
    bias_percent: Size


class _Document(TomlTable):
    change: tuple[ExpectedChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeFigures:
    """The figures that an entry limits, measured at one path over `compared` rows; the bias has its sign."""

    path: str
    compared: int
    beyond_1_percent: float
    beyond_5_percent: float
    max_percent: float
    bias_percent: float


_LIMITS = ("beyond_1_percent", "beyond_5_percent", "max_percent", "bias_percent")


def read(path: Path) -> tuple[ExpectedChange, ...]:
    """Read the entries of a file; raise InvalidChange or OSError."""
    return parse(toml_file.read_text(path, InvalidChange))


def parse(text: str) -> tuple[ExpectedChange, ...]:
    """Parse the entries in a text; raise InvalidChange."""
    return toml_file.parse_document(_Document, text, InvalidChange).change


def judge(check: Check, changes: Sequence[ExpectedChange]) -> Check:
    """Apply the approved changes to a check whose side `a` was approved before and `b` answers now.

    Within the limits of its entry other numbers are a fact instead of findings; beyond, they stay, after
    what was exceeded. Without an entry they stay, too, after the text that one would have.
    """
    if check.error:
        return check
    entry = next((change for change in changes if _applies_to(change, check)), None)
    check = replace(check, facts=check.facts | _unused_entries(check, changes, entry))
    measured = figures(check)
    if not measured or _digests(check)[0] == _digests(check)[1]:
        return check
    if entry is None:
        return _with_findings(check, [_missing_entry(check, measured)], check.findings)
    exceeded = [finding for figures in measured for finding in _exceeded_limits(figures, entry)]
    if exceeded:
        return _with_findings(check, exceeded, check.findings)
    rest = [finding for finding in check.findings if finding.kind is not FindingKind.NUMBER]
    return _with_findings(replace(check, facts=check.facts | {FACT: _approval(entry, measured)}), [], rest)


def figures(check: Check) -> list[ChangeFigures]:
    """Measure the differences at each path with numbers beyond the tolerance."""
    percents: dict[str, list[float]] = defaultdict(list)
    for finding in check.findings:
        if finding.kind is FindingKind.NUMBER:
            percents[finding.path].append(_signed_percent(finding))
    compared = {spread.path: spread.compared for spread in check.spreads if not spread.segment}
    return [
        _change_figures(path, np.array(each), compared.get(path, check.rows))
        for path, each in sorted(percents.items())
    ]


def entry_text(check: Check, measured: Iterable[ChangeFigures]) -> str:
    """Write the entry to approve this change; the reviewer adds reason and name."""
    before, after = _digests(check)
    paths = list(measured)
    limits = [
        f"{name} = {_round_up(max(abs(getattr(figures, name)) for figures in paths))}" for name in _LIMITS
    ]
    return "\n".join(
        [
            "[[change]]",
            f"model = {json.dumps(_model(check))}",
            f"from = {json.dumps(before)}",
            f"to = {json.dumps(after)}",
            'reason = ""',
            'approved_by = ""',
            *limits,
        ]
    )


def _change_figures(
    path: str, percents: np.ndarray[tuple[int], np.dtype[np.float64]], compared: int
) -> ChangeFigures:
    sizes = np.abs(percents)
    return ChangeFigures(
        path,
        compared,
        float((sizes > 1).sum() / compared),
        float((sizes > 5).sum() / compared),
        float(sizes.max()),
        float(percents.sum() / compared),
    )


def _signed_percent(finding: Finding) -> float:
    percent, difference = finding.percent or 0.0, finding.difference or 0.0
    return percent if difference > 0 else -percent


def _applies_to(entry: ExpectedChange, check: Check) -> bool:
    return entry.model == _model(check) and (entry.before, entry.after) == _digests(check)


def _model(check: Check) -> str:
    return check.b.model if check.b else ""


def _digests(check: Check) -> tuple[str, str]:
    return (check.a.artifact_sha256 if check.a else "", check.b.artifact_sha256 if check.b else "")


def _unused_entries(
    check: Check, changes: Sequence[ExpectedChange], entry: ExpectedChange | None
) -> dict[str, str]:
    """List entries of this model that excuse nothing."""
    unused = {
        f"stale expected change {number}": f"for {change.before[:12]} to {change.after[:12]}: remove it"
        for number, change in enumerate(changes, start=1)
        if change.model == _model(check) and change is not entry
    }
    if entry is not None and not figures(check):
        unused["unused expected change"] = f"for {entry.before[:12]} to {entry.after[:12]}: no number differs"
    return unused


def _exceeded_limits(measured: ChangeFigures, entry: ExpectedChange) -> Iterable[Finding]:
    for name in _LIMITS:
        limit, value = getattr(entry, name), getattr(measured, name)
        if abs(value) > limit:
            yield Finding(
                FindingKind.BUDGET,
                row="all",
                path=measured.path,
                a=limit,
                b=value,
                detail=f"{name} of {measured.compared} rows: {entry.approved_by} approved {limit:g}",
            )


def _missing_entry(check: Check, measured: Sequence[ChangeFigures]) -> Finding:
    if all([_model(check), *_digests(check)]):
        text = entry_text(check, measured)
        detail = f"another model, other answers; if they are wanted, approve them:\n{text}"
    else:
        detail = "the runs do not both name the artifact that answered: no expected change can be for them"
    return Finding(FindingKind.BUDGET, row="all", path=measured[0].path, detail=detail)


def _approval(entry: ExpectedChange, measured: Sequence[ChangeFigures]) -> str:
    figures_by_path = "; ".join(
        f"{figures.path}: {figures.beyond_1_percent:.4%} of {figures.compared} rows beyond 1 % (approved"
        f" {entry.beyond_1_percent:.4%}), {figures.beyond_5_percent:.4%} beyond 5 %"
        f" ({entry.beyond_5_percent:.4%}), largest {figures.max_percent:.4g} % ({entry.max_percent:g} %),"
        f" mean {figures.bias_percent:+.4g} % ({entry.bias_percent:g} %)"
        for figures in measured
    )
    return f"approved by {entry.approved_by} ({entry.reason}): {figures_by_path}"


def _with_findings(check: Check, first: Sequence[Finding], then: Sequence[Finding]) -> Check:
    return replace(check, findings=(*first, *then))


def _round_up(figure: float) -> float:
    """Round up to two digits, so that a limit has some room."""
    if figure == 0:
        return 0.0
    unit = 10 ** (np.floor(np.log10(figure)) - 1)
    return float(f"{ceil(figure / unit) * unit:.2g}")
