"""Verdicts: GET /v1/verdicts lists the current ones, /v1/verdicts/NAME@VERSION adds the history of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from flask import Response
from pydantic import Field

from api.content import JSON
from api.errors import UnknownCandidate
from api.openapi.operation import REQUEST_ID, ResourceDescription, candidate_parameter, get
from api.openapi.schema import Schema
from api.openapi.shapes import Reference
from api.store_reads import CandidateVerdict, StoreReads
from shadow.json_shapes import from_json
from shadow.records import VerdictState
from shadow.store.streams.documents import StreamDocuments
from shadow.store.streams.verdicts import RecordedVerdict
from shadow.verdict.shapes import VerdictDocument


class VerdictResource:
    """Serves what the evidence process judged; `computed_at` says when."""

    def __init__(self, store_reads: StoreReads) -> None:
        self._store_reads = store_reads

    def verdicts(self) -> Response:
        """Answer with every candidate that is being judged, and its verdict; null: none yet."""
        views = [VerdictView(**_verdict(documents)) for documents in self._store_reads.verdicts()]
        return _answer(VerdictsView(views))

    def verdict(self, identifier: str) -> Response:
        """Answer with the verdict on one candidate, the last one if its stream has ended, and its history."""
        candidate = self._store_reads.verdict(identifier)
        if candidate is None:
            raise UnknownCandidate(
                f"{identifier[:80]!r} was never judged: expected the NAME@VERSION of a candidate"
            )
        return _answer(VerdictHistoryView.of(candidate))


@dataclass(frozen=True, slots=True)
class VerdictView:
    """A candidate with its verdict."""

    candidate: Reference
    live: Reference
    stream: Annotated[int, Field(description="Id of the stream: these two models under one policy.")]
    computed_at: datetime | None
    verdict: Annotated[
        Mapping[str, Any] | None,
        Field(description="State, every rule with value and threshold, reasons; null: not judged yet."),
    ]


@dataclass(frozen=True, slots=True)
class VerdictsView:
    """The verdicts on all candidates."""

    verdicts: Sequence[VerdictView]


@dataclass(frozen=True, slots=True)
class VerdictChangeView:
    """One change of a verdict's state."""

    id: int
    state: VerdictState
    decided_at: datetime
    watermark_day: Annotated[int | None, Field(description="The last day that counted.")]
    sold: Annotated[int, Field(description="Houses with a sale price that counted.")]
    policy_sha256: str
    reasons: Sequence[str]

    @classmethod
    def of(cls, change: RecordedVerdict) -> VerdictChangeView:
        """Show a verdict as it was recorded."""
        return cls(
            change.id,
            change.state,
            change.decided_at,
            change.watermark_day,
            change.sold,
            change.policy_sha256,
            from_json(VerdictDocument, change.report).reasons,
        )


@dataclass(frozen=True, slots=True)
class VerdictHistoryView(VerdictView):
    """A candidate with its verdict and all changes of it."""

    over: Annotated[
        bool,
        Field(description="The stream has ended: the candidate was removed, or another model is live."),
    ]
    ended_at: Annotated[datetime | None, Field(description="When another model went live; null: none has.")]
    history: Sequence[VerdictChangeView]

    @classmethod
    def of(cls, candidate: CandidateVerdict) -> VerdictHistoryView:
        """Show all that is known of the verdict on a candidate."""
        changes = [VerdictChangeView.of(change) for change in candidate.history]
        verdict = _verdict(candidate.stream)
        return cls(**verdict, over=candidate.is_over, ended_at=candidate.ended_at, history=changes)


def _verdict(documents: StreamDocuments) -> dict[str, Any]:
    document = documents.documents.get("verdict")
    return {
        "candidate": str(documents.stream.candidate),
        "live": str(documents.stream.terms.live),
        "stream": documents.stream.id,
        "computed_at": None if document is None else document.computed_at,
        "verdict": None if document is None else document.body,
    }


def _answer(view: VerdictsView | VerdictHistoryView) -> Response:
    return Response(orjson.dumps(view), content_type=JSON)


def describe() -> ResourceDescription:
    """Describe both operations."""
    every = get("verdicts", "The current verdict on every candidate.", VerdictsView, 503, tag="models")
    paths = {"/v1/verdicts": {"get": every}, "/v1/verdicts/{id}": {"get": _show()}}
    return ResourceDescription(paths, (VerdictsView, VerdictHistoryView))


def _show() -> Schema:
    summary = "The verdict on one candidate, the last one if it is judged no more, and its history."
    return {
        **get("showVerdict", summary, VerdictHistoryView, 404, 503, tag="models"),
        "parameters": [candidate_parameter("NAME@VERSION of the candidate."), REQUEST_ID],
    }
