"""Tolerances: what counts as a difference, from the strictly checked TOML file of the terms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from differential_tests.settings import json_path, toml_file
from differential_tests.settings.toml_file import InvalidDocument, Share, Size, TomlTable, unexpected

SHIPPED = Path(__file__).parent / "umbra.toml"


class InvalidTolerances(InvalidDocument):
    """Terms with a key or a value that cannot be right."""

    document = "terms"


def _path(text: str) -> str:
    try:
        json_path.pattern(text)
    except json_path.InvalidPath as fault:
        raise unexpected(fault.expected) from fault
    return text


def _below_root(text: str) -> str:
    if text == json_path.ROOT:
        raise unexpected("a path below $: with all of it ignored nothing is compared")
    return text


JSONPath = Annotated[str, AfterValidator(_path)]
Ignored = Annotated[JSONPath, AfterValidator(_below_root)]


class AllowedDifference(TomlTable):
    """The allowed difference of two numbers: dollars + percent / 100 of the larger one."""

    dollars: Size = 0.0
    percent: Size = 0.0


class Tolerance(AllowedDifference):
    """The allowed difference of every number, but for those at `paths`, where the first match counts."""

    paths: dict[JSONPath, AllowedDifference] = Field(default_factory=dict)

    def at(self, path: str) -> AllowedDifference:
        """Return the allowed difference at a path."""
        steps = json_path.steps(path)
        pattern = json_path.first(map(json_path.pattern, self.paths), steps)
        return self.paths[pattern.text] if pattern else self


class Noise(TomlTable):
    """The margins by which differences must exceed the noise to be findings.

    Shares: `relative` of the rate of the noise, `absolute` of the rows; `quantile` of the noise's numbers.
    """

    relative: Share = 0.2
    absolute: Share = 0.0003
    quantile: Share = 0.999


class Tolerances(TomlTable):
    """What is compared, and with which tolerances.

    `segment` is the field of a row by whose values differences are grouped. `service` says how services are
    asked: differential_tests.sides.mapping reads it, for each side.
    """

    tolerance: Tolerance = Tolerance()
    noise: Noise = Noise()
    ignore: tuple[Ignored, ...] = ()
    segment: str = ""
    service: dict[str, Any] = Field(default_factory=dict)

    def within(self, *, dollars: float = 0.0, percent: float = 0.0) -> Tolerances:
        """Return a copy with this tolerance for every number."""
        return self.model_copy(update={"tolerance": Tolerance(dollars=dollars, percent=percent)})


def read(path: Path | None = None) -> Tolerances:
    """Read a terms file, or the one for Umbra; raise InvalidTolerances or OSError."""
    return parse(toml_file.read_text(SHIPPED if path is None else path, InvalidTolerances))


def parse(text: str) -> Tolerances:
    """Parse the text of a terms file; raise InvalidTolerances."""
    return toml_file.parse_document(Tolerances, text, InvalidTolerances)
