"""Automation: promotes and rolls back by itself, where the policy that was frozen at the start says so."""

from __future__ import annotations

import logging
from datetime import datetime

from model_package import recipes
from monitoring import logs
from shadow.records import Deployment, VerdictState
from shadow.rollout import Decision, Judgement, PromotionRefused, UnfitArtifact, promote, rollback
from shadow.settings import Settings
from shadow.store import Store, streams
from shadow.store.deployments import DeployedMeanwhile
from shadow.verdict import Verdict

BY = "policy"
_REASON_CHARACTERS = 500
_log = logging.getLogger("umbra.evidence")


def act(
    store: Store, settings: Settings, verdict: Verdict, verdict_id: int, now: datetime
) -> Deployment | None:
    """Do what the policy allows on this verdict, if anything; what is in the way is told, and tried again."""
    allowed, watched = verdict.facts.policy.automation, verdict.rollback
    try:
        if allowed.rollback and watched is not None and watched.alarm:
            return _roll_back(store, settings, verdict, watched.because[0], now)
        if allowed.promote and verdict.state is VerdictState.PROMOTE:
            return _promote(store, settings, verdict, verdict_id, now)
    except (DeployedMeanwhile, PromotionRefused, UnfitArtifact, ValueError) as fault:
        candidate = str(verdict.facts.candidate)
        logs.event(_log, "automation_failed", level=logging.ERROR, error=fault, candidate=candidate)
    return None


def _roll_back(
    store: Store, settings: Settings, verdict: Verdict, because: str, now: datetime
) -> Deployment | None:
    if not _is_in_force(store, verdict):
        return None
    recipes.register(settings.recipe_modules)
    return rollback(store, settings.models, _decision(because, now), to=verdict.facts.candidate)


def _promote(
    store: Store, settings: Settings, verdict: Verdict, verdict_id: int, now: datetime
) -> Deployment | None:
    if not _is_in_force(store, verdict):
        return None
    judged = Judgement(verdict.state, verdict.reasons, verdict_id, verdict.facts.policy.sha256)
    recipes.register(settings.recipe_modules)
    return promote(
        store,
        settings.models,
        verdict.facts.candidate,
        # Asked once it is fixed what would be replaced: that has to be what the verdict is about.
        lambda: judged if _is_in_force(store, verdict) else None,
        _decision(verdict.reasons[0], now),
    )


def _is_in_force(store: Store, verdict: Verdict) -> bool:
    """Whether the stream goes on: nobody has deployed or removed anything since the verdict."""
    with store.reading() as connection:
        return any(one.id == verdict.facts.stream_id for one in streams.current(connection))


def _decision(because: str, now: datetime) -> Decision:
    return Decision(BY, f"automatic: {because}"[:_REASON_CHARACTERS], now)
