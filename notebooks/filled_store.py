"""Two months of a small town in a store, put there by Umbra's own parts: only clock and callers are made up.

Houses are asked about and answered by the live model, the journal is moved into the store, the candidate
scores in a process of its own, sales are reported late, twice, wrongly at first or never, and the evidence
is looked at.

    python filled_store.py      fills the empty store that UMBRA_STORE_URL and UMBRA_DATA_DIR name
"""

from __future__ import annotations

import heapq
import logging
import os
import random
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Self
from uuid import UUID

from model_package import artifact
from model_package.schema import Row
from model_package.synthetic import DEFAULT_HOUSES, synthetic
from model_package.train import train
from monitoring import metrics
from shadow.capture import Recorder, open_recorder
from shadow.evidence.look import Look
from shadow.ingest import Ingest, directory_id
from shadow.market import House, houses
from shadow.prepare import prepare
from shadow.records import ModelRef, Outcome, OutcomeState, new_capture_ids
from shadow.scoring.breaker import Breaker
from shadow.scoring.lane import Lane
from shadow.scoring.scorer import Scorer, ScorerPlan
from shadow.settings import Settings
from shadow.store import Store, open_store
from shadow.store.schema import migrate

HERE = Path(__file__).parent
END = datetime(2026, 11, 21, 9, tzinfo=UTC)
"""The last look in the store beside the notebooks: the same at every filling."""
_NAMED_BY = ("UMBRA_STORE_URL", "UMBRA_DATA_DIR")
_MODEL_SEED = 1
# Of the answered houses: never heard of again, withdrawn, told with a wrong price at first.
_UNHEARD, _WITHDRAWN, _MISTOLD = 0.05, 0.03, 0.03
_DELAY_DAYS, _CORRECTION_DAYS, _WRONG_FACTOR = 5.0, 2.0, 1.1
# Of the requests: those that say which house it is, and those of them about a house asked for before.
_NAMED, _AGAIN = 0.2, 0.3


class NotEmpty(RuntimeError):
    """The store to be filled has a live model already; it belongs to somebody."""


