"""Terms: what counts as a difference, as one TOML file says it; read once, checked strictly."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from differential_tests import json_path

SHIPPED = Path(__file__).parent / "umbra.toml"


class InvalidTerms(ValueError):
    """Terms with a key or a value that cannot be right."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"terms: {key} = {value!r}: expected {expected}")
        self.key, self.value, self.expected = key, value, expected


def _number(right: Callable[[float], bool], expected: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not right(value):
            raise PydanticCustomError("expected", "{words}", {"words": expected})
        return value

    return BeforeValidator(check)


def _path(text: str) -> str:
    try:
        json_path.pattern(text)
    except json_path.InvalidPath as fault:
        raise PydanticCustomError("expected", "{words}", {"words": fault.expected}) from fault
    return text


def _below_root(text: str) -> str:
    if text == json_path.ROOT:
        raise PydanticCustomError("expected", "a path below $: with all of it ignored nothing is compared")
    return text


Size = Annotated[float, _number(lambda value: isfinite(value) and value >= 0, "a number from 0")]
Share = Annotated[float, _number(lambda value: 0 <= value <= 1, "a share from 0 to 1")]
JSONPath = Annotated[str, AfterValidator(_path)]
Ignored = Annotated[JSONPath, AfterValidator(_below_root)]


class _Keys(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Allowed(_Keys):
    """How far numbers may be apart: dollars + percent / 100 of the larger one."""

    dollars: Size = 0.0
    percent: Size = 0.0


class Tolerance(Allowed):
    """The same for every number, but for those at `paths`: of these the first that matches counts."""

    paths: dict[JSONPath, Allowed] = Field(default_factory=dict)

    def at(self, path: str) -> Allowed:
        """What is allowed at one place."""
        steps = json_path.steps(path)
        found = json_path.first(map(json_path.pattern, self.paths), steps)
        return self.paths[found.text] if found else self


class Noise(_Keys):
    """By how much differences must exceed those of a side with itself, to be findings.

    Shares: `relative` of the rate of the noise, `absolute` of the rows; `quantile` of the noise's numbers.
    """

    relative: Share = 0.2
    absolute: Share = 0.0003
    quantile: Share = 0.999


class Terms(_Keys):
    """What is compared and how: `segment` is the field of a row by whose values differences are grouped."""

    tolerance: Tolerance = Tolerance()
    noise: Noise = Noise()
    ignore: tuple[Ignored, ...] = ()
    segment: str = ""
    service: dict[str, Any] = Field(default_factory=dict)

    def within(self, *, dollars: float = 0.0, percent: float = 0.0) -> Terms:
        """The same terms with this tolerance everywhere."""
        return self.model_copy(update={"tolerance": Tolerance(dollars=dollars, percent=percent)})


def read(path: Path | None = None) -> Terms:
    """The terms of a file, without one those shipped for Umbra; raises InvalidTerms or OSError."""
    path = SHIPPED if path is None else path
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as fault:
        raise InvalidTerms("(the file)", str(path), "TOML, in UTF-8") from fault


def parse(text: str) -> Terms:
    """Terms from the text of a file; raises InvalidTerms."""
    try:
        return Terms.model_validate_json(json.dumps(tomllib.loads(text), default=repr))
    except tomllib.TOMLDecodeError as fault:
        raise InvalidTerms("(the file)", str(fault), "TOML") from fault
    except ValidationError as fault:
        raise _invalid(fault) from None


def _invalid(fault: ValidationError) -> InvalidTerms:
    """The first thing that is wrong."""
    error = fault.errors(include_url=False)[0]
    key = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "missing":
            return InvalidTerms(key, None, "a value")
        case "extra_forbidden":
            return InvalidTerms(key, error["input"], f"no such key; {SHIPPED.name} has those there are")
    return InvalidTerms(key, error["input"], error["msg"].removeprefix("Input should be "))
