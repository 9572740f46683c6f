"""D4: the live model against a candidate. Two good models disagree a lot, so only the absurd is a finding.

What they agree on is described (statistics.md 3.6), and whether that proves the candidate no worse is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from differential_tests.comparison import Run, compare
from differential_tests.findings import Check, Finding, FindingKind, Level
from differential_tests.levels.prices import PRICE, JoinedPrices, join_prices
from differential_tests.levels.significance import exceeds
from differential_tests.settings.tolerances import Tolerances
from monitoring.statistics import comparison, sums

FACTOR_2_PERCENT = 50.0
"""Of the larger of two prices: then one is twice the other."""


@dataclass(frozen=True, slots=True)
class CandidateLimits:
    """What is absurd. `share`: of houses more than a factor of 2 apart; prices in US dollars.

    `distinct`: the least share of different answers, or all houses would cost the same. `margin` (log units),
    `cap` and `alpha` are those of the certificate.
    """

    share: float = 0.001
    lowest: float = 1_000.0
    highest: float = 10_000_000.0
    distinct: float = 0.05
    cap: float = 0.5
    margin: float = 0.003
    alpha: float = 0.05


def candidate(
    live: Run,
    other: Run,
    tolerances: Tolerances,
    *,
    limits: CandidateLimits | None = None,
    dataset: str = "",
    path: str = PRICE,
) -> Check:
    """Compare the answers of two models to ordinary houses; `path` is where the price stands."""
    limits = limits or CandidateLimits()
    check = compare(
        live,
        other,
        tolerances.within(percent=FACTOR_2_PERCENT),
        level=Level.D4,
        name="live and candidate",
        dataset=dataset,
    )
    if check.error:
        return check
    houses = join_prices(live, other, tolerances, path)
    rows = tuple(finding for finding in check.findings if finding.kind is not FindingKind.NUMBER)
    apart = tuple(finding for finding in check.findings if finding.kind is FindingKind.NUMBER)
    absurd = (*_apart(apart, len(houses.ids), limits), *_outside(houses, limits), *_constant(houses, limits))
    return replace(check, findings=(*rows, *absurd), facts=check.facts | facts(houses, limits))


def _apart(found: Sequence[Finding], houses: int, limits: CandidateLimits) -> tuple[Finding, ...]:
    """More houses a factor of 2 apart than chance explains."""
    if not exceeds(len(found), houses, limits.share):
        return ()
    said = f"{len(found)} of {houses} houses are more than a factor of 2 apart: {limits.share:.1%} is allowed"
    return (_budget(PRICE, said, a=limits.share, b=len(found) / houses), *found)


def _outside(houses: JoinedPrices, limits: CandidateLimits) -> list[Finding]:
    wrong = ~((houses.b >= limits.lowest) & (houses.b <= limits.highest))
    said = f"expected {limits.lowest:,.0f} to {limits.highest:,.0f} dollars"
    return [
        Finding(
            FindingKind.BUDGET, houses.ids[at], PRICE, float(houses.a[at]), float(houses.b[at]), detail=said
        )
        for at in np.flatnonzero(wrong).tolist()
    ]


def _constant(houses: JoinedPrices, limits: CandidateLimits) -> list[Finding]:
    asked, told = len(np.unique(houses.a)), len(np.unique(houses.b))
    if told >= limits.distinct * asked:
        return []
    common, count = Counter(houses.b.tolist()).most_common(1)[0]
    said = f"{told} different prices where the live model has {asked}; {count} houses cost {common:,.0f}"
    return [_budget(PRICE, said, a=asked, b=told)]


def _budget(path: str, detail: str, a: object, b: object) -> Finding:
    return Finding(FindingKind.BUDGET, "all", path, a, b, detail=detail)


def facts(houses: JoinedPrices, limits: CandidateLimits) -> dict[str, str]:
    """How far the two agree, and what that proves."""
    usable = (houses.a > 0) & (houses.b > 0) & np.isfinite(houses.a) & np.isfinite(houses.b)
    live, other = houses.a[usable], houses.b[usable]
    loss_limits = sums.Terms(cap=limits.cap, margin=limits.margin)
    added = sums.sums_of(live, other, np.full(len(live), np.nan), loss_limits)
    proof = comparison.certificate([added], limits.margin, limits.alpha)
    return _agreement(comparison.agreement(added)) | {
        "rank correlation": _shown(comparison.spearman(live, other) if len(live) > 1 else None),
        "largest prices": f"live {_largest(live):,.0f}, candidate {_largest(other):,.0f} dollars",
        f"proved no worse than {limits.margin:g} without outcomes": "yes" if proof.holds else "no",
    }


def _agreement(found: comparison.Agreement) -> dict[str, str]:
    low, high = (found.limits.lower, found.limits.upper) if found.limits else (None, None)
    return {
        "houses that both answered": str(found.pairs),
        "bias of the candidate": _shown(found.bias),
        "mean difference": _shown(found.mad),
        "largest difference": _shown(found.max),
        "95 % limits of agreement": f"{_shown(low)} to {_shown(high)}",
        "slope on the price": _shown(found.slope),
        "concordance": _shown(found.concordance),
        "more than 5, 10, 20 % apart": ", ".join(
            map(_percent, (found.beyond_5, found.beyond_10, found.beyond_20))
        ),
        "more than a factor of 2 apart": _percent(found.absurd),
    }


def _shown(number: float | None) -> str:
    return "not defined" if number is None else f"{number:.4g}"


def _percent(share: float | None) -> str:
    return "not defined" if share is None else f"{share:.2%}"


def _largest(prices: NDArray[np.float64]) -> float:
    return float(prices.max(initial=-inf))
