"""Sums over the houses of a day, from which verdict and agreement are computed.

l = min(|ln(prediction / price)|, cap), d = l_live - l_candidate (positive: the candidate is better),
g = ln(candidate / live), m = min(|g|, cap). All measures merge by addition, but `d_min` and `g_max`.
Method and sources: docs/statistics.md, "What is compared", "The two keys" and "Without outcomes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.float64]
Bets: TypeAlias = tuple[float, ...]

BETS: Bets = tuple(float(bet) for bet in np.geomspace(0.02, 0.95, 10))
"""Shares of the largest bet that cannot ruin, from cautious to bold."""
CENTRE_DOLLARS = 150_000.0
_NOTHING: Bets = (0.0,) * len(BETS)
_PER_BET = frozenset({"promote", "harm", "regret", "certificate", "worst_case"})


class ImpossibleTerms(ValueError):
    """Terms under which a factor could be negative: the sums would prove nothing."""

    def __init__(self, cap: float, margin: float) -> None:
        super().__init__(
            f"margin {margin:g}: 0 or more, and below the cap {cap:g}, was expected; mend the policy"
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """The parameters of d and the factors: the cap of a loss and the margin delta, in log units."""

    cap: float
    margin: float

    def __post_init__(self) -> None:
        if not 0 <= self.margin < self.cap:
            raise ImpossibleTerms(self.cap, self.margin)

    @property
    def gaining(self) -> Bets:
        """lambda_j of the promote and certificate keys: b_j / (cap - margin)."""
        return tuple(bet / (self.cap - self.margin) for bet in BETS)

    @property
    def losing(self) -> Bets:
        """lambda_j of the harm and regret keys: b_j / (cap + margin)."""
        return tuple(bet / (self.cap + self.margin) for bet in BETS)


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over houses that count once. The tuples hold a sum of ln(factor) for each of BETS.

    `pairs`: both models answered; `failed`: the candidate did not; `sold` and `withdrawn` of the pairs.
    `m_unsold`, `worst_case`: over pairs that are neither. `timed`, `slow`: measured latencies of the
    candidate, and those over budget. x = ln(live / 150,000 dollars), y the same of the candidate.
    """

    pairs: float = 0.0
    failed: float = 0.0
    sold: float = 0.0
    withdrawn: float = 0.0
    loss_live: float = 0.0
    loss_candidate: float = 0.0
    d: float = 0.0
    d2: float = 0.0
    d_min: float = inf
    promote: Bets = _NOTHING
    harm: Bets = _NOTHING
    regret: Bets = _NOTHING
    certificate: Bets = _NOTHING
    worst_case: Bets = _NOTHING
    m: float = 0.0
    m2: float = 0.0
    m_unsold: float = 0.0
    catastrophes_live: float = 0.0
    catastrophes_candidate: float = 0.0
    catastrophes_only_live: float = 0.0
    catastrophes_only_candidate: float = 0.0
    timed: float = 0.0
    slow: float = 0.0
    g: float = 0.0
    g2: float = 0.0
    abs_g: float = 0.0
    abs_dollars: float = 0.0
    beyond_5: float = 0.0
    beyond_10: float = 0.0
    beyond_20: float = 0.0
    absurd: float = 0.0
    out_of_bounds: float = 0.0
    g_max: float = 0.0
    x: float = 0.0
    y: float = 0.0
    x2: float = 0.0
    y2: float = 0.0
    xy: float = 0.0

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return the flat names of all measures: a tuple becomes NAME_0 to NAME_9."""
        return tuple(flat for field in fields(cls) for flat in _flat_names(field.name))

    @classmethod
    def zero(cls) -> Self:
        """Return the sums of no house."""
        return cls()

    @classmethod
    def of(cls, flat: Mapping[str, float]) -> Self:
        """Read flat measures, named as `columns` names them."""
        return cls(**{field.name: _read(field.name, flat) for field in fields(cls)})

    def flat(self) -> dict[str, float]:
        """Return all measures by their flat names."""
        values_by_name: dict[str, float] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            values = value if isinstance(value, tuple) else (value,)
            values_by_name |= dict(zip(_flat_names(field.name), values, strict=True))
        return values_by_name

    def __add__(self, other: Sums) -> Sums:
        """Add the sums of disjoint sets of houses."""
        return Sums(
            **{
                field.name: _merged(field.name, getattr(self, field.name), getattr(other, field.name))
                for field in fields(self)
            }
        )


def total(addends: Sequence[Sums]) -> Sums:
    """Add up any number of sums."""
    return sum(addends, Sums.zero())


def _flat_names(name: str) -> list[str]:
    return [f"{name}_{bet}" for bet in range(len(BETS))] if name in _PER_BET else [name]


def _read(name: str, flat: Mapping[str, float]) -> Any:
    values = tuple(float(flat[key]) for key in _flat_names(name))
    return values if name in _PER_BET else values[0]


def _merged(name: str, left: Any, right: Any) -> Any:
    if name in _PER_BET:
        return tuple(a + b for a, b in zip(left, right, strict=True))
    if name == "d_min":
        return min(left, right)
    return max(left, right) if name == "g_max" else left + right


def sums_of(
    live: Column,
    candidate: Column,
    price: Column,
    terms: Terms,
    *,
    withdrawn: NDArray[np.bool_] | None = None,
    latency_seconds: Column | None = None,
    budget_seconds: float = inf,
    price_range: tuple[float, float] = (0.0, inf),
) -> Sums:
    """Compute the sums of houses from arrays of shape (n,), in dollars: the reference for the SQL.

    `candidate` NaN: it failed; `price` NaN: no outcome, or `withdrawn`. `latency_seconds` NaN: not measured.
    """
    gone = np.zeros(len(live), bool) if withdrawn is None else withdrawn
    seconds = np.full(len(live), np.nan) if latency_seconds is None else latency_seconds
    answered = ~np.isnan(candidate)
    failed, timed = int((~answered).sum()), seconds[~np.isnan(seconds)]
    live, candidate, price, gone = live[answered], candidate[answered], price[answered], gone[answered]
    sold = ~np.isnan(price) & ~gone
    return Sums(
        failed=float(failed),
        withdrawn=float(gone.sum()),
        timed=float(len(timed)),
        slow=float((timed > budget_seconds).sum()),
        out_of_bounds=float(((candidate < price_range[0]) | (candidate > price_range[1])).sum()),
        **_agreement(live, candidate, terms, open_=~sold & ~gone),
        **_losses(live[sold], candidate[sold], price[sold], terms),
    )


def _agreement(live: Column, candidate: Column, terms: Terms, open_: NDArray[np.bool_]) -> dict[str, Any]:
    x, y = np.log(live / CENTRE_DOLLARS), np.log(candidate / CENTRE_DOLLARS)
    g = np.log(candidate / live)
    m = np.minimum(np.abs(g), terms.cap)
    return {
        "pairs": float(len(g)),
        "certificate": _logs(terms.gaining, terms.margin - m),
        "worst_case": _logs(terms.gaining, terms.margin - m[open_]),
        "m": float(m.sum()),
        "m2": float((m * m).sum()),
        "m_unsold": float(m[open_].sum()),
        "g": float(g.sum()),
        "g2": float((g * g).sum()),
        "abs_g": float(np.abs(g).sum()),
        "abs_dollars": float(np.abs(candidate - live).sum()),
        **{f"beyond_{percent}": float((np.abs(g) > percent / 100).sum()) for percent in (5, 10, 20)},
        "absurd": float((np.abs(g) > np.log(2)).sum()),
        "g_max": float(np.abs(g).max(initial=0.0)),
        "x": float(x.sum()),
        "y": float(y.sum()),
        "x2": float((x * x).sum()),
        "y2": float((y * y).sum()),
        "xy": float((x * y).sum()),
    }


def _losses(live: Column, candidate: Column, price: Column, terms: Terms) -> dict[str, Any]:
    off_live, off_candidate = np.abs(np.log(live / price)), np.abs(np.log(candidate / price))
    loss_live, loss_candidate = np.minimum(off_live, terms.cap), np.minimum(off_candidate, terms.cap)
    d = loss_live - loss_candidate
    bad_live, bad_candidate = off_live > terms.cap, off_candidate > terms.cap
    return {
        "sold": float(len(d)),
        "loss_live": float(loss_live.sum()),
        "loss_candidate": float(loss_candidate.sum()),
        "d": float(d.sum()),
        "d2": float((d * d).sum()),
        "d_min": float(d.min(initial=inf)),
        "promote": _logs(terms.gaining, d + terms.margin),
        "harm": _logs(terms.losing, -d - terms.margin),
        "regret": _logs(terms.losing, d - terms.margin),
        "catastrophes_live": float(bad_live.sum()),
        "catastrophes_candidate": float(bad_candidate.sum()),
        "catastrophes_only_live": float((bad_live & ~bad_candidate).sum()),
        "catastrophes_only_candidate": float((bad_candidate & ~bad_live).sum()),
    }


def _logs(stakes: Bets, gains: Column) -> Bets:
    return tuple(log_factors(stakes, gains).tolist())


def log_factors(stakes: Bets, gains: Column) -> Column:
    """Sum ln(1 + stake * gain) over the last axis, for each stake: shape (..., n) to (..., stakes)."""
    return np.stack([np.log1p(stake * gains).sum(axis=-1) for stake in stakes], axis=-1)
