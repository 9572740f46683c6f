"""Every field of a log line, declared once, for the schema of a line and the mapping of the search index.

Fields of the Elastic Common Schema keep their names; Umbra's own are under `umbra`, which is closed: a line
with a field that is not declared here is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["keyword", "double", "long", "date", "boolean"]

INPUTS = "inputs"
"""The group under `umbra` with the fields of a row; the caller supplies their names."""
MAX_LISTED = 20
"""The most values of a field that lists them."""
_KEYWORD_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class LogField:
    """One field under `umbra`; a dot in the name nests.

    `many`: a list of values. `text`: words that a model, an error or a client chose, and that may therefore
    repeat the fields of a row.
    """

    name: str
    kind: Kind
    meaning: str
    many: bool = False
    text: bool = False


FIELDS: tuple[LogField, ...] = (
    LogField("rows", "long", "houses that the line is about"),
    LogField("outcomes", "long", "outcomes that the line is about"),
    LogField("files", "long", "journal files that the line is about"),
    LogField("pids", "long", "ids of the processes that the line is about", many=True),
    LogField("model.name", "keyword", "name of the model that answered"),
    LogField("model.version", "keyword", "version of the model that answered"),
    LogField("capture", "keyword", "the capture: written, late, repeated (a retry), or why it was dropped"),
    LogField("problem", "keyword", "kind of problem the request was refused with"),
    LogField("refused_fields", "keyword", "fields of the house that were wrong, at most 20", many=True),
    LogField("capture_id", "keyword", "id of the answered house"),
    LogField("capture_ids", "keyword", "ids of the answered houses, at most 20", many=True),
    LogField("outcome", "keyword", "what became of the house: sold or withdrawn"),
    LogField("report", "keyword", "id of the request that reported it"),
    LogField("row_index", "long", "place of the house in its request, from 0"),
    LogField("captured_at", "date", "when the house was answered"),
    LogField("live_model", "keyword", "the live model, NAME@VERSION"),
    LogField("live_price_dollars", "double", "the live model's price, US dollars"),
    LogField("candidate", "keyword", "the candidate, NAME@VERSION"),
    LogField("candidate_price_dollars", "double", "the candidate's price, US dollars"),
    LogField("difference_dollars", "double", "candidate's price minus the live one, US dollars"),
    LogField("difference_ratio", "double", "candidate's price over the live one, minus 1"),
    LogField("failed", "long", "houses of a batch that the candidate failed on"),
    LogField("reason", "keyword", "why it failed, was dropped or was decided"),
    LogField("detail", "keyword", "what the candidate said when it failed", text=True),
    LogField("state", "keyword", "how a candidate's lane is doing"),
    LogField("because", "keyword", "why a lane does not score", text=True),
    LogField("scorer_pid", "long", "process id of the candidate's model; null when it does not run"),
    LogField("duration_seconds", "double", "how long it took"),
    LogField("oldest_age_seconds", "double", "age of the oldest capture of a batch when it was stored"),
    LogField("segment", "keyword", "name of a journal file"),
    LogField("role", "keyword", "which of Umbra's processes"),
    LogField("status", "long", "exit status of a process; negative: the signal that ended it"),
    LogField("after_seconds", "double", "how long a process was given to stop"),
    LogField("by", "keyword", "who decided"),
    LogField("deployment", "long", "number of a deployment"),
    LogField("kind", "keyword", "kind of deployment: first, promotion or rollback"),
    LogField("verdict", "keyword", "what the evidence says of a candidate: promote, continue, reject, ..."),
    LogField("previous_verdict", "keyword", "what it said before; empty: nothing yet"),
    LogField("stream", "long", "number of a stream: one candidate against one deployment under one policy"),
    LogField("policy", "keyword", "SHA-256 of the policy a candidate is judged by"),
    LogField("overridden", "boolean", "whether a promotion was made in spite of its verdict"),
    LogField("previous_model", "keyword", "the model that answered before, NAME@VERSION"),
    LogField("wanted_model", "keyword", "the deployed model that cannot be loaded here, NAME@VERSION"),
    LogField("port", "long", "port that could not be listened on"),
    LogField("directory", "keyword", "directory that could not be used"),
)

_STRING = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "format": "date-time"}

# The groups of the Elastic Common Schema that lines have, with the types they have there.
_ECS: Mapping[str, Any] = {
    "@timestamp": _TIME,
    "message": {"type": "string", "minLength": 1},
    "log": {
        "level": {"enum": ["debug", "info", "warning", "error", "critical"]},
        "logger": _STRING,
        "origin": {"file": {"name": _STRING, "line": _COUNT}, "function": _STRING},
    },
    "event": {
        "dataset": {"enum": ["umbra.api", "umbra.worker"]},
        "action": _STRING,
        "outcome": {"enum": ["success", "failure", "unknown"]},
        "duration": _COUNT,
    },
    "service": {"name": _STRING, "version": _STRING},
    "host": {"name": _STRING},
    "process": {"pid": _COUNT},
    "trace": {"id": {"type": "string", "minLength": 1, "maxLength": 128}},
    "http": {
        "request": {"method": _STRING, "id": _STRING},
        "response": {"status_code": _COUNT, "body": {"bytes": {"type": ["integer", "null"]}}},
    },
    "url": {"path": _STRING},
    "client": {"ip": {"type": ["string", "null"]}},
    "error": {"type": _STRING, "message": _STRING, "stack_trace": _STRING},
}
_ALWAYS = ("@timestamp", "message", "log", "event", "service", "host", "process")
# A number that JSON does not have (NaN, infinity) is written as null.
_JSON_TYPES: Mapping[Kind, Mapping[str, Any]] = {
    "keyword": _STRING,
    "double": {"type": ["number", "null"]},
    "long": {"type": ["integer", "null"]},
    "date": _TIME,
    "boolean": {"type": "boolean"},
}

EVENT_GROUPS = frozenset({"event", "http", "url", "trace", "client"})
"""The groups of the Elastic Common Schema that the writer of a line may fill."""
TEXTS = frozenset({"url"} | {field.name for field in FIELDS if field.text})
"""The fields that `monitoring.logs` leaves out of a line while texts are withheld."""


def line_schema(inputs: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a line; `inputs` are the fields of a row and their kinds."""
    own = {field.name: _json_type(field) for field in FIELDS}
    houses = {f"{INPUTS}.{name}": _nullable(_JSON_TYPES[kind]) for name, kind in inputs.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A log line of Umbra",
        **_closed({**_ECS, "umbra": _nested(own | houses)}),
        "required": list(_ALWAYS),
    }


