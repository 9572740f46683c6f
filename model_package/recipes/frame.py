"""Houses as a pandas table, for the research pipelines only."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from model_package.schema import FIELDS, NAMES, Row

NUMBERS = [field.name for field in FIELDS if field.kind != "category"]
CATEGORIES = [field.name for field in FIELDS if field.kind == "category"]
_TYPES: dict[str, str | pd.CategoricalDtype] = dict.fromkeys(NUMBERS, "float64") | {
    field.name: pd.CategoricalDtype(list(field.categories)) for field in FIELDS if field.kind == "category"
}


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Make a table with the schema's columns in its order: float64, and categories of the declared codes."""
    table = pd.DataFrame.from_records(list(rows), columns=list(NAMES))
    return table.astype(_TYPES)
