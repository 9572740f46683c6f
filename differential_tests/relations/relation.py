"""The nouns: a relation, a refusal that has to follow, and how much of a violation is agreed upon."""

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
        """How far a log ratio lies outside, 0 within; infinite for what is no number.

        >>> Relation("same", "the same", dict).violation(0.25)
        0.25
        """
        if gap != gap:  # noqa: PLR0124  # NaN
            return inf
        beyond = max(self.lowest - gap, gap - self.highest)
        return beyond if beyond > ROUNDING else 0.0


@dataclass(frozen=True, slots=True)
class RefusalRelation:
    """A house spoiled in this way is refused, with a code: never answered, never a fault of the service."""

    name: str
    statement: str
    changed: Callable[[Row], Row]


@dataclass(frozen=True, slots=True)
class Budget:
    """What is agreed upon where a model promises nothing: the share of houses, and how far at most (log).

    What is off by `unnoticed` or less is not counted.
    """

    share: float = 0.0
    worst: float = 0.0
    unnoticed: float = 0.0


def budgets(path: Path = BUDGETS) -> Mapping[str, Budget]:
    """Budgets by the name of their relation; raises InvalidBudget or OSError."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _budget(name, told) for name, told in found.items()}


def _budget(name: str, told: object) -> Budget:
    keys = Budget.__slots__
    if not isinstance(told, dict) or set(told) != set(keys):
        raise InvalidBudget(f"[{name}] {told!r}: expected the keys {', '.join(keys)}")
    budget = Budget(*(float(told[key]) for key in keys))
    if not (0 < budget.share <= 1 and 0 <= budget.unnoticed <= budget.worst < inf):
        raise InvalidBudget(f"[{name}] {told!r}: expected a share above 0, and log ratios from 0")
    return budget
