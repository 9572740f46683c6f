"""Outcomes reported while processes are killed: every acknowledged one is stored once (promise P2)."""

from __future__ import annotations

import csv
import http.client
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from harness.audit import check_captures, check_ledger, stored
from harness.load import Load
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until
from sqlalchemy import select

from shadow.store import open_store
from shadow.store.database.tables import outcomes

SEED = 20_062
ROWS = 300
VICTIMS = ("ingest", "api worker", "ingest")


class Clerk:
    """Reports what houses sold for, again and again until it is told that a report is kept."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._reported = 0
        self._prices = itertools.count(50_000.0)
        self.unanswered = 0
        self.kept: dict[str, float] = {}

    def report(self, load: Load) -> None:
        """Report the houses that were answered since the last time."""
        answers = load.answers[self._reported :]
        self._reported += len(answers)
        names = [name for answer in answers for name in answer.ids]
        for start in range(0, len(names), ROWS):
            sales = {name: next(self._prices) for name in names[start : start + ROWS]}
            body = json.dumps([sale(name, price) for name, price in sales.items()]).encode()
            wait_until(lambda body=body: self._is_kept(body), 60, self._stack.explain)
            self.kept |= sales

    def _is_kept(self, body: bytes) -> bool:
        try:
            status, _ = self._stack.ask("POST", "/v1/outcomes", body, {"Content-Type": "application/json"})
        except (OSError, http.client.HTTPException):
            self.unanswered += 1
            return False
        assert status in (202, 503)
        return status == 202


def sale(name: str, price: float) -> dict[str, Any]:
    return {"prediction_id": name, "price_dollars": price, "sold_at": "2026-01-31"}


def ledger(stack: Stack) -> list[tuple[str, float]]:
    with open_store(stack.settings.store).reading() as connection:
        rows = connection.execute(select(outcomes.c.capture_id, outcomes.c.price_dollars)).all()
    return sorted((str(name), price) for name, price in rows)


def table(path: Path, sales: dict[str, float]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["prediction_id", "price_dollars", "sold_at"])
        writer.writeheader()
        writer.writerows(sale(name, price) for name, price in sales.items())
    return path


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_every_outcome_that_was_acknowledged_is_stored_once_whatever_is_killed(
    make_stack: MakeStack, store_url: str
) -> None:
    stack = make_stack(store_url=store_url, ingest_batch_bytes=16_384, journal_write_seconds=5)
    up = stack.up()
    chance, clerk = random.Random(SEED), Clerk(stack)
    with Load(stack, seed=SEED, clients=1, pause_seconds=0.05) as load:
        for victim in VICTIMS:
            load.more(chance.randint(5, 20))
            clerk.report(load)  # what is killed next is at it
            killed = stack.kill(victim, chance)
            load.more(3)
            clerk.report(load)
            wait_until(lambda v=victim, k=killed: set(stack.pids(v)) - {k}, 60, stack.explain)
    clerk.report(load)
    wait_until(lambda: len(ledger(stack)) >= len(clerk.kept), 60, stack.explain)
    wait_until(lambda: stored(stack).keys() >= clerk.kept.keys(), 60, stack.explain)
    check_captures(stored(stack), [load])
    assert len(clerk.kept) > 50
    assert ledger(stack) == sorted(clerk.kept.items())

    # The same again as a file, with one price put right: one row more, and no capture touched.
    corrected = min(clerk.kept)
    imported = json.loads(
        stack.done(
            "outcomes",
            "import",
            str(table(stack.directory / "sales.csv", clerk.kept | {corrected: 5.0})),
            "--json",
        )
    )
    assert imported["sold"] == len(clerk.kept)
    assert stack.stop(up) == 0  # ingest empties the journal first
    assert ledger(stack) == sorted([*clerk.kept.items(), (corrected, 5.0)])
    check_ledger(stack)
    known = json.loads(stack.done("outcomes", "--json"))
    assert (known["sold"], known["corrections"], known["unmatched_ids"]) == (len(clerk.kept), 1, [])
