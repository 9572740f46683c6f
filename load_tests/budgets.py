"""Budgets: what a run of Locust came to, held against what it may come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from load_tests.workload import Budgets


@dataclass(frozen=True, slots=True)
class RunTotals:
    """What a run came to. The percentile is Locust's: to 1 ms below 100 ms, to 10 below 1 s, else to 100."""

    requests: int
    failures: int
    p99_milliseconds: float


def crossed(result: RunTotals, budgets: Budgets) -> Iterator[str]:
    """Yield every exceeded budget with its figure; a run without requests exceeds its budget."""
    if result.requests == 0:
        yield "not a single request was answered or refused: nothing was measured"
        return
    ratio = result.failures / result.requests
    if ratio > budgets.error_ratio:
        failures = f"{result.failures} of {result.requests} requests ({ratio:.4%})"
        yield f"wrong or no answers: {failures}, budget {budgets.error_ratio:.4%}"
    if result.p99_milliseconds > budgets.p99_milliseconds:
        yield f"p99: {result.p99_milliseconds:g} ms, budget {budgets.p99_milliseconds:g} ms"
