"""Entries: what one line of the journal says, written by capture and read by ingest.

An entry holds the captures of one request, and how many houses its segment had been offered (`first`)
and had dropped before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import orjson

from shadow.records import Capture, Inputs, ModelRef, capture_time


def encode(
    request_id: str,
    live: ModelRef,
    capture_ids: Sequence[UUID],
    rows: Sequence[Inputs],
    dollars: Sequence[float],
) -> bytes:
    """Write the captures of one request, still without their number."""
    facts = {
        "request": request_id,
        "name": live.name,
        "version": live.version,
        "ids": capture_ids,
        "dollars": dollars,
        "rows": rows,
    }
    return orjson.dumps(facts, option=orjson.OPT_SERIALIZE_NUMPY)


def numbered(entry: bytes, first: int, dropped: int) -> bytes:
    """Put the segment's count in front of an encoded entry."""
    return b'{"first":%d,"dropped":%d,%s' % (first, dropped, entry[1:])


@dataclass(frozen=True, slots=True)
class Entry:
    """One readable journal entry: the captures of one request, and the segment's count before it."""

    first: int
    dropped: int
    captures: tuple[Capture, ...]

    @classmethod
    def parse(cls, payload: bytes) -> Self | None:
        """Read a payload; None when it is not an entry this version knows."""
        try:
            facts = orjson.loads(payload)
            live = ModelRef(facts["name"], facts["version"])
            houses = zip(facts["ids"], facts["dollars"], facts["rows"], strict=True)
            found = tuple(
                _capture(facts["request"], live, index, UUID(name), dollars, row)
                for index, (name, dollars, row) in enumerate(houses)
            )
            return cls(int(facts["first"]), int(facts["dropped"]), found)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return None


def _capture(
    request_id: str, live: ModelRef, index: int, name: UUID, dollars: float, inputs: Mapping[str, Any]
) -> Capture:
    return Capture(name, capture_time(name), request_id, index, live, float(dollars), inputs)
