"""Prices of two runs, joined on the houses that both answered with a number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from differential_tests import run_file
from differential_tests.comparison import Run
from differential_tests.comparison.table import AnswerTable, Type, table
from differential_tests.findings import Check
from differential_tests.settings.tolerances import Tolerances

PRICE = "$.price_dollars"


@dataclass(frozen=True, slots=True)
class JoinedPrices:
    """Prices of both sides for the same houses: arrays of shape (n,), US dollars."""

    ids: list[str]
    a: NDArray[np.float64]
    b: NDArray[np.float64]

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Return |ln(b / a)|, shape (n,); NaN where a price is no positive number."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.abs(np.log(self.b / self.a))


def join_prices(a: Run, b: Run, tolerances: Tolerances, path: str = PRICE) -> JoinedPrices:
    """Join the rows with a number at `path` on both sides, in the order of side a."""
    first, second = _prices(a, tolerances, path), _prices(b, tolerances, path)
    ids = [row for row in first if row in second]
    return JoinedPrices(ids, np.array([first[row] for row in ids]), np.array([second[row] for row in ids]))


def _prices(run: Run, tolerances: Tolerances, path: str) -> dict[str, float]:
    read = run if isinstance(run, AnswerTable) else _table(run, tolerances)
    column = read.columns.get(path)
    if column is None:
        return {}
    entries = zip(column.rows.tolist(), column.types.tolist(), column.numbers.tolist(), strict=True)
    return {read.ids[row]: number for row, kind, number in entries if kind == Type.NUMBER}


def _table(run: Path, tolerances: Tolerances) -> AnswerTable:
    return table(run_file.read(run), tolerances.ignore, run_file.header(run))


def add_price_gaps(check: Check, a: Run, b: Run, tolerances: Tolerances) -> Check:
    """Add the largest and the quantile |ln ratio| to the facts of a check."""
    gaps = join_prices(a, b, tolerances).gaps if not check.error else np.empty(0)
    if not len(gaps):
        return check
    floor = float(np.quantile(gaps, tolerances.noise.quantile, method="higher"))
    facts = {
        "largest |ln ratio|": f"{gaps.max():.3g}",
        f"|ln ratio| at {tolerances.noise.quantile:g}": f"{floor:.3g}",
    }
    return replace(check, facts=check.facts | facts)
