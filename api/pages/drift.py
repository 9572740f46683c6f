"""Drift: which fields moved away from what the live model learned from; serving against training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.pages.charts import ChartAxis, ChartSeries, PageChart
from api.pages.documents import EvidenceDocument
from api.pages.formatting import known, words

_MOST = 4
_RED, _YELLOW = 2, 1
_RANKED = 20


def shown(drift: EvidenceDocument, asked: str | None, most: int = _MOST) -> dict[str, Any]:
    """What the template is given; `asked` is the field whose distribution is to be seen."""
    fields = sorted(drift.moved("fields"), key=_moved, reverse=True)
    chosen = [one for one in fields if one.get("field") == asked]
    named = {role: drift.at(f"predictions.{role}") for role in ("live", "candidate")}
    states = [one.get("state") for one in fields]
    return {
        "drift": drift,
        "windows": _windows(drift),
        "fields": fields,
        "reds": states.count(_RED),
        "yellows": states.count(_YELLOW),
        "ranking": _ranking(fields[:_RANKED]),
        "asked": bool(chosen),
        "shown": [_distribution(one, words(one.get("field"))) for one in chosen or fields[:most]],
        "predictions": [
            _distribution({**one, "field": f"price-{role}"}, f"Prices of the {role} model")
            for role, one in named.items()
            if isinstance(one, Mapping)
        ],
        "skew": drift.rows("skew"),
    }


def _moved(one: Mapping[str, Any]) -> tuple[float, float]:
    unknown = -1.0
    state, psi = known(one.get("state")), known(one.get("psi"))
    return (unknown if state is None else state, unknown if psi is None else psi)


def _windows(drift: EvidenceDocument) -> list[tuple[str, Mapping[str, Any]]]:
    found = drift.at("windows")
    return (
        [(name, one) for name, one in found.items() if isinstance(one, Mapping)]
        if isinstance(found, Mapping)
        else []
    )


def _ranking(fields: list[Mapping[str, Any]]) -> PageChart:
    return PageChart(
        "ranking",
        "How far the fields moved",
        f"PSI of the {len(fields)} that moved most, and the floor that chance alone reaches.",
        ChartAxis("PSI"),
        ChartAxis("Field", labels=[words(one.get("field")) for one in fields]),
        (
            ChartSeries("PSI", "candidate", "bar", [_rounded(one.get("psi")) for one in fields]),
            ChartSeries("Floor", "quiet", "bar", [_rounded(one.get("floor")) for one in fields]),
        ),
        sideways=True,
    )


def _distribution(one: Mapping[str, Any], title: str) -> dict[str, Any]:
    reference, window = _shares(one.get("reference")), _shares(one.get("window"))
    labels = list(dict.fromkeys((*reference, *window)))
    drawn = [[_rounded(each.get(label, 0.0)) for label in labels] for each in (reference, window)]
    chart = PageChart(
        f"bins-{one.get('field')}".replace("_", "-"),
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


def _shares(bins: Any) -> dict[str, float | None]:
    rows = bins if isinstance(bins, list) else []
    return {str(row.get("bin")): known(row.get("share")) for row in rows if isinstance(row, Mapping)}


def _rounded(value: Any) -> float | None:
    number = known(value)
    return None if number is None else round(number, 4)
