from __future__ import annotations

import doctest
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from model_package.profile import bin_label, describe
from monitoring.statistics import distances, drift
from monitoring.statistics.drift import (
    FieldDrift,
    UnfitReference,
    UnknownBin,
    dataset_state,
    field_drift,
    persistent,
)

sys.path.insert(0, str(Path(__file__).parent))
import windows
from windows import FIELDS
from windows import REFERENCE as SAMPLE


def reference_of(values: Sequence[Any]) -> dict[str, Any]:
    """A field of a profile as an artifact stores it."""
    described: dict[str, Any] = json.loads(json.dumps(describe(values)))
    return described


def counted(reference: dict[str, Any], values: Sequence[Any]) -> dict[str, int]:
    """A window counted by bin label, value by value."""
    return dict(Counter(label for value in values for label in labels(reference, value)))


def labels(reference: dict[str, Any], value: Any) -> list[str]:
    if reference["kind"] == "categorical":
        text = "__missing__" if value is None else bin_label(value)
        return [text if text in reference["counts"] else "__unseen__"]
    if value is None or not math.isfinite(value):
        return ["missing" if value is None else "nonfinite"]
    side = ["below"] * (value < reference["min"]) + ["above"] * (value > reference["max"])
    return [str(sum(value >= edge for edge in reference["fine_edges"])), *side]


def normal(count: int, mean: float = 0.0, sd: float = 1.0, seed: int = 0) -> list[float]:
    found: list[float] = np.random.default_rng(seed).normal(mean, sd, count).tolist()
    return found


def drifted(reference: Sequence[Any], window: Sequence[Any]) -> FieldDrift:
    profile = reference_of(reference)
    return field_drift(profile, counted(profile, window), FIELDS)


def pooled_psi(reference: Sequence[float | None], window: Sequence[float | None]) -> float:
    """How the best-known library counts: NULLs dropped, edges of equal width from both samples pooled."""
    one, other = ([value for value in values if value is not None] for values in (reference, window))
    edges = np.histogram_bin_edges(one + other, bins="sturges")
    p, q = (np.maximum(np.histogram(values, edges)[0] / len(values), 1e-4) for values in (one, other))
    return float(((q - p) * np.log(q / p)).sum())


# The distances


def test_the_index_is_the_smoothed_sum_over_bins_that_are_any() -> None:
    reference, window = [30, 50, 20, 0, 0], [10, 60, 25, 5, 0]
    p, q = ([(one + 0.5) / (100 + 0.5 * 4) for one in counts[:4]] for counts in (reference, window))
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert float(distances.psi(reference, window)) == pytest.approx(expected, rel=1e-12)
    assert float(distances.js_distance(reference, window)) == pytest.approx(jensenshannon(p, q, 2), rel=1e-9)


def test_the_floor_is_the_quantile_of_the_null_law() -> None:
    expected = (1 / 2_500 + 1 / 500) * stats.chi2.ppf(1 - 0.01 / 79, 19)
    found = float(distances.psi_floor([125] * 20 + [0], [25] * 20 + [0], FIELDS))
    assert found == pytest.approx(expected, rel=1e-6)
    assert math.isinf(distances.psi_floor([125] * 20, [0] * 20, FIELDS))


def test_the_null_law_holds_when_nothing_drifts() -> None:
    rng = np.random.default_rng(9)
    for size in (500, 1_000, 5_000):
        noise = 1 / windows.REFERENCE + 1 / size
        found = windows.null_indices(size, 4_000, rng)
        assert found.mean() == pytest.approx(noise * 19, rel=0.03)
        assert (found > noise * stats.chi2.ppf(0.95, 19)).mean() == pytest.approx(0.05, abs=0.012)


def test_many_windows_at_once_have_the_distances_of_each() -> None:
    rng = np.random.default_rng(1)
    reference, windows = rng.multinomial(900, [0.1] * 10), rng.multinomial(500, [0.1] * 10, (3, 2))
    points = np.arange(11.0)
    for of_all, of_one in (
        (distances.psi(reference, windows), distances.psi(reference, windows[1, 1])),
        (distances.js_distance(reference, windows), distances.js_distance(reference, windows[1, 1])),
        (distances.ks(reference, windows), distances.ks(reference, windows[1, 1])),
        (distances.w1(reference, windows, points), distances.w1(reference, windows[1, 1], points)),
    ):
        assert of_all.shape == (3, 2)
        assert of_all[1, 1] == pytest.approx(float(of_one))