def unchanged(house: Row) -> Row:
    """The house as it is."""
    return house


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens in the town. `looks`: after how many days the evidence is looked at; the last day always.

    `asked` is what becomes of a house on its way to the API, `served` on from there to the live model.
    """

    days: int = 62
    houses_a_day: int = 44
    seed: int = 3
    looks: tuple[int, ...] = (24, 45)
    asked: Callable[[Row], Row] = unchanged
    served: Callable[[Row], Row] = unchanged


def installation() -> Settings:
    """What the environment names, else `umbra-data` beside this file, which is filled when it is missing."""
    if any(os.environ.get(name) for name in _NAMED_BY):
        return Settings.from_environment()
    found = of_directory(HERE / "umbra-data")
    if not found.data_dir.exists():
        fresh = found.data_dir.with_name(f"umbra-data.{os.getpid()}")
        try:
            fill(of_directory(fresh), END)
            fresh.rename(found.data_dir)  # there whole or not at all
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return found


def of_directory(data_dir: Path, **more: Path) -> Settings:
    """The settings of a data directory with an embedded store; `more` as in `models_dir=PATH`."""
    named = {f"UMBRA_{name.upper()}": str(path) for name, path in more.items()}
    return Settings.from_environment({"UMBRA_DATA_DIR": str(data_dir), **named})


def fill(settings: Settings, end: datetime, plan: Plan | None = None) -> None:
    """Let a town live in an empty store until `end`; models that are missing are trained. Raises NotEmpty."""
    plan = plan or Plan()
    # A busy machine must lose no house, and two months are to hold enough measured latencies.
    patient = replace(
        settings, journal_write_seconds=5.0, candidate_latency_share=0.05, candidate_deadline_seconds=60.0
    )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    logging.getLogger("umbra").addHandler(
        logging.NullHandler()
    )  # what goes wrong on purpose is told in the store
    store = open_store(settings.store)
    try:
        migrate(store)
        _require_empty(store)
        with Town.begin(patient, store, plan, end) as town:
            town.live_on(end)
    finally:
        store.close()


def _require_empty(store: Store) -> None:
    found = store.deployment()
    if found is not None:
        raise NotEmpty(
            f"{found.live} is live in this store: expected an empty one; name another by {_NAMED_BY[0]}"
        )


@dataclass(slots=True)
class Clock:
    """A clock that the town sets."""

    now: datetime

    def __call__(self) -> datetime:
        """The moment it shows."""
        return self.now


@dataclass(order=True, slots=True)
class Report:
    """What somebody will say of an answered house; no price: it was withdrawn."""

    due: datetime
    capture_id: UUID
    price_dollars: float | None = field(compare=False)

    def outcome(self) -> Outcome:
        """The report as it is received."""
        sold = self.price_dollars is not None
        state = OutcomeState.SOLD if sold else OutcomeState.WITHDRAWN
        return Outcome(
            self.capture_id, state, self.price_dollars, self.due if sold else None, "registry", self.due
        )


@dataclass(slots=True)
class Town:
    """One live model, one candidate, and the parts of Umbra between them."""

    plan: Plan
    clock: Clock
    live: artifact.Model
    recorder: Recorder
    ingest: Ingest
    lane: Lane
    scorer: Scorer
    look: Look
    supply: Iterator[House]
    chance: random.Random
    coming: list[Report] = field(default_factory=list)
    listings: deque[tuple[str, House]] = field(default_factory=lambda: deque(maxlen=20))
    numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    def begin(cls, settings: Settings, store: Store, plan: Plan, end: datetime) -> Self:
        """Prepare the store as `umbra prepare` does, and stand up what `umbra up` runs, but no web server."""
        clock = Clock(_midnight(end) - timedelta(days=plan.days))
        deployment = prepare(settings, store, _train(settings, clock.now), "the town", clock.now)
        (candidate,) = store.candidates()
        measures = metrics.shadowing(None)
        scorer = Scorer(ScorerPlan.of(settings, candidate), threading.Event())
        name, version = deployment.live.name, deployment.live.version
        source = directory_id(settings.data_dir)
        return cls(
            plan,
            clock,
            artifact.load(artifact.directory_of(settings.models, name, version)),
            open_recorder(settings),
            Ingest(store, settings.journal_dir, source, settings.ingest_batch_bytes, measures, clock),
            Lane(store, candidate, scorer, Breaker(time.monotonic), 1000,
                 settings.candidate_latency_share, measures, clock),
            scorer,
            Look(store, settings, threading.Event()),
            houses(plan.seed),
            random.Random(plan.seed),  # noqa: S311 - not a secret
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.close()
        self.scorer.stop()

    def live_on(self, end: datetime) -> None:
        """Let every day pass, and what is left of the last one."""
        for day in range(1, self.plan.days + 1):
            self._pass_day()
            if day in self.plan.looks:
                self.look.once(self.clock.now)
        self.clock.now = end
        self._tell(end)
        self._bring_in()
        self.look.once(end)

    def _pass_day(self) -> None:
        began = self.clock.now
        seconds = sorted(self.chance.uniform(0, 86_400) for _ in range(self.plan.houses_a_day))
        named = [self._next() for _ in seconds]
        dollars = self.live.predict([self.plan.served(self.plan.asked(house.fields)) for _, house in named])
        for second, (entity, house), price in zip(seconds, named, dollars.tolist(), strict=True):
            self.clock.now = began + timedelta(seconds=second)
            self._tell(self.clock.now)
            self._answer(entity, house, price)
        self.clock.now = began + timedelta(days=1)
        self._tell(self.clock.now)
        self._bring_in()

    def _next(self) -> tuple[str | None, House]:
        """Whom the next request is about, with its name if the caller says it."""
        if self.chance.random() > _NAMED:
            return None, next(self.supply)
        if self.listings and self.chance.random() < _AGAIN:
            return self.chance.choice(self.listings)
        listing = f"listing-{next(self.numbers)}", next(self.supply)
        self.listings.append(listing)
        return listing

    def _answer(self, entity: str | None, house: House, dollars: float) -> None:
        """What the API does with a house after the live model answered."""
        moment = int(self.clock.now.timestamp() * 1000)
        (name,) = new_capture_ids(1, moment, self.chance.getrandbits(74))
        self.recorder.record(
            request_id=f"town-{next(self.numbers)}",
            live=ModelRef(self.live.name, self.live.version),
            capture_ids=[name],
            rows=[self.plan.asked(house.fields)],
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


def _reports(name: UUID, now: datetime, price: float, chance: random.Random) -> Iterator[Report]:
    """What will be said of a house: mostly its price, some days later."""
    fate, due = chance.random(), now + timedelta(days=chance.expovariate(1 / _DELAY_DAYS))
    if fate < _UNHEARD:
        return
    if fate < _UNHEARD + _WITHDRAWN:
        yield Report(due, name, None)
        return
    if chance.random() < _MISTOLD:
        yield Report(due, name, round(_WRONG_FACTOR * price))
        due += timedelta(days=_CORRECTION_DAYS)
    yield Report(due, name, price)


def _train(settings: Settings, now: datetime) -> Callable[[str], Path]:
    def train_one(recipe: str) -> Path:
        sales = synthetic(DEFAULT_HOUSES, _MODEL_SEED)
        return train(recipe, sales, settings.models, _MODEL_SEED, trained_at=now)

    return train_one


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def main() -> int:
    """Fill the store that the environment names."""
    settings = Settings.from_environment() if any(map(os.environ.get, _NAMED_BY)) else None
    if settings is None:
        sys.stderr.write(f"set {' or '.join(_NAMED_BY)}: this fills the store they name\n")
        return 2
    fill(settings, datetime.now(UTC))
    sys.stderr.write("filled; open the notebooks, or look around with `umbra verdict` and `umbra up`\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
