"""Errors of a model on held-out sales, overall and by segment, and the gates before it is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from model_package.recipes import Dollars
from model_package.schema import Row

ROUND_TRIP = 1e-9
PRICE_BANDS = (
    (0.0, "below 125k"),
    (125e3, "125k to 175k"),
    (175e3, "175k to 250k"),
    (250e3, "250k and above"),
)
AGE_BANDS = ((-np.inf, "under 10 years"), (10, "10 to 29"), (30, "30 to 59"), (60, "60 and older"))
UNKNOWN = "unknown"
_THIRDS = ("cheaper third", "middle third", "dearer third")


class BelowStandard(ValueError):
    """A model that must not be saved; the message holds the figures."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of n predictions. `log` ones are of ln(prediction / price); `bias_log` above 0: too dear."""

    n: int
    rmse_log: float
    mae_log: float
    bias_log: float
    mae_dollars: float
    mape_percent: float
    median_ape_percent: float
    within_10_percent: float


def errors(predictions: Dollars, prices: Dollars) -> Errors:
    """Compare predictions with prices, both of shape (n,), n > 0, US dollars."""
    log = np.log(predictions / prices)
    share = np.abs(predictions / prices - 1)
    return Errors(
        n=len(prices),
        rmse_log=float(np.sqrt(np.mean(log**2))),
        mae_log=float(np.mean(np.abs(log))),
        bias_log=float(np.mean(log)),
        mae_dollars=float(np.mean(np.abs(predictions - prices))),
        mape_percent=float(100 * np.mean(share)),
        median_ape_percent=float(100 * np.median(share)),
        within_10_percent=float(100 * np.mean(share <= 0.10)),
    )


@dataclass(frozen=True, slots=True)
class Neighborhoods:
    """Neighbourhoods in the training sales: median price of each and of all, and the third each is in."""

    medians: Mapping[str, float]
    overall: float
    thirds: Mapping[str, str]

    def baseline(self, rows: Sequence[Row]) -> Dollars:
        """Return the neighbourhood's median price, which any model has to beat."""
        return np.array([self.medians.get(str(row["neighborhood"]), self.overall) for row in rows])


def neighborhoods(rows: Sequence[Row], prices: Dollars) -> Neighborhoods:
    """Learn medians, and thirds of the neighbourhoods by their median, from training sales."""
    names = np.array([str(row["neighborhood"]) for row in rows])
    medians = {str(name): float(np.median(prices[names == name])) for name in np.unique(names)}
    ranked = sorted(medians, key=medians.__getitem__)
    thirds = {name: _THIRDS[rank * 3 // len(ranked)] for rank, name in enumerate(ranked)}
    return Neighborhoods(medians, float(np.median(prices)), thirds)


def by_segment(
    rows: Sequence[Row], predictions: Dollars, prices: Dollars, known: Neighborhoods
) -> dict[str, dict[str, dict[str, float]]]:
    """Compute errors by kind of segment and segment, without segments that have no sale.

    Price bands are of the prediction: by the price, a model would seem biased at both ends whatever it does.
    """
    ages = np.array([float(row["year_sold"] or 0) - float(row["year_built"] or 0) for row in rows])
    thirds = np.array([known.thirds.get(str(row["neighborhood"]), UNKNOWN) for row in rows])
    kinds = {
        "neighborhood_group": {third: thirds == third for third in (*_THIRDS, UNKNOWN)},
        "price_band": _bands(predictions, PRICE_BANDS),
        "age_band": _bands(ages, AGE_BANDS),
    }
    return {
        kind: {
            name: asdict(errors(predictions[inside], prices[inside]))
            for name, inside in segments.items()
            if inside.any()
        }
        for kind, segments in kinds.items()
    }


def _bands(values: NDArray[np.float64], bands: Sequence[tuple[float, str]]) -> dict[str, NDArray[np.bool_]]:
    ends = [*(start for start, _ in bands[1:]), np.inf]
    return {name: (values >= start) & (values < end) for (start, name), end in zip(bands, ends, strict=True)}


def require_usable(predictions: Dollars, n: int) -> None:
    """Refuse answers that are not n finite amounts above 0; raises BelowStandard."""
    if predictions.shape != (n,):
        raise BelowStandard(f"{n} houses got answers of shape {predictions.shape}: expected ({n},)")
    bad = np.flatnonzero(~(np.isfinite(predictions) & (predictions > 0)))
    if len(bad):
        examples = ", ".join(f"house {i}: {predictions[i]}" for i in bad[:3])
        raise BelowStandard(f"{len(bad)} of {n} answers are not dollars above 0 ({examples})")


def require_better(model: Errors, baseline: Errors) -> None:
    """Refuse a model that is no better than the neighbourhood median; raises BelowStandard."""
    if not model.rmse_log < baseline.rmse_log:
        raise BelowStandard(
            f"RMSE of log price {model.rmse_log:.4f} on {model.n} held-out sales: expected below "
            f"{baseline.rmse_log:.4f}, that of the neighbourhood's median price; the model was not saved"
        )


def require_equal(scorer: Dollars, research: Dollars) -> None:
    """Refuse a saved model that answers other than the pipeline it came from; raises BelowStandard."""
    apart = float(np.max(np.abs(scorer / research - 1)))
    if not apart <= ROUND_TRIP:
        raise BelowStandard(
            f"the saved model differs from its research pipeline by {apart:.3g} relative: "
            f"expected at most {ROUND_TRIP}"
        )
