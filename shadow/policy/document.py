"""The policy a candidate is judged by: a TOML file, frozen and hashed when its stream begins.

Every key has to be there, and no other: what was agreed on before the evidence came is then all in one file.
`shadow/policies/default.toml` explains each key.
"""

from __future__ import annotations

import json
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import PrivateAttr, ValidationError

from shadow.policy.checks import check, declared
from shadow.policy.dimensions import Dimension
from shadow.policy.faults import InvalidPolicy
from shadow.policy.tables import (
    Automation,
    Bets,
    Days,
    Drift,
    Guardrails,
    Margin,
    Maturity,
    Minimum,
    Name,
    Segments,
    Switch,
    Table,
    WorstDay,
    checked,
    number,
    whole,
)
from shadow.records import Purpose

_SHIPPED = Path(__file__).parents[1] / "policies"
SHIPPED = ("default", "demo")


class Policy(Table):
    """Everything a verdict depends on besides the evidence."""

    name: Name
    day_seconds: Annotated[int, whole("seconds", 1, 604_800)]
    loss: Annotated[Literal["abs_log"], checked(lambda value: value == "abs_log", '"abs_log"')]
    cap: Annotated[float, number("log units", 0.05, 2)]
    alpha: Annotated[float, number("share of worse candidates", 1e-6, 0.25)]
    alpha_budget: Switch
    k_star: Annotated[int, whole("days", 2, 100_000)]
    fresh_days: Days
    horizon_days: Days
    watch_days: Days
    entity: Annotated[Literal["first_sold"], checked(lambda value: value == "first_sold", '"first_sold"')]
    margin: Margin
    bets: Bets
    min: Minimum
    segments: Segments
    maturity: Maturity
    worst_day: WorstDay
    guardrails: Guardrails
    drift: Drift
    automation: Automation
    _dimensions: tuple[Dimension, ...] = PrivateAttr(default=())
    _text: str = PrivateAttr(default="")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read and check a policy; raises InvalidPolicy naming key, value and what was expected."""
        try:
            given = tomllib.loads(text)
            policy = cls.model_validate_json(json.dumps(given, default=repr))
        except tomllib.TOMLDecodeError as fault:
            raise InvalidPolicy("(the file)", str(fault), "TOML") from fault
        except ValidationError as fault:
            raise _invalid(fault) from None
        check(policy.model_dump(exclude_none=True))
        policy._text, policy._dimensions = text, declared(policy.segments)
        return policy

    @property
    def text(self) -> str:
        """The file as it was given."""
        return self._text

    @property
    def sha256(self) -> str:
        """The hash of what the file says; comments, spaces and the order of keys do not change it."""
        said = self.model_dump(mode="json", exclude_none=True)
        return sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """How houses are divided, in the order of the file."""
        return self._dimensions

    @property
    def segment_names(self) -> tuple[str, ...]:
        """Every segment of every dimension."""
        return tuple(name for dimension in self.dimensions for name in dimension.segments)

    def alpha_of(self, number: int) -> float:
        """The false promotions allowed the `number`-th candidate (from 1) against one live artifact."""
        return self.alpha / (number * (number + 1)) if self.alpha_budget else self.alpha

    def margin_of(self, live_mean_loss: float) -> float:
        """The margin delta in log units, given the live model's mean hold-out loss; below the cap."""
        relative, absolute = self.margin.relative, self.margin.absolute
        wanted = absolute if absolute is not None else (relative or 0.0) * live_mean_loss
        return min(wanted, self.cap / 2)


def default_text() -> str:
    """The default policy's file."""
    return (_SHIPPED / "default.toml").read_text(encoding="utf-8")


def demo_text() -> str:
    """The file of the policy with seconds for days."""
    return (_SHIPPED / "demo.toml").read_text(encoding="utf-8")


def for_purpose(purpose: Purpose) -> Policy:
    """The policy by which candidates are judged there unless they are added with another one."""
    return chosen("demo" if purpose is Purpose.DEMO else "default")


def chosen(name_or_file: str) -> Policy:
    """The policy called `default` or `demo`, or that of a file; raises InvalidPolicy or OSError."""
    shipped = _SHIPPED / f"{name_or_file}.toml"
    path = shipped if name_or_file in SHIPPED else Path(name_or_file)
    try:
        return Policy.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as fault:
        raise InvalidPolicy("(the file)", str(path), "TOML, in UTF-8") from fault


def _invalid(fault: ValidationError) -> InvalidPolicy:
    """The first thing that is wrong."""
    error = fault.errors(include_url=False)[0]
    place = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "missing":
            return InvalidPolicy(place, None, "a value; `umbra policy show` prints every key")
        case "extra_forbidden":
            return InvalidPolicy(
                place, error["input"], "no such key; `umbra policy show` prints those there are"
            )
    return InvalidPolicy(place, error["input"], error["msg"].removeprefix("Input should be "))
