"""Rollout: which model is live. The store has the decisions; each data directory saves the one it serves."""

from shadow.rollout.decision import (
    Decision,
    DecisionBasis,
    Judge,
    PromotionRefused,
    RolloutConflict,
    UnfitArtifact,
    first_deployment,
    pin_artifact,
    promote,
    rollback,
)
from shadow.rollout.last_served import NoDeployment, current_deployment, read_last_served, save_last_served

__all__ = [
    "Decision",
    "DecisionBasis",
    "Judge",
    "NoDeployment",
    "PromotionRefused",
    "RolloutConflict",
    "UnfitArtifact",
    "current_deployment",
    "first_deployment",
    "pin_artifact",
    "promote",
    "read_last_served",
    "rollback",
    "save_last_served",
]
