"""Dimensions: how a policy divides rows into segments; a segment is called `price:125k-175k`.

Each dimension puts every row into exactly one of its segments, by its inputs or the live prediction, never by
the outcome.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

LIVE_PRICE = "live_price"
AGE = "age"
OTHER, MISSING, KNOWN = "other", "missing", "known"
RESERVED = frozenset({OTHER, MISSING, KNOWN, "small"})

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way to divide rows. `by`: a field, `live_price` (US dollars) or `age` (years, at the sale).

    Exactly one of `edges`, `groups` (name: codes) and `missing` is set. With edges a segment holds
    edges[i-1] <= value < edges[i]. `nullable`: the field may be null. `rest`: some code is in no group.
    """

    name: str
    by: str
    edges: tuple[float, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: bool = False
    nullable: bool = False
    rest: bool = False

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of its segments: of `edges` ascending, of `groups` as declared, then the rest.

        >>> Dimension("price", LIVE_PRICE, edges=(125_000, 175_000)).segments
        ('price:<125k', 'price:125k-175k', 'price:175k+')
        """
        return tuple(f"{self.name}:{suffix}" for suffix in self._suffixes())

    def segment_of(self, value: Value) -> str:
        """Return the segment of a row whose field has `value`."""
        return f"{self.name}:{self._suffix_of(value)}"

    def _suffixes(self) -> list[str]:
        if self.missing:
            return [MISSING, KNOWN]
        if self.groups:
            return [name for name, _ in self.groups] + [OTHER] * self.rest
        labels = [f"{edge / 1000:.12g}k" if self.by == LIVE_PRICE else f"{edge:.12g}" for edge in self.edges]
        between = [f"{low}-{high}" for low, high in pairwise(labels)]
        return [f"<{labels[0]}", *between, f"{labels[-1]}+"] + [MISSING] * self.nullable

    def _suffix_of(self, value: Value) -> str:
        if self.missing:
            return MISSING if value is None else KNOWN
        if self.groups:
            return next((name for name, codes in self.groups if value in codes), OTHER)
        return MISSING if value is None else self._suffixes()[bisect_right(self.edges, float(value))]


def segments_of(
    dimensions: tuple[Dimension, ...], inputs: Mapping[str, Value], live_dollars: float
) -> list[str]:
    """Return the segment of a row in each dimension."""
    return [dimension.segment_of(_value(dimension.by, inputs, live_dollars)) for dimension in dimensions]


def _value(by: str, inputs: Mapping[str, Value], live_dollars: float) -> Value:
    if by == LIVE_PRICE:
        return live_dollars
    if by == AGE:
        built, sold = inputs["year_built"], inputs["year_sold"]
        return None if built is None or sold is None else float(sold) - float(built)
    return inputs[by]
