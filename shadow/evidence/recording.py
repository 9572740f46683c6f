"""Keeping verdicts: a row and a log line whenever a stream's state changes. The one part that is not pure."""

from __future__ import annotations

import logging

from monitoring import logs
from shadow.store import Store
from shadow.store.streams import documents, verdicts
from shadow.store.streams.documents import StoredDocument
from shadow.store.streams.verdicts import RecordedVerdict
from shadow.verdict.decision import Verdict

_log = logging.getLogger("umbra.verdict")


def keep(store: Store, verdict: Verdict, *, for_decision: bool = False) -> RecordedVerdict:
    """Add the verdict to the store if its state is a new one; returns the row in force.

    What a decision is made on is added in any case: the deployment names the very numbers it rests on. It is
    also what is shown of the stream from then on, for a promotion ends it and nobody judges it again.
    """
    recorded = _recorded(verdict)
    with store.writing() as connection:
        kept, before = verdicts.append_change(connection, recorded, always=for_decision)
        if for_decision:
            shown = StoredDocument(recorded.decided_at, recorded.report)
            documents.put(connection, recorded.stream_id, "verdict", shown)
    if before is None or before.state is not kept.state:
        _say(verdict, "" if before is None else before.state.value)
    return kept


def _recorded(verdict: Verdict) -> RecordedVerdict:
    facts = verdict.facts
    return RecordedVerdict(
        stream_id=facts.stream_id,
        state=verdict.state,
        decided_at=facts.now,
        watermark_day=facts.watermark.day,
        sold=int(verdict.found.mature.sold),
        policy_sha256=facts.policy.sha256,
        report=verdict.as_json(),
    )


def _say(verdict: Verdict, before: str) -> None:
    facts = verdict.facts
    logs.event(
        _log,
        "verdict_changed",
        candidate=str(facts.candidate),
        live_model=str(facts.live),
        verdict=verdict.state.value,
        previous_verdict=before,
        reason=verdict.reasons[0],
        stream=facts.stream_id,
        policy=facts.policy.sha256,
    )
