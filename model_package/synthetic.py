"""Synthetic houses: deterministic by seed, like the real sales in distribution, none of them a real sale.

A Gaussian copula draws the fields from calibrated marginals and rank correlations; rules of what a house can
be are applied; `mechanism` gives the price, and a heavy-tailed error is added. The figures come from
`calibration.json`, made by `python -m model_package.calibration CSV`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr  # type: ignore[import-untyped, unused-ignore]

from model_package.dataset import Dataset, dataset
from model_package.mechanism import terms
from model_package.schema import BY_NAME, NAMES, Row, Value

DEFAULT_HOUSES = 8000
# In scales of the error: what is beyond would be another kind of transaction, not a house sale.
LARGEST_ERROR = 6.0
NEARLY_NEW_YEARS = 8
Column = NDArray[np.float64]
# A part of a house that may be absent: what says so, with which value, and what only present ones have.
PARTS: tuple[tuple[str, Value, tuple[str, ...]], ...] = (
    ("garage_type", "NA", ("garage_delay", "garage_finish", "garage_cars", "garage_area")),
    (
        "basement_quality",
        "NA",
        ("basement_exposure", "basement_finished_area", "basement_area", "basement_full_baths"),
    ),
    ("fireplaces", 0, ("fireplace_quality",)),
)
# Drawn as years after the building, so that no house is remodelled before it stands.
DELAYS = {"remodel_delay": "year_remodeled", "garage_delay": "garage_year_built"}
VARIABLES = (*(name for name in NAMES if name not in DELAYS.values()), *DELAYS)


def calibration() -> dict[str, Any]:
    """Read the committed figures."""
    text = resources.files("model_package").joinpath("calibration.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def synthetic(n: int, seed: int) -> Dataset:
    """Make `n` synthetic sales of 2006 to 2009; the same n and seed give the same sales."""
    figures, random = calibration(), np.random.default_rng(seed)
    rows = houses(n, figures, random)
    source = (
        f"{n} synthetic houses (seed {seed}), made up by a calibrated mechanism: no house of them is real"
    )
    return dataset(rows, prices(rows, figures["price"], random), source)


def houses(n: int, figures: Mapping[str, Any], random: np.random.Generator) -> list[Row]:
    """Draw houses; every one satisfies the schema."""
    normal = random.standard_normal((n, len(VARIABLES)))
    drawn = variables(normal, figures["marginals"], np.array(figures["correlations"]))
    columns = {name: column.tolist() for name, column in drawn.items()}
    unknown = random.random(n) < figures["unknown_frontage"]
    return [
        _house({name: column[i] for name, column in columns.items()}, unknown_frontage=bool(unknown[i]))
        for i in range(n)
    ]


def variables(
    normal: Column, marginals: Mapping[str, Mapping[str, Any]], correlations: Column
) -> dict[str, NDArray[Any]]:
    """Turn standard normals, shape (n, variables), into values of each variable."""
    uniform = ndtr(normal @ np.linalg.cholesky(correlations).T)
    return {name: _quantile(marginals[name], uniform[:, i]) for i, name in enumerate(VARIABLES)}


def _quantile(marginal: Mapping[str, Any], uniform: Column) -> NDArray[Any]:
    """Invert a distribution: listed values with shares, or zeros and interpolated quantiles."""
    if "values" in marginal:
        ends = np.cumsum(marginal["shares"])[:-1]
        return np.array(marginal["values"], dtype=object)[np.searchsorted(ends, uniform, side="right")]
    zero = marginal["zero"]
    above = np.interp((uniform - zero) / (1 - zero), marginal["levels"], marginal["quantiles"])
    return np.where(uniform < zero, 0.0, np.round(above))


def _house(values: dict[str, Any], *, unknown_frontage: bool) -> Row:
    """Make one house of drawn values, corrected to what a house can be."""
    sold = int(values["year_sold"])
    values["year_built"] = built = _built(int(values["year_built"]), sold, values["sale_type"])
    for delay, year in DELAYS.items():
        values[year] = min(built + int(values.pop(delay)), sold)
    for component, absent, _ in PARTS:
        if values[component] == absent:
            values |= _ABSENT[component]
    values["rooms"] = max(values["rooms"], values["bedrooms"] + 1)
    values["full_baths"] = max(values["full_baths"], 0 if values["basement_full_baths"] else 1)
    values["basement_finished_area"] = min(values["basement_finished_area"], values["basement_area"])
    if values["sale_type"] == "New" and sold - built > 1:
        values |= {"sale_type": "WD", "sale_condition": "Normal"}
    if values["sale_condition"] == "Partial" and values["sale_type"] != "New":
        values["sale_condition"] = "Normal"  # an unfinished house is a new one
    if unknown_frontage:
        values["lot_frontage"] = None
    return {name: _typed(BY_NAME[name].kind, values[name]) for name in NAMES}


def _typed(kind: str, value: Any) -> Value:
    return int(value) if kind == "whole" and value is not None else value


def _built(drawn: int, sold: int, sale_type: str) -> int:
    """Return the year of construction: never after the sale, and at most a year before one sold as new."""
    new = sale_type == "New" and sold - drawn <= NEARLY_NEW_YEARS
    return min(max(drawn, sold - 1) if new else drawn, sold)


_ABSENT: dict[str, dict[str, Value]] = {
    "garage_type": {"garage_year_built": None, "garage_finish": "NA", "garage_cars": 0, "garage_area": 0.0},
    "basement_quality": {
        "basement_exposure": "NA",
        "basement_finished_area": 0.0,
        "basement_area": 0.0,
        "basement_full_baths": 0,
    },
    "fireplaces": {"fireplace_quality": "NA"},
}


def prices(rows: Sequence[Row], figures: Mapping[str, Any], random: np.random.Generator) -> Column:
    """Return dollars, shape (n,): the mechanism, and an error with the tails of Student's t.

    The error is wider for older houses.
    """
    log_price, age = expected_log_price(rows, figures), _ages(rows)
    scale = figures["error"]["scale"] + figures["error"]["scale_per_century"] * age / 100
    tails = random.standard_t(figures["error"]["degrees_of_freedom"], len(rows))
    log_price += scale * np.clip(tails, -LARGEST_ERROR, LARGEST_ERROR)
    return np.asarray(np.round(np.exp(log_price), -2), dtype=np.float64)


def expected_log_price(rows: Sequence[Row], figures: Mapping[str, Any]) -> Column:
    """Return ln(price) before any error, shape (n,)."""
    known = terms(rows, figures["standing"])
    weighed = [weight * known[name] for name, weight in figures["weights"].items()]
    return np.asarray(figures["intercept"] + np.sum(weighed, axis=0), dtype=np.float64)


def _ages(rows: Sequence[Row]) -> Column:
    return np.array([float(row["year_sold"] or 0) - float(row["year_built"] or 0) for row in rows])
