"""A look leaves every document in its agreed shape, and loses and doubles nothing however it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from season import CANDIDATE, DAY, NOW, START, Died, Season, alike, die_after, on_one_database, outcome, save
from sqlalchemy import event, select, text, update

from shadow.evidence.cycle import EvidenceCycle
from shadow.store import StoreUnavailable, candidates, open_store
from shadow.store.database import tables
from shadow.store.retention.prune import remove_before
from shadow.store.streams import documents as stored_documents

MakeSeason = Callable[..., Season]
KINDS = ("verdict", "comparison", "evidence", "drift")
MADE = (
    "evidence",
    "evidence_due",
    "evidence_cursors",
    "outcome_delays",
    "gap_bins",
    "worst_gaps",
    "field_counts",
    "field_cursors",
    "replays",
)
NUMBER, TEXT, LIST = (int, float), str, list


def look(season: Season, when: Any = NOW, **values: object) -> EvidenceCycle:
    """A look by a new process."""
    made = EvidenceCycle(season.store, season.settings, threading.Event())
    made.run(when)
    return made


def documents(season: Season) -> dict[str, Any]:
    with season.store.reading() as connection:
        found = {kind: stored_documents.get(connection, season.stream.id, kind) for kind in KINDS}  # type: ignore[arg-type]
    return {kind: one.body for kind, one in found.items() if one is not None}


def states(season: Season) -> list[str]:
    with season.store.reading() as connection:
        return list(
            connection.execute(select(tables.verdicts.c.state).order_by(tables.verdicts.c.id)).scalars()
        )


# ---- the shape of the documents: None in place of a number that there is not

COLUMN = {
    "state": NUMBER,
    "psi": NUMBER,
    "floor": NUMBER,
    "js": NUMBER,
    "ks": NUMBER,
    "w1_sd": NUMBER,
    "missing": NUMBER,
    "missing_change": NUMBER,
    "unseen": NUMBER,
    "out_of_range": NUMBER,
    "reference": [{"bin": TEXT, "share": NUMBER}],
    "window": [{"bin": TEXT, "share": NUMBER}],
}
KEY = {"ln_e": NUMBER, "threshold": NUMBER}
DAYS_KEY = {"lower": NUMBER, "threshold": NUMBER, "days": NUMBER, "needed_days": NUMBER}
SHAPES: dict[str, Any] = {
    "verdict": {
        "candidate": TEXT,
        "live": TEXT,
        "stream": NUMBER,
        "state": TEXT,
        "since": TEXT,
        "evaluated_at": TEXT,
        "policy": {
            "name": TEXT,
            "sha256": TEXT,
            **dict.fromkeys(("day_seconds", "alpha", "margin", "cap"), NUMBER),
        },
        "watermark": {"day": NUMBER, "date": TEXT, "maturity_seconds": NUMBER, "delays_seen": NUMBER},
        "counts": dict.fromkeys(("pairs", "sold", "withdrawn", "unsold", "days", "coverage"), NUMBER),
        "losses": {"live": NUMBER, "candidate": NUMBER},
        "difference": {"mean": NUMBER, "lower": NUMBER, "upper": NUMBER},
        "keys": {
            "rows": KEY,
            "days": DAYS_KEY,
            "harm_rows": KEY,
            "harm_days": DAYS_KEY,
            "certificate": {"rows": KEY, "days": DAYS_KEY},
        },
        "rules": [
            {
                "rule": TEXT,
                "title": TEXT,
                "value": NUMBER,
                "threshold": NUMBER,
                "unit": TEXT,
                "result": TEXT,
                "effect": TEXT,
                "detail": TEXT,
            }
        ],
        "needed": {"houses_50": NUMBER, "houses_90": NUMBER, "days": NUMBER},
        "reasons": [TEXT],
        "bad_day_rate_not_excluded": NUMBER,
        "tipping_point": NUMBER,
        "preliminary": {"sold": NUMBER, "mean": NUMBER},
        "segments": [
            {"segment": TEXT, "result": TEXT, **dict.fromkeys(("pairs", "sold", "mean", "ln_e"), NUMBER)}
        ],
        "rollback": {"alarm": bool, "because": [TEXT]},
    },
    "comparison": {
        **dict.fromkeys(
            (
                "pairs",
                "mean_abs_dollars",
                "bias",
                "mad",
                "p50",
                "p90",
                "p99",
                "max",
                "beyond_5",
                "beyond_10",
                "beyond_20",
                "slope",
                "concordance",
                "pearson",
                "spearman",
                "absurd",
            ),
            NUMBER,
        ),
        "limits": {"lower": NUMBER, "upper": NUMBER, "se": NUMBER},
        "histogram": {"edges": [NUMBER], "counts": [NUMBER]},
        "points": [{"id": TEXT, "live": NUMBER, "candidate": NUMBER, "sold": NUMBER}],
        "segments": [
            {
                "segment": TEXT,
                "pairs": NUMBER,
                "bias": NUMBER,
                "mad": NUMBER,
                "beyond_10": NUMBER,
                "sold": NUMBER,
                "mean": NUMBER,
            }
        ],
        "days": [{"date": TEXT, "pairs": NUMBER, "bias": NUMBER, "mad": NUMBER}],
        "worst": [
            {
                "id": TEXT,
                "captured_at": TEXT,
                "live": NUMBER,
                "candidate": NUMBER,
                "sold": NUMBER,
                "gap": NUMBER,
                "inputs": dict,
            }
        ],
    },
    "evidence": {
        "threshold": NUMBER,
        "days": [
            {
                "date": TEXT,
                **dict.fromkeys(
                    ("sold", "ln_e", "harm_ln_e", "mean", "day_mean", "lower", "upper", "key_b"), NUMBER
                ),
            }
        ],
    },
    "drift": {
        "windows": {key: {"houses": NUMBER, "from": TEXT, "to": TEXT} for key in ("7", "28")},
        "state": NUMBER,
        "enough": bool,
        "fields": [{"field": TEXT, "importance": NUMBER, **COLUMN}],
        "predictions": {"live": COLUMN, "candidate": COLUMN},
        "skew": [
            {
                "model": TEXT,
                "date": TEXT,
                "houses": NUMBER,
                "worst_log_ratio": NUMBER,
                "beyond": NUMBER,
                "state": NUMBER,
            }
        ],
    },
}


def faults(found: Any, wanted: Any, where: str = "") -> list[str]:
    """Where a document is not of the agreed shape; what it has besides does not matter."""
    if found is None:
        return [] if wanted is not LIST else [where]
    if isinstance(wanted, dict):
        missing = [f"{where}.{key} is missing" for key in wanted.keys() - found.keys()]
        return missing + [
            fault
            for key in wanted.keys() & found.keys()
            for fault in faults(found[key], wanted[key], f"{where}.{key}")
        ]
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return [f"{where} is no list"]
        return [fault for one in found for fault in faults(one, wanted[0], f"{where}[]")]
    return [] if isinstance(found, wanted) else [f"{where} is {found!r}"]


def test_every_document_has_the_agreed_shape_and_only_numbers_of_json(make_season: MakeSeason) -> None:
    season = make_season("new")
    look(season)
    found = documents(season)
    assert found.keys() == set(KINDS)
    for name, body in found.items():
        assert faults(body, SHAPES[name], name) == []
        json.dumps(body, allow_nan=False)
    verdict, comparison = found["verdict"], found["comparison"]
    assert verdict["state"] == "promote"
    assert comparison["pairs"] == verdict["counts"]["pairs"] + sum(
        day["pairs"] for day in comparison["days"] if day["date"] > verdict["watermark"]["date"]
    )
    assert (len(comparison["worst"]), len(comparison["points"])) == (50, comparison["pairs"])
    gaps = [abs(house["gap"]) for house in comparison["worst"]]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] == pytest.approx(comparison["max"])
    assert sum(comparison["histogram"]["counts"]) == comparison["pairs"]
    assert found["drift"]["state"] == 0
    assert [one["importance"] for one in found["drift"]["fields"]] == [3, 2, None, 1]
    last = found["evidence"]["days"][-1]
    assert last["ln_e"] == verdict["keys"]["rows"]["ln_e"]
    assert last["key_b"] == verdict["keys"]["days"]["lower"]
    assert (last["lower"], last["upper"]) == (verdict["difference"]["lower"], verdict["difference"]["upper"])
    assert sum(day["sold"] > 0 for day in found["evidence"]["days"]) == verdict["counts"]["days"]


@on_one_database
def test_the_documents_of_a_stream_without_a_house_have_their_shape_too(make_season: MakeSeason) -> None:
    season = make_season("new")
    with season.store.writing() as connection:
        added = save(season.models, "gbm", profile(season), {})
        candidates.add(connection, added, 1.0, None, NOW - DAY / 4)
    look(season)
    with season.store.reading() as connection:
        open_streams = stored_documents.of_open_streams(connection, ())
    (new,) = [about for about in open_streams if about.stream.candidate == added]
    assert new.documents.keys() == set(KINDS)
    for name, one in new.documents.items():
        assert faults(one.body, SHAPES[name], name) == []
        json.dumps(dict(one.body), allow_nan=False)
    assert new.documents["verdict"].body["state"] == "insufficient"
    assert new.documents["comparison"].body["points"] == []


def profile(season: Season) -> dict[str, Any]:
    return dict(json.loads((season.models / "gbm" / "1" / "profile.json").read_bytes()))


@on_one_database
def test_masked_fields_are_in_no_document(make_season: MakeSeason) -> None:
    season = make_season("kept", masked_fields="neighborhood,year_built")
    look(season)
    found = documents(season)
    assert [one["field"] for one in found["drift"]["fields"]] == ["living_area", "lot_frontage"]
    inputs = found["comparison"]["worst"][0]["inputs"]
    assert "living_area" in inputs
    assert not {"neighborhood", "year_built"} & inputs.keys()
    said = json.dumps(found)
    assert not any(word in said for word in ('"neighborhood"', "NoRidge", '"year_built"', '"age"'))


@on_one_database
def test_ages_are_masked_with_the_year_of_the_sale(make_season: MakeSeason) -> None:
    season = make_season("kept", masked_fields="year_sold")
    look(season)
    assert "age" not in [one["field"] for one in documents(season)["drift"]["fields"]]


# ---- when the state changes
@on_one_database
def test_a_verdict_is_a_row_and_a_line_only_when_its_state_changes(
    season: Season, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "umbra.verdict")
    mine = EvidenceCycle(season.store, season.settings, threading.Event())
    pause = timedelta(seconds=season.settings.evidence_seconds)
    for number in range(3):
        assert mine.run(NOW + number * pause) == 1
    assert states(season) == ["promote"]
    disaster(season)
    for number in range(3, 6):
        mine.run(NOW + number * pause)
    assert states(season) == ["promote", "blocked"]
    lines = [one.fields for one in caplog.records if one.message == "verdict_changed"]  # type: ignore[attr-defined]
    assert [(one["previous_verdict"], one["verdict"]) for one in lines] == [
        ("", "promote"),
        ("promote", "blocked"),
    ]
    assert lines[0]["candidate"] == str(CANDIDATE)
    verdict = documents(season)["verdict"]
    assert verdict["since"] == (NOW + 3 * pause).isoformat()
    assert verdict["evaluated_at"] == (NOW + 5 * pause).isoformat()


def disaster(season: Season) -> None:
    """One mature day turns out to have been terrible for the candidate."""
    old = [one for one in season.houses if START + 9 * DAY < one.capture.captured_at < START + 10 * DAY]
    bad = {"prediction_dollars": 1.5 * 10**6}
    season.write(
        update(tables.observations)
        .where(tables.observations.c.capture_id.in_([one.id for one in old]))
        .values(bad)
    )
    season.report([outcome(one.id, one.capture.prediction_dollars, NOW) for one in old], NOW)


@on_one_database
def test_a_candidate_that_was_just_judged_elsewhere_is_left_alone(season: Season) -> None:
    look(season)
    soon = NOW + timedelta(seconds=season.settings.evidence_seconds / 3)
    assert EvidenceCycle(season.store, season.settings, threading.Event()).run(soon) == 0
    # A host whose clock was ahead by an hour is gone: nobody waits for that hour.
    season.write(update(tables.snapshots).values(computed_at=NOW + timedelta(hours=1)))
    assert EvidenceCycle(season.store, season.settings, threading.Event()).run(NOW) == 1


# ---- however it ends


def test_a_look_that_dies_anywhere_is_gone_on_with_and_ends_the_same(make_season: MakeSeason) -> None:
    season, undisturbed = make_season("new"), make_season("new")
    look(undisturbed)
    deaths, wanted = 0, undisturbed.rows(*MADE)
    for statements in count(12, 71):
        end = die_after(season.store, statements)
        with suppress(Died):
            EvidenceCycle(season.store, season.settings, threading.Event()).run(NOW)
        end()
        if documents(season).keys() == set(KINDS):
            break
        deaths += 1
    assert deaths >= 2
    assert alike(season.rows(*MADE), wanted)
    assert states(season) == ["promote"]
    assert alike(documents(season), documents(undisturbed))


@on_one_database
@pytest.mark.parametrize("statements", [5, 60])
def test_a_stop_in_the_midst_judges_nothing_half_added_up(make_season: MakeSeason, statements: int) -> None:
    season, stop = make_season("new"), threading.Event()
    left = iter(range(statements))

    def counted(*_: object) -> None:
        if next(left, None) is None:
            stop.set()

    event.listen(season.store._engine, "before_cursor_execute", counted)
    assert EvidenceCycle(season.store, season.settings, stop).run(NOW) == 0
    event.remove(season.store._engine, "before_cursor_execute", counted)
    assert stop.is_set()
    assert documents(season) == {}
    assert states(season) == []
    look(season)
    assert states(season) == ["promote"]


def test_workers_of_three_hosts_double_nothing(make_season: MakeSeason) -> None:
    season, alone = make_season("new"), make_season("new")
    look(alone)
    others = [open_store(season.store.url) for _ in range(3)]
    with ThreadPoolExecutor(len(others)) as at_once:
        found = [
            at_once.submit(EvidenceCycle(other, season.settings, threading.Event()).run, NOW)
            for other in others
        ]
        assert sum(one.result(timeout=120) for one in found) >= 1
    for other in others:
        other.close()
    assert alike(season.rows(*MADE), alone.rows(*MADE))
    assert states(season) == ["promote"]
    assert alike(documents(season), documents(alone))


@on_one_database
def test_one_candidate_that_cannot_be_judged_is_told_once_and_holds_up_no_other(
    season: Season, caplog: pytest.LogCaptureFixture
) -> None:
    with season.store.writing() as connection:
        second = save(season.models, "gbm", profile(season), {})
        candidates.add(connection, second, 1.0, None, NOW - DAY)
    first = EvidenceCycle(season.store, season.settings, threading.Event())
    assert first.run(NOW) == 2
    season.write(
        update(tables.streams).where(tables.streams.c.id == season.stream.id).values(policy="no policy")
    )
    pause = timedelta(seconds=season.settings.evidence_seconds)
    assert [first.run(NOW + number * pause) for number in (1, 2)] == [1, 1]
    failed = [one for one in caplog.records if one.message == "look_failed"]
    assert [one.fields["candidate"] for one in failed] == [str(CANDIDATE)]  # type: ignore[attr-defined]


@on_one_database
def test_a_store_that_is_away_ends_the_look(season: Season) -> None:
    season.write(text("ALTER TABLE evidence RENAME TO elsewhere"))
    with pytest.raises(StoreUnavailable):
        look(season)


def test_captures_that_were_pruned_keep_their_evidence(season: Season) -> None:
    look(season)
    before = documents(season)
    gone = remove_before(season.store, START + 30 * DAY, NOW)
    assert gone.captures > 600
    later = NOW + timedelta(seconds=season.settings.evidence_seconds)
    look(season, later)
    after = documents(season)
    for name in ("counts", "losses", "difference", "keys", "segments", "state"):
        assert after["verdict"][name] == before["verdict"][name], name
    assert after["evidence"] == before["evidence"]
    assert after["comparison"]["days"] == before["comparison"]["days"]
    assert 0 < len(after["comparison"]["worst"]) <= 50
