"""The grid of panels: sections of lines that fill the page's 24 columns, without holes or overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana.source.panels import Json, Panel, Text

COLUMNS = 24


class UnevenLine(ValueError):
    """Panels beside each other do not fill the page, or differ in height."""


@dataclass(frozen=True, slots=True)
class Section:
    """A titled row of the dashboard and the panels beneath it, in reading order."""

    title: str
    panels: Sequence[Panel | Text]


def positioned(sections: Sequence[Section]) -> Iterator[Json]:
    """Yield every row and panel as JSON, with its id and its position."""
    number, y = 1, 0
    for section in sections:
        yield _row(section.title, number, y)
        number, y = number + 1, y + 1
        for line in _lines(section):
            x = 0
            for panel in line:
                at = {"x": x, "y": y, "w": panel.width, "h": panel.height}
                yield {"id": number, "gridPos": at} | panel.as_json()
                number, x = number + 1, x + panel.width
            y += line[0].height


def _row(title: str, number: int, y: int) -> Json:
    at = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {"id": number, "gridPos": at, "type": "row", "title": title, "collapsed": False, "panels": []}


def _lines(section: Section) -> Iterator[list[Panel | Text]]:
    line: list[Panel | Text] = []
    for panel in section.panels:
        line.append(panel)
        if sum(panel.width for panel in line) >= COLUMNS:
            yield _even(section, line)
            line = []
    if line:
        yield _even(section, line)


def _even(section: Section, line: list[Panel | Text]) -> list[Panel | Text]:
    widths, heights = [panel.width for panel in line], {panel.height for panel in line}
    if sum(widths) != COLUMNS or len(heights) != 1:
        titles = ", ".join(panel.title for panel in line)
        raise UnevenLine(
            f"{section.title}: {titles}: widths {widths} should add up to {COLUMNS}, "
            f"heights {sorted(heights)} be one"
        )
    return line
