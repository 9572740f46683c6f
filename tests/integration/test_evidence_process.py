"""The evidence process among all others: killed in the midst it comes back, and its sums are right."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
from harness.stack import MakeStack, Stack
from harness.trade import SECONDS, SEED, Trade, judge_by_seconds
from harness.waiting import wait_until
from sqlalchemy import select

from monitoring.statistics.sums import Sums, Terms, sums_of
from shadow.policy import Policy
from shadow.records import capture_time
from shadow.store import evidence, open_store, streams
from shadow.store.database import tables
from shadow.store.streams import Stream


def verdict(stack: Stack) -> dict[str, Any]:
    """The newest one; nothing before there is any."""
    status, answer = stack.ask("GET", "/v1/verdicts")
    assert status == 200, answer
    found = [one["verdict"] for one in json.loads(answer)["verdicts"]]
    return dict(found[-1] or {}) if found else {}


def added_up(stack: Stack) -> dict[int, Sums]:
    """The sums that are kept, by day."""
    with open_store(stack.settings.store).reading() as connection:
        (stream,) = streams.current(connection)
        return dict(evidence.day_sums(connection, stream))


def counted(stack: Stack) -> dict[int, Sums]:
    """The same from every single row, with numpy."""
    with open_store(stack.settings.store).reading() as connection:
        (stream,) = streams.current(connection)
        rows = connection.execute(
            select(
                tables.captures.c.id,
                tables.captures.c.prediction_dollars,
                tables.observations.c.prediction_dollars,
                tables.outcomes.c.price_dollars,
                tables.observations.c.latency_seconds,
            )
            .join(tables.observations, tables.observations.c.capture_id == tables.captures.c.id)
            .join(tables.outcomes, tables.outcomes.c.capture_id == tables.captures.c.id)
            .where(tables.observations.c.candidate_id == stream.terms.candidate_id)
        ).all()
    days: dict[int, list[Any]] = {}
    for name, *numbers in rows:
        if capture_time(name) >= stream.started_at:
            days.setdefault(int(capture_time(name).timestamp()), []).append(numbers)
    return {day: _sums(stream, np.array(of_day, dtype=np.float64)) for day, of_day in days.items()}


def _sums(stream: Stream, of_day: Any) -> Sums:
    policy = Policy.parse(stream.terms.policy)
    live, candidate, price, seconds = of_day.T
    return sums_of(
        live,
        candidate,
        price,
        Terms(policy.cap, stream.terms.margin),
        latency_seconds=seconds,
        budget_seconds=policy.guardrails.latency.budget_seconds,
        price_range=policy.guardrails.price_range_dollars,
    )


def alike(one: dict[int, Sums], other: dict[int, Sums]) -> bool:
    return one.keys() == other.keys() and all(
        np.allclose(list(one[day].flat().values()), list(other[day].flat().values()), rtol=1e-9, atol=1e-9)
        for day in one
    )


def test_killed_in_the_midst_it_comes_back_and_reaches_a_verdict(make_stack: MakeStack) -> None:
    stack = make_stack(evidence_seconds=0.5, candidate_latency_share=0.1)
    judge_by_seconds(stack)
    up, chance, trade = stack.up(), random.Random(SEED), Trade(stack)
    assert trade.until(lambda: verdict(stack))["state"] == "insufficient"
    # The row comes first, then the line: a process killed between the two never says it.
    trade.until(lambda: stack.events("verdict_changed"))
    killed = stack.kill("evidence", chance)
    trade.until(lambda: verdict(stack)["state"] != "insufficient")
    assert stack.pids("evidence") not in ([], [killed])

    # Nothing was lost by the kills and nothing counted twice, nor is when all has come.
    stack.wait_drained()
    wait_until(
        lambda: sum(day.sold for day in added_up(stack).values()) == trade.sold, SECONDS, stack.explain
    )
    assert alike(added_up(stack), counted(stack))

    def told() -> float:
        return stack.metric("worker", "umbra_verdict_state", candidate="gbm@1", state=verdict(stack)["state"])

    wait_until(lambda: told() == 1, SECONDS, stack.explain)
    assert stack.metric("worker", "umbra_outcome_coverage_ratio", candidate="gbm@1") > 0.8
    changes = sorted(stack.events("verdict_changed"), key=lambda line: str(line["@timestamp"]))
    assert changes[0]["umbra"]["verdict"] == "insufficient"
    assert len(changes) > 1
    assert stack.events("look_failed") == []
    assert stack.stop(up) == 0
    assert stack.events("process_killed") == []
