"""Terms: the file is read strictly, and says for each place how far numbers may be apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from differential_tests.settings import tolerances
from differential_tests.settings.tolerances import AllowedDifference, InvalidTolerances


def allowed(found: AllowedDifference) -> tuple[float, float]:
    """Dollars and percent."""
    return found.dollars, found.percent


def test_what_is_shipped_for_umbra_is_what_is_read_without_a_file() -> None:
    found = tolerances.read()
    assert found == tolerances.parse(tolerances.SHIPPED.read_text(encoding="utf-8"))
    assert allowed(found.tolerance.at("$.price_dollars")) == (0.0, 1e-7)
    assert (found.noise.relative, found.noise.absolute, found.noise.quantile) == (0.2, 0.0003, 0.999)
    assert found.ignore == ("$..request_id", "$..latency_ms", "$..timestamp")


def test_the_examples_in_the_comments_of_what_is_shipped_are_right() -> None:
    text = tolerances.SHIPPED.read_text(encoding="utf-8")
    examples = re.sub(r"^# (\[|percent =)", r"\1", text, flags=re.MULTILINE)
    assert examples != text
    assert tolerances.parse(examples).tolerance.at("$.confidence").percent == 1.0


def test_an_empty_file_allows_nothing_and_ignores_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("")
    found = tolerances.read(tmp_path / "mine.toml")
    assert allowed(found.tolerance.at("$.a")) == (0.0, 0.0)
    assert (found.ignore, found.segment, found.service) == ((), "", {})


def test_of_several_paths_the_first_that_matches_counts_and_elsewhere_the_common_one() -> None:
    found = tolerances.parse("""
        [tolerance]
        dollars = 1
        [tolerance.paths."$.rows[*].price"]
        dollars = 2
        percent = 3.5
        [tolerance.paths."$..price"]
        percent = 4
    """).tolerance
    assert allowed(found.at("$.rows[7].price")) == (2.0, 3.5)
    assert allowed(found.at("$.price")) == (0.0, 4.0)
    assert allowed(found.at("$.size")) == (1.0, 0.0)


def test_another_tolerance_holds_at_every_place_and_leaves_the_rest() -> None:
    before = tolerances.parse('ignore = ["$.id"]\n[tolerance.paths."$.price"]\ndollars = 5')
    after = before.within(percent=2.0)
    assert after.tolerance.at("$.price") == after.tolerance.at("$.size")
    assert (after.tolerance.percent, after.tolerance.dollars, after.ignore) == (2.0, 0.0, ("$.id",))


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        ("tolerance = 3", "tolerance", 3, "object"),
        ("[tolerance]\ndollars = -1", "tolerance.dollars", -1, "a number from 0"),
        ("[tolerance]\npercent = nan", "tolerance.percent", None, "a number from 0"),
        ("[tolerance]\npercent = inf", "tolerance.percent", None, "a number from 0"),
        ('[tolerance]\npercent = "1"', "tolerance.percent", "1", "a number from 0"),
        ("[tolerance]\npercent = true", "tolerance.percent", True, "a number from 0"),
        ("[tolerance]\neuros = 1", "tolerance.euros", 1, "no such key"),
        ('[tolerance.paths."price"]\ndollars = 1', "tolerance.paths.price", "price", "begins with $"),
        ('[tolerance.paths."$.p"]\ndollar = 1', "tolerance.paths.$.p.dollar", 1, "no such key"),
        ("[noise]\nquantile = 99.9", "noise.quantile", 99.9, "a share from 0 to 1"),
        ("[noise]\nabsolute = -0.1", "noise.absolute", -0.1, "a share from 0 to 1"),
        ('ignore = "$.id"', "ignore", "$.id", "valid array"),
        ("ignore = [1]", "ignore.0", 1, "valid string"),
        ('ignore = ["$.a", "$.b[-1]"]', "ignore.1", "$.b[-1]", "[0]"),
        ('ignore = ["$"]', "ignore.0", "$", "a path below $"),
        ('ignore = ["$.request-id"]', "ignore.0", "$.request-id", "['request-id']"),
        ("segment = 1", "segment", 1, "valid string"),
        ("[service]\nx = 1\n[ignored]\npaths = []", "ignored", {"paths": []}, "no such key"),
        ("ignore = [", "(the file)", None, "TOML"),
    ],
)
def test_what_cannot_be_right_is_refused_with_key_value_and_what_was_expected(
    text: str, key: str, value: object, expected: str
) -> None:
    with pytest.raises(InvalidTolerances) as refused:
        tolerances.parse(text)
    assert refused.value.key == key
    assert value is None or refused.value.value == value
    assert expected in refused.value.expected
    assert key in str(refused.value)
    assert expected in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidTolerances, match="UTF-8"):
        tolerances.read(tmp_path / "mine.toml")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"mine\.toml"):
        tolerances.read(tmp_path / "mine.toml")
