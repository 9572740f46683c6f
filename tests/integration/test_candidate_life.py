"""A candidate's life: sampled, paused, resumed, removed, and replayed over history."""

from __future__ import annotations

from pathlib import Path

from harness import artifacts
from harness.audit import audit, observed, stored
from harness.load import Asker, houses
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until

from shadow.store.ledger import Account

HOUSES = 500


def account(stack: Stack, model: str) -> Account:
    """A candidate's ledger."""
    books = stack.status().store
    assert books is not None
    return next(one for one in books.accounts if str(one.candidate.model) == model)


def asked_for_more(stack: Stack, asker: Asker) -> None:
    """Some hundred houses, stored and looked at."""
    asker.ask(houses(HOUSES))
    stack.wait_drained()


def test_samples_are_nested_pausing_waits_removing_keeps_and_a_replay_sees_what_the_first_saw(
    make_stack: MakeStack, store_url: str, models: Path
) -> None:
    stack = make_stack(store_url=store_url)
    stack.up()
    quarter, half, late = (artifacts.again(models, "gbm") for _ in range(3))
    stack.done("candidates", "add", quarter, "--sample", "0.25")
    stack.done("candidates", "add", half, "--sample", "0.5")
    asker = Asker(stack)
    asked_for_more(stack, asker)
    everything = observed(stack, "gbm@1")
    in_quarter, in_half = observed(stack, quarter), observed(stack, half)
    assert in_quarter.keys() < in_half.keys() < everything.keys()
    assert 0.1 < len(in_quarter) / len(everything) < 0.4 < len(in_half) / len(everything) < 0.6
    assert all(everything[name] == seen for name, seen in in_half.items())
    assert account(stack, half).sampled_out == len(everything) - len(in_half)

    stack.done("candidates", "pause", half)
    wait_until(lambda: len(stack.pids("scoring")) == 2, 30, stack.explain)
    asked_for_more(stack, asker)
    assert observed(stack, half) == in_half
    assert account(stack, half).pending == HOUSES
    stack.done("candidates", "resume", half)
    stack.wait_drained()
    assert account(stack, half).pending == 0
    assert observed(stack, quarter).keys() < observed(stack, half).keys()

    stack.done("candidates", "remove", quarter)
    wait_until(lambda: len(stack.pids("scoring")) == 2, 30, stack.explain)
    kept = observed(stack, quarter)
    asked_for_more(stack, asker)
    assert observed(stack, quarter) == kept

    stack.done("candidates", "add", late, "--from", "2020-01-01")
    asked_for_more(stack, asker)
    assert observed(stack, late) == observed(stack, "gbm@1")
    assert observed(stack, late).keys() == stored(stack).keys()
    audit(stack, [asker], complete=["gbm@1", late])
