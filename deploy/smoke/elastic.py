"""Elasticsearch has the log lines of a request, and Kibana the objects of the repository."""

from __future__ import annotations

import json
from pathlib import Path

from smoke.check import Wrong
from smoke.document import Document
from smoke.site import Site

READER = "umbra_reader"
"""Who the README says looks at logs and dashboards: what this user may not see, nobody is shown."""
REFUSED = f"docker compose --profile elk up -d elastic-setup, which sets the password and role of {READER}"
PATTERN = "logs-umbra.*-*"


def request_found(elasticsearch: Site, request_id: str) -> str:
    """The API's line about a request is searchable by trace.id; raises Wrong."""
    body = {"query": {"term": {"trace.id": request_id}}, "_source": ["message", "event.dataset"], "size": 20}
    hits = elasticsearch.json("POST", f"/{PATTERN}/_search", body)["hits"]["hits"].items()
    lines = sorted({_line(hit["_source"]) for hit in hits})
    if "request (umbra.api)" not in lines:
        raise Wrong(
            f"no line `request` with trace.id {request_id}; found: {', '.join(lines) or 'nothing'}",
            "docker compose logs logstash",
        )
    return f"{request_id}: {', '.join(lines)}"


def _line(source: Document) -> str:
    return f"{source['message'].text()} ({source['event']['dataset'].text()})"


def expected(directory: Path) -> list[tuple[str, str]]:
    """Type and id of every Kibana object of the repository."""
    lines = [
        line for path in sorted(directory.glob("*.ndjson")) for line in path.read_text("utf-8").splitlines()
    ]
    read = [json.loads(line) for line in lines if line.strip()]
    return [(one["type"], one["id"]) for one in read if "type" in one]


def objects_there(kibana: Site, wanted: list[tuple[str, str]]) -> str:
    """Kibana exports every object that was imported; raises Wrong.

    A user who may only read may export: Kibana asks of an export no more than the right to read each object.
    """
    body = {"objects": [{"type": kind, "id": name} for kind, name in wanted], "excludeExportDetails": True}
    path = "/api/saved_objects/_export"
    exported = kibana.text("POST", path, body).splitlines()
    objects = [Document.read(line, f"POST {path}", kibana.logs()) for line in exported]
    found = {(one["type"].text(), one["id"].text()) for one in objects}
    missing = sorted(f"{kind} {name}" for kind, name in set(wanted) - found)
    if missing or not wanted:
        raise Wrong(f"missing: {', '.join(missing) or 'all'}", "docker compose logs kibana-setup")
    return f"{len(wanted)} objects"
