"""Any process killed at any moment under load: nothing acknowledged is lost, nothing doubled (promise P2)."""

from __future__ import annotations

import random

from harness.audit import audit
from harness.load import Load
from harness.stack import MakeStack
from harness.waiting import wait_until
from harness.watch import Watch

SEED = 20_061
# Batches are small: ingest and the lane are in a transaction most of the time, and so kills fall into one.
VICTIMS = {"ingest": 3, "scoring": 3, "model": 2, "evidence": 2, "api worker": 2, "api": 1, "worker": 1}
HARMLESS = {"ingest", "scoring", "model", "evidence", "worker", "api"}


def test_whatever_process_is_killed_umbra_goes_on_and_every_acknowledged_house_is_stored_once(
    make_stack: MakeStack, store_url: str
) -> None:
    stack = make_stack(
        store_url=store_url,
        ingest_batch_bytes=16_384,
        candidate_batch_rows=5,
        journal_write_seconds=5,
        evidence_seconds=0.5,
    )
    up = stack.up()
    chance = random.Random(SEED)
    victims = chance.sample(list(VICTIMS), counts=VICTIMS.values(), k=sum(VICTIMS.values()))
    with Watch(stack) as watch, Load(stack, seed=SEED) as load:
        for victim in victims:
            load.more(chance.randint(1, 60))
            unanswered = len(load.faults)
            killed = stack.kill(victim, chance)
            wait_until(lambda v=victim, k=killed: set(stack.pids(v)) - {k}, 60, stack.explain)
            load.more(5)
            if victim in HARMLESS:
                assert load.faults[unanswered:] == [], f"requests failed when the {victim} was killed"
        load.more(20)
        up.kill()
        up.wait()
        wait_until(lambda: stack.processes() == [], 60, stack.explain)
    assert watch.looks > 0
    assert watch.unbalanced == []
    up = stack.up()
    with Load(stack, seed=SEED + 1) as after:
        after.more(20)
    assert after.faults == []
    stack.wait_drained()
    audit(stack, [load, after])
    assert stack.stop(up) == 0
    assert stack.processes() == []
