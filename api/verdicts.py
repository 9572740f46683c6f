"""Verdicts: GET /v1/verdicts says what the evidence says now, GET /v1/verdicts/NAME@VERSION how that came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Response

from api.content import JSON
from api.errors import UnknownCandidate
from api.store_reads import StoreReads
from shadow.store.streams.documents import StreamDocuments
from shadow.store.streams.verdicts import RecordedVerdict


class Verdicts:
    """The two views. What they show was judged by the evidence process; `computed_at` says when."""

    def __init__(self, store_reads: StoreReads) -> None:
        self._store_reads = store_reads

    def verdicts(self) -> Response:
        """Every candidate that is being judged, with its verdict; null: none yet."""
        return _answer({"verdicts": [_verdict(one) for one in self._store_reads.verdicts()]})

    def verdict(self, identifier: str) -> Response:
        """One candidate's verdict, or where it stood when its stream ended, with the changes of its state."""
        found = self._store_reads.verdict(identifier)
        if found is None:
            raise UnknownCandidate(
                f"{identifier[:80]!r} was never judged: expected the NAME@VERSION of a candidate"
            )
        return _answer(
            {
                **_verdict(found.stream),
                "over": found.is_over,
                "ended_at": found.ended_at,
                "history": _history(found.history),
            }
        )


def _answer(body: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(body), content_type=JSON)


def _verdict(about: StreamDocuments) -> dict[str, Any]:
    document = about.documents.get("verdict")
    return {
        "candidate": str(about.stream.candidate),
        "live": str(about.stream.terms.live),
        "stream": about.stream.id,
        "computed_at": None if document is None else document.computed_at,
        "verdict": None if document is None else document.body,
    }


def _history(changes: Sequence[RecordedVerdict]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "state": one.state,
            "decided_at": one.decided_at,
            "watermark_day": one.watermark_day,
            "sold": one.sold,
            "policy_sha256": one.policy_sha256,
            "reasons": one.report.get("reasons", []),
        }
        for one in changes
    ]
