"""The basis of a decision: the verdict on a candidate at the moment somebody promotes it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from model_package.reference import ModelRef
from shadow.evidence.judgement import judge
from shadow.evidence.recording import record
from shadow.rollout import DecisionBasis
from shadow.store import Store
from shadow.store.streams import NotJudged


def decision_basis(store: Store, models: Path, candidate: ModelRef, now: datetime) -> DecisionBasis | None:
    """Judge the candidate now; None when no evidence about it has been gathered yet.

    The verdict is stored, so that the deployment that rests on it can name its row.
    """
    try:
        verdict = judge(store, models, candidate, now)
    except NotJudged:
        return None
    recorded = record(store, verdict, for_decision=True)
    return DecisionBasis(verdict.state, verdict.reasons, recorded.id, verdict.evidence.policy.sha256)
