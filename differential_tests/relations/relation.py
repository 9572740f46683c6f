"""Relation, refusal and budget."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

from model_package.schema import Row

BUDGETS = Path(__file__).parent / "budgets.toml"
ROUNDING = 1e-12
"""In log units: what the same calculation may differ by (measured: 0 for trees, 1.8e-15 for the ridge)."""


class InvalidBudget(ValueError):
    """A budget that is no share, or of no relation."""


@dataclass(frozen=True, slots=True)
class Relation:
    """ln f(changed(x)) - ln f(x) lies from `lowest` to `highest`, whatever the house x.

    `changed` gives a row, or with a `content_type` a body as it is sent; None: it says nothing of this house.
    `start` makes x from a house where the relation is about special ones. `field`: the model may declare that
    this holds always.
    """

    name: str
    statement: str
    changed: Callable[[Row], Row | str | None]
    lowest: float = 0.0
    highest: float = 0.0
    start: Callable[[Row], Row] = dict
    field: str = ""
    content_type: str = ""

    def violation(self, gap: float) -> float:
        """Return how far a log ratio lies outside the limits; infinity for NaN.

        >>> Relation("same", "the same", dict).violation(0.25)
        0.25
        """
        if gap != gap:  # noqa: PLR0124  # NaN
            return inf
        beyond = max(self.lowest - gap, gap - self.highest)
        return beyond if beyond > ROUNDING else 0.0


@dataclass(frozen=True, slots=True)
class RefusalRelation:
    """A house spoiled in this way has to be refused with a code; an answer or a server error is a finding."""

    name: str
    statement: str
    changed: Callable[[Row], Row]


@dataclass(frozen=True, slots=True)
class Budget:
    """The agreed limits of a relation without promise: the share of houses, and the largest violation (log).

    What is off by `unnoticed` or less is not counted.
    """

    share: float = 0.0
    worst: float = 0.0
    unnoticed: float = 0.0


def budgets(path: Path = BUDGETS) -> Mapping[str, Budget]:
    """Read the budget of each relation by name; raise InvalidBudget or OSError."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _budget(name, table) for name, table in tables.items()}


def _budget(name: str, table: object) -> Budget:
    keys = Budget.__slots__
    if not isinstance(table, dict) or set(table) != set(keys):
        raise InvalidBudget(f"[{name}] {table!r}: expected the keys {', '.join(keys)}")
    budget = Budget(*(float(table[key]) for key in keys))
    if not (0 < budget.share <= 1 and 0 <= budget.unnoticed <= budget.worst < inf):
        raise InvalidBudget(f"[{name}] {table!r}: expected a share above 0, and log ratios from 0")
    return budget