def mapping(inputs: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the `properties` of the object `umbra` in an Elasticsearch mapping; `inputs` as above."""
    own = {field.name: _mapped(field.kind) for field in FIELDS}
    houses = {f"{INPUTS}.{name}": _mapped(kind) for name, kind in inputs.items()}
    return _properties(_nested(own | houses))


def _json_type(field: LogField) -> Mapping[str, Any]:
    if field.many:
        return {"type": "array", "items": _JSON_TYPES[field.kind], "maxItems": MAX_LISTED}
    return _JSON_TYPES[field.kind]


def _nullable(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": ["string", "null"]} if declared is _STRING else declared


def _mapped(kind: Kind) -> dict[str, Any]:
    return {"type": kind, "ignore_above": _KEYWORD_CHARACTERS} if kind == "keyword" else {"type": kind}


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nest dotted names: `{"a.b": x}` becomes `{"a": {"b": x}}`."""
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *groups, last = name.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = leaf
    return tree


def _closed(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a tree of fields to a schema in which every object has these fields and no others."""
    properties = {name: mapping if _is_leaf(mapping) else _closed(mapping) for name, mapping in tree.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _properties(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: mapping if _is_leaf(mapping) else {"properties": _properties(mapping)}
        for name, mapping in tree.items()
    }


def _is_leaf(mapping: Mapping[str, Any]) -> bool:
    """Return whether it is a type; in a group with a field called `type` (`error`) that is an object."""
    return "enum" in mapping or isinstance(mapping.get("type"), str | list)
