"""What /metrics tells of journal and store, and that a store that is away or silent holds up nobody."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from model_package import manifest, schema
from model_package.reference import ModelRef
from monitoring import metrics
from shadow.bounded import Refreshed
from shadow.records import CandidateState, Capture, Deployment, Outcome, OutcomeState, new_capture_ids
from shadow.settings import Settings
from shadow.store import Store, candidates, captures, deployments, open_store, outcomes, sources, streams
from shadow.store.streams import StreamTerms, documents
from shadow.store.streams.documents import StoredDocument
from shadow.worker import collectors
from shadow.worker.collectors import JournalCollector, StoreCollector, StoreDiskCollector

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GBM = ModelRef("gbm", "1")
MODELS = Path("/nonexistent")


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def looked(reading: StoreCollector) -> StoreCollector:
    """The reading, after each of its questions was asked once more."""
    reading.state.refresh()
    reading.ledger.refresh()
    return reading


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with a deployment, a candidate that sees half, and four houses it has not looked at."""
    rows = [
        Capture(name, NOW, "request", index, ModelRef("linear", "1"), 1e5, schema.EXAMPLE)
        for index, name in enumerate(new_capture_ids(4, int(NOW.timestamp() * 1000), 1))
    ]
    with store.writing() as connection:
        deployments.append(connection, Deployment(ModelRef("linear", "1"), NOW, "test", "first"))
        candidates.add(connection, GBM, 0.5, None, NOW - timedelta(hours=1))
        source = sources.lock(connection, "here", NOW)
        sources.advance(connection, source, captures.insert(connection, source, rows))
    return store


def test_the_store_is_told_as_it_was_last_seen(filled: Store) -> None:
    reading = looked(StoreCollector(filled, MODELS, Clock()))
    told = reading()
    assert told["umbra_store_up"] == 1
    assert told["umbra_candidate_lag_captures"] == {"gbm@1": 4}
    assert told["umbra_candidate_sample_ratio"] == {"gbm@1": 0.5}
    assert told["umbra_deployment_timestamp_seconds"] == {"linear@1": NOW.timestamp()}
    assert told["umbra_ledger_missing_houses"] == {"gbm@1": 0}
    houses = told["umbra_ledger_houses"]
    assert isinstance(houses, dict)
    assert houses["gbm@1", "pending"] == 4
    assert sum(houses.values()) == 4
    assert told.keys() <= metrics.READINGS.keys()


def test_the_age_of_the_live_model_is_that_of_its_card(filled: Store, tmp_path: Path) -> None:
    trained = datetime(2026, 1, 2, tzinfo=UTC)
    directory = tmp_path / "linear/1"
    directory.mkdir(parents=True)
    reading = StoreCollector(filled, tmp_path, Clock())
    assert looked(reading)()["umbra_model_trained_timestamp_seconds"] == {}
    card = json.dumps({"trained_at": trained.isoformat()}).encode()
    (directory / "card.json").write_bytes(card)
    (directory / "manifest.json").write_bytes(manifest.compose("linear", "1", "linear", {"card.json": card}))
    assert looked(reading)()["umbra_model_trained_timestamp_seconds"] == {"linear@1": trained.timestamp()}


def test_a_pipe_or_a_link_in_place_of_the_card_holds_nobody_up(filled: Store, tmp_path: Path) -> None:
    directory = tmp_path / "linear/1"
    directory.mkdir(parents=True)
    (directory / "manifest.json").write_bytes(manifest.compose("linear", "1", "linear", {"card.json": b"{}"}))
    (tmp_path / "elsewhere.json").write_text('{"trained_at": "2026-01-02T00:00:00+00:00"}')
    for place in (os.mkfifo, lambda path: path.symlink_to(tmp_path / "elsewhere.json")):
        (directory / "card.json").unlink(missing_ok=True)
        place(directory / "card.json")
        reading = looked(StoreCollector(filled, tmp_path, Clock()))
        assert reading()["umbra_model_trained_timestamp_seconds"] == {}


def test_a_paused_candidate_is_to_score_nothing(filled: Store) -> None:
    with filled.writing() as connection:
        candidates.set_state(connection, GBM, CandidateState.PAUSED)
    reading = looked(StoreCollector(filled, MODELS, Clock()))
    assert reading()["umbra_candidate_sample_ratio"] == {"gbm@1": 0}


def test_before_the_first_look_and_once_it_is_old_the_store_is_told_as_away(filled: Store) -> None:
    clock = Clock()
    reading = StoreCollector(filled, MODELS, clock)
    assert reading()["umbra_store_up"] == 0
    looked(reading)
    clock.now += collectors.STALE_SECONDS
    assert reading()["umbra_store_up"] == 0
    assert "umbra_ledger_houses" not in reading()


def test_a_store_that_goes_away_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        reading = StoreCollector(
            open_store(f"postgresql://umbra@127.0.0.1:{taken.getsockname()[1]}/umbra"), Clock()
        )
        looked(reading)
    assert reading()["umbra_store_up"] == 0


def test_the_last_outcome_of_an_answered_house_dates_outcomes_and_one_of_a_stranger_does_not(
    filled: Store,
) -> None:
    reading = StoreCollector(filled, MODELS, Clock())
    reading.state.refresh()
    reading.outcomes.refresh()
    assert reading()["umbra_outcome_newest_timestamp_seconds"] == {}
    (known,) = new_capture_ids(1, int(NOW.timestamp() * 1000), 1)
    (stranger,) = new_capture_ids(1, int(NOW.timestamp() * 1000), 99)
    for name, moment in ((known, NOW), (known, NOW + timedelta(days=1)), (stranger, NOW + timedelta(days=2))):
        price = 100_000.0 + moment.timestamp() % 1000 + moment.day
        sold = Outcome(name, OutcomeState.SOLD, price, NOW, None, moment)
        with filled.writing() as connection:
            source = sources.lock(connection, "here", moment)
            last = outcomes.insert(connection, source, [sold], moment)
            sources.advance(connection, source, source.last_seq, last)
    reading.outcomes.refresh()
    newest = (NOW + timedelta(days=1)).timestamp()
    assert reading()["umbra_outcome_newest_timestamp_seconds"] == newest


