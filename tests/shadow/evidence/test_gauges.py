"""Every metric that only evidence can tell has a sample after a real look, and none that is not declared."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from season import CANDIDATE, DAY, NOW, START, Season, on_one_database
from sqlalchemy import insert, update

from model_package.reference import ModelRef
from monitoring import metrics
from shadow.evidence.cycle import EvidenceCycle
from shadow.evidence.gauges import gauges
from shadow.store.database import tables
from shadow.store.drift import replays
from shadow.store.drift.replays import Replay
from shadow.store.streams import documents
from shadow.store.streams.documents import StoredDocument, StreamDocuments
from shadow.worker.collectors import StoreCollector

MakeSeason = Callable[..., Season]


def told(season: Season, **masked: Any) -> dict[str, Any]:
    reading = StoreCollector(season.store, season.models, **masked)
    for lookup in (reading.state, reading.ledger, reading.outcomes, reading.evidence):
        lookup.refresh()
    return dict(reading())


def looked(season: Season) -> Season:
    """After a look, with a replay and the candidate watched as the model that was live before."""
    first = {"live_name": CANDIDATE.name, "live_version": CANDIDATE.version, "since": START - DAY}
    season.write(insert(tables.deployments).values(id=0, decided_by="somebody", reason="first", **first))
    season.write(update(tables.deployments).where(tables.deployments.c.id == 1).values(kind="promotion"))
    with season.store.writing() as connection:
        replays.record(connection, Replay(CANDIDATE, 86_400, 20_000, 10, 0.5, 3, NOW))
    EvidenceCycle(season.store, season.settings, threading.Event()).run(NOW)
    return season


@on_one_database
def test_every_metric_of_the_evidence_has_a_sample_after_a_look(season: Season) -> None:
    found = told(looked(season))
    assert [name for name in metrics.EVIDENCE if found[name] == {}] == []
    assert found["umbra_verdict_state"]["gbm@1", "promote"] == 1
    assert sum(found["umbra_verdict_state"].values()) == 1
    assert found["umbra_rollback_alarm"] == {"gbm@1": 1}
    assert found["umbra_replay_differing_houses"] == {"gbm@1": 3}
    assert found["umbra_evidence_timestamp_seconds"] == {"gbm@1": NOW.timestamp()}
    lower, mean, upper = (
        found["umbra_loss_difference_ratio"]["gbm@1", one] for one in ("lower", "mean", "upper")
    )
    assert 0 < lower < mean < upper
    losses = found["umbra_loss_ratio"]
    assert losses["live", "linear@1"] - losses["candidate", "gbm@1"] == pytest.approx(mean)
    assert found["umbra_drift_state"] == dict.fromkeys(
        ("living_area", "neighborhood", "lot_frontage", "age", "prediction"), 0
    )
    assert found["umbra_drift_psi"].keys() == {
        (name, window) for name in found["umbra_drift_state"] for window in ("7d", "28d")
    }
    assert 0.9 < found["umbra_outcome_coverage_ratio"]["gbm@1"] <= 1
    assert 700 < found["umbra_outcomes_matched"] < 1000
    assert found["umbra_outcomes_unmatched"] == 0


@on_one_database
def test_what_is_told_is_served_and_what_is_not_declared_is_refused(season: Season) -> None:
    found = told(looked(season))
    server = metrics.serve("127.0.0.1", 0, readings=[lambda: found])
    try:
        names = {one.name for one in text_string_to_metric_families(scrape(server.port))}
        assert set(metrics.EVIDENCE) <= names
    finally:
        server.close()
    assert found.keys() <= metrics.READINGS.keys()


def scrape(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


@on_one_database
def test_masked_fields_have_no_gauge(make_season: MakeSeason) -> None:
    season = looked(make_season("kept", masked_fields="neighborhood,year_built"))
    found = told(season, masked=season.settings.masked_fields)
    assert found["umbra_drift_state"].keys() == {"living_area", "lot_frontage", "prediction"}
    assert {name for name, _ in found["umbra_drift_psi"]} == {"living_area", "lot_frontage", "prediction"}


@on_one_database
def test_fields_that_were_masked_after_the_last_look_have_no_gauge_either(season: Season) -> None:
    found = told(looked(season), masked=("neighborhood", "lot_frontage", "year_built"))
    assert found["umbra_drift_state"].keys() == {"living_area", "prediction"}


@on_one_database
def test_of_several_candidates_each_has_its_replays_and_drift_is_the_newest(season: Season) -> None:
    with looked(season).store.reading() as connection:
        (mine,) = documents.of_open_streams(connection, ())
    later = {**mine.documents["drift"].body, "skew": [{"model": "gbm@2", "beyond": 0}]}
    later["fields"] = [dict(one, state=2) for one in later["fields"]]
    newer = StoredDocument(NOW + timedelta(minutes=1), later)
    other = StreamDocuments(replace(mine.stream, id=9, candidate=ModelRef("gbm", "2")), {"drift": newer})
    for order in ([mine, other], [other, mine]):
        found = gauges(order)
        assert found["umbra_replay_differing_houses"] == {"gbm@1": 3, "gbm@2": 0}
        assert found["umbra_drift_state"]["age"] == 2


@on_one_database
def test_what_is_not_known_has_no_sample(make_season: MakeSeason) -> None:
    season = make_season("new")
    season.write(tables.outcomes.delete())
    EvidenceCycle(season.store, season.settings, threading.Event()).run(NOW)
    found = told(season)
    assert found["umbra_loss_ratio"] == found["umbra_loss_difference_ratio"] == {}
    assert found["umbra_rollback_alarm"] == {}
    assert found["umbra_verdict_state"]["gbm@1", "insufficient"] == 1
