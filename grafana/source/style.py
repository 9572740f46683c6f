"""Colours and looks: the same colour means the same thing on every dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LIVE_COLOR = "#5794F2"
CANDIDATE_COLOR = "#FF9830"
GOOD = "green"
WARN = "yellow"
BAD = "red"
QUIET = "text"

LIVE_SCHEME = "Blues"
CANDIDATE_SCHEME = "Oranges"
NEUTRAL_SCHEME = "Greens"


@dataclass(frozen=True, slots=True)
class Step:
    """The colour of a reading from this value on."""

    value: float
    color: str


@dataclass(frozen=True, slots=True)
class Scale:
    """The colours of a reading: `base` up to the first step."""

    base: str = GOOD
    steps: tuple[Step, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return Grafana's `thresholds`; the base has no value."""
        steps: list[dict[str, Any]] = [{"color": self.base, "value": None}]
        steps += [{"color": step.color, "value": step.value} for step in self.steps]
        return {"mode": "absolute", "steps": steps}


def high_is_bad(warn: float, bad: float) -> Scale:
    """Make a scale: green, yellow from `warn` on, red from `bad` on."""
    return Scale(GOOD, (Step(warn, WARN), Step(bad, BAD)))


def low_is_bad(bad: float, warn: float) -> Scale:
    """Make a scale: red, yellow from `bad` on, green from `warn` on."""
    return Scale(BAD, (Step(bad, WARN), Step(warn, GOOD)))


PLAIN = Scale(QUIET)


_CELLS = {
    "gauge": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
    "color-text": {"type": "color-text"},
    "color-background": {"type": "color-background", "mode": "basic"},
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one series, or one column, differs from the rest; `series` is a name, or a pattern in slashes."""

    series: str
    color: str | None = None
    dashed: bool = False
    width: int | None = None
    unit: str | None = None
    decimals: int | None = None
    cell: str | None = None
    scale: Scale | None = None
    mappings: tuple[dict[str, Any], ...] = ()
    right_axis: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return Grafana's field override."""
        matcher = "byRegexp" if self.series.startswith("/") else "byName"
        properties = [{"id": name, "value": value} for name, value in self._properties() if value is not None]
        return {"matcher": {"id": matcher, "options": self.series}, "properties": properties}

    def _properties(self) -> list[tuple[str, Any]]:
        return [
            ("color", None if self.color is None else {"mode": "fixed", "fixedColor": self.color}),
            ("custom.lineStyle", {"fill": "dash", "dash": [6, 4]} if self.dashed else None),
            ("custom.lineWidth", self.width),
            ("custom.axisPlacement", "right" if self.right_axis else None),
            ("custom.cellOptions", None if self.cell is None else _CELLS[self.cell]),
            ("unit", self.unit),
            ("decimals", self.decimals),
            ("thresholds", None if self.scale is None else self.scale.as_json()),
            ("mappings", list(self.mappings) or None),
        ]


LIVE_AND_CANDIDATE = (Look("/^live/", color=LIVE_COLOR), Look("/^candidate/", color=CANDIDATE_COLOR))


def states(*named: tuple[float, str, str]) -> tuple[dict[str, Any], ...]:
    """Map values to texts; each state is (value, text, colour)."""
    options = {
        f"{value:g}": {"text": text, "color": color, "index": position}
        for position, (value, text, color) in enumerate(named)
    }
    return ({"type": "value", "options": options},)
