"""The dashboards have the shape that Grafana publishes, as its grafana-foundation-sdk has it.

The SDK is generated from Grafana's schemas. It reads what it knows and forgets the rest, and it takes any
value: whatever is lost on the way through it is unknown to Grafana, and whatever is not of the declared type
is wrong.
"""

from __future__ import annotations

import enum
import importlib
import importlib.util
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from committed import Json, dashboards
from needed import missing

SDK = "grafana_foundation_sdk"
DASHBOARDS = list(dashboards().values())


class Published:
    """Grafana's model of dashboards, with those of its panels and datasources."""

    def __init__(self) -> None:
        importlib.import_module(f"{SDK}.cog.plugins").register_default_plugins()
        self._model = importlib.import_module(f"{SDK}.models.dashboard").Dashboard
        self._encoder = importlib.import_module(f"{SDK}.cog.encoder").JSONEncoder

    def unknown(self, dashboard: Json) -> list[str]:
        """What Grafana has no name for."""
        kept = json.loads(json.dumps(self._model.from_json(dashboard), cls=self._encoder))
        return list(_lost(dashboard, kept, "dashboard"))

    def wrong(self, dashboard: Json) -> list[str]:
        """Values that are not of the published type."""
        return list(_wrong(self._model.from_json(dashboard), "dashboard"))


@pytest.fixture(scope="module")
def published() -> Published:
    if importlib.util.find_spec(SDK) is None:
        missing("grafana-foundation-sdk, Grafana's published model as Python", "pip install '.[test]'")
    return Published()


def _lost(given: object, kept: object, place: str) -> Iterator[str]:
    """What is in `given` and not, or not alike, in `kept`; null is as good as absent."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if value is not None:
                yield from (
                    _lost(value, kept[name], f"{place}.{name}") if name in kept else [f"{place}.{name}"]
                )
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, f"{place}[{number}]")
    elif given != kept:
        yield f"{place}: {given!r} became {kept!r}"


def _wrong(read: object, place: str) -> Iterator[str]:
    """Attributes, at any depth, that are not of their declared type."""
    if isinstance(read, list):
        for number, one in enumerate(read):
            yield from _wrong(one, f"{place}[{number}]")
    elif _is_model(type(read)):
        for name, hint in typing.get_type_hints(type(read)).items():
            value = getattr(read, name)
            if not _is(value, hint):
                yield f"{place}.{name}: {value!r} is no {hint}"
            yield from _wrong(value, f"{place}.{name}")


def _is_model(found: type) -> bool:
    return found.__module__.startswith(f"{SDK}.models") and not issubclass(found, enum.Enum)


def _is(value: object, hint: Any) -> bool:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return any(_is(value, part) for part in parts)
    if origin is typing.Literal:
        return value in parts
    if origin in {list, dict}:
        inside = value.values() if isinstance(value, dict) else value
        return isinstance(value, origin) and all(_is(one, parts[-1]) for one in inside)
    if not isinstance(hint, type):
        return True
    if issubclass(hint, enum.Enum):
        return value in {member.value for member in hint}
    return _is_plainly(value, hint)


def _is_plainly(value: object, hint: type) -> bool:
    if isinstance(value, bool):
        return hint in {bool, object}
    if _is_model(hint) and isinstance(value, dict):
        return True  # some parts (transformations) the SDK leaves as they are
    return isinstance(value, int | float if hint is float else hint)


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2")
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one["uid"])
def test_grafana_knows_every_key_and_takes_every_value(dashboard: Json, published: Published) -> None:
    assert published.unknown(dashboard) == []
    assert published.wrong(dashboard) == []


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2")
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("unti", "s"),
        ("unit", 7),
        ("decimals", "2"),
        ("color", {"mode": "treshold"}),
        ("thresholds", {"mode": "absolute", "steps": [{"colour": "red", "value": 1}]}),
        ("custom", {"lineInterpolation": "curly"}),
    ],
)
def test_a_slip_in_a_field_is_seen(place: str, value: object, published: Published) -> None:
    slipped = json.loads(json.dumps(DASHBOARDS[0]))
    panel = next(one for one in slipped["panels"] if one["type"] == "timeseries")
    panel["fieldConfig"]["defaults"][place] = value
    assert published.unknown(slipped) + published.wrong(slipped) != []
