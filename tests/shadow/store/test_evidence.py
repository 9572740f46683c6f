"""Evidence is what plain Python makes of the same houses, on both databases; only what changed changes."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, insert, select

from model_package.reference import ModelRef
from monitoring.statistics.sums import Sums, Terms, sums_of
from shadow.policy import segments_of
from shadow.records import Capture, Deployment, NewObservation, Outcome, OutcomeState, capture_time
from shadow.store import Store, evidence, open_store, streams
from shadow.store.captures import sample_key
from shadow.store.database.tables import (
    captures,
    evidence_due,
    gap_bins,
    outcome_delays,
    prunings,
    worst_gaps,
)
from shadow.store.database.tables import evidence as evidence_table

DAY = timedelta(days=1)
START = datetime(2026, 9, 1, tzinfo=UTC)
FIRST = int(START.timestamp()) // 86_400
LIVE = ModelRef("linear", "1")
HOODS = ("NAmes", "OldTown", "NoRidge", "Sawyer")
Rows = dict[str, list[tuple[Any, ...]]]


def fill(town: Any, houses: int = 200, seed: int = 5, again: float = 0.5) -> None:
    """Everything that happens: failures, houses asked again, withdrawals, corrections, both out of order."""
    chance = random.Random(seed)
    for number in range(houses):
        moment = START + DAY * chance.uniform(-0.5, 6)
        name = town.ask(
            moment,
            math.exp(chance.gauss(12, 0.4)),
            entity=f"house-{chance.randrange(60)}" if chance.random() < again else None,
            where=chance.choice(("here", "there")),
            inputs={
                "neighborhood": chance.choice(HOODS),
                "year_built": chance.randrange(1900, 2008),
                "lot_frontage": chance.choice((None, 60.0)),
            },
        )
        if chance.random() < 0.7:
            report(town, name, moment, chance)
        if number in (houses // 3, houses * 4 // 5):
            score(town, chance, START + DAY * (6 + number / houses))
    # The last houses have been asked about, and nobody has looked at them yet.


def score(town: Any, chance: random.Random, now: datetime) -> None:
    def said(name: UUID) -> NewObservation | None:
        if sample_key(name) >= 0.9:
            return None
        if chance.random() < 0.1:
            return NewObservation(name, reason="not_finite", detail="NaN")
        live = town.asked[name].prediction_dollars
        slow = chance.uniform(0.0, 0.2) if chance.random() < 0.3 else None
        far = chance.random() < 0.05
        return NewObservation(
            name,
            prediction_dollars=live * math.exp(chance.gauss(0, 0.9 if far else 0.1)),
            latency_seconds=slow,
        )

    town.score(said, now)


def report(town: Any, name: UUID, asked: datetime, chance: random.Random) -> None:
    price = town.asked[name].prediction_dollars * math.exp(chance.gauss(0, 0.3))
    received = asked + DAY * chance.expovariate(1)
    for _ in range(chance.choice((1, 1, 2, 3))):
        where = chance.choice(("here", "there"))
        sold = None if chance.random() < 0.15 else price * chance.uniform(0.9, 1.1)
        town.sell(name, sold, received, where=where, recorded=received + DAY * chance.uniform(0, 1))
        received += DAY * chance.uniform(-0.5, 1)


def refresh(town: Any, at_once: int = 100_000) -> list[int]:
    """What the evidence process does; returns the days that were due."""
    town.flush()
    with town.store.writing() as connection:
        while evidence.mark_changed_days(connection, town.stream, at_once):
            continue
        due = evidence.due_days(connection, town.stream)
    for day in due:
        with town.store.writing() as connection:
            evidence.refresh_day(connection, town.stream, day)
    return due


def stored(town: Any) -> Rows:
    """Every row that was computed."""
    with town.store.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in (evidence_table, outcome_delays, gap_bins, worst_gaps, evidence_due)
        }


def changed_days(before: Rows, after: Rows) -> set[int]:
    """The days of rows that are not in both."""
    return {row[1] for name in before for row in set(before[name]) ^ set(after[name])}


# ---- the same, house by house, in Python


def in_force(town: Any, moment: datetime | None) -> dict[UUID, Outcome]:
    """Of the source with the latest report, the last one: its clock may have been set back meanwhile."""
    by_source: dict[UUID, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for told, where in zip(town.reported, town.reported_where, strict=True):
        if moment is None or told.recorded_at <= moment:
            by_source[told.capture_id][where].append(told)
    return {
        name: max(groups.values(), key=lambda reports: max(told.received_at for told in reports))[-1]
        for name, groups in by_source.items()
    }


def representatives(town: Any, moment: datetime | None = None) -> list[Capture]:
    told = in_force(town, moment)
    groups: dict[object, list[Capture]] = defaultdict(list)
    for name, capture in town.asked.items():
        answer = town.answers.get(name)
        if answer is None or (moment is not None and answer[1] > moment):
            continue
        if capture.live == town.stream.terms.live and capture_time(name) >= town.stream.started_at:
            groups[capture.entity_id or name].append(capture)

    def rank(capture: Capture) -> tuple[bool, UUID]:
        known = told.get(capture.id)
        return known is None or known.state is not OutcomeState.SOLD, capture.id

    return [min(group, key=rank) for group in groups.values()]


def day_of(capture: Capture) -> int:
    return int(capture_time(capture.id).timestamp()) // 86_400


def expected(town: Any, moment: datetime | None = None) -> dict[tuple[int, str], Sums]:
    told = in_force(town, moment)
    groups: dict[tuple[int, str], list[Capture]] = defaultdict(list)
    for capture in representatives(town, moment):
        parts = segments_of(town.policy.dimensions, capture.inputs, capture.prediction_dollars)
        for part in ("", *parts):
            groups[day_of(capture), part].append(capture)
    return {(day, part): plain(town, some, part, told) for (day, part), some in groups.items()}


def plain(town: Any, some: list[Capture], part: str, told: dict[UUID, Outcome]) -> Sums:
    def column(values: Iterator[float | None]) -> Any:
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)

    known = [told.get(capture.id) for capture in some]
    judged, said = town.policy, [town.answers[capture.id][0] for capture in some]
    margin = judged.segments.margin if part else town.stream.terms.margin
    return sums_of(
        np.array([capture.prediction_dollars for capture in some]),
        column(answer.prediction_dollars for answer in said),
        column(None if one is None else one.price_dollars for one in known),
        Terms(judged.cap, margin),
        withdrawn=np.array([one is not None and one.price_dollars is None for one in known]),
        latency_seconds=column(answer.latency_seconds for answer in said),
        budget_seconds=judged.guardrails.latency.budget_seconds,
        price_range=judged.guardrails.price_range_dollars,
    )


def assert_same(found: dict[tuple[int, str], Sums], wanted: dict[tuple[int, str], Sums]) -> None:
    assert set(found) == set(wanted)
    for key, sums in wanted.items():
        assert found[key].flat() == pytest.approx(sums.flat(), rel=1e-9, abs=1e-9), key


def computed(town: Any) -> dict[tuple[int, str], Sums]:
    with town.store.reading() as connection:
        rows = connection.execute(select(evidence_table)).all()
    return {(row.day, row.segment): Sums.of(row._mapping) for row in rows}


# ---- what has to be so


def test_sums_by_day_and_segment_are_those_of_plain_numpy(town: Any) -> None:
    fill(town)
    refresh(town)
    wanted = expected(town)
    assert len({part for _, part in wanted}) > 8
    assert sum(sums.failed for (_, part), sums in wanted.items() if not part) > 3
    assert sum(sums.catastrophes_only_candidate for (_, part), sums in wanted.items() if not part) > 0
    assert_same(computed(town), wanted)


def test_delays_and_gaps_are_counted_by_day(town: Any) -> None:
    fill(town, 90)
    refresh(town)
    told = in_force(town, None)
    first_price: dict[UUID, float] = {}
    for report_ in town.reported:
        if report_.state is OutcomeState.SOLD:
            seconds = max(0.0, (report_.received_at - capture_time(report_.capture_id)).total_seconds())
            first_price[report_.capture_id] = min(seconds, first_price.get(report_.capture_id, math.inf))
    late, apart = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    widest: dict[int, list[tuple[float, UUID]]] = defaultdict(list)
    for capture in representatives(town):
        candidate = town.answers[capture.id][0].prediction_dollars
        if candidate is None:
            continue
        day, g = day_of(capture), math.log(candidate / capture.prediction_dollars)
        apart[day, math.floor(math.log(max(abs(g), 1e-6)) / math.log(1.02))] += 1
        widest[day].append((g, capture.id))
        known = told.get(capture.id)
        if known is not None and known.state is OutcomeState.SOLD:
            late[day, math.floor(math.log(1 + first_price[capture.id]) / math.log(1.02))] += 1
    rows = stored(town)
    assert {(row[1], row[2]): row[3] for row in rows["outcome_delays"]} == late
    assert {(row[1], row[3]): row[4] for row in rows["gap_bins"] if row[2] == ""} == apart
    assert sum(row[4] for row in rows["gap_bins"] if row[2].startswith("price:")) == apart.total()
    for day, gaps in widest.items():
        worst = sorted(gaps, key=lambda pair: -abs(pair[0]))[:50]
        assert {row[2] for row in rows["worst_gaps"] if row[1] == day} == {name for _, name in worst}


def test_it_can_be_read_by_day_and_by_segment(town: Any) -> None:
    fill(town, 90)
    refresh(town)
    wanted = expected(town)
    before, first = FIRST + 4, FIRST + 1
    with town.store.reading() as connection:
        by_day = evidence.day_sums(connection, town.stream, before, first)
        by_segment = evidence.segment_sums(connection, town.stream, before, first)
        late = evidence.delays(connection, town.stream)
        gaps = evidence.gap_bins(connection, town.stream)
    assert [day for day, _ in by_day] == [first, first + 1, first + 2]
    assert_same(
        {(day, ""): sums for day, sums in by_day}, {(d, ""): wanted[d, ""] for d in range(first, before)}
    )
    for part, sums in by_segment.items():
        days = (wanted.get((day, part), Sums.zero()) for day in range(first, before))
        assert sums.flat() == pytest.approx(sum(days, Sums.zero()).flat(), rel=1e-9, abs=1e-9)
    whole = [sums for (_, part), sums in wanted.items() if part == ""]
    assert late.count == sum(sums.sold for sums in whole)
    assert sum(gaps.values()) == sum(sums.pairs for sums in whole)


def test_a_quantile_of_the_delays_is_the_upper_edge_of_its_bin() -> None:
    late = evidence.Delays(
        {math.floor(math.log(1 + seconds) / math.log(1.02)): 1 for seconds in (60, 3600, 86_400)}
    )
    assert late.count == 3
    assert 3600 < late.quantile(0.5) <= 3601 * 1.02
    assert 86_400 < late.quantile(0.95) <= 86_401 * 1.02
    assert evidence.Delays({}).quantile(0.95) == 0


def test_refreshing_again_changes_nothing(town: Any) -> None:
    fill(town, 90)
    days = refresh(town)
    before = stored(town)
    assert refresh(town) == []
    for day in days:
        with town.store.writing() as connection:
            evidence.refresh_day(connection, town.stream, day)
    assert stored(town) == before


def test_what_is_noted_piece_by_piece_makes_the_same_days_due(town: Any) -> None:
    fill(town, 90)
    assert refresh(town, at_once=7) == sorted(
        {day_of(capture) for capture in town.asked.values()} & set(range(FIRST, FIRST + 6))
    )
    assert_same(computed(town), expected(town))


def test_correcting_one_outcome_changes_exactly_one_day(town: Any) -> None:
    fill(town, 90)
    refresh(town)
    before = stored(town)
    told = in_force(town, None)
    alone = next(
        capture
        for capture in representatives(town)
        if capture.entity_id is None
        and capture.id in told
        and town.answers[capture.id][0].prediction_dollars is not None
    )
    town.sell(alone.id, 123_456.0, START + 30 * DAY)
    assert refresh(town) == [day_of(alone)]
    assert changed_days(before, stored(town)) == {day_of(alone)}
    assert_same(computed(town), expected(town))


def test_evidence_as_of_a_moment_is_what_was_computed_then(town: Any) -> None:
    fill(town)
    refresh(town)
    moment = max(*(told.recorded_at for told in town.reported), *(at for _, at in town.answers.values()))
    before = stored(town)
    chance = random.Random(3)
    for capture in list(town.asked.values())[::5]:
        town.sell(capture.id, chance.uniform(50_000, 300_000), moment + DAY * 2)
    score(town, chance, moment + DAY)
    refresh(town)
    assert stored(town) != before
    with town.store.reading() as connection:
        again = evidence.as_of(connection, town.stream, moment)
        now = evidence.as_of(connection, town.stream, moment + DAY * 3)
    rows = {(row[1], row[2]): row[3:] for row in before["evidence"]}
    assert {key: tuple(sums.flat().values()) for key, sums in again.sums.items()} == {
        key: pytest.approx(values, rel=1e-12, abs=1e-12) for key, values in rows.items()
    }
    assert_same(dict(again.sums), expected(town, moment))
    assert_same(dict(now.sums), expected(town))
    assert again.delays.rows == _added(before["outcome_delays"], 2)
    assert again.gap_bins() == _added([row for row in before["gap_bins"] if row[2] == ""], 3)
    with town.store.reading() as connection:
        by_day = evidence.day_sums(connection, town.stream, FIRST + 3)
        by_segment = evidence.segment_sums(connection, town.stream)
    wanted = {(day, ""): sums for day, sums in by_day} | {
        (0, part): sums for part, sums in by_segment.items()
    }
    found = {(day, ""): sums for day, sums in now.day_sums(FIRST + 3)}
    assert_same(found | {(0, part): sums for part, sums in now.segment_sums().items()}, wanted)


def _added(rows: list[tuple[Any, ...]], place: int) -> Counter[int]:
    found = Counter[int]()
    for row in rows:
        found[row[place]] += row[-1]
    return found


def test_of_a_house_asked_about_twice_the_first_with_a_price_counts(town: Any) -> None:
    first, second, third = (town.ask(START + DAY * day, entity="one") for day in (0.5, 1.5, 2.5))
    town.scored(160_000.0, START + DAY * 3)
    assert refresh(town) == [FIRST, FIRST + 1, FIRST + 2]
    assert _pairs(town) == {FIRST: 1}
    town.sell(third, 150_000.0, START + DAY * 3)
    assert refresh(town) == [FIRST, FIRST + 1, FIRST + 2]
    assert _pairs(town) == {FIRST + 2: 1}
    town.sell(second, 150_000.0, START + DAY * 4)
    refresh(town)
    assert _pairs(town) == {FIRST + 1: 1}
    town.sell(second, None, START + DAY * 5)
    town.sell(first, None, START + DAY * 5)
    refresh(town)
    assert _pairs(town) == {FIRST + 2: 1}
    assert_same(computed(town), expected(town))


def _pairs(town: Any) -> dict[int, float]:
    return {day: sums.pairs for (day, part), sums in computed(town).items() if part == ""}


def test_an_outcome_that_arrives_before_its_capture_is_found_with_it(town: Any) -> None:
    town.ask(START + DAY * 0.5)
    town.scored(1e5, START + DAY)
    assert refresh(town) == [FIRST]
    late = town.ask(START + DAY * 2.5, stored=False)
    town.sell(late, 155_000.0, START + DAY * 3)
    assert refresh(town) == [FIRST + 2]
    assert _pairs(town) == {FIRST: 1}
    town.put(late)
    town.flush()
    assert refresh(town) == [], "the candidate has not come to it"
    town.scored(1e5, START + DAY * 4)
    assert refresh(town) == [FIRST + 2]
    assert computed(town)[FIRST + 2, ""].sold == 1


def test_a_capture_that_is_stored_late_makes_its_own_day_due_and_those_of_its_house(town: Any) -> None:
    late, old = (town.ask(START + DAY * day, entity="one", stored=False) for day in (1.5, 4.5))
    town.put(old)
    town.scored(1e5, START + DAY * 5)
    assert refresh(town) == [FIRST + 4]
    town.put(late, "there")
    town.scored(1e5, START + DAY * 9)
    assert refresh(town) == [FIRST + 1, FIRST + 4]
    assert _pairs(town) == {FIRST + 1: 1}


def test_an_outcome_from_a_source_that_has_just_come_is_noted(town: Any) -> None:
    name = town.ask(START + DAY * 0.5)
    town.scored(1e5, START + DAY)
    refresh(town)
    town.sell(name, 140_000.0, START + DAY * 2, where="elsewhere")
    assert refresh(town) == [FIRST]
    assert computed(town)[FIRST, ""].sold == 1


def test_outcomes_of_before_the_stream_was_first_looked_at_count(town: Any) -> None:
    name = town.ask(START + DAY * 0.5)
    town.sell(name, 140_000.0, START + DAY * 2)
    town.scored(1e5, START + DAY * 3)
    assert refresh(town) == [FIRST]
    assert computed(town)[FIRST, ""].sold == 1


def test_days_of_which_captures_were_removed_stay_as_they_were(town: Any) -> None:
    fill(town, 120, again=0)
    refresh(town)
    before = stored(town)
    old = [one for one in representatives(town) if day_of(one) < FIRST + 2]
    with town.store.writing() as connection:
        connection.execute(insert(prunings).values(pruning(START + DAY * 2)))
        for one in old:
            connection.execute(delete(captures).where(captures.c.id == one.id))
    for one in old:
        town.sell(one.id, 77_000.0, START + DAY * 40)
    assert refresh(town) == []
    with town.store.writing() as connection:
        evidence.refresh_day(connection, town.stream, FIRST)
    assert stored(town) == before
    with town.store.reading() as connection:
        again = evidence.as_of(connection, town.stream, START + DAY * 50)
    assert_same(dict(again.sums), computed(town))
    assert again.delays.rows == _added(before["outcome_delays"], 2)


def pruning(before: datetime) -> dict[str, Any]:
    return {"before": before, "pruned_at": before, "captures": 0, "observations": 0, "outcomes": 0}


def test_captures_of_another_live_model_or_another_time_are_none_of_the_streams(town: Any) -> None:
    for moment, live in ((-0.1, LIVE), (3.4, ModelRef("linear", "9")), (3.5, LIVE), (5.5, LIVE)):
        town.ask(START + DAY * moment, live=live)
    town.scored(1e5, START + DAY * 6)
    with town.store.writing() as connection:
        later = Deployment(LIVE, START + DAY * 5, "test", "again", id=town.stream.terms.deployment_id + 1)
        streams.end_older(connection, later)
        town.stream = streams.find(connection, town.stream.id)
    assert refresh(town) == [FIRST + 3]
    assert _pairs(town) == {FIRST + 3: 1}


def test_prices_that_have_no_logarithm_are_failures_and_stop_nothing(town: Any) -> None:
    for dollars in (1e5, 0.0, -5.0, 1e301):
        name = town.ask(START + DAY * 0.5)
        town.scored(dollars, START + DAY)
        town.sell(name, 1e5, START + DAY)
    town.ask(START + DAY * 0.6, 0.0)
    town.scored(1e5, START + DAY)
    refresh(town)
    (whole,) = (sums for (_, part), sums in computed(town).items() if part == "")
    assert (whole.pairs, whole.failed, whole.sold) == (1, 3, 1)


def test_a_process_that_dies_between_any_two_statements_loses_nothing(
    town: Any, dying_after: Callable[[Store, int], Any]
) -> None:
    fill(town, 40)
    town.flush()
    wanted = expected(town)
    for allowed in range(1, 1000):
        with dying_after(town.store, allowed) as survived:
            refresh(town)
        if survived():
            break
    assert allowed > 20
    assert_same(computed(town), wanted)
    assert stored(town)["evidence_due"] == []


def test_several_processes_that_compute_the_same_do_not_double(town: Any) -> None:
    fill(town, 120)
    town.flush()
    others = [open_store(town.store.url) for _ in range(3)]
    with ThreadPoolExecutor(len(others)) as at_once:
        for done in [at_once.submit(refresh, replace(town, store=other)) for other in others]:
            done.result(timeout=60)
    for other in others:
        other.close()
    assert_same(computed(town), expected(town))
    assert stored(town)["evidence_due"] == []


def test_a_sample_of_pairs_is_that_of_the_lowest_sample_keys(town: Any) -> None:
    fill(town, 90)
    refresh(town)
    told = in_force(town, None)
    answered = [
        one for one in representatives(town) if town.answers[one.id][0].prediction_dollars is not None
    ]
    with town.store.reading() as connection:
        some = evidence.sample(connection, town.stream, 20)
        every = evidence.sample(connection, town.stream, 1000)
        live, candidate = evidence.price_arrays(connection, town.stream, 20)
    assert [pair.id for pair in some] == sorted((one.id for one in answered), key=sample_key)[:20]
    assert len(every) == len(answered)
    for pair in every:
        known = told.get(pair.id)
        assert pair.live_dollars == town.asked[pair.id].prediction_dollars
        assert pair.candidate_dollars == town.answers[pair.id][0].prediction_dollars
        assert pair.sold_dollars == (None if known is None else known.price_dollars)
    assert live.tolist() == [pair.live_dollars for pair in some]
    assert candidate.tolist() == [pair.candidate_dollars for pair in some]


def test_the_worst_pairs_come_with_what_was_asked(town: Any) -> None:
    fill(town, 90)
    refresh(town)
    answered = [
        one.id for one in representatives(town) if town.answers[one.id][0].prediction_dollars is not None
    ]
    with town.store.reading() as connection:
        worst = evidence.largest_gaps(connection, town.stream, 7)
        every = evidence.sample(connection, town.stream, 1000)
    furthest = sorted(every, key=lambda pair: -abs(pair.gap))[:7]
    assert [pair.id for pair in worst] == [pair.id for pair in furthest]
    assert {pair.id for pair in worst} <= set(answered)
    for pair in worst:
        assert pair.inputs == town.asked[pair.id].inputs
        assert abs(pair.captured_at - town.asked[pair.id].captured_at) < timedelta(milliseconds=2)


def test_without_a_pair_there_is_nothing_to_show(town: Any) -> None:
    with town.store.reading() as connection:
        assert evidence.sample(connection, town.stream, 10) == []
        assert evidence.largest_gaps(connection, town.stream, 10) == []
        assert evidence.day_sums(connection, town.stream) == []
        assert evidence.as_of(connection, town.stream, START + DAY).day_sums() == []
