"""A policy says everything, says it right, and is known by what it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from model_package.schema import EXAMPLE
from monitoring.statistics.sums import BETS
from shadow.policy import Dimension, InvalidPolicy, Policy, default_text, demo_text, load, segments_of
from shadow.policy.tables import SEGMENTS_MOST

DEFAULT = Policy.parse(default_text())


def with_(old: str, new: str) -> str:
    text = default_text()
    assert text.count(old) == 1
    return text.replace(old, new)


def test_the_default_policy_is_that_of_the_method() -> None:
    said = tomllib.loads(default_text())
    assert (said["loss"], said["cap"], said["alpha"], said["margin"]) == (
        "abs_log",
        0.5,
        0.05,
        {"relative": 0.04},
    )
    assert said["bets"] == {"low": BETS[0], "high": pytest.approx(BETS[-1]), "count": len(BETS)}
    assert said["min"] == {
        "entities": 500,
        "days": 28,
        "weekdays": 2,
        "coverage": 0.8,
        "per_segment": 100,
    }
    assert (said["k_star"], said["horizon_days"], said["worst_day"]["mean"]) == (60, 180, -0.15)
    assert len(DEFAULT.segment_names) <= SEGMENTS_MOST == 12
    assert said["automation"] == {"promote": False, "rollback": False}


def test_the_demo_policy_is_as_strict_as_the_default_one() -> None:
    default, demo = tomllib.loads(default_text()), tomllib.loads(demo_text())
    assert demo["day_seconds"] == 1
    for key in (
        "loss",
        "cap",
        "alpha",
        "alpha_budget",
        "margin",
        "bets",
        "min",
        "segments",
        "worst_day",
    ):
        assert demo[key] == default[key]
    for key in ("gate", "min_houses"):
        assert demo["drift"][key] == default["drift"][key]
    for key in ("errors", "catastrophes", "dropped", "absurd", "require_proof"):
        assert demo["guardrails"][key] == default["guardrails"][key]


def test_only_what_it_says_makes_the_hash_of_a_policy() -> None:
    shuffled = with_("cap = 0.5  ", "# moved\n").replace("alpha_budget =", "cap = 0.50\nalpha_budget =")
    assert shuffled != default_text()
    assert Policy.parse(shuffled).sha256 == DEFAULT.sha256
    middle = next(line for line in default_text().splitlines(keepends=True) if line.startswith("middle = "))
    moved = with_(middle, "").replace("cheaper = ", f"{middle}cheaper = ")
    assert moved != default_text()
    assert Policy.parse(moved).sha256 == DEFAULT.sha256
    assert Policy.parse(with_("relative = 0.04", "relative = 0.05")).sha256 != DEFAULT.sha256
    assert Policy.parse(with_("[15, 50]", "[15, 51]")).sha256 != DEFAULT.sha256


def test_every_number_of_a_policy_is_part_of_its_hash() -> None:
    numbers = re.compile(r"^(\w+) = (0\.\d+|\d+)(?= |$)", re.MULTILINE)
    changed = 0
    for found in numbers.finditer(default_text()):
        other = f"{float(found[2]) * 1.01:.6f}" if "." in found[2] else str(int(found[2]) + 1)
        text = default_text()[: found.start(2)] + other + default_text()[found.end(2) :]
        try:
            assert Policy.parse(text).sha256 != DEFAULT.sha256
            changed += 1
        except InvalidPolicy as fault:
            assert fault.key in {"bets.low", "bets.high", "bets.count", "segments.max"}
    assert changed >= 25


def test_the_text_is_kept_as_it_was_given() -> None:
    text = with_('name = "default"', 'name = "ours" # why')
    assert Policy.parse(text).text == text


DIMENSIONS = "segments.dimensions"
WRONG = {
    "a text for a number": ("cap = 0.5", 'cap = "a lot"', "cap", "from 0.05 to 2 (log units)"),
    "true for a number": ("days = 28 ", "days = true ", None, "whole number"),
    "out of range": ("alpha = 0.05", "alpha = 0.7", "alpha", "from 1e-06 to 0.25"),
    "not a number": ("alpha = 0.05", "alpha = nan", "alpha", "from 1e-06"),
    "infinite": ("cap = 0.5", "cap = inf", "cap", "from 0.05 to 2"),
    "a number for a switch": ("alpha_budget = true", "alpha_budget = 1", "alpha_budget", "true or false"),
    "a fraction of a house": ("entities = 500", "entities = 500.5", "min.entities", "whole number"),
    "missing": ("watch_days = 28", "", "watch_days", "umbra policy show"),
    "unknown": ("watch_days = 28", "watch_days = 28\nwatch_weeks = 4", "watch_weeks", "no such key"),
    "unknown in a table": ("errors = 0.001", "errors = 0.001\nfoo = 1", "guardrails.foo", "no such key"),
    "another loss": ('"abs_log"', '"squared"', "loss", '"abs_log"'),
    "other bets": ("low = 0.02", "low = 0.03", "bets.low", "0.02"),
    "two margins": ("relative = 0.04", "relative = 0.04\nabsolute = 0.1", "margin", "either"),
    "no margin": ("relative = 0.04", "", "margin", "either"),
    "a margin over half the cap": ("relative = 0.04", "absolute = 0.26", "margin.absolute", "0.25"),
    "a range upside down": ("[1_000, ", "[11_000_000, ", "guardrails.price_range_dollars", "ascending"),
    "edges that do not rise": ("[15, 50]", "[50, 15]", f"{DIMENSIONS}.age.edges", "ascending"),
    "no edges": ("[15, 50]", "[]", f"{DIMENSIONS}.age.edges", "at least one"),
    "a field there is not": ('by = "age"', 'by = "aeg"', f"{DIMENSIONS}.age.by", "live_price, age or"),
    "edges of a category": ('by = "age"', 'by = "zoning"', f"{DIMENSIONS}.age.edges", "category"),
    "a code there is not": ('"Gilbert"', '"Gilberd"', f"{DIMENSIONS}.neighborhood.groups.middle", "NAmes"),
    "a code twice": ('"Gilbert"', '"OldTown"', f"{DIMENSIONS}.neighborhood.groups", "each code in one"),
    "a reserved group": ("middle = [", "other = [", f"{DIMENSIONS}.neighborhood.groups.other", "other than"),
    "never null": (
        'by = "lot_frontage"',
        'by = "lot_area"',
        f"{DIMENSIONS}.lot_frontage.missing",
        "never null",
    ),
    "two ways": ("\nmissing = true", "\nmissing = true\nedges = [1]", f"{DIMENSIONS}.lot_frontage", "one of"),
    "too many segments": ("[15, 50]", "[15, 50, 80]", "segments.dimensions", "at most 12"),
    "a bad name": ('name = "default"', 'name = "Our policy"', "name", "lower-case"),
    "a date": ('name = "default"', "name = 2026-01-01", "name", "lower-case"),
    "not TOML": ("cap = 0.5", "cap = ", "(the file)", "TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_right_is_refused_naming_key_value_and_what_was_expected(case: str) -> None:
    old, new, key, words = WRONG[case]
    with pytest.raises(InvalidPolicy) as refused:
        Policy.parse(default_text().replace(old, new, 1))
    assert key is None or refused.value.key == key
    assert words in refused.value.expected
    assert str(refused.value).startswith(f"policy: {refused.value.key} = {refused.value.value!r}: expected ")


def test_a_house_is_in_exactly_one_segment_of_each_dimension() -> None:
    assert segments_of(DEFAULT.dimensions, EXAMPLE, 174_999.99) == [
        "neighborhood:middle",
        "price:125k-175k",
        "age:15-50",
        "lot_frontage:known",
    ]
    at_edge = segments_of(DEFAULT.dimensions, EXAMPLE | {"lot_frontage": None, "year_built": 1995}, 175_000)
    assert at_edge == ["neighborhood:middle", "price:175k-250k", "age:15-50", "lot_frontage:missing"]


def test_what_no_group_names_is_other_and_null_is_missing() -> None:
    grouped = Policy.parse(with_('"Gilbert", ', "").replace("[15, 50]", "[15]"))
    assert grouped.dimensions[0].segments[-1] == "neighborhood:other"
    assert grouped.dimensions[0].segment_of("Gilbert") == "neighborhood:other"
    frontage = Policy.parse(
        with_("\nmissing = true", "\nedges = [60]").replace("[15, 50]", "[15]")
    ).dimensions[3]
    assert frontage.segments == ("lot_frontage:<60", "lot_frontage:60+", "lot_frontage:missing")
    assert [frontage.segment_of(value) for value in (59.9, 60, None)] == list(frontage.segments)


def test_names_of_segments_fit_their_column() -> None:
    widest = Dimension("a" * 24, "live_price", edges=(123_456_789.0, 987_654_321.0))
    assert max(map(len, widest.segments)) <= 64


def test_the_alpha_of_all_candidates_against_one_live_model_adds_up_to_alpha() -> None:
    assert [DEFAULT.alpha_of(k) for k in (1, 2, 3)] == pytest.approx([0.025, 0.05 / 6, 0.05 / 12])
    assert sum(DEFAULT.alpha_of(k) for k in range(1, 10_000)) < DEFAULT.alpha
    alone = Policy.parse(with_("alpha_budget = true", "alpha_budget = false"))
    assert alone.alpha_of(7) == 0.05


def test_the_margin_is_a_share_of_the_live_models_loss_or_what_the_policy_says() -> None:
    assert DEFAULT.margin_of(0.09) == pytest.approx(0.0036)
    assert Policy.parse(with_("relative = 0.04", "absolute = 0.01")).margin_of(0.09) == 0.01


def test_a_policy_is_chosen_by_name_or_by_file(tmp_path: Path) -> None:
    assert load("default").text == default_text()
    assert load("demo").text == demo_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(with_('"default"', '"mine"'), encoding="utf-8")
    assert load(str(mine)).name == "mine"
    mine.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidPolicy, match="UTF-8"):
        load(str(mine))
