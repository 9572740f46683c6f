"""A real search node: takes lines, and what Elasticsearch is given as far as it knows that; answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from reading import index

Line = dict[str, Any]
_ECS_COMPONENT = "umbra-test-ecs"


class Refused(AssertionError):
    """The node took something not, or not all of it."""


class Node:
    """One node, by its URL."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def install(self) -> None:
        """The component and the index template as committed, without what only Elasticsearch knows.

        That is ILM, and the stack's own components: for `ecs@mappings` one stands in that takes the fields
        of the Elastic Common Schema which lines have, and no others.
        """
        self.forget()
        component = index.document(index.COMPONENT)
        del component["template"]["settings"]["index"]["lifecycle"]
        self._put("/_component_template/umbra@custom", component)
        self._put(f"/_component_template/{_ECS_COMPONENT}", {"template": {"mappings": _ecs_mappings()}})
        template = index.document(index.TEMPLATE)
        template["composed_of"] = ["umbra@custom", _ECS_COMPONENT]
        self._put("/_index_template/umbra-logs", template)

    def forget(self) -> None:
        """Our data streams and templates, if there are any."""
        self._http.delete("/_data_stream/logs-umbra.*")
        self._http.delete("/_index_template/umbra-logs")

    def add(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """Add lines as Logstash does, to the data stream of their dataset; gives the refusals."""
        body = b"".join(
            json.dumps({"create": {"_index": f"logs-{line['event']['dataset']}-default"}}).encode()
            + b"\n"
            + json.dumps(line).encode()
            + b"\n"
            for line in lines
        )
        answer = self._http.post(
            "/_bulk?refresh=true", content=body, headers={"Content-Type": "application/x-ndjson"}
        )
        answer.raise_for_status()
        return [item["create"] for item in answer.json()["items"] if item["create"]["status"] != 201]

    def search(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """An answer to a search over all our data streams."""
        answer = self._http.post("/logs-umbra.*-*/_search", json=body)
        if answer.status_code != 200:
            raise Refused(f"{json.dumps(body)}: {answer.text}")
        found: dict[str, Any] = answer.json()
        if found["_shards"]["failed"]:
            raise Refused(f"{json.dumps(body)}: {answer.text}")
        return found

    def mappings(self) -> dict[str, Any]:
        """The mappings of every index of ours, by its name."""
        answer = self._http.get("/logs-umbra.*-*/_mapping").raise_for_status()
        return {name: one["mappings"] for name, one in answer.json().items()}

    def close(self) -> None:
        """Leave nothing behind."""
        self.forget()
        self._http.close()

    def _put(self, path: str, body: Mapping[str, Any]) -> None:
        answer = self._http.put(path, json=body)
        if answer.status_code != 200:
            raise Refused(f"{path}: {answer.text}")


def _ecs_mappings() -> dict[str, Any]:
    """Closed, so that a line with a field of no kind is refused; objects only where lines have them."""
    properties: dict[str, Any] = {}
    for name, kind in index.ecs().items():
        *groups, last = name.split(".")
        place = properties
        for group in groups:
            place = place.setdefault(group, {"properties": {}})["properties"]
        if name != "message":
            place[last] = {"type": kind}
    return {"dynamic": "strict", "properties": properties}
