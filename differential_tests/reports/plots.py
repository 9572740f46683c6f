"""Plots of two sides as SVG inside the page: colours and letters are those of the page.

The differences are ln(b / a) in percent where all numbers are positive, b - a in their unit else.
Bland & Altman, Lancet 1986: the difference against the mean, with the mean difference and its 1.96 standard
deviations; for ratios all of it is done in logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import tostring

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from differential_tests.findings import Pairs
from differential_tests.reports.canvas import Canvas, PlotAxis, axis
from differential_tests.reports.formatting import count, line, number

POINTS, WORST, BINS = 2000, 5, 31
_SPREAD = 8.0  # from here on a logarithmic axis is easier to read
_LARGEST = 1e100  # so that their squares are numbers
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture and the sentence below it."""

    title: str
    note: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class _DrawnPairs:
    """Pairs of a size to draw: arrays of shape (n,); `means` and `gaps` are for Bland-Altman."""

    rows: Sequence[str]
    a: Numbers
    b: Numbers
    means: Numbers
    gaps: Numbers
    unit: str
    names: tuple[str, str]

    @property
    def is_log(self) -> bool:
        return self.unit == " %"


def of(pairs: Pairs | None, names: tuple[str, str] = ("A", "B")) -> list[Plot]:
    """Draw one side against the other, Bland-Altman, and a histogram of the differences.

    `names` are those of the sides. Empty if there is nothing to draw.
    """
    drawn = None if pairs is None else _drawable(pairs, names)
    if pairs is None or drawn is None:
        return []
    left_out = len(pairs.a) - len(drawn.a)
    note = f"{count(len(drawn.a), 'row')}" + (
        f"; {left_out:,} not finite or too large to draw" if left_out else ""
    )
    return [_scatter(drawn, note), _bland_altman(drawn), _histogram(drawn)]


def _drawable(pairs: Pairs, names: tuple[str, str]) -> _DrawnPairs | None:
    keep = (np.abs(pairs.a) < _LARGEST) & (np.abs(pairs.b) < _LARGEST)
    a, b = pairs.a[keep], pairs.b[keep]
    if not len(a):
        return None
    rows = [pairs.rows[index] for index in np.flatnonzero(keep)]
    if min(a.min(), b.min()) > 1 / _LARGEST:
        log_a, log_b = np.log(a), np.log(b)
        return _DrawnPairs(rows, a, b, np.exp(log_a / 2 + log_b / 2), 100 * (log_b - log_a), " %", names)
    return _DrawnPairs(rows, a, b, a / 2 + b / 2, b - a, "", names)


def _scatter(drawn: _DrawnPairs, note: str) -> Plot:
    numbers = np.concatenate([drawn.a, drawn.b])
    x, y = (_axis(numbers, vertical, drawn.is_log) for vertical in (False, True))
    name = " against ".join(drawn.names)
    canvas = Canvas(name, x, y, drawn.names)
    canvas.line(x.low, y.low, x.high, y.high, "same")
    _points(canvas, drawn, drawn.a, drawn.b)
    return Plot(name, f"{note}; on the line both say the same", _svg(canvas))


def _bland_altman(drawn: _DrawnPairs) -> Plot:
    gaps = drawn.gaps
    mean, limit = float(gaps.mean()), 1.96 * float(gaps.std(ddof=1 if len(gaps) > 1 else 0))
    x = _axis(drawn.means, False, drawn.is_log)
    y = axis(np.array([*gaps, mean - limit, mean + limit, 0.0]), vertical=True)
    canvas = Canvas("Difference against mean", x, y, ("mean of both", _difference(drawn)))
    for level, style in ((mean, "mean"), (mean - limit, "limit"), (mean + limit, "limit")):
        canvas.line(x.low, level, x.high, level, style)
    _points(canvas, drawn, drawn.means, drawn.gaps)
    texts = [number(figure, drawn.unit) for figure in (mean, mean - limit, mean + limit)]
    return Plot(
        "Bland-Altman", f"mean {texts[0]}, limits of agreement {texts[1]} to {texts[2]}", _svg(canvas)
    )


def _histogram(drawn: _DrawnPairs) -> Plot:
    gaps = drawn.gaps
    x = axis(np.array([*gaps, 0.0]), vertical=False)
    counts, edges = np.histogram(gaps, bins=BINS, range=(x.low, x.high))
    y = PlotAxis(0.7, float(counts.max()) * 1.5, log=True, vertical=True)
    canvas = Canvas("Histogram of the differences", x, y, (_difference(drawn), "rows, logarithmic"))
    canvas.bars(edges, counts)
    same = int((gaps == 0).sum())
    return Plot("Differences", f"{same:,} of {len(gaps):,} are exactly nought", _svg(canvas))


def _difference(drawn: _DrawnPairs) -> str:
    a, b = drawn.names
    return f"ln({b} / {a}), %" if drawn.is_log else f"{b} - {a}"


def _axis(numbers: Numbers, vertical: bool, positive: bool) -> PlotAxis:
    log = positive and float(numbers.max() / numbers.min()) > _SPREAD
    return axis(numbers, vertical=vertical, log=log)


def _points(canvas: Canvas, drawn: _DrawnPairs, x: Numbers, y: Numbers) -> None:
    """Draw evenly thinned dots; label the largest differences."""
    (name_a, name_b), sizes = drawn.names, np.abs(drawn.gaps)
    sample = np.unique(np.linspace(0, len(x) - 1, POINTS).astype(np.int64))
    canvas.dots(x[sample], y[sample])
    for index in np.argsort(-sizes, kind="stable")[:WORST]:
        if sizes[index] > 0:
            a, b = number(drawn.a[index]), number(drawn.b[index])
            label = f"{line(drawn.rows[index])}: {name_a} {a}, {name_b} {b}"
            canvas.labelled_dot(float(x[index]), float(y[index]), label)


def _svg(canvas: Canvas) -> Markup:
    return Markup(tostring(canvas.root, encoding="unicode"))  # noqa: S704 (ElementTree has escaped it)
