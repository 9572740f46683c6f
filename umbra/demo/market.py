"""The market of `umbra demo`: made-up houses, what each really sells for, and when that becomes known.

A house and its price come from one mechanism (model_package.synthetic) that knows of no model: the better
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
# Of the answered houses: never heard of again, withdrawn, sold but told late, told wrongly at first.
_UNHEARD, _WITHDRAWN, _LATE, _MISTOLD = 0.05, 0.02, 0.03, 0.03
_DELAY_SECONDS, _LATE_SECONDS, _CORRECTION_SECONDS = 1.2, 10.0, 3.0
_WRONG_FACTOR = 1.1


@dataclass(frozen=True, slots=True)
class House:
    """A house on the market, and the price it will really be sold for; a listing also has a name."""

    fields: HouseFields
    price_dollars: float
    entity_id: str | None = None

    @property
    def asked(self) -> HouseFields:
        """The house as it is asked about."""
        return self.fields if self.entity_id is None else {**self.fields, schema.ENTITY: self.entity_id}


def houses(seed: int) -> Iterator[House]:
    """Houses for ever, none of them twice; the same seed gives the same ones."""
    for block in count(seed << 20):  # far from the seeds that models are trained with
        sales = synthetic.synthetic(_BLOCK, block)
        yield from map(House, sales.rows, sales.prices.tolist())


@dataclass(slots=True)
class Market:
    """Houses to ask about: new ones, and a few listings that people come back to."""

    supply: Iterator[House]
    _listings: deque[House] = field(default_factory=lambda: deque(maxlen=_LISTINGS))
    _numbers: Iterator[int] = field(default_factory=count)

    def new(self) -> House:
        """A house that nobody has asked about."""
        return next(self.supply)

    def listing(self, chance: random.Random) -> House:
        """A house with a name, half of the time one that was asked about before."""
        if self._listings and chance.random() < 0.5:
            return chance.choice(self._listings)
        house = self.new()
        named = House(house.fields, house.price_dollars, f"listing-{next(self._numbers)}")
        self._listings.append(named)
        return named


@dataclass(frozen=True, slots=True, order=True)
class Report:
    """What becomes known of an answered house at a moment (monotonic seconds); no price: it was withdrawn."""

    due: float
    prediction_id: str
    price_dollars: float | None = field(compare=False)

    def as_json(self, now: datetime) -> dict[str, object]:
        """As POST /v1/outcomes takes it."""
        told = {"prediction_id": self.prediction_id, "source": "umbra demo"}
        if self.price_dollars is None:
            return {**told, "state": "withdrawn"}
        return {**told, "price_dollars": self.price_dollars, "sold_at": now.isoformat()}


def reports(house: House, prediction_id: str, now: float, chance: random.Random) -> Iterator[Report]:
    """What will become known of a house that is answered `now`: mostly its price, soon."""
    fate, due = chance.random(), now + chance.expovariate(1 / _DELAY_SECONDS)
    if fate < _UNHEARD:
        return
    if fate < _UNHEARD + _WITHDRAWN:
        yield Report(due, prediction_id, None)
        return
    if chance.random() < _LATE:
        due += _LATE_SECONDS
    if chance.random() < _MISTOLD:
        yield Report(due, prediction_id, round(_WRONG_FACTOR * house.price_dollars))
        due += _CORRECTION_SECONDS
    yield Report(due, prediction_id, house.price_dollars)


@dataclass(slots=True)
class Registry:
    """The reports that are still to come, and those that are due."""

    chance: random.Random
    _coming: list[Report] = field(default_factory=list)

    def expect(self, asked: Sequence[House], prediction_ids: Sequence[str], now: float) -> None:
        """Take note of answered houses: `prediction_ids[i]` is about `asked[i]`."""
        for house, prediction_id in zip(asked, prediction_ids, strict=True):
            for report in reports(house, prediction_id, now, self.chance):
                heapq.heappush(self._coming, report)

    def due(self, now: float, most: int) -> list[Report]:
        """Take what is due, the oldest first."""
        found: list[Report] = []
        while self._coming and self._coming[0].due <= now and len(found) < most:
            found.append(heapq.heappop(self._coming))
        return found

    def put_back(self, told: Sequence[Report]) -> None:
        """Take reports back that nobody took."""
        for report in told:
            heapq.heappush(self._coming, report)