def test_ks_and_w1_of_bins_are_close_to_those_of_the_values() -> None:
    reference, window = normal(5_000, sd=3.0), normal(4_000, mean=1.2, sd=3.0, seed=1)
    found = drifted(reference, window)
    assert found.ks == pytest.approx(stats.ks_2samp(reference, window).statistic, abs=0.01)
    moved = stats.wasserstein_distance(reference, window) / np.std(reference, ddof=1)
    assert found.w1_sd == pytest.approx(moved, rel=0.05)


def test_w1_where_the_distributions_cross_is_the_exact_area() -> None:
    # Distribution functions 0.5, 0.5, 1 and 0.3, 0.8, 1: -0.2 and 0.3 apart, crossing within the second bin.
    assert float(distances.w1([5, 0, 5], [3, 5, 2], [0.0, 1.0, 2.0, 3.0])) == pytest.approx(
        0.2 / 2 + (0.2**2 + 0.3**2) / (2 * 0.5) + 0.3 / 2
    )


# A field


def test_the_reference_against_itself_has_not_moved() -> None:
    values = [*normal(3_000), None, None, math.nan]
    found = drifted(values, values)
    assert found.houses == 3_003
    assert (found.psi, found.js, found.ks, found.w1_sd) == (0, 0, 0, 0)
    assert (found.missing_change, found.out_of_range, found.unseen, found.state) == (0, 0, 0, drift.NONE)


@pytest.mark.parametrize(
    "values",
    [normal(3_000), [max(0.0, one) for one in normal(3_000)], np.exp(normal(3_000)).round(1).tolist()],
    ids=["smooth", "half of it 0", "rounded"],
)
def test_fine_bins_merge_into_the_coarse_ones_of_the_profile(values: list[float]) -> None:
    reference = reference_of([*values, None])
    found = drift.bins(reference, counted(reference, [*values, None]))
    assert found.window == found.reference == (*reference["counts"], 1, 0)
    assert len(found.labels) == len(found.window)


def test_a_profile_whose_coarse_edges_are_not_fine_ones_is_refused() -> None:
    reference = reference_of(normal(300)) | {"edges": [0.123]}
    with pytest.raises(UnfitReference, match=r"edge 0\.123 .* save the artifact anew"):
        field_drift(reference, {"1": 600}, FIELDS)


@pytest.mark.parametrize(("values", "label"), [(normal(300), "100"), (["a", "b"], "c"), (["a"], "below")])
def test_a_bin_that_the_reference_does_not_have_is_refused(values: list[Any], label: str) -> None:
    with pytest.raises(UnknownBin, match=f"'{label}' is none of"):
        field_drift(reference_of(values), {label: 600}, FIELDS)


def test_one_outlier_hides_nothing() -> None:
    reference, window = normal(SAMPLE), [*normal(2_000, mean=1.0, seed=1), 10_000.0]
    found = drifted(reference, window)
    assert found.state == drift.RED
    assert found.out_of_range is not None
    assert found.out_of_range >= 1 / 2_001
    assert pooled_psi(reference, window[:-1]) > 0.25
    assert pooled_psi(reference, window) < 0.01, "with one outlier all houses are in one bin of equal width"


def test_two_fifths_that_turn_null_are_red() -> None:
    reference = normal(SAMPLE)
    window = [None if place % 5 < 2 else value for place, value in enumerate(normal(2_000, seed=1))]
    found = drifted(reference, window)
    assert (found.state, found.missing) == (drift.RED, 0.4)
    assert found.psi is not None
    assert found.psi > 1
    assert pooled_psi(reference, window) < 0.1, "dropped first, they leave no trace"


def test_ten_points_more_missing_are_red_and_as_many_fewer_are_not() -> None:
    reference, none = [*["a"] * 800, *[None] * 200], [None]
    assert drifted(reference, ["a"] * 690 + none * 310).state == drift.RED
    assert drifted(reference, ["a"] * 710 + none * 290).state == drift.NONE
    fewer = drifted(reference, ["a"] * 890 + none * 110)
    assert (fewer.state, fewer.missing_change) == (drift.NONE, pytest.approx(-0.09))


