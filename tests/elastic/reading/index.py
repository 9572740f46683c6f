"""The index as committed: which fields there are, and of which type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from model_package.schema import NAMES
from monitoring.logs import fields

FOLDER = Path(__file__).resolve().parents[3] / "elasticsearch"
COMPONENT = FOLDER / "component_templates" / "umbra@custom.json"
TEMPLATE = FOLDER / "index_templates" / "umbra-logs.json"

Document = dict[str, Any]


def document(path: Path) -> Document:
    """A JSON file of elasticsearch/."""
    found: Document = json.loads(path.read_text())
    return found


def mapped() -> dict[str, str]:
    """Type of every field that the component maps, by its whole name."""
    return dict(_mapped("", document(COMPONENT)["template"]["mappings"]["properties"]))


def ecs() -> dict[str, str]:
    """Type of every field of the Elastic Common Schema that a line can have, as `ecs@mappings` makes it."""
    schema = fields.line_schema(dict.fromkeys(NAMES, "keyword"))
    groups = {name: part for name, part in schema["properties"].items() if name != "umbra"}
    return dict(_ecs("", groups))


def _mapped(above: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, part in properties.items():
        if "type" in part and part["type"] != "object":
            yield above + name, part["type"]
        for below in ("properties", "fields"):
            yield from _mapped(f"{above}{name}.", part.get(below, {}))


def _ecs(above: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, part in properties.items():
        if part.get("type") == "object":
            yield from _ecs(f"{above}{name}.", part["properties"])
        else:
            yield above + name, _type(above + name, part)


def _type(name: str, part: Mapping[str, Any]) -> str:
    if part.get("format") == "date-time":
        return "date"
    if "integer" in str(part.get("type")):
        return "long"
    return "match_only_text" if name in {"message", "error.message"} else "keyword"
