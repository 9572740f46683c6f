"""The kinds of panels. Each states what it shows, what is normal, and what to do when it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, ClassVar, Literal

from grafana.source.style import NEUTRAL_SCHEME, PLAIN, Look, Scale

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression; `legend` may name labels as {{label}}. `instant`: only its value now."""

    expr: str
    legend: str = ""
    instant: bool = False
    format: Literal["time_series", "table", "heatmap"] = "time_series"

    def as_json(self, letter: str) -> Json:
        """Return Grafana's target."""
        return {
            "refId": letter,
            "datasource": DATASOURCE,
            "expr": self.expr,
            "legendFormat": self.legend,
            "format": self.format,
            "instant": self.instant,
            "range": not self.instant,
            "editorMode": "code",
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """What all panels with data have; `width` is in 24ths of the page, `height` in rows of 30 pixels."""

    kind: ClassVar[str]
    title: str
    shows: str
    normal: str
    act: str
    unit: str
    queries: Sequence[Query]
    width: int = 12
    height: int = 8
    scale: Scale = PLAIN
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    mappings: tuple[Json, ...] = ()
    looks: tuple[Look, ...] = ()
    empty: str = "no data"

    def as_json(self) -> Json:
        """Return Grafana's panel, without its id and position."""
        description = f"{self.shows}\n\n**Normal:** {self.normal}\n\n**If not:** {self.act}"
        panel: Json = {
            "type": self.kind,
            "title": self.title,
            "description": description,
            "datasource": DATASOURCE,
            "targets": [
                query.as_json(letter) for query, letter in zip(self.queries, ascii_uppercase, strict=False)
            ],
            "fieldConfig": {
                "defaults": self._defaults(),
                "overrides": [look.as_json() for look in self.looks],
            },
            "options": self.options(),
        }
        return panel | self.extras()

    def options(self) -> Json:
        """Return the options of this kind of panel."""
        raise NotImplementedError

    def custom(self) -> Json:
        """Return how this kind of panel draws a field."""
        return {}

    def color(self) -> Json:
        """Return where a field takes its colour from."""
        return {"mode": "thresholds"}

    def extras(self) -> Json:
        """Return further keys of the panel."""
        return {}

    def _defaults(self) -> Json:
        defaults: Json = {
            "unit": self.unit,
            "decimals": self.decimals,
            "min": self.minimum,
            "max": self.maximum,
            "noValue": self.empty,
            "color": self.color(),
            "thresholds": self.scale.as_json(),
            "mappings": list(self.mappings),
            "custom": self.custom(),
        }
        return {name: value for name, value in defaults.items() if value is not None and value != {}}


def _last() -> Json:
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stat(Panel):
    """One number, or one per series; `spark` draws its course beneath, `names` shows names, not values."""

    kind = "stat"
    spark: bool = True
    names: bool = False
    filled: bool = False
    width: int = 3
    height: int = 4

    def options(self) -> Json:
        return {
            "colorMode": "background" if self.filled else "value",
            "graphMode": "area" if self.spark else "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": _last(),
            "showPercentChange": False,
            "textMode": "name" if self.names else "auto",
            "wideLayout": True,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeSeries(Panel):
    """Lines over time; `limits` draws the steps of the scale, `table` puts figures into the legend."""

    kind = "timeseries"
    table: bool = False
    stacked: bool = False
    bars: bool = False
    steps: bool = False
    limits: bool = False
    logarithmic: bool = False
    minimum: float | None = 0

    def options(self) -> Json:
        return {
            "legend": {
                "calcs": ["lastNotNull", "max"] if self.table else [],
                "displayMode": "table" if self.table else "list",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }

    def custom(self) -> Json:
        return {
            "drawStyle": "bars" if self.bars else "line",
            "lineInterpolation": "stepAfter" if self.steps else "linear",
            "lineWidth": 1,
            "fillOpacity": 60 if self.bars else 25 if self.stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"group": "A", "mode": "normal" if self.stacked else "none"},
            "thresholdsStyle": {"mode": "dashed" if self.limits else "off"},
            "scaleDistribution": {"type": "log", "log": 10} if self.logarithmic else {"type": "linear"},
        }

    def color(self) -> Json:
        return {"mode": "palette-classic"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Heatmap(Panel):
    """The buckets of a histogram over time; the unit is that of the buckets' edges."""

    kind = "heatmap"
    scheme: str = NEUTRAL_SCHEME

    def options(self) -> Json:
        return {
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": "short", "decimals": 0},
            "color": {
                "mode": "scheme",
                "scheme": self.scheme,
                "scale": "exponential",
                "exponent": 0.5,
                "steps": 64,
                "reverse": False,
                "fill": "dark-blue",
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": self.unit},
        }

    def custom(self) -> Json:
        return {"scaleDistribution": {"type": "linear"}}

    def extras(self) -> Json:
        return {"maxDataPoints": 80}  # wider cells: single seconds of a distribution say nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class BarGauge(Panel):
    """A bar per series, as of now."""

    kind = "bargauge"

    def options(self) -> Json:
        return {
            "displayMode": "basic",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": _last(),
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "color",
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A panel of text, in Markdown."""

    title: str
    description: str
    content: str
    width: int = 24
    height: int = 4

    def as_json(self) -> Json:
        """Return Grafana's panel, without its id and position."""
        return {
            "type": "text",
            "title": self.title,
            "description": self.description,
            "options": {"mode": "markdown", "content": self.content},
        }
