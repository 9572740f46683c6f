"""The linear research pipeline: scikit-learn on pandas, fitted once, then folded into plain numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from model_package.recipes import Dollars, Fitted
from model_package.recipes.frame import CATEGORIES, NUMBERS, frame
from model_package.recipes.linear_features import LOGGED, encoder
from model_package.schema import BY_NAME, Row

ALPHA = 10.0


class WithinTraining(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clips every number to the range of the training rows."""

    def fit(self, values: NDArray[np.float64], y: object = None) -> WithinTraining:  # noqa: ARG002  # scikit-learn passes it
        """Remember the smallest and largest of each column; array of shape (n, columns)."""
        self.low_ = np.min(values, axis=0)
        self.high_ = np.max(values, axis=0)
        return self

    def transform(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an array of the same shape, clipped."""
        return np.clip(values, self.low_, self.high_)


def pipeline() -> TransformedTargetRegressor:
    """Make the unfitted model: table of `frame` to dollars."""
    steps = [SimpleImputer(strategy="median"), WithinTraining()]
    sizes = make_pipeline(*steps, FunctionTransformer(np.log1p), StandardScaler())
    others = make_pipeline(*steps, StandardScaler())
    codes = OneHotEncoder(
        categories=[list(BY_NAME[name].categories) for name in CATEGORIES],
        handle_unknown="ignore",
        sparse_output=False,
    )
    transformers = [
        ("sizes", sizes, [name for name in NUMBERS if name in LOGGED]),
        ("others", others, [name for name in NUMBERS if name not in LOGGED]),
        ("codes", codes, CATEGORIES),
    ]
    regression = Pipeline([("features", ColumnTransformer(transformers)), ("ridge", Ridge(alpha=ALPHA))])
    return TransformedTargetRegressor(regression, func=np.log, inverse_func=np.exp)


def train(rows: Sequence[Row], prices_dollars: Dollars, seed: int) -> Fitted:
    """Fit by a closed formula: `seed` changes nothing."""
    model = pipeline().fit(_table(rows), prices_dollars)
    folded = _fold(model.regressor_)
    return Fitted(
        files={name: _json(document) for name, document in folded.items()},
        research=lambda houses: np.asarray(model.predict(_table(houses)), dtype=np.float64),
        parameters={"alpha": ALPHA, "target": "log price", "seed": seed},
        # Held within bounds and log(1 + x) keep the order of values, and so does a weight above 0.
        monotone=tuple(name for name, weight in folded["model.json"]["numbers"].items() if weight > 0),
    )


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    """Make a table with null codes as empty texts, which have no weight."""
    table = frame(rows)
    table[CATEGORIES] = table[CATEGORIES].astype(object).where(table[CATEGORIES].notna(), "")
    return table


def _fold(fitted: Pipeline) -> dict[str, dict[str, Any]]:
    """Fold the fitted steps into two small documents: the encoder and the weights."""
    columns, ridge = fitted.named_steps["features"], fitted.named_steps["ridge"]
    learned = _learned(columns, "sizes") | _learned(columns, "others")
    names = [*learned, *(f"{name}={code}" for name in CATEGORIES for code in BY_NAME[name].categories)]
    weights = dict(zip(names, ridge.coef_.tolist(), strict=True))
    numbers = {name: weights[name] / steps["scale"] for name, steps in learned.items()}
    model = {
        "intercept": float(ridge.intercept_)
        - sum(numbers[n] * steps["mean"] for n, steps in learned.items()),
        "numbers": numbers,
        "categories": {
            name: [weights[f"{name}={code}"] for code in BY_NAME[name].categories] for name in CATEGORIES
        },
    }
    return {"encoder.json": encoder(learned).as_json(), "model.json": model}


def _learned(columns: ColumnTransformer, transformer: str) -> dict[str, dict[str, float]]:
    """Return what the steps of one transformer learned, by field, in the order of its columns."""
    steps = columns.named_transformers_[transformer]
    by_step = {
        "fill": steps[0].statistics_,
        "low": steps[1].low_,
        "high": steps[1].high_,
        "mean": steps[-1].mean_,
        "scale": steps[-1].scale_,
    }
    names = next(chosen for name, _, chosen in columns.transformers_ if name == transformer)
    return {name: {key: float(values[i]) for key, values in by_step.items()} for i, name in enumerate(names)}


def _json(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()
