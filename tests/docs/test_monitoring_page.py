"""The monitoring page tells of what is there: tables made from it, a runbook for every alert."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from monitoring import metrics

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import monitoring_tables as tables  # noqa: E402 (found only now)

PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (Umbra\w+)\n(.+?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL))

ALERTS = [rule for rule in tables.rules() if rule.severity is not None]


def test_its_tables_are_as_their_sources_are() -> None:
    assert tables.filled(PAGE) == PAGE, "run: python docs/monitoring_tables.py"


@pytest.mark.parametrize("alert", sorted({rule.name for rule in ALERTS}))
def test_every_alert_has_a_runbook_that_its_link_leads_to(alert: str) -> None:
    assert len(SECTIONS[alert].strip()) > 40
    links = {rule.runbook for rule in ALERTS if rule.name == alert}
    assert links == {f"docs/monitoring.md#{alert.lower()}"}


def test_no_runbook_is_for_an_alert_that_is_gone() -> None:
    assert set(SECTIONS) == {rule.name for rule in ALERTS}


def test_every_metric_has_a_row_and_is_on_a_panel() -> None:
    rows = {
        line.split("`")[1]: line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `umbra_")
    }
    assert set(rows) == set(metrics.names())
    assert [name for name, cells in rows.items() if not cells[5].strip()] == []


def test_the_names_of_panels_and_searches_in_the_text_are_really_theirs() -> None:
    titles = {panel.title for dashboard in tables.dashboards() for panel in tables.panels(dashboard)}
    titles |= {dashboard["title"] for dashboard in tables.dashboards()}
    titles |= {one.title for kind in ("search", "dashboard") for one in tables.saved(kind)}
    written = re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", "\n".join(SECTIONS.values()))
    assert written
    for name in written:
        assert name in titles or f"Umbra: {name}" in titles, (
            f"no panel, search or dashboard is called {name!r}"
        )


def test_no_metric_is_told_of_anywhere_that_does_not_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    told = {
        name for page in pages for name in re.findall(r"(?<![\w:])umbra_[a-z_]+", page.read_text("utf-8"))
    }
    known = set(metrics.names()) | {"umbra_reader", "umbra_writer"}
    gone = {name for name in told - known if re.sub(r"_(bucket|sum|count)$", "", name) not in known}
    assert gone == set()