def test_the_size_of_the_database_is_told(filled: Store) -> None:
    reading = looked(StoreCollector(filled, MODELS, Clock()))
    reading.size.refresh()
    told = reading()["umbra_store_bytes"]
    assert isinstance(told, float)
    assert told > 50_000


def test_the_disk_of_an_sqlite_file_is_found_by_itself_and_another_is_named(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Also while the store is away: a full disk may be what stopped it."""
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    told = StoreDiskCollector(settings(store_url=""))()
    assert told.keys() == {"umbra_store_disk_free_bytes", "umbra_store_disk_size_bytes"}
    away = "postgresql://umbra@127.0.0.1:1/umbra"
    assert StoreDiskCollector(settings(store_url=away))() == {}
    named = StoreDiskCollector(settings(store_url=away, store_disk_dir=tmp_path))()
    assert 0 < float(named["umbra_store_disk_free_bytes"]) <= float(named["umbra_store_disk_size_bytes"])  # type: ignore[arg-type]
    assert StoreDiskCollector(settings(store_url=away, store_disk_dir=tmp_path / "none"))() == {}


def test_evidence_is_declared_before_it_is_there(filled: Store) -> None:
    told = StoreCollector(filled, MODELS, Clock())()
    assert all(told[name] == {} for name in metrics.EVIDENCE)


def test_a_ledger_that_cannot_be_counted_does_not_say_that_the_store_is_away(filled: Store) -> None:
    reading = looked(StoreCollector(filled, MODELS, Clock()))
    with filled.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE observations RENAME TO elsewhere")
    looked(reading)
    assert reading()["umbra_store_up"] == 1
    assert reading()["umbra_candidate_lag_captures"] == {"gbm@1": 4}
    assert "umbra_ledger_houses" not in reading()


def test_outcomes_that_cannot_be_counted_keep_no_alarm_from_being_told(filled: Store) -> None:
    reading = looked(StoreCollector(filled, MODELS, Clock()))
    with filled.writing() as connection:
        (candidate,) = candidates.present(connection)
        deployed = deployments.newest(connection)
        assert deployed is not None
        digests = dict.fromkeys(
            ("live_digest", "candidate_digest", "schema_digest", "policy_sha256"), "0" * 64
        )
        terms = StreamTerms(
            deployed.id,
            candidate.id,
            deployed.live,
            policy="",
            day_seconds=1,
            margin=0.1,
            alpha=0.1,
            number=1,
            **digests,
        )
        stream = streams.open_stream(connection, terms, NOW)
        told = {"alarm": True, "because": ["it is the better one"]}
        documents.put(
            connection, stream.id, "verdict", StoredDocument(NOW, verdict_document() | {"rollback": told})
        )
        connection.exec_driver_sql("ALTER TABLE outcomes RENAME TO elsewhere")
    for lookup in (reading.outcomes, reading.evidence):
        lookup.refresh()
    assert reading()["umbra_rollback_alarm"] == {"gbm@1": 1}
    assert reading()["umbra_outcomes_matched"] == {}


def verdict_document() -> dict[str, Any]:
    """As much of one as gauges are made of."""
    return {
        "state": "blocked",
        "live": "linear@1",
        "losses": {"live": None, "candidate": None},
        "difference": {"lower": None, "mean": None, "upper": None},
        "keys": {"rows": {"ln_e": 0.5}},
        "counts": {"coverage": None},
    }


def test_a_table_that_is_being_changed_is_told_again_once_it_is_done(
    filled: Store, caplog: pytest.LogCaptureFixture
) -> None:
    reading = StoreCollector(filled, MODELS, Clock())
    with filled.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE candidates RENAME COLUMN sample TO share")
    looked(looked(reading))
    assert reading()["umbra_store_up"] == 0
    with filled.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE candidates RENAME COLUMN share TO sample")
    looked(reading)
    assert reading()["umbra_store_up"] == 1
    # A column that is missing makes the store unavailable, on both databases: ingest and the lanes say so.
    assert "reading_failed" not in [record.message for record in caplog.records]


def test_looking_takes_up_a_small_part_of_the_time() -> None:
    clock = Clock()

    def advance(seconds: float) -> Callable[[], None]:
        return lambda: setattr(clock, "now", clock.now + seconds)

    pauses = [Refreshed(advance(t), pause_seconds=2, clock=clock).refresh() for t in (0.001, 3.0)]
    assert pauses == [2, pytest.approx(60)]


def test_the_journal_is_told_with_its_bound_and_its_disk(settings: Callable[..., Settings]) -> None:
    made = settings(journal_max_bytes=70_000)
    reading = JournalCollector(made)
    assert reading()["umbra_journal_bytes"] == 0
    assert "umbra_journal_disk_free_bytes" not in reading()
    made.journal_dir.mkdir(parents=True)
    (made.journal_dir / "one.refused").touch()
    told = reading()
    assert told["umbra_journal_bound_bytes"] == 70_000
    assert told["umbra_journal_refused_files"] == 1
    assert 0 < told["umbra_journal_disk_free_bytes"] <= told["umbra_journal_disk_size_bytes"]
