"""The course of the evidence: both keys and the interval as they stood after each mature day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from monitoring.statistics import sequential
from monitoring.statistics.sums import Sums
from shadow.verdict.document import date_of
from shadow.verdict.facts import Facts
from shadow.verdict.rules import finite

POINTS = 400


def course(facts: Facts) -> dict[str, Any]:
    """The `evidence` document: an entry for each day with a sold house, at most POINTS, the last always."""
    days = [(day, sums) for day, sums in facts.days if sums.sold]
    blocks = [sums.d + facts.margin * sums.sold for _, sums in days]
    kept = set(_spread(len(days)))
    entries, so_far = [], Sums.zero()
    for index, (day, sums) in enumerate(days):
        so_far = so_far + sums
        if index in kept:
            entries.append(_entry(facts, day, sums, so_far, blocks[: index + 1]))
    return {"threshold": math.log(1 / facts.alpha), "days": entries}


def _entry(facts: Facts, day: int, sums: Sums, so_far: Sums, blocks: Sequence[float]) -> dict[str, Any]:
    low, high = sequential.interval(blocks, facts.alpha, facts.policy.k_star)
    # Bounds are of the mean of a day's sum, margin included; shown is the mean of a house.
    per_house = len(blocks) / so_far.sold
    return {
        "date": date_of(day, facts.policy.day_seconds),
        "sold": int(so_far.sold),
        "ln_e": finite(sequential.ln_e(so_far.promote)),
        "harm_ln_e": finite(sequential.ln_e(so_far.harm)),
        "mean": so_far.d / so_far.sold,
        "day_mean": sums.d / sums.sold,
        "lower": finite(low * per_house - facts.margin),
        "upper": finite(high * per_house - facts.margin),
        "key_b": finite(sequential.lower_bound(blocks, facts.alpha, facts.policy.k_star)),
    }


def _spread(count: int) -> list[int]:
    """At most POINTS of `count` places, evenly, the last among them."""
    if count <= POINTS:
        return list(range(count))
    return [count - 1 - (POINTS - 1 - point) * (count - 1) // (POINTS - 1) for point in range(POINTS)]
