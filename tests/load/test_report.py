"""The report as a person runs it: a real Umbra, real Locust, a page; and a ledger that has lost a house."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from needed import missing
from ports import free_ports

from load_tests import page
from load_tests.ledger import LOOK_SECONDS, Ledger, Unbalanced, settle
from load_tests.report import PAGE, PLOTS
from model_package import synthetic, train
from shadow.settings import sqlite_url

ROOT = Path(__file__).parents[2]


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m load_tests.report`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "load_tests.report", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Reported:
    """The page that was written, and the store that was filled meanwhile."""

    page: Path
    store: Path

    def ledger(self) -> Ledger:
        """Run `umbra status`."""
        own = {
            "UMBRA_DATA_DIR": str(self.store.parent / "none"),
            "UMBRA_STORE_URL": sqlite_url(self.store),
        }
        done = subprocess.run(
            [sys.executable, "-m", "umbra", "status", "--json"],
            cwd=self.store.parent,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ledger(json.loads(done.stdout), done.returncode)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """One API worker under each load for a second, with quickly trained models."""
    if find_spec("locust") is None:
        missing("Locust", "pip install '.[load]'")
    home = tmp_path_factory.mktemp("report")
    for recipe in ("linear", "gbm"):
        train.train(recipe, synthetic.synthetic(1200, 1), home / "models", 1, trained_at=datetime.now(UTC))
    found = Reported(Path(shutil.copy(PAGE, home)), home / "umbra.db")
    page.write(found.page, "nothing yet")
    ports = map(str, free_ports(3))
    done = report(
        "--seconds",
        "1",
        "--workers",
        "1",
        "--max-p99-milliseconds",
        "60000",
        "--page",
        str(found.page),
        "--models",
        str(home / "models"),
        "--store-url",
        sqlite_url(found.store),
        "--ports",
        *ports,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return found


def test_the_page_has_what_a_real_umbra_came_to(reported: Reported) -> None:
    text = reported.page.read_text()
    cells = re.findall(r"^\| ([^|]+) \| ([\d.,]+) \| ([\d.,]+) \|$", text, re.MULTILINE)
    figures = {name: [float(one.replace(",", "")) for one in both] for name, *both in cells}
    assert "| steady, 1 worker | full, 1 worker |" in text
    assert figures["failures"] == [0, 0]
    assert min(figures["requests"]) > 0
    for place in (0, 1):
        latencies = [figures[f"{name}, ms"][place] for name in ("min", *page.SHARES, "max")]
        assert latencies == sorted(latencies)
    for half in ("api", "worker"):
        assert min(figures[f"memory of the {half}, MB"]) > 30
    assert re.search(r"^- \d{4}-\d\d-\d\d, by `python -m load_tests.report --seconds 1 ", text, re.MULTILINE)
    assert str(reported.store.parent) not in text
    for name in PLOTS:
        assert f"]({name})" in text
        assert "<polyline" in (reported.page.parent / name).read_text()


def test_after_it_the_store_has_every_house_and_outcomes_of_houses_really_priced(reported: Reported) -> None:
    found = reported.ledger()
    (last,) = re.findall(r"^\| houses in the ledger .* ([\d,]+) \|$", reported.page.read_text(), re.MULTILINE)
    assert list(found.faults(int(last.replace(",", "")), exactly=True)) == []
    outcomes = found.status["outcomes"]
    assert min(outcomes[name] for name in ("sold", "withdrawn", "corrections", "unmatched")) > 0
    assert outcomes["unmatched"] <= 3, "ids of predictions really made are not in the store"


def test_a_house_lost_afterwards_is_noticed(reported: Reported) -> None:
    answered = reported.ledger().houses
    with sqlite3.connect(reported.store) as connection:
        connection.execute("DELETE FROM captures WHERE id = (SELECT min(id) FROM captures)")
    connection.close()
    with pytest.raises(
        Unbalanced, match=f"{answered} houses were answered, the ledger knows of {answered - 1}"
    ):
        settle(reported.ledger, answered, exactly=True)


def test_a_page_without_a_place_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("no place")
    done = report("--page", str(tmp_path / "page.md"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {tmp_path}/page.md: expected a line {page.BEGIN}")


# -- the ledger's rules


def status(**changed: object) -> dict[str, object]:
    """As `umbra status --json` of ten houses, all in order."""
    candidate = {"candidate": "gbm@1", "state": "active", "pending": 0, "missing": 0}
    intake = {"numbered": 10, "stored": 9, "pruned": 0, "dropped": {"full": 1}, "balanced": True}
    usual = {"trouble": None, "balanced": True, "journal": {"waiting": 0}, "intake": intake}
    return usual | {"candidates": [candidate | changed.pop("candidate", {})]} | changed  # type: ignore[operator]


def test_a_ledger_that_adds_up_to_what_was_answered_is_settled() -> None:
    found = Ledger(status(), 0)
    assert settle(lambda: found, 10, exactly=True) is found


def test_a_ledger_is_waited_for() -> None:
    looks = iter([status(journal={"waiting": 3}), status(candidate={"pending": 2}), status()])
    assert settle(lambda: Ledger(next(looks), 0), 10, exactly=True).settled


@pytest.mark.parametrize(
    ("found", "answered", "said"),
    [
        (Ledger(status(), 0), 11, "11 houses were answered, the ledger knows of 10"),
        (Ledger(status(), 0), 9, "9 houses were answered, the ledger knows of 10"),
        (Ledger(status(balanced=False), 0), 10, "does not balance"),
        (Ledger(status(), 1), 10, "does not balance \\(exit status 1\\)"),
        (Ledger(status(journal={"waiting": 3}), 0), 10, "3 captures wait"),
        (Ledger(status(candidate={"pending": 2}), 0), 10, "'gbm@1': 2"),
        (Ledger(status(trouble="it is away"), 0), 10, "it is away"),
    ],
)
def test_a_ledger_that_does_not_is_told(found: Ledger, answered: int, said: str) -> None:
    with pytest.raises(Unbalanced, match=said):
        settle(lambda: found, answered, exactly=True, patience_seconds=0)


def test_as_long_as_it_becomes_less_patience_does_not_end() -> None:
    looks = iter([status(candidate={"pending": left}) for left in (3, 2, 1, 0)])
    found = settle(lambda: Ledger(next(looks), 0), 10, exactly=True, patience_seconds=1.5 * LOOK_SECONDS)
    assert found.settled


def test_after_a_run_with_failures_more_may_be_kept_than_was_seen_answered() -> None:
    assert settle(lambda: Ledger(status(), 0), 9, exactly=False).houses == 10
    with pytest.raises(Unbalanced):
        settle(lambda: Ledger(status(), 0), 11, exactly=False)
