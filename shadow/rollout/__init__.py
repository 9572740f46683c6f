"""Rollout: who is live. Decisions are made in the store; each data directory remembers the one it serves."""

from shadow.rollout.decision import (
    Decision,
    Judge,
    Judgement,
    PromotionRefused,
    RolloutConflict,
    UnfitArtifact,
    first_deployment,
    pinned,
    promote,
    rollback,
)
from shadow.rollout.last_served import NoDeployment, current_deployment, remember, remembered

__all__ = [
    "Decision",
    "Judge",
    "Judgement",
    "NoDeployment",
    "PromotionRefused",
    "RolloutConflict",
    "UnfitArtifact",
    "current_deployment",
    "first_deployment",
    "pinned",
    "promote",
    "remember",
    "remembered",
    "rollback",
]
