"""Every expression parses in the real promtool, asks only for what exists, and looks at counters as rates."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from committed import ROOT, Asked, Json, dashboards, queries
from needed import program

from monitoring import metrics

RULES = ROOT / "prometheus" / "rules"
OF_PROMETHEUS = {"up", "ALERTS"}
"""What Prometheus itself makes."""

ASKED = [one for dashboard in dashboards().values() for one in queries(dashboard)]
EACH = pytest.mark.parametrize("asked", ASKED, ids=str)

_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"')
_NAME = re.compile(r"(?<![\w:$])[a-zA-Z_:][\w:]*")
_LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_SELECTORS = re.compile(r"\{[^}]*\}")
_RANGES = re.compile(r"\[[^\]]*\]")
_WINDOWED = re.compile(r"\b(rate|irate|increase)\s*\(\s*([\w:]+)\s*(?:\{[^}]*\})?\s*\[")
_WORDS = {
    "time",
    "sum",
    "avg",
    "min",
    "max",
    "max_over_time",
    "count",
    "topk",
    "abs",
    "rate",
    "increase",
    "histogram_quantile",
    "vector",
    "scalar",
    "or",
    "and",
    "unless",
    "offset",
    "bool",
}
_COUNTED = ("_total", "_bucket", "_sum", "_count")


def _recorded() -> set[str]:
    return {rule["record"] for rule in _rules() if "record" in rule}


def _rules() -> Iterator[Json]:
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def _series(expression: str) -> set[str]:
    """The names of the series that an expression reads; none of ours is called like a function."""
    bare = _STRINGS.sub('""', expression)
    for pattern in (_SELECTORS, _RANGES, _LABEL_LISTS):
        bare = pattern.sub(" ", bare)
    bare = re.sub(r"\boffset\s+\S+", " ", bare)
    bare = re.sub(r"\b\d[\w.]*", " ", bare)
    return set(_NAME.findall(bare)) - _WORDS


@cache
def _exported() -> set[str]:
    """Every series that a scrape or a rule makes."""
    declared = set(metrics.names())
    histograms = {f"{name}_{part}" for name in declared for part in ("bucket", "sum", "count")}
    return declared | histograms | _recorded() | OF_PROMETHEUS


def test_promtool_takes_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"asked:query_{number}:now", "expr": one.expr()} for number, one in enumerate(ASKED)]
    file = tmp_path / "asked.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}, width=10_000))
    promtool = program("promtool", package="prometheus")
    result = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(ASKED)} rules found" in result.stdout


@EACH
def test_every_series_is_exported_or_recorded(asked: Asked) -> None:
    assert _series(asked.expr()) - _exported() == set()
    assert _series(asked.expr())


@EACH
def test_counters_are_looked_at_as_rates_over_a_window_that_grafana_chooses(asked: Asked) -> None:
    assert set(re.findall(r"\[([^\]]*)\]", asked.written)) <= {"$__rate_interval", "$__range"}
    windowed = _WINDOWED.findall(asked.written)
    counters = [name for name in re.findall(r"\bumbra_\w+", asked.written) if name.endswith(_COUNTED)]
    if asked.ref == "variable":
        return  # a variable asks which labels there are, not how many
    assert sorted(counters) == sorted(name for _, name in windowed if name.endswith(_COUNTED))
    assert all(name.endswith(_COUNTED) for _, name in windowed)


def test_the_sum_of_differences_which_can_fall_is_taken_for_no_counter() -> None:
    assert [str(one) for one in ASKED if "umbra_candidate_difference_ratio_sum" in one.written] == []


def test_every_exported_metric_is_on_some_panel() -> None:
    shown = {name for one in ASKED for name in re.findall(r"\bumbra_\w+", one.written)}
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} | shown
    assert set(metrics.names()) - bases == set()


def test_burn_rates_are_of_the_budgets_that_the_objectives_name() -> None:
    for recorded, alert in (
        ("job:umbra_predictions_failed", "UmbraAvailabilityBurn"),
        ("job:umbra_predictions_slow", "UmbraLatencyBurn"),
    ):
        divisors = {
            float(found)
            for one in ASKED
            for found in re.findall(rf"{recorded}:\w+\{{[^}}]*\}} / ([\d.e-]+)", one.written)
        }
        (page, *_) = (rule["expr"] for rule in _rules() if rule.get("alert") == alert)
        assert divisors == {float(found) for found in re.findall(r"14\.4 \* ([\d.]+)", page)}
