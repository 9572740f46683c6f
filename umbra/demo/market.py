"""The market of `umbra demo`: invented houses, their true prices, and when these become known.

A house and its price come from one mechanism (model_package.synthetic) that knows no model: the better
model is the one that comes nearer to it.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from model_package import schema, synthetic

HouseFields = Mapping[str, float | int | str | None]
_BLOCK = 1000
_LISTINGS = 20
# Shares of the answered houses: without an outcome, withdrawn, reported late, first reported wrongly.
_WITHOUT_OUTCOME, _WITHDRAWN, _LATE, _WRONG_AT_FIRST = 0.05, 0.02, 0.03, 0.03
_DELAY_SECONDS, _LATE_SECONDS, _CORRECTION_SECONDS = 1.2, 10.0, 3.0
_WRONG_FACTOR = 1.1


@dataclass(frozen=True, slots=True)
class MarketHouse:
    """A house on the market and the price at which it will be sold; a listing also has a name."""

    fields: HouseFields
    price_dollars: float
    entity_id: str | None = None

    @property
    def request_fields(self) -> HouseFields:
        """The fields as a request has them."""
        return self.fields if self.entity_id is None else {**self.fields, schema.ENTITY: self.entity_id}


def houses(seed: int) -> Iterator[MarketHouse]:
    """Generate houses without end, none of them twice; the same seed generates the same houses."""
    for block in count(seed << 20):  # far from the seeds of training data
        sales = synthetic.synthetic(_BLOCK, block)
        yield from map(MarketHouse, sales.rows, sales.prices.tolist())


@dataclass(slots=True)
class HousingMarket:
    """Houses to request predictions for: new ones, and a few listings that are requested repeatedly."""

    supply: Iterator[MarketHouse]
    _listings: deque[MarketHouse] = field(default_factory=lambda: deque(maxlen=_LISTINGS))
    _numbers: Iterator[int] = field(default_factory=count)

    def new(self) -> MarketHouse:
        """Return a house that no request has had yet."""
        return next(self.supply)

    def listing(self, rng: random.Random) -> MarketHouse:
        """Return a house with a name, half of the time one that an earlier request had."""
        if self._listings and rng.random() < 0.5:
            return rng.choice(self._listings)
        house = self.new()
        named = MarketHouse(house.fields, house.price_dollars, f"listing-{next(self._numbers)}")
        self._listings.append(named)
        return named


@dataclass(frozen=True, slots=True, order=True)
class SaleReport:
    """An outcome that is due at a moment (monotonic seconds); without a price the house was withdrawn."""

    due: float
    prediction_id: str
    price_dollars: float | None = field(compare=False)

    def as_json(self, now: datetime) -> dict[str, object]:
        """Convert to the JSON of POST /v1/outcomes."""
        outcome = {"prediction_id": self.prediction_id, "source": "umbra demo"}
        if self.price_dollars is None:
            return {**outcome, "state": "withdrawn"}
        return {**outcome, "price_dollars": self.price_dollars, "sold_at": now.isoformat()}


def reports(house: MarketHouse, prediction_id: str, now: float, rng: random.Random) -> Iterator[SaleReport]:
    """Draw the outcomes of a house that is answered `now`: mostly its price, soon."""
    draw, due = rng.random(), now + rng.expovariate(1 / _DELAY_SECONDS)
    if draw < _WITHOUT_OUTCOME:
        return
    if draw < _WITHOUT_OUTCOME + _WITHDRAWN:
        yield SaleReport(due, prediction_id, None)
        return
    if rng.random() < _LATE:
        due += _LATE_SECONDS
    if rng.random() < _WRONG_AT_FIRST:
        yield SaleReport(due, prediction_id, round(_WRONG_FACTOR * house.price_dollars))
        due += _CORRECTION_SECONDS
    yield SaleReport(due, prediction_id, house.price_dollars)


@dataclass(slots=True)
class ReportQueue:
    """Outcomes in the order in which they are due."""

    rng: random.Random
    _coming: list[SaleReport] = field(default_factory=list)

    def expect(self, answered: Sequence[MarketHouse], prediction_ids: Sequence[str], now: float) -> None:
        """Add the outcomes of answered houses; `prediction_ids[i]` belongs to `answered[i]`."""
        for house, prediction_id in zip(answered, prediction_ids, strict=True):
            for report in reports(house, prediction_id, now, self.rng):
                heapq.heappush(self._coming, report)

    def due(self, now: float, most: int) -> list[SaleReport]:
        """Remove and return the outcomes that are due, at most so many, the oldest first."""
        due: list[SaleReport] = []
        while self._coming and self._coming[0].due <= now and len(due) < most:
            due.append(heapq.heappop(self._coming))
        return due

    def put_back(self, rejected: Sequence[SaleReport]) -> None:
        """Return outcomes to the queue that the API did not accept."""
        for report in rejected:
            heapq.heappush(self._coming, report)
