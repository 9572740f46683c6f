"""The evidence: both keys over time against what turns them, the rules, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.pages.charts import ChartAxis, ChartSeries, PageChart, level
from api.pages.documents import is_undecided
from api.pages.formatting import day as day_of
from api.pages.formatting import decimal, signed, whole
from shadow.evidence.documents.shapes import ComparisonDocument, TimelineDay, TimelineDocument
from shadow.verdict.shapes import DaysKeyEntry, KeyEntries, RowsKeyEntry, RuleEntry, VerdictDocument

_FIELDS = 10
_ORDER = ("fail", "unknown", "pass")


def context(
    verdict: VerdictDocument, timeline: TimelineDocument, comparison: ComparisonDocument, margin: float | None
) -> dict[str, Any]:
    """Give the context of the template; `margin` is the stream's, in log units."""
    days = timeline.days
    labels = [day_of(day.date) for day in days]
    selection = comparison.selection
    undecided = {entry.field for entry in selection.fields if is_undecided(entry)}
    return {
        "days": days,
        "capital": _capital(days, labels, timeline.threshold),
        "interval": _interval(days, labels, margin),
        "key_days": _key_days(days, labels),
        "daily": _daily(days, labels),
        "rules": sorted(verdict.rules, key=_rank),
        "keys": _keys(verdict.keys),
        "turned": _proved(verdict.keys),
        "segments": verdict.segments,
        "comparison": comparison,
        "selected": selection.fields[:_FIELDS],
        "undecided": undecided,
        "selection_undecided": selection.state == 0 and (is_undecided(selection.gap) or bool(undecided)),
    }


def _rank(rule: RuleEntry) -> int:
    """Rank rules that do not pass before those that do."""
    return _ORDER.index(rule.result) if rule.result in _ORDER else 1


def _proved(keys: KeyEntries) -> dict[str, bool]:
    rows, days = keys.rows, keys.days
    return {
        "houses": rows.ln_e is not None and rows.threshold is not None and rows.ln_e >= rows.threshold,
        "days": days.lower is not None and days.lower > 0 and (days.days or 0) >= (days.needed_days or 0),
    }


def _capital(days: Sequence[TimelineDay], labels: Sequence[str], threshold: float | None) -> PageChart:
    return PageChart(
        "capital",
        "Key on houses: ln E",
        "Evidence that the candidate is not worse by the margin or more. It turns once it reaches the "
        "threshold ln(1/alpha); harm is the same bet the other way.",
        ChartAxis("Day", labels=labels),
        ChartAxis("ln E"),
        (
            ChartSeries("Not worse", "candidate", "line", [day.ln_e for day in days]),
            ChartSeries("Harm", "bad", "line", [day.harm_ln_e for day in days]),
            level("Threshold", "strong", threshold, labels),
        ),
    )


def _interval(days: Sequence[TimelineDay], labels: Sequence[str], margin: float | None) -> PageChart:
    return PageChart(
        "interval",
        "Gain, with an interval that holds however often one looks",
        "Mean of the live model's loss less the candidate's, log units. Above zero the candidate is better; "
        "above the margin's line it is not worse by the margin.",
        ChartAxis("Day", labels=labels),
        ChartAxis("Gain, log units"),
        (
            ChartSeries("Interval", "candidate", "upper", [day.upper for day in days]),
            ChartSeries("Interval, lower end", "candidate", "lower", [day.lower for day in days]),
            ChartSeries("Mean", "candidate", "line", [day.mean for day in days]),
            level("No difference", "quiet", 0.0, labels),
            level("Margin", "strong", None if margin is None else -margin, labels),
        ),
    )


def _key_days(days: Sequence[TimelineDay], labels: Sequence[str]) -> PageChart:
    return PageChart(
        "key-days",
        "Key on days: lower bound",
        "Of the mean of a day's summed gain, margin included. It turns above zero, after enough days.",
        ChartAxis("Day", labels=labels),
        ChartAxis("Lower bound"),
        (
            ChartSeries("Lower bound", "candidate", "line", [day.key_b for day in days]),
            level("Turns above", "strong", 0.0, labels),
        ),
    )


def _daily(days: Sequence[TimelineDay], labels: Sequence[str]) -> PageChart:
    return PageChart(
        "daily",
        "Each day by itself",
        "Mean gain of the houses of one day: above zero the candidate was better on that day.",
        ChartAxis("Day", labels=labels),
        ChartAxis("Gain, log units"),
        (ChartSeries("Gain", "candidate", "bar", [day.day_mean for day in days]),),
    )


def _keys(keys: KeyEntries) -> list[tuple[str, str, str, str]]:
    """Name, value, what turns it, days of each key."""
    certificate = keys.certificate
    return [
        ("Not worse, by houses", *_rows_key(keys.rows)),
        ("Not worse, by days", *_days_key(keys.days)),
        ("Harm, by houses", *_rows_key(keys.harm_rows)),
        ("Harm, by days", *_days_key(keys.harm_days)),
        ("Certificate without outcomes, by houses", *_rows_key(certificate.rows)),
        ("Certificate without outcomes, by days", *_days_key(certificate.days)),
    ]


def _rows_key(key: RowsKeyEntry) -> tuple[str, str, str]:
    return f"ln E {decimal(key.ln_e, 2)}", decimal(key.threshold, 2), ""


def _days_key(key: DaysKeyEntry) -> tuple[str, str, str]:
    return f"bound {signed(key.lower, 4)}", "above 0", f"{whole(key.days)} of {whole(key.needed_days)}"
