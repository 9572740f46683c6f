"""Tables: several queries as of now, merged into one row per set of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from grafana.source.panels import Json, Panel, Query


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a label, or a query of which it holds the values. Without a title it is hidden."""

    title: str
    label: str = ""
    expr: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table(Panel):
    """A row per set of labels, with a column for each label and query, as of now.

    `numbers` names the labels whose values are numbers, so that they sort as such.
    """

    kind = "table"
    columns: Sequence[Column]
    queries: Sequence[Query] = field(default=(), init=False)
    sorted_by: str = ""
    numbers: Sequence[str] = ()

    def __post_init__(self) -> None:
        queries = [Query(column.expr, instant=True, format="table") for column in self.columns if column.expr]
        object.__setattr__(self, "queries", tuple(queries))

    def options(self) -> Json:
        by = [{"displayName": self.sorted_by, "desc": False}] if self.sorted_by else []
        return {"cellHeight": "sm", "frameIndex": 0, "showHeader": True, "sortBy": by}

    def custom(self) -> Json:
        return {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}

    def extras(self) -> Json:
        converted = [{"targetField": label, "destinationType": "number"} for label in self.numbers]
        convert = [{"id": "convertFieldType", "options": {"conversions": converted, "fields": {}}}]
        merge = [{"id": "merge", "options": {}}]
        return {"transformations": [*merge, *(convert if converted else []), self._organize()]}

    def _organize(self) -> Json:
        titles = dict(zip(self._field_names(), (column.title for column in self.columns), strict=True))
        hidden = ["Time", *(name for name, title in titles.items() if not title)]
        return {
            "id": "organize",
            "options": {
                "excludeByName": dict.fromkeys(hidden, True),
                "includeByName": {},
                "indexByName": {name: position for position, name in enumerate(titles)},
                "renameByName": {name: title for name, title in titles.items() if title},
            },
        }

    def _field_names(self) -> list[str]:
        """Name fields as Grafana does: `Value` alone, or `Value #A`, `Value #B` of several queries."""
        letters = iter(ascii_uppercase)
        several = len(self.queries) > 1
        return [
            column.label or (f"Value #{next(letters)}" if several else "Value") for column in self.columns
        ]
