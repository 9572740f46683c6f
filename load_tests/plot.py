"""Line charts as SVG, small enough to commit; they read on light and on dark ground."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

Point = tuple[float, float]
WIDTH, HEIGHT, GAP = 460, 300, 24
LEFT, RIGHT, TOP, BOTTOM = 58, 24, 68, 44
_STYLE = """
    text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #59636e }
    .title { font-size: 14px; font-weight: 600; fill: #1f2328 }
    .ground { fill: #ffffff } .grid { stroke: #d1d9e0 }
    polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
    .line0 { stroke: #0969da } .line1 { stroke: #bc4c00; stroke-dasharray: 7 3 }
    .line2 { stroke: #1a7f37; stroke-dasharray: 2 3 }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 } .title { fill: #e6edf3 } .ground { fill: #0d1117 } .grid { stroke: #30363d }
      .line0 { stroke: #4493f8 } .line1 { stroke: #f0883e } .line2 { stroke: #3fb950 }
    }
  """
LOOKS = 3


@dataclass(frozen=True, slots=True)
class ChartAxis:
    """From the first mark to the last; a mark is a value and how it is written."""

    title: str
    marks: Sequence[tuple[float, str]]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return the position of a value: 0 at the first mark, 1 at the last; clip values beyond."""
        low, high, at = (
            math.log10(mark) if self.logarithmic else mark
            for mark in (self.marks[0][0], self.marks[-1][0], max(value, self.marks[0][0]))
        )
        return min((at - low) / (high - low), 1.0)


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """One chart: lines by their names, in the order of the legend; a fourth looks as the first."""

    title: str
    across: ChartAxis
    up: ChartAxis
    lines: Mapping[str, Sequence[Point]]


def even(title: str, most: float) -> ChartAxis:
    """Build an axis from zero to at least `most`, with four or five round steps."""
    step = _round_step(most / 4 or 1.0)
    count = max(1, math.ceil(most / step))
    return ChartAxis(title, [(step * i, f"{step * i:,g}") for i in range(count + 1)])


def decades(title: str, values: Sequence[float]) -> ChartAxis:
    """Build a logarithmic axis from the power of ten below all values to the one above."""
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    return ChartAxis(title, [(10.0**i, f"{10.0**i:,g}") for i in range(low, high + 1)], logarithmic=True)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least)


def svg(panels: Sequence[ChartPanel]) -> str:
    """Draw the panels side by side as SVG."""
    width = len(panels) * WIDTH + (len(panels) - 1) * GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" role="img">'
    title = escape("; ".join(panel.title for panel in panels))
    drawn = (
        f'<g transform="translate({position * (WIDTH + GAP)} 0)">\n{"".join(_panel(panel))}</g>\n'
        for position, panel in enumerate(panels)
    )
    ground = f'<rect class="ground" width="{width}" height="{HEIGHT}" rx="8"/>'
    return f"{head}\n  <title>{title}</title>\n  <style>{_STYLE}</style>\n{ground}\n{''.join(drawn)}</svg>\n"


def _panel(panel: ChartPanel) -> Iterator[str]:
    yield f'<text class="title" x="{LEFT}" y="22">{escape(panel.title)}</text>\n'
    yield from _legend(panel)
    for value, text in panel.up.marks:
        y = _y(panel, value)
        yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{text}</text>\n'
    for value, text in panel.across.marks:
        yield f'<text x="{_x(panel, value)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>\n'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(panel.across.title)}</text>\n'
    yield f'<text x="{LEFT}" y="{TOP - 12}" text-anchor="end">{escape(panel.up.title)}</text>\n'
    for number, points in enumerate(panel.lines.values()):
        path = " ".join(f"{_x(panel, x)},{_y(panel, y)}" for x, y in points)
        yield f'<polyline class="line{number % LOOKS}" points="{path}"/>\n'


def _legend(panel: ChartPanel) -> Iterator[str]:
    for number, name in enumerate(panel.lines):
        x = LEFT + 28 + 122 * number
        yield f'<polyline class="line{number % LOOKS}" points="{x},40 {x + 22},40"/>'
        yield f'<text x="{x + 28}" y="44">{escape(name)}</text>\n'


def _x(panel: ChartPanel, value: float) -> float:
    return round(LEFT + panel.across.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(panel: ChartPanel, value: float) -> float:
    return round(HEIGHT - BOTTOM - panel.up.share(value) * (HEIGHT - TOP - BOTTOM), 1)
