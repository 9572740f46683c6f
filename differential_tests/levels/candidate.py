"""D4: the live model against a candidate. Good models disagree a lot, so only absurd answers are findings.

What they agree on is described, and whether that proves the candidate no worse is said (docs/statistics.md,
"Without outcomes").
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
    """Limits of absurdity. `share`: of houses more than a factor of 2 apart; prices in US dollars.

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


def _apart(findings: Sequence[Finding], houses: int, limits: CandidateLimits) -> tuple[Finding, ...]:
    """Report more houses a factor of 2 apart than chance explains."""
    if not exceeds(len(findings), houses, limits.share):
        return ()
    detail = (
        f"{len(findings)} of {houses} houses are more than a factor of 2 apart: {limits.share:.1%} is allowed"
    )
    return (_budget(PRICE, detail, a=limits.share, b=len(findings) / houses), *findings)


def _outside(houses: JoinedPrices, limits: CandidateLimits) -> list[Finding]:
    wrong = ~((houses.b >= limits.lowest) & (houses.b <= limits.highest))
    detail = f"expected {limits.lowest:,.0f} to {limits.highest:,.0f} dollars"
    return [
        Finding(
            FindingKind.BUDGET, houses.ids[at], PRICE, float(houses.a[at]), float(houses.b[at]), detail=detail
        )
        for at in np.flatnonzero(wrong).tolist()
    ]


def _constant(houses: JoinedPrices, limits: CandidateLimits) -> list[Finding]:
    live, other = len(np.unique(houses.a)), len(np.unique(houses.b))
    if other >= limits.distinct * live:
        return []
    common, count = Counter(houses.b.tolist()).most_common(1)[0]
    detail = f"{other} different prices where the live model has {live}; {count} houses cost {common:,.0f}"
    return [_budget(PRICE, detail, a=live, b=other)]


def _budget(path: str, detail: str, a: object, b: object) -> Finding:
    return Finding(FindingKind.BUDGET, "all", path, a, b, detail=detail)


def facts(houses: JoinedPrices, limits: CandidateLimits) -> dict[str, str]:
    """Describe how far the two models agree, and what that proves."""
    usable = (houses.a > 0) & (houses.b > 0) & np.isfinite(houses.a) & np.isfinite(houses.b)
    live, other = houses.a[usable], houses.b[usable]
    loss_limits = sums.Terms(cap=limits.cap, margin=limits.margin)
    added = sums.sums_of(live, other, np.full(len(live), np.nan), loss_limits)
    proof = comparison.certificate([added], limits.margin, limits.alpha)
    return _agreement(comparison.agreement(added)) | {
        "rank correlation": _number_text(comparison.spearman(live, other) if len(live) > 1 else None),
        "largest prices": f"live {_largest_price(live):,.0f}, candidate {_largest_price(other):,.0f} dollars",
        f"proved no worse than {limits.margin:g} without outcomes": "yes" if proof.holds else "no",
    }


def _agreement(agreement: comparison.Agreement) -> dict[str, str]:
    low, high = (agreement.limits.lower, agreement.limits.upper) if agreement.limits else (None, None)
    return {
        "houses that both answered": str(agreement.pairs),
        "bias of the candidate": _number_text(agreement.bias),
        "mean difference": _number_text(agreement.mad),
        "largest difference": _number_text(agreement.max),
        "95 % limits of agreement": f"{_number_text(low)} to {_number_text(high)}",
        "slope on the price": _number_text(agreement.slope),
        "concordance": _number_text(agreement.concordance),
        "more than 5, 10, 20 % apart": ", ".join(
            map(_percent_text, (agreement.beyond_5, agreement.beyond_10, agreement.beyond_20))
        ),
        "more than a factor of 2 apart": _percent_text(agreement.absurd),
    }


def _number_text(number: float | None) -> str:
    return "not defined" if number is None else f"{number:.4g}"


def _percent_text(share: float | None) -> str:
    return "not defined" if share is None else f"{share:.2%}"


def _largest_price(prices: NDArray[np.float64]) -> float:
    return float(prices.max(initial=-inf))
