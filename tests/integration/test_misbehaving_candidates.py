"""A candidate may do anything: live answers, other candidates and the ledger do not notice."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from harness import artifacts
from harness.audit import audit, check_ledger, observed
from harness.load import Answered, Asker, House, houses
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until
from poison_recipe import POISON

QUIET = houses(40)
TIMES_SLOWER = 5.0
LEAST_SECONDS = 0.01
POISONED = [
    ("raises", 3, "raised"),
    ("not-a-number", 2, "not_finite"),
    ("wrong-length", 2, "wrong_length"),
    ("eats-memory", 2, "memory"),
    ("hangs", 1, "hung"),
    ("exits", 1, "crashed"),
    ("crashes", 1, "crashed"),
]


class Bench(Asker):
    """A stack that many candidates are added to, one after the other, with all that was ever asked of it."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.stack = stack
        self.prices, self.seconds = self.quiet()

    def quiet(self) -> tuple[list[str], float]:
        """The prices of the same houses as ever, byte for byte, and the median time of an answer."""
        answers = [self.answered([house]) for house in QUIET]
        seconds = sorted(answer.seconds for answer in answers)[len(answers) // 2]
        return [answer.prices[0] for answer in answers], seconds

    def answered(self, rows: Sequence[House]) -> Answered:
        """An answer, which there has to be."""
        answer = self.ask(rows)
        assert answer is not None, self.faults
        return answer

    def add(self, model: str) -> None:
        """Make a candidate of what comes from now on."""
        self.stack.wait_drained()
        self.stack.done("candidates", "add", model)

    def remove(self, model: str) -> None:
        """End a candidate."""
        self.stack.done("candidates", "remove", model)
        wait_until(lambda: len(self.stack.pids("scoring")) == 1, 30, self.stack.explain)

    def check_unharmed(self) -> None:
        """Live answers are what they were, byte for byte, and not slower in kind."""
        prices, seconds = self.quiet()
        assert prices == self.prices
        assert seconds <= TIMES_SLOWER * max(self.seconds, LEAST_SECONDS)


@pytest.fixture(scope="module")
def bench(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    directory = tmp_path_factory.mktemp("bench")
    models = Path(shutil.copytree(prepared / "models", directory / "models"))
    stack = Stack(
        directory,
        models,
        recipe_modules="poison_recipe",
        candidate_batch_rows=16,
        candidate_deadline_seconds=1,
    )
    try:
        stack.up()
        yield Bench(stack)
    finally:
        stack.end()


@pytest.mark.parametrize(("mode", "count", "reason"), POISONED)
def test_only_the_rows_a_candidate_cannot_bear_fail_and_each_says_why(
    bench: Bench, mode: str, count: int, reason: str
) -> None:
    model = artifacts.poisonous(bench.stack.settings.models, mode)
    bench.add(model)
    rows = houses(30)
    for row in random.Random(mode).sample(rows, count):
        row["living_area"] = POISON
    answer = bench.answered(rows)
    bench.check_unharmed()
    bench.stack.wait_drained()
    seen = observed(bench.stack, model)
    poisoned = {name for name, row in zip(answer.ids, rows, strict=True) if row["living_area"] == POISON}
    assert {name: one.reason for name, one in seen.items() if one.state == "failed"} == dict.fromkeys(
        poisoned, reason
    )
    expected = {
        name: 100.0 * row["living_area"]
        for one in bench.answers
        for name, row in zip(one.ids, one.rows, strict=True)
        if name in seen and name not in poisoned
    }
    assert {name: one.dollars for name, one in seen.items() if one.state == "scored"} == expected
    assert len(seen) == len(rows) + len(QUIET)
    audit(bench.stack, [bench])
    bench.remove(model)
    assert bench.faults == []


def test_a_candidate_that_fails_on_everything_has_every_house_recorded_as_failed(bench: Bench) -> None:
    model = artifacts.poisonous(bench.stack.settings.models, "raises", always=True)
    bench.add(model)
    bench.check_unharmed()
    bench.stack.wait_drained()
    seen = observed(bench.stack, model)
    assert len(seen) == len(QUIET)
    assert {(one.state, one.reason) for one in seen.values()} == {("failed", "raised")}
    audit(bench.stack, [bench])
    bench.remove(model)


def test_a_candidate_whose_artifact_is_altered_blames_no_house_and_goes_on_once_it_is_restored(
    bench: Bench,
) -> None:
    models = bench.stack.settings.models
    model = artifacts.again(models, "gbm")
    bench.add(model)
    with artifacts.altered(models / "gbm" / "2" / "model.txt"):
        bench.check_unharmed()
        wait_until(lambda: _state_of(bench.stack, model) == "breaker_open", 60, bench.stack.explain)
        wait_until(lambda: _pending(bench.stack) == {"gbm@1": 0, model: len(QUIET)}, 60, bench.stack.explain)
        wait_until(lambda: "model.txt: altered" in str(bench.stack.events("lane_state")), 10)
        assert observed(bench.stack, model) == {}
        assert bench.stack.metric("worker", "umbra_candidate_breaker_open", candidate=model) == 1
        check_ledger(bench.stack)
    bench.stack.wait_drained()
    assert bench.stack.metric("worker", "umbra_candidate_breaker_open", candidate=model) == 0
    audit(bench.stack, [bench])
    seen, first = observed(bench.stack, model), observed(bench.stack, "gbm@1")
    assert seen == {name: first[name] for name in seen}
    assert len(seen) == len(QUIET)
    bench.remove(model)


def test_a_model_that_hangs_leaves_with_its_helpers_when_its_lane_is_killed_or_its_candidate_removed(
    make_stack: MakeStack, models: Path
) -> None:
    stack = make_stack(recipe_modules="poison_recipe", candidate_deadline_seconds=600)
    stack.done("candidates", "remove", "gbm@1")
    model = artifacts.poisonous(models, "hangs-helped")
    stack.done("candidates", "add", model)
    stack.up()
    Asker(stack).ask(houses(1, living_area=POISON))
    first = _hanging(stack, set())
    (lane,) = stack.pids("scoring")
    os.kill(lane, signal.SIGKILL)
    wait_until(lambda: not first & set(stack.processes()), 10, stack.explain)
    second = _hanging(stack, first)
    stack.done("candidates", "remove", model)
    wait_until(lambda: not second & set(stack.processes()), 30, stack.explain)


def _hanging(stack: Stack, before: set[int]) -> set[int]:
    """The model process that hangs and the helper that it has started, once there are others than before."""

    def present() -> set[int] | None:
        markers = [*stack.directory.glob("hanging-*"), *stack.directory.glob("helping-*")]
        found = {int(marker.name.rpartition("-")[2]) for marker in markers} - before
        return found if len(found) == 2 else None

    return wait_until(present, 60, stack.explain) or set()


def _state_of(stack: Stack, model: str) -> object:
    return {p.facts.get("candidate"): p.facts.get("state") for p in stack.status().processes}.get(model)


def _pending(stack: Stack) -> dict[str, int]:
    books = stack.status().store
    assert books is not None
    return {str(account.candidate.model): account.pending for account in books.accounts}
