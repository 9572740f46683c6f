"""Every dashboard query gives figures on a real Prometheus, after real traffic through a real stack."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterable
from pathlib import Path

from conftest import MakeStack
from harness import artifacts
from harness.load import Asker, as_csv, houses
from harness.prometheus import Prometheus, targets_of
from harness.stack import Stack
from harness.waiting import wait_until
from poison_recipe import POISON

sys.path.append(str(Path(__file__).parents[1] / "grafana"))
from committed import Asked, dashboards, queries

WINDOWS = {"__rate_interval": "20s", "__range": "1m", "__interval": "1s"}
"""As Grafana would choose them where Prometheus scrapes every second."""

FILL_SECONDS = 45.0
NO_EVIDENCE = "its metrics have no samples before there is evidence"
NO_WEEK = "compares with the week before this hour, of which a new Prometheus knows nothing"
EMPTY = {
    ("umbra-live-and-shadow", "Share of houses in each bucket", "C"): NO_WEEK,
    ("umbra-live-and-shadow", "Shift against the week before", "A"): NO_WEEK,
}
"""Queries that have nothing to show here, and why; besides, those of `_why_empty`."""


def _why_empty(asked: Asked) -> str | None:
    """Why this query has nothing to show here; None for one that must."""
    if asked.place == "Verdict changes":
        return NO_EVIDENCE
    if asked.dashboard == "umbra-evidence" and asked.ref not in {"variable", "annotation"}:
        return NO_EVIDENCE
    return EMPTY.get((asked.dashboard, asked.place, asked.ref))


class Callers(Asker):
    """Ask for everything that the panels show: prices, poison for a candidate, lookups, and mistakes."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self._stack = stack

    def a_round(self) -> None:
        """A few requests of each kind."""
        for _ in range(5):
            self.ask(houses(1))
        self.ask(houses(10), as_csv)
        answer = self.ask(houses(5, living_area=POISON))
        assert answer is not None, self.faults
        assert self._stack.ask("GET", f"/v1/predictions/{answer.ids[0]}")[0] in {200, 404}
        assert (
            self._stack.ask("POST", "/v1/predictions", b"{", {"Content-Type": "application/json"})[0] == 400
        )
        assert (
            self._stack.ask("POST", "/v1/predictions", b"{}", {"Content-Type": "application/json"})[0] == 422
        )


def _shows(prometheus: Prometheus, asked: Asked) -> bool:
    """Whether a query gives a finite sample now."""
    return any(math.isfinite(sample.value) for sample in prometheus.query(asked.expr(**WINDOWS)))


def _left(prometheus: Prometheus, empty: Iterable[Asked]) -> list[Asked]:
    return [asked for asked in empty if not _shows(prometheus, asked)]


def test_every_query_of_every_dashboard_gives_figures(
    make_stack: MakeStack, models: Path, tmp_path: Path
) -> None:
    stack = make_stack(recipe_modules="poison_recipe", candidate_latency_share=1)
    stack.done("candidates", "add", artifacts.poisonous(models, "raises"))
    asked = [one for dashboard in dashboards().values() for one in queries(dashboard)]
    expected = [one for one in asked if _why_empty(one) is None]
    stack.up()
    callers = Callers(stack)
    with Prometheus(tmp_path, targets=targets_of(stack)) as prometheus:
        prometheus.wait_up()
        callers.a_round()
        stack.kill("model", random.Random(1))
        missing = expected

        def filled() -> bool:
            nonlocal missing
            callers.a_round()
            missing = _left(prometheus, missing)
            return not missing

        wait_until(filled, FILL_SECONDS, lambda: f"no figures: {', '.join(map(str, missing))}")
        excused = [one for one in asked if _why_empty(one) is not None]
        assert [str(one) for one in excused if _shows(prometheus, one)] == [], "these need no excuse any more"
    assert callers.faults == []
