"""Recording verdicts: a row and a log line whenever a stream's state changes."""

from __future__ import annotations

import logging

from monitoring import logs
from shadow.store import Store
from shadow.store.streams import documents, verdicts
from shadow.store.streams.documents import StoredDocument
from shadow.store.streams.verdicts import RecordedVerdict
from shadow.verdict import Verdict, verdict_json

_log = logging.getLogger("umbra.verdict")


def record(store: Store, verdict: Verdict, *, for_decision: bool = False) -> RecordedVerdict:
    """Add the verdict to the store if its state is a new one; returns the row in force.

    A verdict that a decision rests on is added in any case: the deployment names the very numbers. It also
    becomes the stream's document, for a promotion ends the stream and nobody judges it again.
    """
    row = _row(verdict)
    with store.writing() as connection:
        in_force, previous = verdicts.append_change(connection, row, always=for_decision)
        if for_decision:
            documents.put(connection, row.stream_id, "verdict", StoredDocument(row.decided_at, row.report))
    if previous is None or previous.state is not in_force.state:
        _log_change(verdict, "" if previous is None else previous.state.value)
    return in_force


def _row(verdict: Verdict) -> RecordedVerdict:
    evidence = verdict.evidence
    return RecordedVerdict(
        stream_id=evidence.stream_id,
        state=verdict.state,
        decided_at=evidence.now,
        watermark_day=evidence.watermark.day,
        sold=int(verdict.analysis.mature.sold),
        policy_sha256=evidence.policy.sha256,
        report=verdict_json(verdict),
    )


def _log_change(verdict: Verdict, previous: str) -> None:
    evidence = verdict.evidence
    logs.event(
        _log,
        "verdict_changed",
        candidate=str(evidence.candidate),
        live_model=str(evidence.live),
        verdict=verdict.state.value,
        previous_verdict=previous,
        reason=verdict.reasons[0],
        stream=evidence.stream_id,
        policy=evidence.policy.sha256,
    )
