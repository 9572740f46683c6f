"""Every dashboard query gives figures on a real Prometheus, after real traffic through a real stack."""

from __future__ import annotations

import math
import random
import re
import sys
import time
from pathlib import Path

from harness import artifacts
from harness.load import Asker, as_csv, houses
from harness.prometheus import Prometheus, Sample, targets_of
from harness.stack import MakeStack, Stack
from harness.trade import Trade, judge_by_seconds
from harness.waiting import wait_until
from poison_recipe import POISON

sys.path.append(str(Path(__file__).parents[1] / "grafana"))
from committed import Asked, Json, dashboards, queries, substituted, values_query

WINDOWS = {"__rate_interval": "20s", "__range": "1m", "__interval": "1s"}
"""As Grafana would choose them where Prometheus scrapes every second."""

FILL_SECONDS = 240.0
TRADES = 24  # of 25 houses a burst: drift wants 500 within two minutes
BURST_SECONDS = 20.0  # between two bursts: a quick machine would else ask faster than evidence can count
NO_WEEK = "compares with the week before this hour, of which a new Prometheus knows nothing"
EMPTY = {
    ("umbra-evidence", "Roll back?", "A"): "nobody was promoted",
    ("umbra-live-and-shadow", "Share of houses in each bucket", "C"): NO_WEEK,
    ("umbra-live-and-shadow", "Shift against the week before", "A"): NO_WEEK,
}
"""Queries that have nothing to show here, and why."""
BY_CHANCE = {
    ("umbra-evidence", "Fields by state", "B"): "no field need be yellow",
    ("umbra-evidence", "Fields by state", "C"): "no field need be red",
    ("umbra-evidence", "Houses priced otherwise than in service", "A"): "a hundredth of a minute's houses",
}
"""Queries that may have something to show here, and need not."""


def _why_empty(asked: Asked) -> str | None:
    """Why this query has nothing to show here; None for one that must."""
    return (EMPTY | BY_CHANCE).get((asked.dashboard, asked.place, asked.ref))


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


class Page:
    """One dashboard as Grafana would ask for it on this Prometheus, with All chosen for every variable."""

    def __init__(self, prometheus: Prometheus, dashboard: Json) -> None:
        self._prometheus = prometheus
        self._values = dict(WINDOWS)
        for variable in (one for one in dashboard["templating"]["list"] if one["type"] == "query"):
            label = variable["query"]["query"].rpartition(", ")[2].rstrip(")")
            found = self._ask(values_query(variable))
            self._values[variable["name"]] = "|".join(re.escape(one.labels[label]) for one in found)

    def shows(self, asked: Asked) -> bool:
        """Whether a query gives a finite sample now."""
        return any(math.isfinite(sample.value) for sample in self._ask(asked.written))

    def _ask(self, written: str) -> list[Sample]:
        # A backslash in a string of PromQL is written twice.
        return self._prometheus.query(substituted(written, self._values).replace("\\", "\\\\"))


def test_every_query_of_every_dashboard_gives_figures(
    make_stack: MakeStack, models: Path, tmp_path: Path
) -> None:
    stack = make_stack(recipe_modules="poison_recipe", candidate_latency_share=1, evidence_seconds=0.5)
    judge_by_seconds(stack)
    stack.done("candidates", "add", artifacts.poisonous(models, "raises"))
    committed = {one["uid"]: one for one in dashboards().values()}
    asked = [query for one in committed.values() for query in queries(one)]
    stack.up()
    callers, trade = Callers(stack), Trade(stack)
    with Prometheus(tmp_path, targets=targets_of(stack)) as prometheus:
        prometheus.wait_up()
        callers.a_round()
        stack.kill("model", random.Random(1))
        missing = [one for one in asked if _why_empty(one) is None]
        next_burst = time.monotonic()

        def filled() -> bool:
            nonlocal missing, next_burst
            callers.a_round()
            if time.monotonic() >= next_burst:
                next_burst = time.monotonic() + BURST_SECONDS
                for _ in range(TRADES):
                    trade.go_on()
            pages = {uid: Page(prometheus, one) for uid, one in committed.items()}
            missing = [one for one in missing if not pages[one.dashboard].shows(one)]
            return not missing

        wait_until(filled, FILL_SECONDS, lambda: f"no figures: {', '.join(map(str, missing))}")
        pages = {uid: Page(prometheus, one) for uid, one in committed.items()}
        excused = [one for one in asked if (one.dashboard, one.place, one.ref) in EMPTY]
        assert [str(one) for one in excused if pages[one.dashboard].shows(one)] == [], "no excuse is needed"
    assert callers.faults == []
