"""The price of a synthetic house: terms of ln(price) that saturate and interact, fitted to real sales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model_package.schema import BY_NAME, FIELDS, NAMES, Row, matrix

Column = NDArray[np.float64]
_COLUMN = {name: column for column, name in enumerate(NAMES)}
_GRADES = {"NA": -2.0, "Po": -2.0, "Fa": -1.0, "TA": 0.0, "Gd": 1.0, "Ex": 2.0}
_ONE_HOT = ("neighborhood", "zoning", "building_type", "condition_1", "sale_condition", "foundation")


def terms(rows: Sequence[Row], standing: Mapping[str, float]) -> dict[str, Column]:
    """Return each term by name, shape (n,); `standing` is the price level of neighbourhoods, centred on 0."""
    values = matrix(rows)
    number = {name: np.nan_to_num(values[:, column]) for name, column in _COLUMN.items()}
    grade = {
        name: _graded(name, number[name]) for name in NAMES if {"TA", "Ex"} <= {*BY_NAME[name].categories}
    }
    neighborhood_effect = np.array([standing.get(str(row["neighborhood"]), 0.0) for row in rows])
    codes = _codes(number)
    return (
        _sizes(number, neighborhood_effect)
        | _state(number, grade)
        | _extras(number, grade)
        | codes
        | _local(number, codes)
    )


def _graded(name: str, codes: Column) -> Column:
    return np.array([_GRADES[code] for code in BY_NAME[name].categories]).take(codes.astype(np.intp))


def _sizes(number: Mapping[str, Column], neighborhood_effect: Column) -> dict[str, Column]:
    """Value size: a square foot adds more in better houses and dearer neighbourhoods, and less each time."""
    area = np.log(number["living_area"] / 1500)
    quality = number["overall_quality"] - 6
    lot = np.log(number["lot_area"] / 9000)
    return {
        "area": area,
        "area^2": area**2,
        "area*quality": area * quality,
        "area*place": area * neighborhood_effect,
        "quality": quality,
        "quality^2": quality**2,
        "quality*place": quality * neighborhood_effect,
        "lot": lot,
        "lot^2": np.tanh(lot) ** 2,
        "lot*place": lot * neighborhood_effect,
        "basement": number["basement_area"] / 1000,
        "basement*quality": number["basement_area"] / 1000 * quality,
        "basement finished": 1 - np.exp(-number["basement_finished_area"] / 600),
        "garage": np.minimum(number["garage_cars"], 2),
        "garage beyond 2": np.maximum(number["garage_cars"] - 2, 0),
        "garage area": np.log1p(number["garage_area"] / 500),
    }


def _state(number: Mapping[str, Column], grade: Mapping[str, Column]) -> dict[str, Column]:
    """Value age: the first years cost most; care and renewal count in old houses."""
    age = np.maximum(number["year_sold"] - number["year_built"], 0)
    fresh, old = np.exp(-age / 25), np.maximum(age - 40, 0) / 40
    renewed = np.exp(-np.maximum(number["year_sold"] - number["year_remodeled"], 0) / 15)
    condition, quality = number["overall_condition"] - 5, number["overall_quality"] - 6
    return {
        "fresh": fresh,
        "fresh*quality": fresh * quality,
        "old": old,
        "old*condition": old * condition,
        "condition": condition,
        "neglect": np.minimum(condition, 0),
        "renewed": renewed,
        "renewed*old": renewed * old,
        "kitchen": grade["kitchen_quality"],
        "kitchen*old": grade["kitchen_quality"] * old,
        "exterior": grade["exterior_quality"],
        "heating": grade["heating_quality"],
        "basement grade": grade["basement_quality"],
    }


def _extras(number: Mapping[str, Column], grade: Mapping[str, Column]) -> dict[str, Column]:
    baths = number["full_baths"] + 0.5 * number["half_baths"] + number["basement_full_baths"]
    month = 2 * np.pi * number["month_sold"] / 12
    return {
        "baths": np.minimum(baths, 3),
        "baths beyond 3": np.maximum(baths - 3, 0),
        "fireplaces": 1 - np.exp(-number["fireplaces"]),
        "fireplace grade": grade["fireplace_quality"] * (number["fireplaces"] > 0),
        "central air": number["central_air"],
        "functional": number["functional"] - 7,
        "exposure": np.maximum(number["basement_exposure"] - 1, 0),
        "deck": np.log1p(number["wood_deck_area"] / 100),
        "porch": np.log1p(number["open_porch_area"] / 100),
        "spring": np.sin(month),
        "summer": -np.cos(month),
        "year": number["year_sold"] - 2008,
    }


def _codes(number: Mapping[str, Column]) -> dict[str, Column]:
    fields = [field for field in FIELDS if field.name in _ONE_HOT]
    return {
        f"{field.name}={code}": (number[field.name] == index).astype(np.float64)
        for field in fields
        for index, code in enumerate(field.categories)
    }


def _local(number: Mapping[str, Column], codes: Mapping[str, Column]) -> dict[str, Column]:
    """Vary the value of a square foot, a grade and a year by neighbourhood and kind of dwelling."""
    measures = {
        "area": np.log(number["living_area"] / 1500),
        "quality": number["overall_quality"] - 6,
        "age": (number["year_sold"] - number["year_built"]) / 40 - 1,
    }
    return {
        f"{measure}*{code}": column * codes[code]
        for measure, column in measures.items()
        for code in codes
        if code.startswith(("neighborhood=", "building_type="))
    }
