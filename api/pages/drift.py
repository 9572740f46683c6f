"""Drift: which fields moved away from what the live model learned from; serving against training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.pages.charts import ChartAxis, ChartSeries, PageChart
from api.pages.documents import is_undecided
from api.pages.formatting import words
from shadow.evidence.documents.shapes import BinShare, DriftDocument, FieldDriftEntry, PredictionDrift

_MOST = 4
_RED, _YELLOW = 2, 1
_RANKED = 20


def context(drift: DriftDocument, chosen_field: str | None, most: int = _MOST) -> dict[str, Any]:
    """Give the context of the template; `chosen_field` is the field whose distribution to draw."""
    fields = sorted(drift.fields, key=_by_state_and_psi, reverse=True)
    chosen = [entry for entry in fields if entry.field == chosen_field]
    states = [entry.state for entry in fields]
    return {
        "drift": drift,
        "windows": list(drift.windows.items()),
        "fields": fields,
        "undecided": {entry.field for entry in fields if is_undecided(entry)},
        "reds": states.count(_RED),
        "yellows": states.count(_YELLOW),
        "ranking": _ranking(fields[:_RANKED]),
        "is_chosen": bool(chosen),
        "distributions": [
            _distribution(entry, entry.field, words(entry.field)) for entry in chosen or fields[:most]
        ],
        "predictions": _predictions(drift),
        "skew": drift.skew,
    }


def _by_state_and_psi(entry: FieldDriftEntry) -> tuple[float, float]:
    unknown = -1.0
    return (unknown if entry.state is None else entry.state, unknown if entry.psi is None else entry.psi)


def _predictions(drift: DriftDocument) -> list[dict[str, Any]]:
    by_role = (("live", drift.predictions.live), ("candidate", drift.predictions.candidate))
    return [
        _distribution(moved, f"price-{role}", f"Prices of the {role} model")
        for role, moved in by_role
        if moved is not None
    ]


def _ranking(fields: Sequence[FieldDriftEntry]) -> PageChart:
    return PageChart(
        "ranking",
        "How far the fields moved",
        f"PSI of the {len(fields)} that moved most, and the floor that chance alone reaches.",
        ChartAxis("PSI"),
        ChartAxis("Field", labels=[words(entry.field) for entry in fields]),
        (
            ChartSeries("PSI", "candidate", "bar", [_rounded(entry.psi) for entry in fields]),
            ChartSeries("Floor", "quiet", "bar", [_rounded(entry.floor) for entry in fields]),
        ),
        sideways=True,
    )


def _distribution(moved: FieldDriftEntry | PredictionDrift, name: str, title: str) -> dict[str, Any]:
    reference, window = _shares(moved.reference), _shares(moved.window)
    labels = list(dict.fromkeys((*reference, *window)))
    drawn = [[_rounded(shares.get(label, 0.0)) for label in labels] for shares in (reference, window)]
    chart = PageChart(
        f"bins-{name}".replace("_", "-"),
        title,
        "Share of the houses in each bin.",
        ChartAxis("Bin", labels=labels),
        ChartAxis("Share", "share"),
        (
            ChartSeries("Reference", "quiet", "bar", drawn[0]),
            ChartSeries("Window", "candidate", "bar", drawn[1]),
        ),
    )
    rows = zip(labels, *drawn, strict=True)
    bins = [{"label": label, "reference": before, "window": now} for label, before, now in rows]
    return {"title": title, "chart": chart, "bins": bins}


def _shares(bins: Sequence[BinShare]) -> dict[str, float | None]:
    return {entry.bin: entry.share for entry in bins}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