def test_categories_never_seen_are_counted_and_red_beyond_a_twentieth() -> None:
    reference = ["a"] * 500 + ["b"] * 500
    few, many = (["a"] * 500 + ["b"] * (500 - new) + ["c"] * new for new in (40, 60))
    assert drifted(reference, few).unseen == 0.04
    assert drifted(reference, many).unseen == 0.06
    assert drifted(reference, many).state == drift.RED
    assert drifted(reference, few).ks is None


def test_a_category_named_missing_is_not_missing() -> None:
    assert drifted(["missing"] * 900 + ["b"] * 100, ["missing"] * 600).missing == 0


def test_a_shift_that_is_certain_and_small_is_no_alarm() -> None:
    """0.02 standard deviations in 100,000 houses: the test of Kolmogorov and Smirnov calls it significant."""
    reference = reference_of(normal(50_000))
    window = np.random.default_rng(3).normal(0.02, 1, 100_000)
    places = np.searchsorted(reference["fine_edges"], window, side="right")
    found = field_drift(reference, dict(Counter(map(str, places.tolist()))), FIELDS)
    assert found.state == drift.NONE
    assert found.ks is not None
    assert found.ks > stats.ksone.ppf(0.99, 33_333)


def test_a_window_of_few_houses_says_nothing() -> None:
    assert drifted(normal(300), normal(499, mean=3)).state is None
    assert drifted(normal(300), normal(500, mean=3)).state == drift.RED
    empty = drifted(normal(300), [])
    assert (empty.houses, empty.psi, empty.state) == (0, None, None)


def test_a_field_of_which_all_is_missing_is_red_and_has_moved_nowhere() -> None:
    found = drifted(normal(300), [None] * 600)
    assert (found.state, found.missing, found.ks, found.w1_sd) == (drift.RED, 1, None, None)


# Windows and fields together


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([2, 0, 2], 2),
        ([2, 2, 0], 2),
        ([0, 0, 2], 0),
        ([2, 1, 0], 1),
        ([2, 2, 0, 0, 0], 0),
        ([2], 0),
        ([2, None, 2], 2),
        ([2, None, None], 0),
        ([None], None),
        ([], None),
    ],
)
def test_an_alarm_has_to_hold_in_two_of_the_last_three_windows(
    states: list[int | None], expected: int | None
) -> None:
    assert persistent(states) == expected


def fields(red: int, yellow: int = 0, quiet: int = 0) -> dict[str, int | None]:
    states = [2] * red + [1] * yellow + [0] * quiet
    return {f"field {place}": state for place, state in enumerate(states)}


@pytest.mark.parametrize(
    ("states", "important", "predictions", "expected"),
    [
        (fields(red=2, quiet=8), [], [], 2),
        (fields(red=1, quiet=8), [], [], 1),
        (fields(red=0, yellow=9), [], [0, 0], 1),
        (fields(red=0, quiet=9), ["field 1"], [0, 0], 0),
        (fields(red=1, quiet=8), ["field 4", "field 0"], [0], 2),
        (fields(red=1, quiet=8), ["a", "b", "c", "d", "e", "field 0"], [0], 1),
        (fields(red=0, quiet=9), [], [0, 2], 2),
        (fields(red=0, quiet=9), [], [1, None], 1),
        ({"field 0": None}, ["field 0"], [None], None),
        ({}, [], [], None),
    ],
)
def test_the_state_of_all_is_red_for_many_fields_an_important_one_or_a_prediction(
    states: dict[str, int | None], important: list[str], predictions: list[int | None], expected: int | None
) -> None:
    assert dataset_state(states, important, predictions) == expected


@pytest.fixture(scope="module")
def chances() -> list[NDArray[np.float64]]:
    return windows.chances()


@pytest.mark.parametrize("size", [500, 1_000, 5_000])
def test_of_79_fields_that_do_not_drift_any_alarms_in_less_than_two_hundredths_of_windows(
    size: int, chances: list[NDArray[np.float64]]
) -> None:
    assert windows.false_alarms(size, chances, floors=True) < 0.02
    if size == 500:
        assert windows.false_alarms(size, chances, floors=False) > 0.05, "a fixed threshold alone"


def test_the_examples_of_the_docstrings_are_true() -> None:
    for module, least in ((drift, 3), (distances, 5)):
        result = doctest.testmod(module)
        assert result.attempted >= least
        assert result.failed == 0
