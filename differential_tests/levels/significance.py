"""Significance: tell an exceeded share from chance."""

from __future__ import annotations

from scipy.special import bdtrc  # type: ignore[import-untyped, unused-ignore]

UNLIKELY = 0.01


def exceeds(count: int, houses: int, share: float, unlikely: float = UNLIKELY) -> bool:
    """Test whether a count exceeds `share` of the houses (one-sided binomial test).

    >>> exceeds(1, 648, 0.001), exceeds(4, 648, 0.001)
    (False, True)
    """
    return count > 0 and float(bdtrc(count - 1, houses, share)) < unlikely
