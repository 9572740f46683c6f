"""Elasticsearch has the log lines of a request, and Kibana the objects of the repository."""

from __future__ import annotations

import json
from pathlib import Path

from smoke.check import Wrong
from smoke.document import JsonDocument
from smoke.site import HttpSite

READER = "umbra_reader"
"""Who the README says looks at logs and dashboards: what this user may not see, nobody is shown."""
REFUSED = f"docker compose --profile elk up -d elastic-setup, which sets the password and role of {READER}"
PATTERN = "logs-umbra.*-*"


def request_found(elasticsearch: HttpSite, request_id: str) -> str:
    """Find the API's log line about a request by trace.id; raise Wrong."""
    body = {"query": {"term": {"trace.id": request_id}}, "_source": ["message", "event.dataset"], "size": 20}
    hits = elasticsearch.json("POST", f"/{PATTERN}/_search", body)["hits"]["hits"].items()
    lines = sorted({_line(hit["_source"]) for hit in hits})
    if "request (umbra.api)" not in lines:
        raise Wrong(
            f"no line `request` with trace.id {request_id}; found: {', '.join(lines) or 'nothing'}",
            "docker compose logs logstash",
        )
    return f"{request_id}: {', '.join(lines)}"


def _line(source: JsonDocument) -> str:
    return f"{source['message'].text()} ({source['event']['dataset'].text()})"


def expected(directory: Path) -> list[tuple[str, str]]:
    """List type and id of every Kibana object of the repository."""
    lines = [
        line for path in sorted(directory.glob("*.ndjson")) for line in path.read_text("utf-8").splitlines()
    ]
    read = [json.loads(line) for line in lines if line.strip()]
    return [(saved_object["type"], saved_object["id"]) for saved_object in read if "type" in saved_object]


def objects_there(kibana: HttpSite, wanted: list[tuple[str, str]]) -> str:
    """Kibana exports every object that was imported; raises Wrong.

    A user who may only read may export: Kibana asks of an export no more than the right to read each object.
    """
    body = {"objects": [{"type": kind, "id": name} for kind, name in wanted], "excludeExportDetails": True}
    path = "/api/saved_objects/_export"
    exported = kibana.text("POST", path, body).splitlines()
    objects = [JsonDocument.read(line, f"POST {path}", kibana.logs()) for line in exported]
    exported_ids = {(saved_object["type"].text(), saved_object["id"].text()) for saved_object in objects}
    missing = sorted(f"{kind} {name}" for kind, name in set(wanted) - exported_ids)
    if missing or not wanted:
        raise Wrong(f"missing: {', '.join(missing) or 'all'}", "docker compose logs kibana-setup")
    return f"{len(wanted)} objects"
