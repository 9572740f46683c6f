"""Write component_templates/umbra@custom.json: settings and mappings of the indices of Umbra's logs.

    python elasticsearch/component.py

Run it after a change of monitoring/logs/fields.py or of a house's fields; a test compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from monitoring.logs import fields  # noqa: E402 (needs the path above)
from shadow.prediction_log import input_kinds  # noqa: E402

TARGET = Path(__file__).with_name("component_templates") / "umbra@custom.json"


def component() -> dict[str, Any]:
    """Return the component template; `ecs@mappings` maps the fields of the Elastic Common Schema."""
    umbra = fields.mapping(input_kinds())
    return {
        "_meta": {"description": "Umbra's own fields, made by elasticsearch/component.py"},
        "template": {
            "settings": {"index": {"lifecycle": {"name": "umbra-logs"}, "number_of_replicas": 0}},
            "mappings": {
                "properties": {
                    # The name of an event: to be searched like any text, and to be counted by.
                    "message": {
                        "type": "match_only_text",
                        "fields": {"keyword": {"type": "keyword", "ignore_above": 256}},
                    },
                    # A field that is not declared stays in the line and can be read there; it neither
                    # costs the line nor grows the mapping.
                    "umbra": {"type": "object", "dynamic": False, "properties": umbra},
                }
            },
        },
    }


def text() -> str:
    """Return the content of the file."""
    return json.dumps(component(), indent=2) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(text())
    else:
        TARGET.write_text(text())
