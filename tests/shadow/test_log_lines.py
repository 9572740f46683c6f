"""Lines about single houses: after the commit, for a share chosen by id, with what may be said only."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from model_package import artifact, recipes, schema
from model_package.reference import ModelRef
from monitoring import logs, metrics
from shadow.ingest.mover import Ingest
from shadow.prediction_log import PredictionLog
from shadow.records import Capture, NewObservation, Outcome, OutcomeState, PendingCapture, new_capture_ids
from shadow.scoring.breaker import Breaker
from shadow.scoring.lane import Lane
from shadow.scoring.scorer import Scorer, ScorerPlan
from shadow.settings import InvalidSetting, Settings
from shadow.source.identity import directory_id
from shadow.store import Store, StoreUnavailable, candidates, open_store
from shadow.store.captures import sample_key
from umbra import launch

sys.path.insert(0, str(Path(__file__).parent))
import faulty_recipe as faulty

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIVE = ModelRef("linear", "1")
Told = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    """What the lines about an event say under `umbra`, with their `trace`."""
    directory = tmp_path / "lines"
    logs.configure("umbra.worker", "INFO", directory)

    def read(event: str) -> list[dict[str, Any]]:
        assert logs.flush()
        texts = [file.read_text().splitlines() for file in directory.glob("*.jsonl")]
        lines = [json.loads(line) for text in texts for line in text]
        return [line["umbra"] | line["trace"] for line in lines if line["message"] == event]

    yield read
    logs.configure("umbra.test", "WARNING", tmp_path / "after")


def houses(count: int) -> list[Capture]:
    names = new_capture_ids(count, 1_700_000_000_000, random.Random(3).getrandbits(74))
    return [Capture(name, NOW, f"r-{i}", i, LIVE, 1e5, schema.EXAMPLE) for i, name in enumerate(names)]


def waiting(house: Capture) -> PendingCapture:
    return PendingCapture(house.id, 1, house.request_id, str(house.live), house.prediction_dollars, "{}")


def test_a_house_is_told_of_as_it_was_asked_and_answered(told: Told) -> None:
    (house,) = houses(1)
    PredictionLog(share=1, inputs=True).log_captures([house])
    (line,) = told("house_captured")
    assert line == {
        "id": "r-0",
        "capture_id": str(house.id),
        "row_index": 0,
        "captured_at": "2026-11-21T00:00:00+00:00",
        "live_model": "linear@1",
        "live_price_dollars": 1e5,
        "inputs": schema.EXAMPLE,
    }


def test_a_comparison_says_both_prices_and_how_far_they_are_apart(told: Told) -> None:
    (house,) = houses(1)
    PredictionLog(share=1).log_comparisons(
        "gbm@1", [waiting(house)], [NewObservation(house.id, prediction_dollars=125_000.0)]
    )
    (line,) = told("house_compared")
    assert line == {
        "id": "r-0",
        "capture_id": str(house.id),
        "candidate": "gbm@1",
        "candidate_price_dollars": 125_000.0,
        "live_model": "linear@1",
        "live_price_dollars": 1e5,
        "difference_dollars": 25_000.0,
        "difference_ratio": 0.25,
    }


@pytest.mark.parametrize("dollars", [0.0, -5.0])
def test_a_live_price_that_nothing_can_be_compared_to_has_a_difference_and_no_ratio(
    told: Told, dollars: float
) -> None:
    (house,) = houses(1)
    live = PendingCapture(house.id, 1, "r", "linear@1", dollars, "{}")
    PredictionLog(share=1).log_comparisons(
        "gbm@1", [live], [NewObservation(house.id, prediction_dollars=10.0)]
    )
    (line,) = told("house_compared")
    assert line["difference_dollars"] == 10.0 - dollars
    assert line["difference_ratio"] is None


def test_a_house_has_all_its_lines_or_none_and_a_larger_share_has_those_of_a_smaller_one(told: Told) -> None:
    rows = houses(2000)
    answers = [NewObservation(house.id, prediction_dollars=1.0) for house in rows]
    seen: list[set[str]] = []
    for share in (0.0, 0.1, 0.5):
        lines, before = PredictionLog(share=share), len(told("house_captured"))
        lines.log_captures(rows)
        lines.log_comparisons("gbm@1", [waiting(house) for house in rows], answers)
        captured = {line["capture_id"] for line in told("house_captured")[before:]}
        assert captured == {line["capture_id"] for line in told("house_compared")[before:]}
        assert captured == {str(house.id) for house in rows if sample_key(house.id) < share}
        seen.append(captured)
    assert seen[0] == set()
    assert seen[1] < seen[2]
    assert [len(names) / 2000 for names in seen[1:]] == pytest.approx([0.1, 0.5], abs=0.04)


def test_masked_fields_and_inputs_that_are_switched_off_are_not_said(
    told: Told, settings: Callable[..., Settings]
) -> None:
    PredictionLog.of(settings(log_houses_share=1, masked_fields="lot_area, neighborhood")).log_captures(
        houses(1)
    )
    PredictionLog.of(settings(log_houses_share=1, log_inputs="false")).log_captures(houses(1))
    masked, without = told("house_captured")
    assert masked["inputs"].keys() == schema.EXAMPLE.keys() - {"lot_area", "neighborhood"}
    assert "inputs" not in without


def ingest(store: Store, settings: Settings, data: Path) -> Ingest:
    data.mkdir(exist_ok=True)
    lines = PredictionLog(share=1, inputs=True)
    measures = metrics.shadowing(None)
    return Ingest(
        store, settings.journal_dir, directory_id(data), 1 << 20, measures, lambda: datetime.now(UTC), lines
    )


def test_ingest_tells_of_a_house_once_it_is_stored_and_not_again(
    told: Told, asker: Callable[..., Any], store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker()
    people.ask(3)
    away = ingest(open_store("sqlite:////nowhere/at/all.db"), settings(), settings().data_dir)
    with pytest.raises(StoreUnavailable):
        away.step()
    assert told("house_captured") == []
    for _ in range(2):
        back = ingest(store, settings(), settings().data_dir)
        while back.step():
            continue
    assert {line["capture_id"]: line["live_price_dollars"] for line in told("house_captured")} == people.kept
    assert len(told("house_captured")) == 3


def test_a_request_is_followed_to_what_became_of_its_house(
    told: Told, asker: Callable[..., Any], store: Store, settings: Callable[..., Settings]
) -> None:
    people = asker()
    people.ask()
    people.ask()
    sold, withdrawn = map(UUID, people.kept)
    stranger = new_capture_ids(1, 1_700_000_000_000, 5)[0]
    reports = {
        "report-1": [
            Outcome(sold, OutcomeState.SOLD, 183_000.0, NOW, "registry", NOW),
            Outcome(stranger, OutcomeState.SOLD, 183_000.0, NOW, "registry", NOW),
        ],
        "report-2": [Outcome(withdrawn, OutcomeState.WITHDRAWN, None, None, None, NOW)],
    }
    for request_id, outcomes in reports.items():
        assert people.recorder.record_outcomes(request_id, outcomes).is_kept
    moving = ingest(store, settings(), settings().data_dir)
    while moving.step():
        continue
    captured = {line["capture_id"]: line["id"] for line in told("house_captured")}
    assert told("outcomes_stored") == [
        {"id": "report-1", "rows": 2, "capture_ids": [str(sold), str(stranger)]},
        {"id": "report-2", "rows": 1, "capture_ids": [str(withdrawn)]},
    ]
    assert told("house_outcome") == [
        {"id": captured[str(sold)], "capture_id": str(sold), "outcome": "sold", "report": "report-1"},
        {
            "id": captured[str(withdrawn)],
            "capture_id": str(withdrawn),
            "outcome": "withdrawn",
            "report": "report-2",
        },
    ]


def test_a_report_of_a_thousand_houses_lists_the_first_twenty(
    told: Told, asker: Callable[..., Any], store: Store, settings: Callable[..., Settings]
) -> None:
    names = new_capture_ids(1000, 1_700_000_000_000, 7)
    outcomes = [Outcome(name, OutcomeState.WITHDRAWN, None, None, None, NOW) for name in names]
    assert asker().recorder.record_outcomes("report", outcomes).is_kept
    moving = ingest(store, settings(), settings().data_dir)
    while moving.step():
        continue
    (line,) = told("outcomes_stored")
    assert line == {"id": "report", "rows": 1000, "capture_ids": list(map(str, names[:20]))}


def test_a_lane_tells_of_every_house_its_candidate_priced_and_of_none_it_failed_on(
    told: Told,
    asker: Callable[..., Any],
    store: Store,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    recipes.register(["faulty_recipe"])
    chosen = settings(recipe_modules="faulty_recipe")
    files = {"card.json": b"{}", "profile.json": b"{}"}
    artifact.save(chosen.models, "faulty", "faulty", lambda _: files, lambda _: None)
    with store.writing() as connection:
        candidate = candidates.add(connection, ModelRef("faulty", "1"), 1.0, None, NOW)
    recorder = asker().recorder
    names = new_capture_ids(3, time.time_ns() // 1_000_000, 1 << 50)
    areas = (1500, faulty.RAISES, 1600)
    rows = [schema.EXAMPLE | {"living_area": area} for area in areas]
    result = recorder.record(
        request_id="r-1", live=LIVE, capture_ids=names, rows=rows, dollars=[100_000.0] * 3
    )
    assert result.is_kept
    while ingest(store, chosen, chosen.data_dir).step():
        continue
    scorer = Scorer(ScorerPlan.of(chosen, candidate), threading.Event())
    breaker, measures = Breaker(time.monotonic), metrics.shadowing(None)
    lane = Lane(store, candidate, scorer, breaker, 64, 0.0, measures, lambda: NOW, PredictionLog(share=1))
    while lane.step():
        continue
    scorer.stop()
    ratios = {line["capture_id"]: line["difference_ratio"] for line in told("house_compared")}
    assert ratios == {str(names[0]): pytest.approx(0.5), str(names[2]): pytest.approx(0.6)}
    (failed,) = told("observation_failed")
    assert failed["capture_id"] == str(names[1])
    assert failed["detail"] == "ValueError: not this one"


def test_a_masked_field_that_no_house_has_stops_the_start_with_key_and_value() -> None:
    with pytest.raises(InvalidSetting, match=r"UMBRA_MASKED_FIELDS='lot_area,owner': 'owner' is no field"):
        Settings.from_environment({"UMBRA_MASKED_FIELDS": "lot_area,owner"})


@pytest.mark.parametrize(
    ("variables", "withheld"),
    [({}, False), ({"UMBRA_LOG_INPUTS": "false"}, True), ({"UMBRA_MASKED_FIELDS": "lot_area"}, True)],
)
def test_texts_are_withheld_as_soon_as_any_input_may_not_be_logged(
    variables: dict[str, str], withheld: bool
) -> None:
    assert Settings.from_environment(variables).withholds_texts is withheld


def test_umbra_up_keeps_the_lines_of_its_processes_off_the_terminal(
    settings: Callable[..., Settings],
) -> None:
    own = Settings.from_environment(launch.environment_for(settings(), {"UMBRA_LOG_STDOUT": "true"}))
    assert not own.log_stdout
    assert own.log_dir == settings().data_dir / "logs"
