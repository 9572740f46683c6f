"""Write kibana/umbra.ndjson, which Kibana imports: `python -m kibana.source [--print]`. A test compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kibana.source import saved
from kibana.source.api_logs import API_LOGS
from kibana.source.live_and_shadow import LIVE_AND_SHADOW
from kibana.source.model_inputs import MODEL_INPUTS
from kibana.source.searches import SEARCHES

TARGET = Path(__file__).resolve().parents[1] / "umbra.ndjson"
_DOLLARS = {"id": "number", "params": {"pattern": "$0,0"}}
_PERCENT = {"id": "percent", "params": {"pattern": "0.0%"}}
_MILLISECONDS = {
    "id": "duration",
    "params": {
        "inputFormat": "nanoseconds",
        "outputFormat": "asMilliseconds",
        "outputPrecision": 1,
        "showSuffix": True,
    },
}
_PLAIN = {"id": "number", "params": {"pattern": "0"}}
_FORMATS = {
    "event.duration": _MILLISECONDS,
    "umbra.live_price_dollars": _DOLLARS,
    "umbra.candidate_price_dollars": _DOLLARS,
    "umbra.difference_dollars": _DOLLARS,
    "umbra.difference_ratio": _PERCENT,
    "umbra.inputs.year_built": _PLAIN,
    "http.response.status_code": _PLAIN,
    "process.pid": _PLAIN,
}


def text() -> str:
    """Write every object as JSON, one on a line."""
    objects = [
        saved.data_view("logs-umbra.*-*", "Umbra logs", _FORMATS),
        *map(saved.search, SEARCHES),
        *map(saved.dashboard, (API_LOGS, MODEL_INPUTS, LIVE_AND_SHADOW)),
    ]
    return "".join(
        json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n" for document in objects
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(text())
    else:
        TARGET.write_text(text(), encoding="utf-8")
