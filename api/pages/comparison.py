"""The comparison: how the candidate's answers differ from the live model's, and where most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from api.pages.charts import ChartAxis, ChartSeries, PageChart, percents
from api.pages.documents import EvidenceDocument
from api.pages.formatting import UNKNOWN, day, decimal, gap, known, percent, share, size
from model_package.schema import NAMES

_SIDE_BY_SIDE = 8
_FACTOR_2 = math.log(2)
_LIVE, _CANDIDATE = "Live, dollars", "Candidate, dollars"


def shown(comparison: EvidenceDocument) -> dict[str, Any]:
    """What the template is given."""
    points = [pair for pair in map(_point, comparison.rows("points")) if pair is not None]
    segments, days, worst = (comparison.rows(name) for name in ("segments", "days", "worst"))
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
        "worst": [{**one, "nearer": _nearer(one)} for one in worst],
        **_side_by_side(worst[:_SIDE_BY_SIDE]),
    }


def _point(row: Mapping[str, Any]) -> tuple[float, float] | None:
    live, candidate = known(row.get("live")), known(row.get("candidate"))
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


def _bland_altman(points: Sequence[tuple[float, float]], comparison: EvidenceDocument) -> PageChart:
    """The difference against the mean of both (of the logarithms: the geometric mean of the prices)."""
    drawn = [[round(math.sqrt(x * y)), round(100 * (y / x - 1), 2)] for x, y in points]
    ends = [min(x for x, _ in drawn), max(x for x, _ in drawn)] if drawn else []
    lines = (
        ("Upper limit", "quiet", "limits.upper"),
        ("Bias", "strong", "bias"),
        ("Lower limit", "quiet", "limits.lower"),
    )
    levels = [(name, tone, percent(comparison.at(path))) for name, tone, path in lines]
    return PageChart(
        "bland-altman",
        "Difference against price (Bland-Altman)",
        "Candidate above or below live, by the mean of both; 95 of 100 houses lie between the limits.",
        ChartAxis("Mean of both, dollars", "dollars", log=True),
        ChartAxis("Difference", "percent"),
        (
            ChartSeries("Houses", "candidate", "points", drawn),
            *(
                ChartSeries(name, tone, "dashed", [[end, level] for end in ends])  # type: ignore[arg-type]
                for name, tone, level in levels
                if level is not None
            ),
        ),
    )


def _bins(comparison: EvidenceDocument) -> list[tuple[float, float, float]]:
    """From, to (log units) and houses of each bin of the histogram."""
    edges, counts = comparison.at("histogram.edges"), comparison.at("histogram.counts")
    if not isinstance(edges, list) or not isinstance(counts, list):
        return []
    return [(low, high, houses) for (low, high), houses in zip(pairwise(edges), counts, strict=False)]


def _histogram(comparison: EvidenceDocument) -> PageChart:
    bins = _bins(comparison)
    return PageChart(
        "histogram",
        "How large the differences are",
        "A sample of houses by how far the candidate's answer is from the live one; the ends hold the rest.",
        ChartAxis(
            "Candidate above or below live", labels=[f"{gap(low)} to {gap(high)}" for low, high, _ in bins]
        ),
        ChartAxis("Houses"),
        (ChartSeries("Houses", "candidate", "bar", [known(houses) for *_, houses in bins]),),
    )


def _by_day(days: Sequence[Mapping[str, Any]]) -> PageChart:
    return PageChart(
        "by-day",
        "Day by day",
        "Bias (the mean difference) and the typical size of a difference.",
        ChartAxis("Day", labels=[day(row.get("date")) for row in days]),
        ChartAxis("Difference", "percent"),
        (
            ChartSeries("Typical difference", "candidate", "line", percents(days, "mad")),
            ChartSeries("Bias", "strong", "line", percents(days, "bias")),
        ),
    )


def _by_segment(segments: Sequence[Mapping[str, Any]]) -> PageChart:
    return PageChart(
        "by-segment-chart",
        "Bias by segment",
        "By how much the candidate answers above or below the live model.",
        ChartAxis("Difference", "percent"),
        ChartAxis("Segment", labels=[str(one.get("segment")).replace("_", " ") for one in segments]),
        (
            ChartSeries("Bias", "strong", "bar", percents(segments, "bias")),
            ChartSeries("Typical difference", "candidate", "bar", percents(segments, "mad")),
        ),
        sideways=True,
    )


def _measures(comparison: EvidenceDocument) -> list[tuple[str, str, str]]:
    at = comparison.at
    beyond = " / ".join(share(at(f"beyond_{most}")) for most in (5, 10, 20))
    error = decimal(at("limits.se"), 4)
    limits = f"{gap(at('limits.lower'))} to {gap(at('limits.upper'))}"
    return [
        ("Bias", gap(at("bias")), "mean difference, candidate above live"),
        ("Typical difference", size(at("mad")), "mean size of the difference"),
        (
            "Median, 90th, 99th percentile",
            " / ".join(size(at(name)) for name in ("p50", "p90", "p99")),
            "of its size, within 1 %",
        ),
        ("Largest", size(at("max")), "of its size"),
        ("Beyond 5, 10, 20 %", beyond, "of the houses"),
        ("Limits of agreement", limits, f"95 of 100 houses; standard error {error} log units"),
        ("Slope", decimal(at("slope"), 3), "how the difference grows with the price; 0: it does not"),
        ("Concordance (Lin)", decimal(at("concordance"), 4), "1 only if all answers are equal"),
        ("Correlation of logarithms", decimal(at("pearson"), 4), "Pearson"),
        ("Rank correlation", decimal(at("spearman"), 4), "Spearman, of a sample"),
        ("Beyond a factor of 2", share(at("absurd"), 3), "of the houses: one of the two is absurd"),
    ]


def _nearer(one: Mapping[str, Any]) -> str:
    """Which of the two was nearer to what the house sold for."""
    live, candidate, sold = (known(one.get(name)) for name in ("live", "candidate", "sold"))
    if not (live and candidate and sold):
        return UNKNOWN
    off = [abs(math.log(price / sold)) for price in (live, candidate)]
    return "live" if off[0] < off[1] else "candidate" if off[1] < off[0] else "both the same"


def _side_by_side(worst: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answers, then every field of the schema that is known, one column for each house."""
    heads = [{"head": f"{gap(one.get('gap'))} ({number})"} for number, one in enumerate(worst, 1)]
    inputs = [one.get("inputs") or {} for one in worst]
    present = [name for name in NAMES if any(name in given for given in inputs)]
    return {
        "columns": heads,
        "fields": [(name, [_cell(given, name) for given in inputs]) for name in present],
    }


def _cell(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return UNKNOWN if value is None else f"{value:g}" if isinstance(value, float) else str(value)
