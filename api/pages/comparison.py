"""The comparison: how the candidate's answers differ from the live model's, and where most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from api.pages.charts import ChartAxis, ChartSeries, PageChart, Tone, percents
from api.pages.formatting import UNKNOWN, decimal, gap, percent, share, size
from api.pages.formatting import day as date_text
from model_package.schema import NAMES
from shadow.evidence.documents.shapes import (
    AgreementLimits,
    ComparisonDocument,
    DayAgreement,
    PricedPoint,
    SegmentAgreement,
    WorstPair,
)

_SIDE_BY_SIDE = 8
_FACTOR_2 = math.log(2)
_LIVE, _CANDIDATE = "Live, dollars", "Candidate, dollars"


def context(comparison: ComparisonDocument) -> dict[str, Any]:
    """Give the context of the template."""
    points = [pair for pair in map(_point, comparison.points) if pair is not None]
    segments, days, worst = comparison.segments, comparison.days, comparison.worst
    return {
        "comparison": comparison,
        "scatter": _scatter(points),
        "bland_altman": _bland_altman(points, comparison),
        "histogram": _histogram(comparison),
        "bins": _bins(comparison),
        "by_day": _by_day(days),
        "days": days,
        "by_segment": _by_segment(segments),
        "segments": segments,
        "measures": list(_measures(comparison)),
        "worst": [(pair, _nearer(pair)) for pair in worst],
        **_side_by_side(worst[:_SIDE_BY_SIDE]),
    }


def _point(pair: PricedPoint) -> tuple[float, float] | None:
    live, candidate = pair.live, pair.candidate
    return (live, candidate) if live and candidate and min(live, candidate) > 0 else None


def _scatter(points: Sequence[tuple[float, float]]) -> PageChart:
    ends = [min(map(min, points)), max(map(max, points))] if points else []
    return PageChart(
        "scatter",
        "Live against candidate",
        f"Each point is a house, {len(points):,} of them; on the line both models say the same.",
        ChartAxis(_LIVE, "dollars", log=True),
        ChartAxis(_CANDIDATE, "dollars", log=True),
        (
            ChartSeries("Houses", "candidate", "points", [[round(x), round(y)] for x, y in points]),
            ChartSeries("The same", "quiet", "dashed", [[end, end] for end in ends]),
        ),
    )


def _bland_altman(points: Sequence[tuple[float, float]], comparison: ComparisonDocument) -> PageChart:
    """Plot the difference against the mean of both (of the logarithms: the geometric mean of the prices)."""
    drawn = [[round(math.sqrt(x * y)), round(100 * (y / x - 1), 2)] for x, y in points]
    ends = [min(x for x, _ in drawn), max(x for x, _ in drawn)] if drawn else []
    limits = comparison.limits or AgreementLimits()
    lines: tuple[tuple[str, Tone, float | None], ...] = (
        ("Upper limit", "quiet", limits.upper),
        ("Bias", "strong", comparison.bias),
        ("Lower limit", "quiet", limits.lower),
    )
    levels = [(name, tone, percent(value)) for name, tone, value in lines]
    return PageChart(
        "bland-altman",
        "Difference against price (Bland-Altman)",
        "Candidate above or below live, by the mean of both; 95 of 100 houses lie between the limits.",
        ChartAxis("Mean of both, dollars", "dollars", log=True),
        ChartAxis("Difference", "percent"),
        (
            ChartSeries("Houses", "candidate", "points", drawn),
            *(
                ChartSeries(name, tone, "dashed", [[end, level] for end in ends])
                for name, tone, level in levels
                if level is not None
            ),
        ),
    )


def _bins(comparison: ComparisonDocument) -> list[tuple[float, float, float]]:
    """From, to (log units) and houses of each bin of the histogram."""
    edges, counts = pairwise(comparison.histogram.edges), comparison.histogram.counts
    return [(low, high, rows) for (low, high), rows in zip(edges, counts, strict=False)]


def _histogram(comparison: ComparisonDocument) -> PageChart:
    bins = _bins(comparison)
    return PageChart(
        "histogram",
        "How large the differences are",
        "A sample of houses by how far the candidate's answer is from the live one; the ends hold the rest.",
        ChartAxis(
            "Candidate above or below live", labels=[f"{gap(low)} to {gap(high)}" for low, high, _ in bins]
        ),
        ChartAxis("Houses"),
        (ChartSeries("Houses", "candidate", "bar", [float(rows) for *_, rows in bins]),),
    )


def _by_day(days: Sequence[DayAgreement]) -> PageChart:
    return PageChart(
        "by-day",
        "Day by day",
        "Bias (the mean difference) and the typical size of a difference.",
        ChartAxis("Day", labels=[date_text(day.date) for day in days]),
        ChartAxis("Difference", "percent"),
        (
            ChartSeries("Typical difference", "candidate", "line", percents(day.mad for day in days)),
            ChartSeries("Bias", "strong", "line", percents(day.bias for day in days)),
        ),
    )


def _by_segment(segments: Sequence[SegmentAgreement]) -> PageChart:
    return PageChart(
        "by-segment-chart",
        "Bias by segment",
        "By how much the candidate answers above or below the live model.",
        ChartAxis("Difference", "percent"),
        ChartAxis("Segment", labels=[entry.segment.replace("_", " ") for entry in segments]),
        (
            ChartSeries("Bias", "strong", "bar", percents(entry.bias for entry in segments)),
            ChartSeries("Typical difference", "candidate", "bar", percents(entry.mad for entry in segments)),
        ),
        sideways=True,
    )


def _measures(comparison: ComparisonDocument) -> list[tuple[str, str, str]]:
    beyond = " / ".join(map(share, (comparison.beyond_5, comparison.beyond_10, comparison.beyond_20)))
    between = comparison.limits or AgreementLimits()
    error = decimal(between.se, 4)
    limits = f"{gap(between.lower)} to {gap(between.upper)}"
    return [
        ("Bias", gap(comparison.bias), "mean difference, candidate above live"),
        ("Typical difference", size(comparison.mad), "mean size of the difference"),
        (
            "Median, 90th, 99th percentile",
            " / ".join(map(size, (comparison.p50, comparison.p90, comparison.p99))),
            "of its size, within 1 %",
        ),
        ("Largest", size(comparison.max), "of its size"),
        ("Beyond 5, 10, 20 %", beyond, "of the houses"),
        ("Limits of agreement", limits, f"95 of 100 houses; standard error {error} log units"),
        ("Slope", decimal(comparison.slope, 3), "how the difference grows with the price; 0: it does not"),
        ("Concordance (Lin)", decimal(comparison.concordance, 4), "1 only if all answers are equal"),
        ("Correlation of logarithms", decimal(comparison.pearson, 4), "Pearson"),
        ("Rank correlation", decimal(comparison.spearman, 4), "Spearman, of a sample"),
        ("Beyond a factor of 2", share(comparison.absurd, 3), "of the houses: one of the two is absurd"),
    ]


def _nearer(pair: WorstPair) -> str:
    """Which of the two was nearer to what the house sold for."""
    live, candidate, sold = pair.live, pair.candidate, pair.sold
    if not (live and candidate and sold):
        return UNKNOWN
    off = [abs(math.log(price / sold)) for price in (live, candidate)]
    return "live" if off[0] < off[1] else "candidate" if off[1] < off[0] else "both the same"


def _side_by_side(worst: Sequence[WorstPair]) -> dict[str, Any]:
    """Answers, then every field of the schema that is known, one column for each house."""
    heads = [{"head": f"{gap(pair.gap)} ({number})"} for number, pair in enumerate(worst, 1)]
    inputs = [pair.inputs for pair in worst]
    present = [name for name in NAMES if any(name in fields for fields in inputs)]
    return {
        "columns": heads,
        "fields": [(name, [_cell(fields, name) for fields in inputs]) for name in present],
    }


def _cell(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return UNKNOWN if value is None else f"{value:g}" if isinstance(value, float) else str(value)
