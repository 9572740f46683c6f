"""The dashboard *Model inputs*: what kind of houses the live model is asked about."""

from __future__ import annotations

from kibana.source.lens import (
    Chart,
    Column,
    count,
    distinct,
    histogram,
    over_time,
    percentile,
    queries,
    values,
)
from kibana.source.saved import LINKS, Dashboard, number
from kibana.source.searches import CAPTURED

_AREA = "umbra.inputs.living_area"
_OFTEN_EMPTY = ("lot_frontage", "garage_year_built", "basement_area", "basement_quality", "garage_area")


def _amounts(field: str, title: str) -> Chart:
    return _houses(field, title, histogram(title, f"umbra.inputs.{field}"))


def _steps(field: str, title: str) -> Chart:
    return _houses(field, title, values(title, f"umbra.inputs.{field}", 20, ordered=True))


def _codes(field: str, title: str) -> Chart:
    return _houses(field, title, values(title, f"umbra.inputs.{field}", 30))


def _houses(field: str, title: str, bucket: Column) -> Chart:
    return Chart(title, f"Houses asked about, by {field}.", "bar", CAPTURED, [count("houses")], [bucket])


_FIGURES = [
    number("Houses", "Answered houses with a line of their own.", CAPTURED, count("houses")),
    number("Requests", "Requests they came in.", CAPTURED, distinct("requests", "trace.id")),
    number(
        "Median price",
        "Median of the live prices.",
        CAPTURED,
        percentile("median", "umbra.live_price_dollars", 50),
    ),
]
_OVER_TIME = [
    Chart(
        "Living area over time",
        "A shift here is a shift of what is asked.",
        "line",
        CAPTURED,
        [
            percentile("10th percentile", _AREA, 10),
            percentile("median", _AREA, 50),
            percentile("90th percentile", _AREA, 90),
        ],
        [over_time()],
    ),
    Chart(
        "Left empty",
        "Houses that came without these fields (or whose fields are masked).",
        "bar_horizontal",
        CAPTURED,
        [count("houses")],
        [queries("field", {name: f"not umbra.inputs.{name}: *" for name in _OFTEN_EMPTY})],
    ),
]

MODEL_INPUTS = Dashboard(
    "umbra-model-inputs",
    "Umbra: model inputs",
    "What kind of houses the live model is asked about: distributions of the main fields.",
    [
        (3, [LINKS]),
        (6, _FIGURES),
        (
            12,
            [
                _amounts("living_area", "living area, square feet"),
                _steps("overall_quality", "overall quality"),
                _amounts("year_built", "year built"),
            ],
        ),
        (12, [_codes("neighborhood", "neighborhood")]),
        (
            12,
            [
                _codes("building_type", "building type"),
                _codes("house_style", "house style"),
                _codes("kitchen_quality", "kitchen quality"),
            ],
        ),
        (
            12,
            [
                _amounts("lot_area", "lot area, square feet"),
                _amounts("basement_area", "basement, square feet"),
                _steps("garage_cars", "cars in the garage"),
            ],
        ),
        (
            12,
            [
                _steps("full_baths", "full bathrooms"),
                _steps("overall_condition", "overall condition"),
                _codes("sale_condition", "sale condition"),
            ],
        ),
        (12, _OVER_TIME),
    ],
)
