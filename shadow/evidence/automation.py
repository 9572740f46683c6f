"""Automation: promotes and rolls back where the policy that was frozen at the stream's start allows it."""

from __future__ import annotations

import logging
from datetime import datetime

from model_package import recipes
from monitoring import logs
from shadow.records import Deployment, VerdictState
from shadow.rollout import Decision, DecisionBasis, PromotionRefused, UnfitArtifact, promote, rollback
from shadow.settings import Settings
from shadow.store import Store, streams
from shadow.store.deployments import DeployedMeanwhile
from shadow.verdict import Verdict

DECIDED_BY = "policy"
_REASON_CHARACTERS = 500
_log = logging.getLogger("umbra.evidence")


def apply_verdict(
    store: Store, settings: Settings, verdict: Verdict, verdict_id: int, now: datetime
) -> Deployment | None:
    """Promote or roll back if the policy allows it on this verdict.

    A failure is logged, and the next cycle tries again.
    """
    allowed, watch = verdict.evidence.policy.automation, verdict.rollback
    try:
        if allowed.rollback and watch is not None and watch.alarm:
            return _roll_back(store, settings, verdict, watch.because[0], now)
        if allowed.promote and verdict.state is VerdictState.PROMOTE:
            return _promote(store, settings, verdict, verdict_id, now)
    except (DeployedMeanwhile, PromotionRefused, UnfitArtifact, ValueError) as fault:
        candidate = str(verdict.evidence.candidate)
        logs.event(_log, "automation_failed", level=logging.ERROR, error=fault, candidate=candidate)
    return None


def _roll_back(
    store: Store, settings: Settings, verdict: Verdict, reason: str, now: datetime
) -> Deployment | None:
    if not _is_in_force(store, verdict):
        return None
    recipes.register(settings.recipe_modules)
    return rollback(store, settings.models, _decision(reason, now), to=verdict.evidence.candidate)


def _promote(
    store: Store, settings: Settings, verdict: Verdict, verdict_id: int, now: datetime
) -> Deployment | None:
    if not _is_in_force(store, verdict):
        return None
    basis = DecisionBasis(verdict.state, verdict.reasons, verdict_id, verdict.evidence.policy.sha256)
    recipes.register(settings.recipe_modules)
    return promote(
        store,
        settings.models,
        verdict.evidence.candidate,
        # Called once it is fixed what would be replaced: that has to be what the verdict is about.
        lambda: basis if _is_in_force(store, verdict) else None,
        _decision(verdict.reasons[0], now),
    )


def _is_in_force(store: Store, verdict: Verdict) -> bool:
    """Whether the stream goes on: nobody has deployed or removed anything since the verdict."""
    with store.reading() as connection:
        return any(stream.id == verdict.evidence.stream_id for stream in streams.current(connection))


def _decision(reason: str, now: datetime) -> Decision:
    return Decision(DECIDED_BY, f"automatic: {reason}"[:_REASON_CHARACTERS], now)
