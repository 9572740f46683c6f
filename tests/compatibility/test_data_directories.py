"""A data directory of 0.1.0 is taken over as it is, and scraped as it was."""

from __future__ import annotations

import json

import archives
import interfaces
import pytest
from archives import RECORDED
from harness.stack import Stack
from harness.waiting import wait_until


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_umbra_up_takes_over_a_data_directory_of_0_1_0(database: str, request: pytest.FixtureRequest) -> None:
    old = request.getfixturevalue(f"old_on_{database}")
    recorded = json.loads((RECORDED / f"{database}.json").read_text(encoding="utf-8"))
    view = recorded["view"]
    assert archives.view(old, view["predictions"], recorded["moment"]) == view


def test_the_catalogue_declares_the_metrics_that_it_did() -> None:
    recorded = json.loads((RECORDED / "metrics.json").read_text(encoding="utf-8"))
    assert interfaces.declared() == recorded["declared"]


@pytest.mark.parametrize("half", ["api", "worker"])
def test_a_scrape_gives_the_metrics_that_it_did(half: str, old_on_sqlite: Stack) -> None:
    recorded = json.loads((RECORDED / "metrics.json").read_text(encoding="utf-8"))[half]

    def differences() -> dict[str, object]:
        exposed = interfaces.exposed(old_on_sqlite.metrics(half))
        names = recorded.keys() | exposed.keys()
        pairs = {name: (recorded.get(name), exposed.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    # What is read from the store is looked up in the background.
    wait_until(lambda: not differences(), 60, differences)
