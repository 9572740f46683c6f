"""A small town: houses are asked about, answered, scored and sold, day after day, in next to no time.

Every part between the callers and the store is Umbra's own. Sales are reported late, wrongly at first or
never, and some callers ask twice about a house.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Self
from uuid import UUID

from model_package import artifact
from model_package.reference import ModelRef
from model_package.schema import Row
from model_package.synthetic import DEFAULT_HOUSES, synthetic
from model_package.train import train
from monitoring import metrics
from shadow.evidence.cycle import EvidenceCycle
from shadow.ingest.mover import Ingest
from shadow.journal.recorder import Recorder, open_recorder
from shadow.records import Outcome, OutcomeState, new_capture_ids
from shadow.scoring.breaker import Breaker
from shadow.scoring.lane import Lane
from shadow.scoring.scorer import Scorer, ScorerPlan
from shadow.settings import Settings
from shadow.source.identity import directory_id
from shadow.store import Store
from umbra.bootstrap import prepare
from umbra.demo.market import HouseFields, MarketHouse, houses

_MODEL_SEED = 1
# Of the answered houses: never heard of again, withdrawn, told with a wrong price at first.
_UNHEARD, _WITHDRAWN, _MISTOLD = 0.05, 0.03, 0.03
_DELAY_DAYS, _CORRECTION_DAYS, _WRONG_FACTOR = 5.0, 2.0, 1.1
# Of the requests: those that say which house it is, and those of them about a house asked for before.
_NAMED, _AGAIN = 0.2, 0.3


def unchanged(house: HouseFields) -> Row:
    """Return the house unchanged."""
    return dict(house)


@dataclass(frozen=True, slots=True)
class TownPlan:
    """What happens in the town. `looks`: after how many days the evidence is looked at; the last day always.

    `requested` is what becomes of a house on its way to the API, `served` on from there to the live model.
    """

    days: int = 62
    houses_a_day: int = 44
    seed: int = 3
    looks: tuple[int, ...] = (24, 45)
    requested: Callable[[HouseFields], Row] = unchanged
    served: Callable[[HouseFields], Row] = unchanged


@dataclass(slots=True)
class TownClock:
    """A clock that the town sets."""

    now: datetime

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@dataclass(order=True, slots=True)
class OutcomeReport:
    """What somebody will say of an answered house; no price: it was withdrawn."""

    due: datetime
    capture_id: UUID
    price_dollars: float | None = field(compare=False)

    def outcome(self) -> Outcome:
        """Return the report as an outcome."""
        sold = self.price_dollars is not None
        state = OutcomeState.SOLD if sold else OutcomeState.WITHDRAWN
        return Outcome(
            self.capture_id, state, self.price_dollars, self.due if sold else None, "registry", self.due
        )


@dataclass(slots=True)
class SimulatedTown:
    """One live model, one candidate, and the parts of Umbra between them."""

    plan: TownPlan
    clock: TownClock
    live: artifact.Model
    recorder: Recorder
    ingest: Ingest
    lane: Lane
    scorer: Scorer
    look: EvidenceCycle
    supply: Iterator[MarketHouse]
    chance: random.Random
    coming: list[OutcomeReport] = field(default_factory=list)
    listings: deque[tuple[str, MarketHouse]] = field(default_factory=lambda: deque(maxlen=20))
    numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    def begin(cls, settings: Settings, store: Store, plan: TownPlan, end: datetime) -> Self:
        """Prepare the store as `umbra prepare` does, and stand up what `umbra up` runs, but no web server."""
        clock = TownClock(_midnight(end) - timedelta(days=plan.days))
        deployment = prepare(settings, store, _train(settings, clock.now), "the town", clock.now)
        (candidate,) = store.candidates()
        measures = metrics.shadowing(None)
        scorer = Scorer(ScorerPlan.of(settings, candidate), threading.Event())
        name, version = deployment.live.name, deployment.live.version
        source = directory_id(settings.data_dir)
        return cls(
            plan,
            clock,
            artifact.load(artifact.directory_of(settings.models, ModelRef(name, version))),
            open_recorder(settings),
            Ingest(store, settings.journal_dir, source, settings.ingest_batch_bytes, measures, clock),
            Lane(
                store,
                candidate,
                scorer,
                Breaker(time.monotonic),
                1000,
                settings.candidate_latency_share,
                measures,
                clock,
            ),
            scorer,
            EvidenceCycle(store, settings, threading.Event()),
            houses(plan.seed),
            random.Random(plan.seed),  # noqa: S311 - not a secret
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.close()
        self.scorer.stop()

    def live_on(self, end: datetime) -> None:
        """Simulate every day until `end`."""
        for day in range(1, self.plan.days + 1):
            self._pass_day()
            if day in self.plan.looks:
                self.look.run(self.clock.now)
        self.clock.now = end
        self._tell(end)
        self._bring_in()
        self.look.run(end)

    def _pass_day(self) -> None:
        began = self.clock.now
        seconds = sorted(self.chance.uniform(0, 86_400) for _ in range(self.plan.houses_a_day))
        named = [self._next() for _ in seconds]
        dollars = self.live.predict(
            [self.plan.served(self.plan.requested(house.fields)) for _, house in named]
        )
        for second, (entity, house), price in zip(seconds, named, dollars.tolist(), strict=True):
            self.clock.now = began + timedelta(seconds=second)
            self._tell(self.clock.now)
            self._answer(entity, house, price)
        self.clock.now = began + timedelta(days=1)
        self._tell(self.clock.now)
        self._bring_in()

    def _next(self) -> tuple[str | None, MarketHouse]:
        """Return the next house, with its name if the caller sends one."""
        if self.chance.random() > _NAMED:
            return None, next(self.supply)
        if self.listings and self.chance.random() < _AGAIN:
            return self.chance.choice(self.listings)
        listing = f"listing-{next(self.numbers)}", next(self.supply)
        self.listings.append(listing)
        return listing

    def _answer(self, entity: str | None, house: MarketHouse, dollars: float) -> None:
        """Record an answered house as the API does."""
        moment = int(self.clock.now.timestamp() * 1000)
        (name,) = new_capture_ids(1, moment, self.chance.getrandbits(74))
        self.recorder.record(
            request_id=f"town-{next(self.numbers)}",
            live=ModelRef(self.live.name, self.live.version),
            capture_ids=[name],
            rows=[self.plan.requested(house.fields)],
            dollars=[dollars],
            entities=[entity],
        )
        for report in _reports(name, self.clock.now, house.price_dollars, self.chance):
            heapq.heappush(self.coming, report)

    def _tell(self, until: datetime) -> None:
        """Report what is due."""
        while self.coming and self.coming[0].due <= until:
            self.recorder.record_outcomes(
                f"town-{next(self.numbers)}", [heapq.heappop(self.coming).outcome()]
            )

    def _bring_in(self) -> None:
        """Move the journal into the store and let the candidate score what came."""
        while self.ingest.step():
            continue
        while self.lane.step():
            continue


def _reports(name: UUID, now: datetime, price: float, chance: random.Random) -> Iterator[OutcomeReport]:
    """Yield the reports of a house: mostly its price, some days later."""
    fate, due = chance.random(), now + timedelta(days=chance.expovariate(1 / _DELAY_DAYS))
    if fate < _UNHEARD:
        return
    if fate < _UNHEARD + _WITHDRAWN:
        yield OutcomeReport(due, name, None)
        return
    if chance.random() < _MISTOLD:
        yield OutcomeReport(due, name, round(_WRONG_FACTOR * price))
        due += timedelta(days=_CORRECTION_DAYS)
    yield OutcomeReport(due, name, price)


def _train(settings: Settings, now: datetime) -> Callable[[str], Path]:
    def train_one(recipe: str) -> Path:
        sales = synthetic(DEFAULT_HOUSES, _MODEL_SEED)
        return train(recipe, sales, settings.models, _MODEL_SEED, trained_at=now)

    return train_one


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
