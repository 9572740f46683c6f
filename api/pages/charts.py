"""Charts as data: what static/charts.js draws with PageChart.js, and nothing of how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from markupsafe import Markup

from api.pages.formatting import known, percent

Style = Literal["points", "line", "dashed", "bar", "lower", "upper"]
Tone = Literal["live", "candidate", "good", "bad", "quiet", "strong"]
Format = Literal["dollars", "percent", "share", "number"]
# In a script element nothing ends it but its end tag: no character of one is left as it is.
_ESCAPES = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))


@dataclass(frozen=True, slots=True)
class ChartAxis:
    """What an axis shows. `labels`: one for each value, where it has no scale of its own."""

    title: str
    format: Format = "number"
    log: bool = False
    labels: Sequence[str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the axis to the script."""
        axis: dict[str, Any] = {"title": self.title, "format": self.format, "log": self.log}
        return axis if self.labels is None else axis | {"labels": list(self.labels)}


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """Values in one tone: pairs (x, y), or one value for each label."""

    name: str
    tone: Tone
    style: Style
    data: Sequence[Any]


@dataclass(frozen=True, slots=True)
class PageChart:
    """A chart with the words that stand beside it; `name` is unique on its page."""

    name: str
    title: str
    text: str
    x: ChartAxis
    y: ChartAxis
    series: tuple[ChartSeries, ...]
    sideways: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value is not None for series in self.series for value in series.data)

    @property
    def json(self) -> Markup:
        """The chart for a script element."""
        return embedded(
            {
                "x": self.x.as_json(),
                "y": self.y.as_json(),
                "sideways": self.sideways,
                "series": [
                    {
                        "name": series.name,
                        "tone": series.tone,
                        "style": series.style,
                        "data": list(series.data),
                    }
                    for series in self.series
                ],
            }
        )


def embedded(data: Any) -> Markup:
    """Write data as JSON that is safe inside a script element."""
    text = orjson.dumps(data, default=str)
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return Markup(text.decode())  # noqa: S704 (nothing in it can end the element)


def level(name: str, tone: Tone, value: Any, labels: Sequence[str]) -> ChartSeries:
    """Draw a threshold: the same value for each label."""
    return ChartSeries(name, tone, "dashed", [known(value)] * len(labels))


def percents(differences: Iterable[float | None]) -> list[float | None]:
    """Turn differences of logarithms into percent of the price."""
    return [_rounded(percent(difference)) for difference in differences]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
