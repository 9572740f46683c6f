from __future__ import annotations

import math

import numpy as np
import pytest

from model_package import quality
from model_package.quality import BelowStandard
from model_package.schema import EXAMPLE, Row


def test_errors_by_hand() -> None:
    errors = quality.errors(np.array([110.0, 80.0]), np.array([100.0, 100.0]))
    assert errors.n == 2
    assert errors.rmse_log == pytest.approx(math.sqrt((math.log(1.1) ** 2 + math.log(0.8) ** 2) / 2))
    assert errors.mae_log == pytest.approx((math.log(1.1) - math.log(0.8)) / 2)
    assert errors.bias_log == pytest.approx((math.log(1.1) + math.log(0.8)) / 2)
    assert errors.mae_dollars == pytest.approx(15)
    assert errors.mape_percent == pytest.approx(15)
    assert errors.median_ape_percent == pytest.approx(15)
    assert quality.errors(np.array([109.0, 80.0]), np.array([100.0, 100.0])).within_10_percent == 50


def test_perfect_answers_have_no_error() -> None:
    prices = np.array([1e5, 2e5])
    errors = quality.errors(prices, prices)
    assert (errors.rmse_log, errors.bias_log, errors.within_10_percent) == (0, 0, 100)


def house(neighborhood: str, age: int = 0) -> Row:
    return EXAMPLE | {"neighborhood": neighborhood, "year_sold": 2010, "year_built": 2010 - age}


def test_the_baseline_is_the_neighbourhood_median_and_elsewhere_the_median_of_all() -> None:
    rows = [house("NAmes"), house("NAmes"), house("OldTown"), house("Gilbert")]
    known = quality.neighborhoods(rows, np.array([100.0, 200.0, 50.0, 400.0]))
    assert known.baseline([house("NAmes"), house("OldTown"), house("Veenker")]).tolist() == [150, 50, 150]
    assert known.thirds == {"OldTown": "cheaper third", "NAmes": "middle third", "Gilbert": "dearer third"}


def test_each_kind_of_segment_covers_every_sale_once() -> None:
    rows = [
        house(name, age)
        for name in ("NAmes", "OldTown", "Gilbert", "Veenker")
        for age in (-1, 0, 9, 10, 59, 60)
    ]
    prices = np.linspace(50_000, 400_000, len(rows))
    known = quality.neighborhoods(rows[:18], prices[:18])
    segments = quality.by_segment(rows, prices * 1.1, prices, known)
    assert set(segments) == {"neighborhood_group", "price_band", "age_band"}
    for parts in segments.values():
        assert sum(part["n"] for part in parts.values()) == len(rows)
    assert {name: part["n"] for name, part in segments["age_band"].items()} == {
        "under 10 years": 12,
        "10 to 29": 4,
        "30 to 59": 4,
        "60 and older": 4,
    }
    assert segments["neighborhood_group"]["unknown"]["n"] == 6


def test_price_bands_are_of_the_prediction_not_of_the_price() -> None:
    known = quality.neighborhoods([house("NAmes")], np.array([1e5]))
    bands = quality.by_segment([house("NAmes")], np.array([125_000.0]), np.array([300_000.0]), known)[
        "price_band"
    ]
    assert list(bands) == ["125k to 175k"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_an_answer_that_is_no_amount_is_refused_with_its_house(bad: float) -> None:
    with pytest.raises(BelowStandard, match=f"1 of 2 answers .*house 1: {bad}"):
        quality.require_usable(np.array([1e5, bad]), 2)


def test_answers_of_another_number_are_refused() -> None:
    with pytest.raises(BelowStandard, match=r"3 houses got answers of shape \(2,\)"):
        quality.require_usable(np.array([1e5, 1e5]), 3)


def test_a_model_must_beat_the_neighbourhood_median() -> None:
    prices = np.array([100.0, 200.0])
    good, bad = quality.errors(prices * 1.01, prices), quality.errors(prices * 1.5, prices)
    quality.require_better(good, bad)
    for model, baseline in ((bad, good), (good, good)):
        with pytest.raises(
            BelowStandard, match=f"{model.rmse_log:.4f} on 2 held-out sales.*{baseline.rmse_log:.4f}"
        ):
            quality.require_better(model, baseline)


def test_a_saved_model_must_answer_as_before() -> None:
    answers = np.array([1e5, 2e5])
    quality.require_equal(answers * (1 + 1e-12), answers)
    for other in (answers * (1 + 1e-8), np.array([1e5, math.nan])):
        with pytest.raises(BelowStandard, match="differs from its research pipeline"):
            quality.require_equal(other, answers)
