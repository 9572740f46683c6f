"""Findings: the numbers that the rules of a verdict ask about, worked out once from the facts.

What is judged are the sold houses of mature days. When they do not prove it but the certificate holds, which
needs no outcomes (|d| <= min(|ln candidate - ln live|, c)), it is every pair of all days that are over, each
at its worst.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from monitoring.statistics.sums import Sums, total
from shadow.verdict.facts import Days, Facts, together
from shadow.verdict.keys import HousesKey, Keys, Read, Reading, harm, houses_key, keys, pairs, sold


class Shown(StrEnum):
    """How the candidate stands in a segment."""

    SHOWN = "shown"  # proved not to be worse by more than the segments' margin
    OPEN = "open"  # has to be shown, and is not yet
    UNPROVEN = "unproven"  # too small to have to be shown
    HARMED = "harmed"  # proved to be worse by more than the segments' margin


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; `required`: it has the share of houses from which on it must be shown."""

    name: str
    pairs: int
    sold: int
    reading: Reading
    key: HousesKey
    harm: HousesKey
    required: bool

    @property
    def shown(self) -> Shown:
        """How the candidate stands in it."""
        if self.harm.turned:
            return Shown.HARMED
        if not self.required:
            return Shown.UNPROVEN
        return Shown.SHOWN if self.key.turned else Shown.OPEN


@dataclass(frozen=True, slots=True)
class Findings:
    """What is judged (`read` of `days`, which are `judged` together), and what came out.

    `mature`: all mature days; `everything`: all days, for what needs no outcomes.
    """

    facts: Facts
    by_certificate: bool
    days: Days
    read: Read
    judged: Sums
    mature: Sums
    everything: Sums
    outcomes: Keys
    certificate: Keys
    harm: Keys
    segments: tuple[Segment, ...]

    @property
    def keys(self) -> Keys:
        """The keys that decide."""
        return self.certificate if self.by_certificate else self.outcomes

    @property
    def reading(self) -> Reading:
        """All that is judged together."""
        return self.read(self.judged)

    @property
    def full_days(self) -> list[int]:
        """The days that have a house to judge."""
        return [day for day, sums in self.days if self.read(sums).houses]

    @property
    def noun(self) -> str:
        """What is counted."""
        return "pairs" if self.by_certificate else "sold houses"


def find(facts: Facts) -> Findings:
    """Work everything out."""
    mature = together(facts.days)
    over = mature + together(facts.over)
    outcomes = keys(facts, facts.days, mature, sold, facts.margin, facts.alpha)
    certificate = keys(facts, facts.days + facts.over, over, pairs, facts.margin, facts.alpha)
    by_certificate = certificate.turned and not outcomes.turned
    days, judged, read = (
        (facts.days + facts.over, over, pairs) if by_certificate else (facts.days, mature, sold)
    )
    return Findings(
        facts=facts,
        by_certificate=by_certificate,
        days=days,
        read=read,
        judged=judged,
        mature=mature,
        everything=mature + together(facts.preview),
        outcomes=outcomes,
        certificate=certificate,
        harm=keys(facts, facts.days, mature, harm, -facts.margin, facts.alpha),
        segments=tuple(_segments(facts, judged, read, by_certificate=by_certificate)),
    )


def _segments(facts: Facts, judged: Sums, read: Read, *, by_certificate: bool) -> list[Segment]:
    """Every declared segment, and the small ones of each dimension together, which are unproven."""
    found: list[Segment] = []
    for dimension in facts.policy.dimensions:
        parts = {name: _sums(facts, name, by_certificate=by_certificate) for name in dimension.segments}
        each = [_segment(facts, name, sums, read, judged.pairs) for name, sums in parts.items()]
        small = [parts[one.name] for one in each if not one.required and one.pairs]
        pooled = _segment(facts, f"{dimension.name}:small", total(small), read, judged.pairs)
        found += each + [replace(pooled, required=False)] * (len(small) > 1)
    return found


def _sums(facts: Facts, name: str, *, by_certificate: bool) -> Sums:
    parts: list[Mapping[str, Sums]] = [facts.segments] + [facts.preview_segments] * by_certificate
    return total([part[name] for part in parts if name in part])


def _segment(facts: Facts, name: str, sums: Sums, read: Read, everyone: float) -> Segment:
    """One segment. Shares are of pairs, so that outcomes that stay away cannot make a segment small.

    It is shown at alpha itself: since all have to be, no correction is needed (intersection-union test).
    Harm in any of S counts, so there the capital must reach S / alpha (Bonferroni on e-values).
    """
    policy = facts.policy
    together = max(1, len(policy.segment_names))
    return Segment(
        name=name,
        pairs=int(sums.pairs),
        sold=int(sums.sold),
        reading=read(sums),
        key=houses_key(read(sums).bets, facts.alpha),
        harm=HousesKey(houses_key(harm(sums).bets, facts.alpha).ln_e, math.log(together / facts.alpha)),
        required=everyone > 0 and sums.pairs >= policy.segments.min_share * everyone,
    )
