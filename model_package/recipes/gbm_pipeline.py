"""The gradient-boosting research pipeline: LightGBM's scikit-learn interface on pandas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

from model_package.recipes import Dollars, Fitted
from model_package.recipes.frame import frame
from model_package.schema import FIELDS, NAMES, Row

# Chosen on the real sales by years before the hold-out (train to 2006 and judge 2007, train to 2007 and
# judge 2008). Huber loss because a dozen sales between relatives and the like say little about houses.
PARAMETERS: dict[str, Any] = {
    "objective": "huber",
    "alpha": 0.3,
    "n_estimators": 400,
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_child_samples": 10,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.3,
    "reg_lambda": 1.0,
    "cat_smooth": 10.0,
    "cat_l2": 10.0,
}
# One thread and one histogram layout: the same data and seed give the same trees.
REPRODUCIBLE: dict[str, Any] = {"n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbose": -1}


def train(rows: Sequence[Row], prices_dollars: Dollars, seed: int) -> Fitted:
    """Fit on log price; the same rows, prices and seed give the same model on one machine."""
    model = lightgbm.LGBMRegressor(**PARAMETERS, **REPRODUCIBLE, random_state=seed)
    model.fit(frame(rows), np.log(prices_dollars))
    encoder = {
        "fields": list(NAMES),
        "categories": {field.name: list(field.categories) for field in FIELDS if field.kind == "category"},
    }
    return Fitted(
        files={
            "encoder.json": json.dumps(encoder, indent=1).encode(),
            "model.txt": model.booster_.model_to_string().encode(),
        },
        research=lambda houses: np.exp(np.asarray(model.predict(frame(houses)), dtype=np.float64)),
        parameters=PARAMETERS | {"target": "log price", "seed": seed},
        monotone=_monotone(PARAMETERS.get("monotone_constraints", [0] * len(NAMES))),
    )


def _monotone(constraints: Sequence[int]) -> tuple[str, ...]:
    return tuple(name for name, sign in zip(NAMES, constraints, strict=True) if sign > 0)
