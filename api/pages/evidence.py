"""The evidence: both keys over time against what turns them, the rules, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.pages.charts import ChartAxis, ChartSeries, PageChart, column, level
from api.pages.documents import EvidenceDocument
from api.pages.formatting import day as day_of
from api.pages.formatting import decimal, known, signed, whole

_FIELDS = 10
_ORDER = ("fail", "unknown", "pass")


def shown(
    verdict: EvidenceDocument, evidence: EvidenceDocument, comparison: EvidenceDocument, margin: float | None
) -> dict[str, Any]:
    """What the template is given; `margin` is the stream's, in log units."""
    days = evidence.rows("days")
    labels = [day_of(row.get("date")) for row in days]
    selected = comparison.moved("selection.fields")
    rules = sorted(verdict.rows("rules"), key=_rank)
    return {
        "evidence": evidence,
        "days": days,
        "capital": _capital(days, labels, evidence.number("threshold")),
        "interval": _interval(days, labels, margin),
        "key_days": _key_days(days, labels),
        "daily": _daily(days, labels),
        "rules": rules,
        "keys": _keys(verdict),
        "turned": _turned(verdict),
        "segments": verdict.rows("segments"),
        "comparison": comparison,
        "selected": selected[:_FIELDS],
        "selection_undecided": comparison.at("selection.state") == 0
        and (comparison.is_undecided("selection.gap") or any(row["is_undecided"] for row in selected)),
    }


def _rank(rule: Mapping[str, Any]) -> int:
    """What is in the way stands first."""
    result = rule.get("result")
    return _ORDER.index(result) if result in _ORDER else 1


def _turned(verdict: EvidenceDocument) -> dict[str, bool]:
    value, threshold = verdict.number("keys.rows.ln_e"), verdict.number("keys.rows.threshold")
    lower, days = verdict.number("keys.days.lower"), verdict.number("keys.days.days") or 0
    needed = verdict.number("keys.days.needed_days") or 0
    return {
        "houses": value is not None and threshold is not None and value >= threshold,
        "days": lower is not None and lower > 0 and days >= needed,
    }


def _capital(days: Sequence[Mapping[str, Any]], labels: Sequence[str], threshold: float | None) -> PageChart:
    return PageChart(
        "capital",
        "Key on houses: ln E",
        "Evidence that the candidate is not worse by the margin or more. It turns once it reaches the "
        "threshold ln(1/alpha); harm is the same bet the other way.",
        ChartAxis("Day", labels=labels),
        ChartAxis("ln E"),
        (
            ChartSeries("Not worse", "candidate", "line", column(days, "ln_e")),
            ChartSeries("Harm", "bad", "line", column(days, "harm_ln_e")),
            level("Threshold", "strong", threshold, labels),
        ),
    )


def _interval(days: Sequence[Mapping[str, Any]], labels: Sequence[str], margin: float | None) -> PageChart:
    return PageChart(
        "interval",
        "Gain, with an interval that holds however often one looks",
        "Mean of the live model's loss less the candidate's, log units. Above zero the candidate is better; "
        "above the margin's line it is not worse by the margin.",
        ChartAxis("Day", labels=labels),
        ChartAxis("Gain, log units"),
        (
            ChartSeries("Interval", "candidate", "upper", column(days, "upper")),
            ChartSeries("Interval, lower end", "candidate", "lower", column(days, "lower")),
            ChartSeries("Mean", "candidate", "line", column(days, "mean")),
            level("No difference", "quiet", 0.0, labels),
            level("Margin", "strong", None if margin is None else -margin, labels),
        ),
    )


def _key_days(days: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> PageChart:
    return PageChart(
        "key-days",
        "Key on days: lower bound",
        "Of the mean of a day's summed gain, margin included. It turns above zero, after enough days.",
        ChartAxis("Day", labels=labels),
        ChartAxis("Lower bound"),
        (
            ChartSeries("Lower bound", "candidate", "line", column(days, "key_b")),
            level("Turns above", "strong", 0.0, labels),
        ),
    )


def _daily(days: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> PageChart:
    return PageChart(
        "daily",
        "Each day by itself",
        "Mean gain of the houses of one day: above zero the candidate was better on that day.",
        ChartAxis("Day", labels=labels),
        ChartAxis("Gain, log units"),
        (ChartSeries("Gain", "candidate", "bar", column(days, "day_mean")),),
    )


def _keys(verdict: EvidenceDocument) -> list[tuple[str, str, str, str]]:
    """Name, value, what turns it, days of each key there is."""
    named = (
        ("Not worse, by houses", "keys.rows"),
        ("Not worse, by days", "keys.days"),
        ("Harm, by houses", "keys.harm_rows"),
        ("Harm, by days", "keys.harm_days"),
        ("Certificate without outcomes, by houses", "keys.certificate.rows"),
        ("Certificate without outcomes, by days", "keys.certificate.days"),
    )
    return [(name, *_key(verdict, path)) for name, path in named if verdict.at(path) is not None]


def _key(verdict: EvidenceDocument, path: str) -> tuple[str, str, str]:
    threshold = known(verdict.at(f"{path}.threshold"))
    if isinstance(verdict.at(path), Mapping) and "ln_e" in verdict.at(path):
        return f"ln E {decimal(verdict.at(f'{path}.ln_e'), 2)}", decimal(threshold, 2), ""
    seen, needed = verdict.at(f"{path}.days"), verdict.at(f"{path}.needed_days")
    return f"bound {signed(verdict.at(f'{path}.lower'), 4)}", "above 0", f"{whole(seen)} of {whole(needed)}"
