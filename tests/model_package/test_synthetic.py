from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from model_package import calibration, schema, sources
from model_package.dataset import Dataset, read_csv
from model_package.synthetic import DEFAULT_HOUSES, VARIABLES, synthetic
from model_package.synthetic import calibration as figures


@pytest.fixture(scope="module")
def houses() -> Dataset:
    return synthetic(4000, seed=11)


def test_the_same_seed_gives_the_same_houses() -> None:
    assert synthetic(200, 1).digest == synthetic(200, 1).digest
    assert synthetic(200, 1).digest != synthetic(200, 2).digest


def test_synthetic_houses_are_the_default_and_say_what_they_are() -> None:
    data = sources.sales(None, 4)
    assert len(data.rows) == DEFAULT_HOUSES
    assert "synthetic houses (seed 4)" in data.source


def test_every_synthetic_house_is_accepted_as_a_request(houses: Dataset) -> None:
    parsed = schema.parse_json(json.dumps(houses.rows).encode(), len(houses.rows))
    assert tuple(parsed.rows) == houses.rows


def test_years_come_in_their_order(houses: Dataset) -> None:
    for row in houses.rows:
        built, remodeled, sold = row["year_built"], row["year_remodeled"], row["year_sold"]
        assert isinstance(built, int)
        assert isinstance(remodeled, int)
        assert isinstance(sold, int)
        assert built <= remodeled <= sold
        garage = row["garage_year_built"]
        assert garage is None or (isinstance(garage, int) and built <= garage <= sold)
        if row["sale_type"] == "New":
            assert sold - built <= 1


def test_what_a_house_has_not_has_no_size(houses: Dataset) -> None:
    seen: Counter[str] = Counter()
    for row in houses.rows:
        no_garage = row["garage_type"] == "NA"
        assert no_garage == (row["garage_cars"] == 0) == (row["garage_area"] == 0)
        assert no_garage == (row["garage_finish"] == "NA") == (row["garage_year_built"] is None)
        no_basement = row["basement_quality"] == "NA"
        assert no_basement == (row["basement_area"] == 0) == (row["basement_exposure"] == "NA")
        assert (row["fireplaces"] == 0) == (row["fireplace_quality"] == "NA")
        seen.update({"garage": no_garage, "basement": no_basement})
    assert seen["garage"] > 50
    assert seen["basement"] > 20


def test_rooms_and_areas_fit_together(houses: Dataset) -> None:
    for row in houses.rows:
        number = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
        assert number["rooms"] > number["bedrooms"]
        assert number["full_baths"] + number["basement_full_baths"] >= 1
        assert number["basement_finished_area"] <= number["basement_area"]


def test_prices_are_those_of_houses(houses: Dataset) -> None:
    assert np.isfinite(houses.prices).all()
    assert houses.prices.min() > 5_000
    assert houses.prices.max() < 1_500_000
    assert 140_000 < np.median(houses.prices) < 190_000


def test_the_calibration_holds_no_value_of_few_sales() -> None:
    sales = int(figures()["about"].split()[2])
    for marginal in figures()["marginals"].values():
        if "shares" in marginal:
            assert min(marginal["shares"]) >= 0.99 * calibration.RARE / sales
        else:
            assert len(marginal["quantiles"]) == len(calibration.LEVELS)
    assert np.array(figures()["correlations"]).shape == (len(VARIABLES), len(VARIABLES))


def test_the_calibration_is_what_the_committed_code_makes_of_the_real_sales(ames_csv: Path) -> None:
    again = json.loads(json.dumps(calibration.calibrate(read_csv(ames_csv))))
    committed = figures()
    assert again["marginals"] == committed["marginals"]
    assert np.allclose(again["correlations"], committed["correlations"], atol=0.02)
    assert again["price"]["weights"] == pytest.approx(committed["price"]["weights"], abs=2e-3)
    assert again["price"]["error"] == pytest.approx(committed["price"]["error"], rel=0.02)


def test_synthetic_houses_are_distributed_like_the_real_ones(ames_csv: Path, houses: Dataset) -> None:
    real = read_csv(ames_csv)
    for name in ("living_area", "lot_area", "year_built", "basement_area", "garage_area", "overall_quality"):
        ours, theirs = (
            np.array([row[name] or 0 for row in data.rows], dtype=float) for data in (houses, real)
        )
        quartiles = np.quantile(theirs, [0.25, 0.5, 0.75])
        assert np.quantile(ours, [0.25, 0.5, 0.75]) == pytest.approx(quartiles, rel=0.05)
    assert np.std(np.log(houses.prices)) == pytest.approx(np.std(np.log(real.prices)), rel=0.07)
    orders = {name: calibration._order(c, real.prices) for name, c in calibration._columns(real).items()}
    ours, theirs = (
        calibration.rank_correlations(calibration._columns(data), orders) for data in (houses, real)
    )
    assert np.abs(ours - theirs).mean() < 0.03


def test_no_synthetic_house_is_a_real_one(ames_csv: Path, houses: Dataset) -> None:
    telling = ("living_area", "lot_area", "year_built", "basement_area", "neighborhood")
    real = {tuple(row[name] for name in telling) for row in read_csv(ames_csv).rows}
    assert not real & {tuple(row[name] for name in telling) for row in houses.rows}
