"""Canvas: axes, dots, lines and bars as elements of an SVG."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 380, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 10, 10, 40
_LARGE = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_MARGIN = 0.04
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlotAxis:
    """From `low` to `high`, which differ; logarithmic if both are positive and `log` is set."""

    low: float
    high: float
    log: bool
    vertical: bool

    def at(self, numbers: Any) -> Any:
        """Convert numbers to positions on the canvas."""
        low, high, scaled = (self._scaled(number) for number in (self.low, self.high, numbers))
        share = (scaled - low) / (high - low)
        if self.vertical:
            return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def ticks(self) -> list[float]:
        """Return round numbers within the axis."""
        ticks = _log_ticks(self.low, self.high) if self.log else []
        return ticks if len(ticks) > 1 else _linear_ticks(self.low, self.high)

    def _scaled(self, numbers: Any) -> Any:
        return np.log10(numbers) if self.log else np.asarray(numbers, dtype=np.float64)


def axis(numbers: Numbers, *, vertical: bool, log: bool = False) -> PlotAxis:
    """Fit an axis around the numbers."""
    low, high = float(numbers.min()), float(numbers.max())
    if log:
        room = (high / low) ** _MARGIN
        return PlotAxis(low / room, high * room, True, vertical)
    size = max(abs(low), abs(high))
    apart = high - low > max(size * 1e-12, 1e-100)
    room = (high - low) * _MARGIN if apart else (size * 0.1 if size > 1e-90 else 1.0)
    return PlotAxis(low - room, high + room, False, vertical)


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    return [step * times for times in range(ceil(low / step), floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 100 else (1,)
    candidates = [step * 10.0**decade for decade in decades for step in steps]
    inside = [tick for tick in candidates if low <= tick <= high]
    return inside[:: ceil(len(inside) / 7) or 1]


def short(tick: float) -> str:
    """Format the number of a tick: 150k, 1.2M.

    >>> short(150_000.0), short(-0.5), short(1e-13), short(2_500_000)
    ('150k', '-0.5', '1e-13', '2.5M')
    """
    for size, letter in _LARGE:
        if size <= abs(tick) < size * 1e4:
            return f"{tick / size:.4g}{letter}"
    return f"{tick:.3g}"


class Canvas:
    """A picture with two axes; `titles` stand below and beside them."""

    def __init__(self, name: str, x: PlotAxis, y: PlotAxis, titles: tuple[str, str]) -> None:
        self.x, self.y = x, y
        self.root = Element("svg", {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria-label": name})
        for tick in x.ticks():
            self._grid(x.at(tick), _TOP, x.at(tick), HEIGHT - _BOTTOM)
            self._text(short(tick), x.at(tick), HEIGHT - _BOTTOM + 15, "middle")
        for tick in y.ticks():
            self._grid(_LEFT, y.at(tick), WIDTH - _RIGHT, y.at(tick))
            self._text(short(tick), _LEFT - 6, y.at(tick) + 4, "end")
        self._text(titles[0], (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 6, "middle", "title")
        beside = self._text(titles[1], 0, 0, "middle", "title")
        beside.set("transform", f"translate(12 {(HEIGHT - _BOTTOM + _TOP) / 2}) rotate(-90)")

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a line between two points in the units of the axes."""
        self._line(self.x.at(x1), self.y.at(y1), self.x.at(x2), self.y.at(y2), style)

    def dots(self, x: Numbers, y: Numbers) -> None:
        """Draw many dots as one element."""
        points = zip(self.x.at(x), self.y.at(y), strict=True)
        path = "".join(f"M{right:.1f} {down:.1f}h0" for right, down in points)
        SubElement(self.root, "path", {"class": "dots", "d": path})

    def labelled_dot(self, x: float, y: float, label: str) -> None:
        """Draw a dot with a tooltip."""
        attributes = {"cx": f"{self.x.at(x):.1f}", "cy": f"{self.y.at(y):.1f}", "r": "4", "class": "worst"}
        SubElement(SubElement(self.root, "circle", attributes), "title").text = label

    def bars(self, edges: Numbers, counts: NDArray[np.int64]) -> None:
        """Draw a bar for each count above zero."""
        for left, right, counted in zip(edges[:-1], edges[1:], counts, strict=True):
            if counted:
                top, start = float(self.y.at(counted)), float(self.x.at(left))
                position = {"x": f"{start:.1f}", "y": f"{top:.1f}", "class": "bar"}
                size = {
                    "width": f"{max(float(self.x.at(right)) - start - 1, 1):.1f}",
                    "height": f"{HEIGHT - _BOTTOM - top:.1f}",
                }
                SubElement(SubElement(self.root, "rect", position | size), "title").text = f"{counted:,}"

    def _grid(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self._line(x1, y1, x2, y2, "grid")

    def _line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        names = ("x1", "y1", "x2", "y2")
        ends = {name: f"{at:.1f}" for name, at in zip(names, (x1, y1, x2, y2), strict=True)}
        SubElement(self.root, "line", ends | {"class": style})

    def _text(self, text: str, x: float, y: float, anchor: str, style: str = "tick") -> Element:
        attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "class": style}
        element = SubElement(self.root, "text", attributes)
        element.text = text
        return element
