"""The ledger adds up, and shows it when anything is lost or doubled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from model_package import schema
from model_package.reference import ModelRef
from shadow.records import Candidate, CandidateState, Capture, NewObservation, new_capture_ids
from shadow.store import Store, candidates, captures, ledger, sources
from shadow.store.candidates import CandidateConflict
from shadow.store.captures import sample_key
from shadow.store.database import partitions, tables
from shadow.store.observations import store as store_observations

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GBM = ModelRef("gbm", "1")


def answered(store: Store, houses: int, at: datetime = NOW, directory: str = "here") -> None:
    milliseconds = int(at.timestamp() * 1000)
    names = new_capture_ids(houses, milliseconds, hash(at) & ((1 << 74) - 1))
    rows = [
        Capture(name, at, "request", index, ModelRef("linear", "1"), 1e5, schema.EXAMPLE)
        for index, name in enumerate(names)
    ]
    with store.writing() as connection:
        source = sources.lock(connection, directory, NOW)
        sources.advance(connection, source, captures.insert(connection, source, rows))


def add(store: Store, model: ModelRef = GBM, sample: float = 1.0, since: datetime | None = None) -> Candidate:
    with store.writing() as connection:
        return candidates.add(connection, model, sample, since, NOW)


def score_all(store: Store, candidate: Candidate) -> None:
    with store.writing() as connection:
        for cursor in candidates.cursors_of(connection, candidate):
            rows = captures.pending(
                connection, cursor.source_id, cursor.seq, cursor.last_seq, candidate.sample
            )
            answers = [NewObservation(row.id, prediction_dollars=1e5) for row in rows]
            store_observations(connection, candidate, cursor, answers, cursor.last_seq, NOW)


def account(store: Store, candidate: Candidate) -> ledger.Account:
    with store.reading() as connection:
        return ledger.account(connection, candidate)


def test_a_new_candidate_owes_only_what_comes_after_it(store: Store) -> None:
    answered(store, 5)
    candidate = add(store)
    answered(store, 3, NOW + timedelta(seconds=1))
    assert account(store, candidate).eligible == account(store, candidate).pending == 3


def test_a_replay_owes_history_from_its_moment_on(store: Store) -> None:
    answered(store, 5, NOW - timedelta(days=3))
    answered(store, 4, NOW - timedelta(days=1))
    candidate = add(store, since=NOW - timedelta(days=2))
    assert account(store, candidate).eligible == 4
    score_all(store, candidate)
    assert account(store, candidate).scored == 4


def test_a_replay_from_before_everything_owes_everything(store: Store) -> None:
    answered(store, 5, NOW - timedelta(days=3))
    assert account(store, add(store, since=NOW - timedelta(days=99))).eligible == 5


def test_a_data_directory_that_comes_later_is_owed_from_its_first_house(store: Store) -> None:
    candidate = add(store)
    answered(store, 2, directory="elsewhere")
    score_all(store, candidate)
    found = account(store, candidate)
    assert (found.eligible, found.scored, found.balances) == (2, 2, True)


def test_smaller_samples_lie_inside_larger_ones_and_have_their_size(store: Store) -> None:
    answered(store, 2000)
    with store.reading() as connection:
        names = connection.execute(select(tables.captures.c.id)).scalars().all()
    keys = [sample_key(name) for name in names]
    assert all(0 <= key < 1 for key in keys)
    assert 400 < sum(key < 0.25 for key in keys) < 600  # five standard deviations around 500
    small = add(store, ModelRef("gbm", "2"), 0.25, NOW - timedelta(days=1))
    large = add(store, ModelRef("gbm", "3"), 0.5, NOW - timedelta(days=1))
    for candidate in (small, large):
        score_all(store, candidate)
        found = account(store, candidate)
        assert found.balances
        assert found.scored + found.sampled_out == 2000

    def seen(candidate: Candidate) -> set[object]:
        query = select(tables.observations.c.capture_id).where(
            tables.observations.c.candidate_id == candidate.id
        )
        with store.reading() as connection:
            return set(connection.execute(query).scalars())

    assert seen(small) < seen(large)


def test_drops_before_a_candidate_came_are_not_its_own(store: Store) -> None:
    answered(store, 1)
    with store.writing() as connection:
        source = sources.lock(connection, "here", NOW)
        sources.record_drops(connection, source, "a", {"disk": 5}, NOW - timedelta(hours=1))
        sources.record_drops(connection, source, "a", {"full": 2}, NOW + timedelta(hours=1))
    found = account(store, add(store))
    assert (found.eligible, found.dropped, found.balances) == (2, {"full": 2}, True)


@pytest.mark.parametrize("fault", ["observation lost", "observation doubled", "capture lost", "cursor ahead"])
def test_a_ledger_that_does_not_add_up_says_so(store: Store, fault: str) -> None:
    candidate = add(store)
    answered(store, 10)
    score_all(store, candidate)
    assert account(store, candidate).balances
    with store.writing() as connection:
        one = connection.execute(select(tables.captures.c.id).limit(1)).scalar_one()
        if fault == "observation lost":
            connection.execute(delete(tables.observations).where(tables.observations.c.capture_id == one))
        elif fault == "observation doubled":
            stranger = new_capture_ids(1, int(NOW.timestamp() * 1000), 7)[0]
            partitions.ensure(connection, [stranger])
            connection.execute(
                insert(tables.observations).values(
                    candidate_id=candidate.id,
                    capture_id=stranger,
                    state="failed",
                    reason="raised",
                    observed_at=NOW,
                )
            )
        elif fault == "capture lost":
            connection.execute(delete(tables.captures).where(tables.captures.c.id == one))
        else:
            connection.execute(update(tables.cursors).values(seq=12))
    assert not account(store, candidate).balances


def test_a_lost_capture_shows_in_the_intake(store: Store) -> None:
    answered(store, 3)
    with store.writing() as connection:
        connection.execute(delete(tables.captures).where(tables.captures.c.seq == 2))
    with store.reading() as connection:
        assert not ledger.intake(connection).balances


def test_a_capture_that_was_pruned_is_accounted_for_and_one_besides_is_not(store: Store) -> None:
    answered(store, 3)
    with store.writing() as connection:
        connection.execute(delete(tables.captures).where(tables.captures.c.seq == 2))
        connection.execute(update(tables.sources).values(pruned=1))
    with store.reading() as connection:
        assert ledger.intake(connection) == ledger.Intake(numbered=3, stored=2, dropped={}, pruned=1)
        assert ledger.intake(connection).balances
    with store.writing() as connection:
        connection.execute(delete(tables.captures).where(tables.captures.c.seq == 3))
    with store.reading() as connection:
        assert not ledger.intake(connection).balances


def test_numbers_that_were_pruned_are_not_pending(store: Store) -> None:
    candidate = add(store)
    answered(store, 5)
    with store.writing() as connection:
        connection.execute(delete(tables.captures).where(tables.captures.c.seq.in_([2, 4])))
    found = account(store, candidate)
    assert (found.eligible, found.pending, found.balances) == (3, 3, True)


def test_a_model_is_a_candidate_only_once_and_can_come_back(store: Store) -> None:
    first = add(store)
    with pytest.raises(CandidateConflict, match="gbm@1 is a candidate already"):
        add(store)
    with store.writing() as connection:
        candidates.set_state(connection, GBM, CandidateState.REMOVED)
    second = add(store)
    assert second.id != first.id
    assert [candidate.id for candidate in store.candidates()] == [second.id]
    with pytest.raises(CandidateConflict, match="not a candidate"), store.writing() as connection:
        candidates.set_state(connection, ModelRef("gbm", "9"), CandidateState.PAUSED)
