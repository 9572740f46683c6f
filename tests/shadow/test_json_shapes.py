"""A shape is written as JSON in the order of its fields and read back, whatever the document lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from shadow.json_shapes import from_json, to_json


@dataclass(frozen=True)
class Window:
    """A window of days."""

    from_: str = ""
    houses: int | None = None


@dataclass(frozen=True)
class Report:
    """A document with every kind of field."""

    state: str = "unknown"
    share: float | None = None
    alarm: bool = False
    reasons: tuple[str, ...] = ()
    newest: Window = Window()
    older: Window | None = None
    windows: Mapping[str, Window] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)


FULL = Report(
    "promote",
    0.5,
    True,
    ("met", "proved"),
    Window("2026-10-01", 7),
    Window("2026-09-01"),
    {"7": Window("2026-10-01", 7)},
    {"living_area": 1500, "alley": None},
)


def test_a_shape_is_read_back_from_its_json() -> None:
    assert from_json(Report, json.loads(json.dumps(to_json(FULL)))) == FULL


def test_the_json_has_the_fields_in_their_order_and_no_trailing_underscore() -> None:
    document = to_json(FULL)
    assert list(document) == [
        "state",
        "share",
        "alarm",
        "reasons",
        "newest",
        "older",
        "windows",
        "inputs",
    ]
    assert document["newest"] == {"from": "2026-10-01", "houses": 7}
    assert document["reasons"] == ["met", "proved"]


@pytest.mark.parametrize("body", [{}, None, [], "text", {"later": 1}])
def test_a_document_that_lacks_everything_is_read_as_the_defaults(body: object) -> None:
    assert from_json(Report, body) == Report()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", 7),
        ("state", None),
        ("share", "half"),
        ("share", float("nan")),
        ("share", True),
        ("alarm", "yes"),
        ("reasons", "met"),
        ("newest", None),
        ("newest", [1]),
        ("older", 3),
        ("windows", [1]),
        ("inputs", "none"),
    ],
)
def test_a_value_of_another_type_is_read_as_the_default(name: str, value: object) -> None:
    assert from_json(Report, {name: value}) == Report()


def test_entries_of_another_type_are_left_out_of_lists_and_mappings() -> None:
    report = from_json(Report, {"reasons": ["met", 7, None], "windows": {"7": {"houses": 3}, "28": "many"}})
    assert report.reasons == ("met",)
    assert report.windows == {"7": Window(houses=3)}
