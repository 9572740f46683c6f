"""Automation: promotes and rolls back by itself, where the policy that was frozen at the start says so."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from monitoring import logs
from shadow.records import Deployment, VerdictState
from shadow.rollout import Decision, Judgement, UnfitArtifact, promote, rollback
from shadow.store import Store
from shadow.store.deployments import DeployedMeanwhile
from shadow.verdict import Verdict

BY = "policy"
_REASON_CHARACTERS = 500
_log = logging.getLogger("umbra.evidence")


def act(store: Store, models: Path, verdict: Verdict, verdict_id: int, now: datetime) -> Deployment | None:
    """Do what the policy allows on this verdict, if anything; what is in the way is told, and tried again."""
    allowed, watched = verdict.facts.policy.automation, verdict.rollback
    try:
        if allowed.rollback and watched is not None and watched.alarm:
            decision = _decision(watched.because[0], now)
            return rollback(store, models, decision, to=verdict.facts.candidate)
        if allowed.promote and verdict.state is VerdictState.PROMOTE:
            judged = Judgement(verdict.state, verdict.reasons, verdict_id, verdict.facts.policy.sha256)
            decision = _decision(verdict.reasons[0], now)
            return promote(store, models, verdict.facts.candidate, lambda: judged, decision)
    except (DeployedMeanwhile, UnfitArtifact, ValueError) as fault:
        logs.event(_log, "automation_failed", level=logging.ERROR, error=fault)
    return None


def _decision(because: str, now: datetime) -> Decision:
    return Decision(BY, f"automatic: {because}"[:_REASON_CHARACTERS], now)
