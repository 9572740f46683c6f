"""Derive the figures of the synthetic houses from real sales.

Run as `python -m model_package.calibration CSV`.

Only aggregates leave: shares of values held by at least 8 sales, rounded quantiles between the 1st and the
99th percentile, rank correlations to two decimals, and weights of terms that 15 sales or more share. No sale
can be read back from them.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri  # type: ignore[import-untyped, unused-ignore]
from scipy.stats import rankdata, t  # type: ignore[import-untyped, unused-ignore]
from sklearn.linear_model import Ridge

from model_package.dataset import Dataset, read_csv
from model_package.mechanism import terms
from model_package.synthetic import DELAYS, PARTS, VARIABLES, Column, variables

RARE = 8
LISTED = 20
LEVELS = (0.0, 0.01, 0.025, *np.linspace(0.05, 0.95, 19).round(2).tolist(), 0.975, 0.99, 1.0)
ROUNDS = 8
SIMULATED = 20_000
RARE_TERM = 15
RIDGE = 2.0
SMALLEST_EIGENVALUE = 0.06
Order = Mapping[str, float]
OUTPUT = Path(__file__).with_name("calibration.json")


def calibrate(data: Dataset) -> dict[str, Any]:
    """Return all figures of `calibration.json`."""
    columns = _columns(data)
    orders = {name: _order(column, data.prices) for name, column in columns.items()}
    marginals = {name: _marginal(columns[name], orders[name]) for name in VARIABLES}
    unknown = float(np.mean([row["lot_frontage"] is None for row in data.rows]))
    return {
        "about": f"aggregates of {len(data.rows)} real house sales in Ames, Iowa (De Cock, 2011)",
        "unknown_frontage": round(unknown, 3),
        "marginals": marginals,
        "correlations": _latent(rank_correlations(columns, orders), marginals, orders).tolist(),
        "price": _price(data),
    }


def _columns(data: Dataset) -> dict[str, list[Any]]:
    """Return values by variable; None where that part of the house is absent."""
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in data.rows] for name in VARIABLES}
    for delay, year in DELAYS.items():
        columns[delay] = [_delay(row[year], row["year_built"]) for row in data.rows]
    return _mask(columns)


def _delay(later: Any, built: Any) -> int | None:
    return None if later is None else max(later - built, 0)


def _mask(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    for component, absent, fields in PARTS:
        for name in fields:
            pairs = zip(columns[name], columns[component], strict=True)
            columns[name] = [None if total == absent else value for value, total in pairs]
    return columns


def _order(column: list[Any], prices: Column) -> Order:
    """Rank the codes of a category by the average log price of their sales; empty for numbers."""
    texts = np.array([value if isinstance(value, str) else "" for value in column])
    means = {str(code): float(np.log(prices[texts == code]).mean()) for code in np.unique(texts[texts != ""])}
    return {code: float(rank) for rank, code in enumerate(sorted(means, key=means.__getitem__))}


def _marginal(column: list[Any], order: Order) -> dict[str, Any]:
    present = [value for value in column if value is not None]
    counts = {value: count for value, count in Counter(present).items() if count >= RARE}
    if len(set(present)) <= LISTED or isinstance(present[0], str):
        values = sorted(counts, key=lambda value: order.get(value, value))
        return {"values": values, "shares": _shares([counts[value] for value in values])}
    positive = np.array([value for value in present if value > 0], dtype=np.float64)
    inner = np.clip(LEVELS, 0.01, 0.99)
    quantiles = [_rounded(value) for value in np.quantile(positive, inner)]
    return {
        "zero": round(1 - len(positive) / len(present), 3),
        "levels": list(LEVELS),
        "quantiles": quantiles,
    }


def _shares(counts: list[int]) -> list[float]:
    return [round(count / sum(counts), 4) for count in counts]


def _rounded(value: float) -> float:
    """Round to three digits; years in full."""
    digits = 2 - math.floor(math.log10(max(value, 1)))
    return float(round(value, max(digits, 0) if 1000 < value < 2100 else digits))


def rank_correlations(columns: Mapping[str, list[Any]], orders: Mapping[str, Order]) -> Column:
    """Correlate normal scores of all pairs of variables, each over the houses that have both."""
    scores = np.array([_scores(columns[name], orders[name]) for name in VARIABLES])
    return np.asarray(np.ma.corrcoef(np.ma.masked_invalid(scores)).filled(0.0))  # type: ignore[no-untyped-call]


def _scores(column: list[Any], order: Order) -> Column:
    """Return the normal scores of the ranks, ties in their middle; NaN where there is no value."""
    values = np.array([np.nan if value is None else order.get(value, value) for value in column], dtype=float)
    known = ~np.isnan(values)
    scores = np.full(len(values), np.nan)
    scores[known] = ndtri((rankdata(values[known]) - 0.5) / known.sum())
    return scores


def _latent(target: Column, marginals: Mapping[str, Any], orders: Mapping[str, Order]) -> Column:
    """Find correlations of the underlying normals such that the drawn values have the target ones.

    Cutting a normal into few values weakens its correlations: raise them until a simulation agrees.
    """
    normal = np.random.default_rng(0).standard_normal((SIMULATED, len(VARIABLES)))
    wanted = latent = target
    for _ in range(ROUNDS):
        latent = _positive(wanted)
        drawn = variables(normal, marginals, latent)
        columns = _mask({name: column.tolist() for name, column in drawn.items()})
        wanted = np.clip(wanted + 0.7 * (target - rank_correlations(columns, orders)), -0.97, 0.97)
    return latent


def _positive(correlations: Column) -> Column:
    """Return the nearest correlation matrix of a normal, by raising small eigenvalues; two decimals."""
    values, vectors = np.linalg.eigh((correlations + correlations.T) / 2)
    raised = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    sd = np.sqrt(np.diag(raised))
    return np.asarray(np.round(raised / np.outer(sd, sd), 2), dtype=np.float64)


def _price(data: Dataset) -> dict[str, Any]:
    """Weigh the terms of the mechanism by ridge regression, and measure what it leaves unexplained."""
    standing = _standing(data)
    known = {name: term for name, term in terms(data.rows, standing).items() if _shared(term)}
    design, log_prices = np.column_stack(list(known.values())), np.log(data.prices)
    scale = np.maximum(design.std(axis=0), 1e-9)
    ridge = Ridge(alpha=RIDGE).fit(design / scale, log_prices)
    weights = dict(zip(known, (ridge.coef_ / scale).round(4).tolist(), strict=True))
    left = log_prices - ridge.predict(design / scale)
    return {
        "intercept": round(
            float(np.mean(log_prices - left) - design.mean(axis=0) @ list(weights.values())), 4
        ),
        "weights": {name: weight for name, weight in weights.items() if weight},
        "standing": standing,
        "error": _error(left, data),
    }


def _shared(term: Column) -> bool:
    """Return whether a term covers enough sales that its weight reveals none of them."""
    return bool(np.count_nonzero(term) >= RARE_TERM)


def _standing(data: Dataset) -> dict[str, float]:
    """Score how dear each neighbourhood is: its median log price in standard deviations over the sales."""
    names = np.array([str(row["neighborhood"]) for row in data.rows])
    medians = {str(name): float(np.log(np.median(data.prices[names == name]))) for name in np.unique(names)}
    each = np.array([medians[name] for name in names])
    shared = {name: count for name, count in Counter(names.tolist()).items() if count >= RARE}
    return {name: round(float((medians[name] - each.mean()) / each.std()), 2) for name in shared}


def _error(left: Column, data: Dataset) -> dict[str, float]:
    """Fit Student's t whose scale grows with age: tails and scale by likelihood, growth by least squares."""
    age = np.array([float(row["year_sold"] or 0) - float(row["year_built"] or 0) for row in data.rows])
    slope, level = np.polyfit(age / 100, np.abs(left), 1)
    tails, _, scale = t.fit(left / (1 + slope / level * age / 100), floc=0)
    return {
        "degrees_of_freedom": round(float(tails), 1),
        "scale": round(float(scale), 4),
        "scale_per_century": round(float(scale * slope / level), 4),
    }


def main() -> None:
    """Write `calibration.json` from the CSV file named on the command line."""
    figures = calibrate(read_csv(Path(sys.argv[1])))
    OUTPUT.write_text(json.dumps(figures) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
