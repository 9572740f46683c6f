"""A candidate may do anything: only its own rows, its own cursor and its own process suffer."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from sqlalchemy import select

from model_package import artifact, recipes, schema
from model_package.reference import ModelRef
from monitoring import metrics
from shadow.records import Candidate, Capture, ObservationState, new_capture_ids
from shadow.scoring.breaker import Breaker
from shadow.scoring.lane import Lane
from shadow.scoring.scorer import Scorer, ScorerPlan, ScorerUnavailable
from shadow.settings import Settings
from shadow.store import Store, candidates, captures, ledger, sources
from shadow.store.database import tables
from shadow.store.observations import CursorMoved
from shadow.store.observations import store as store_observations

sys.path.insert(0, str(Path(__file__).parent))
import faulty_recipe as faulty

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HEALTHY = 1500
MODEL = ModelRef("faulty", "1")


def answered(store: Store, areas: Sequence[int], directory: str = "here", salt: int = 1) -> None:
    """Put captures of houses of these sizes into the store, as ingest does."""
    names = new_capture_ids(len(areas), 1_700_000_000_000 + salt, salt << 20)
    rows = [
        Capture(
            name, NOW, "request", index, ModelRef("linear", "1"), 1e5, schema.EXAMPLE | {"living_area": area}
        )
        for index, (name, area) in enumerate(zip(names, areas, strict=True))
    ]
    with store.writing() as connection:
        source = sources.lock(connection, directory, NOW)
        sources.advance(connection, source, captures.insert(connection, source, rows))


def seen(store: Store, candidate: Candidate) -> dict[int, str]:
    """What became of each house, by its number: `scored` or the reason it failed."""
    with store.reading() as connection:
        rows = connection.execute(
            select(tables.captures.c.seq, tables.observations.c.state, tables.observations.c.reason)
            .join(tables.observations, tables.observations.c.capture_id == tables.captures.c.id)
            .where(tables.observations.c.candidate_id == candidate.id)
        )
        return {row.seq: row.reason or row.state for row in rows}


def book(store: Store, candidate: Candidate) -> ledger.Account:
    with store.reading() as connection:
        return ledger.account(connection, candidate)


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Shadow:
    """One candidate of the faulty recipe, with its lane."""

    def __init__(self, store: Store, settings: Settings, sample: float = 1.0) -> None:
        self.store, self.clock = store, Clock()
        files = {"card.json": b"{}", "profile.json": b"{}"}
        self.directory = artifact.save(settings.models, "faulty", "faulty", lambda _: files, lambda _: None)
        with store.writing() as connection:
            self.candidate = candidates.add(connection, MODEL, sample, None, NOW)
        self.give_up = threading.Event()
        self.scorer = Scorer(ScorerPlan.of(settings, self.candidate), self.give_up)
        self.breaker = Breaker(self.clock)
        self.lane = Lane(
            store, self.candidate, self.scorer, self.breaker, 64, 0.1, metrics.shadowing(None), lambda: NOW
        )

    def catch_up(self) -> None:
        while self.lane.step():
            pass


@pytest.fixture
def shadow(
    store: Store, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shadow]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    recipes.register(["faulty_recipe"])
    made = Shadow(
        store,
        settings(
            recipe_modules="faulty_recipe", candidate_deadline_seconds=0.5, candidate_memory_bytes=1 << 30
        ),
    )
    yield made
    made.scorer.stop()


@pytest.mark.parametrize(
    ("area", "reason"),
    [
        (faulty.RAISES, "raised"),
        (faulty.HANGS, "hung"),
        (faulty.EXITS, "crashed"),
        (faulty.IS_NAN, "not_finite"),
        (faulty.SHORT, "wrong_length"),
        (faulty.EATS_MEMORY, "memory"),
        (faulty.IS_NEGATIVE, "not_positive"),
        (faulty.DOUBLES, "wrong_length"),
        (faulty.SPOILS, "not_finite"),
        (faulty.RAISES_ODD_WORDS, "raised"),
    ],
)
def test_the_poisonous_row_is_found_and_all_others_are_scored(
    store: Store, shadow: Shadow, area: int, reason: str
) -> None:
    answered(store, [HEALTHY] * 11 + [area] + [HEALTHY] * 4)
    shadow.catch_up()
    assert seen(store, shadow.candidate) == {
        number: reason if number == 12 else "scored" for number in range(1, 17)
    }
    account = book(store, shadow.candidate)
    assert account.failed == {reason: 1}
    assert account.balances
    assert account.pending == 0


def test_prices_are_the_models_and_latency_is_measured_on_a_few(store: Store, shadow: Shadow) -> None:
    answered(store, list(range(1100, 1300)))
    shadow.catch_up()
    with store.reading() as connection:
        rows = connection.execute(
            select(
                tables.captures.c.inputs,
                tables.observations.c.prediction_dollars,
                tables.observations.c.latency_seconds,
            ).join(tables.observations, tables.observations.c.capture_id == tables.captures.c.id)
        ).all()
    assert all(row.prediction_dollars == 100.0 * row.inputs["living_area"] for row in rows)
    assert sum(row.latency_seconds is not None for row in rows) == 20


def test_rows_that_keep_killing_the_process_open_the_breaker_and_the_rest_waits(
    store: Store, shadow: Shadow
) -> None:
    answered(store, [HEALTHY] + [faulty.EXITS] * 6)
    shadow.lane.step()
    assert shadow.breaker.seconds_open > 0
    account = book(store, shadow.candidate)
    assert (account.scored, account.failed, account.pending) == (1, {"crashed": 3}, 3)
    assert account.balances


def test_after_its_pause_the_breaker_lets_scoring_go_on(store: Store, shadow: Shadow) -> None:
    answered(store, [faulty.EXITS] * 4 + [HEALTHY])
    while book(store, shadow.candidate).pending:
        shadow.lane.step()
        shadow.clock.now += shadow.breaker.seconds_open
    assert seen(store, shadow.candidate) == dict.fromkeys(range(1, 5), "crashed") | {5: "scored"}


def test_an_altered_artifact_is_never_scored_and_blames_no_row(store: Store, shadow: Shadow) -> None:
    answered(store, [HEALTHY])
    card = shadow.directory / "card.json"
    card.chmod(0o644)
    card.write_bytes(b'{"better": true}')
    with pytest.raises(ScorerUnavailable, match=r"card\.json"):
        shadow.lane.step()
    assert book(store, shadow.candidate).pending == 1


def test_a_lower_limit_of_memory_that_nobody_may_raise_is_kept(store: Store, shadow: Shadow) -> None:
    answered(store, [HEALTHY] * 3)
    plan = shadow.scorer._plan
    limited = ["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh", *plan.command]
    shadow.scorer._plan = dataclasses.replace(plan, command=limited)
    shadow.catch_up()
    assert book(store, shadow.candidate).scored == 3
    limits = Path(f"/proc/{shadow.scorer.pid}/limits").read_text(encoding="ascii")
    assert re.search(r"Max address space +1024000000 +1024000000", limits)


def test_a_killed_model_process_costs_no_row(store: Store, shadow: Shadow) -> None:
    answered(store, [HEALTHY])
    shadow.catch_up()
    assert shadow.scorer.pid is not None
    answered(store, [HEALTHY], salt=2)
    os.kill(shadow.scorer.pid, signal.SIGKILL)
    shadow.catch_up()
    assert set(seen(store, shadow.candidate).values()) == {ObservationState.SCORED}


def test_the_model_process_sees_no_credentials(
    store: Store, shadow: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMBRA_STORE_URL", "postgresql://umbra:canary@db/umbra")
    answered(store, [HEALTHY])
    shadow.catch_up()
    file = Path(f"/proc/{shadow.scorer.pid}/environ")
    if os.getuid() != 0:  # nobody else may look
        with pytest.raises(PermissionError):
            file.read_bytes()
        return
    environment = file.read_bytes()
    assert b"PATH=" in environment
    assert b"canary" not in environment
    assert b"UMBRA_" not in environment


def test_several_sources_are_all_brought_up_to_date(store: Store, shadow: Shadow) -> None:
    answered(store, [HEALTHY] * 3, "here")
    answered(store, [HEALTHY] * 70, "there", salt=2)
    shadow.catch_up()
    account = book(store, shadow.candidate)
    assert (account.eligible, account.scored, account.pending) == (73, 73, 0)


def test_a_paused_candidate_waits_and_goes_on_where_it_stopped(store: Store, shadow: Shadow) -> None:
    answered(store, [HEALTHY] * 3)
    with store.writing() as connection:
        candidates.set_state(connection, MODEL, candidates.CandidateState.PAUSED)
    assert shadow.lane.step() == 0
    with store.writing() as connection:
        candidates.set_state(connection, MODEL, candidates.CandidateState.ACTIVE)
    shadow.catch_up()
    assert book(store, shadow.candidate).scored == 3


def test_what_another_lane_has_stored_is_not_stored_again(store: Store, shadow: Shadow) -> None:
    answered(store, [HEALTHY] * 3)
    batch, cursor, up_to = shadow.lane._next()
    shadow.catch_up()
    assert cursor is not None
    with pytest.raises(CursorMoved), store.writing() as connection:
        store_observations(connection, shadow.candidate, cursor, [], up_to, NOW)
    assert book(store, shadow.candidate).scored == len(batch) == 3


def test_a_stop_interrupts_a_model_that_hangs_and_keeps_what_was_settled(
    store: Store, shadow: Shadow
) -> None:
    answered(store, [HEALTHY, faulty.RAISES, faulty.HANGS, HEALTHY])
    stopper = threading.Thread(target=lambda: (_until_hanging(shadow), shadow.give_up.set()))
    stopper.start()
    shadow.lane.step()
    stopper.join()
    account = book(store, shadow.candidate)
    assert account.balances
    assert account.failed.get("hung", 0) == 0
    assert account.pending >= 2
    assert shadow.scorer.pid is None


def _until_hanging(shadow: Shadow) -> None:
    """Wait for the model process that sleeps over the poisonous house."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        pid = shadow.scorer.pid
        if pid is not None and "hrtimer_nanosleep" in _sleeping_in(pid):
            return


def _sleeping_in(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/wchan").read_text(encoding="ascii")
    except OSError:
        return ""
