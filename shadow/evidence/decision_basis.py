"""Grounds: what the evidence says of a candidate at the moment of a decision."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from shadow.records import ModelRef
from shadow.rollout.decision import Judgement
from shadow.store import Store
from shadow.store.streams import NotJudged


def judgement(store: Store, models: Path, candidate: ModelRef, now: datetime) -> Judgement | None:
    """Judge the candidate now; None when no evidence about it has been gathered yet.

    The verdict is kept, so that the deployment made of it can name its row.
    """
    # Only when somebody decides: what judges takes memory that processes that answer have no other use for.
    from shadow.evidence.judgement import judge  # noqa: PLC0415
    from shadow.verdict.keeping import keep  # noqa: PLC0415

    try:
        verdict = judge(store, models, candidate, now)
    except NotJudged:
        return None
    return Judgement(
        verdict.state,
        verdict.reasons,
        keep(store, verdict, for_decision=True).id,
        verdict.facts.policy.sha256,
    )
