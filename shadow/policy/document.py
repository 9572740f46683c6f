"""The policy that a candidate is judged by: a TOML file, frozen and hashed when its stream begins.

Every key is required, and no other is allowed: everything fixed before the evidence is then in one file.
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
    PolicyTable,
    Segments,
    Switch,
    WorstDay,
    checked,
    number,
    whole_number,
)
from shadow.records import Purpose

_SHIPPED = Path(__file__).parents[1] / "policies"
SHIPPED = ("default", "demo")


class Policy(PolicyTable):
    """Everything that a verdict depends on besides the evidence."""

    name: Name
    day_seconds: Annotated[int, whole_number("seconds", 1, 604_800)]
    loss: Annotated[Literal["abs_log"], checked(lambda value: value == "abs_log", '"abs_log"')]
    cap: Annotated[float, number("log units", 0.05, 2)]
    alpha: Annotated[float, number("share of worse candidates", 1e-6, 0.25)]
    alpha_budget: Switch
    k_star: Annotated[int, whole_number("days", 2, 100_000)]
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
            values = tomllib.loads(text)
            policy = cls.model_validate_json(json.dumps(values, default=repr))
        except tomllib.TOMLDecodeError as fault:
            raise InvalidPolicy("(the file)", str(fault), "TOML") from fault
        except ValidationError as fault:
            raise _invalid(fault) from None
        check(policy.model_dump(exclude_none=True))
        policy._text, policy._dimensions = text, declared(policy.segments)
        return policy

    @property
    def text(self) -> str:
        """The text of the file."""
        return self._text

    @property
    def sha256(self) -> str:
        """The hash of the file's values; comments, spaces and the order of keys do not change it."""
        values = self.model_dump(mode="json", exclude_none=True)
        return sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions that divide rows into segments, in the order of the file."""
        return self._dimensions

    @property
    def segment_names(self) -> tuple[str, ...]:
        """Every segment of every dimension."""
        return tuple(name for dimension in self.dimensions for name in dimension.segments)

    def alpha_of(self, number: int) -> float:
        """Return the alpha of the `number`-th candidate (from 1) against one live artifact."""
        return self.alpha / (number * (number + 1)) if self.alpha_budget else self.alpha

    def margin_of(self, live_mean_loss: float) -> float:
        """Return the margin delta in log units, given the live model's mean hold-out loss; below the cap."""
        relative, absolute = self.margin.relative, self.margin.absolute
        margin = absolute if absolute is not None else (relative or 0.0) * live_mean_loss
        return min(margin, self.cap / 2)


def default_text() -> str:
    """Return the text of the default policy's file."""
    return (_SHIPPED / "default.toml").read_text(encoding="utf-8")


def demo_text() -> str:
    """Return the text of the demo policy's file, in which days last seconds."""
    return (_SHIPPED / "demo.toml").read_text(encoding="utf-8")


def for_purpose(purpose: Purpose) -> Policy:
    """Return the default policy of a data directory and store with this purpose."""
    return load("demo" if purpose is Purpose.DEMO else "default")


def load(name_or_file: str) -> Policy:
    """Read the policy called `default` or `demo`, or a file; raises InvalidPolicy or OSError."""
    shipped = _SHIPPED / f"{name_or_file}.toml"
    path = shipped if name_or_file in SHIPPED else Path(name_or_file)
    try:
        return Policy.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as fault:
        raise InvalidPolicy("(the file)", str(path), "TOML, in UTF-8") from fault


def _invalid(fault: ValidationError) -> InvalidPolicy:
    """Return the first error."""
    error = fault.errors(include_url=False)[0]
    key = ".".join(str(name) for name in error["loc"])
    match error["type"]:
        case "missing":
            return InvalidPolicy(key, None, "a value; `umbra policy show` prints every key")
        case "extra_forbidden":
            return InvalidPolicy(key, error["input"], "no such key; `umbra policy show` prints every key")
    return InvalidPolicy(key, error["input"], error["msg"].removeprefix("Input should be "))
