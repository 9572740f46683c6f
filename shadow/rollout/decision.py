"""Decisions: promotions and rollbacks, each stored in one transaction.

A decision is prepared (verdict, artifact) without a lock, then stored, unless somebody else has decided
meanwhile. API processes watch the store for it (api.model_watch).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path

from model_package import artifact
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE
from monitoring import logs
from shadow.records import Deployment, DeploymentKind, VerdictState
from shadow.rollout.last_served import NoDeployment
from shadow.store import Store, candidates, deployments, streams

BY_CHARACTERS, REASON_CHARACTERS = 128, 1000
_log = logging.getLogger("umbra.rollout")


class RolloutConflict(ValueError):
    """The decision does not fit the model that is live."""


class PromotionRefused(RuntimeError):
    """The evidence does not allow this promotion."""

    def __init__(self, candidate: ModelRef, basis: DecisionBasis) -> None:
        listed = "".join(f"\n  - {reason}" for reason in basis.reasons)
        super().__init__(
            f"{candidate}: the verdict is {basis.state.upper()}, only PROMOTE allows a promotion{listed}"
        )
        self.candidate = candidate
        self.state = basis.state
        self.reasons = tuple(basis.reasons)


class UnfitArtifact(RuntimeError):
    """A model that loads and cannot predict."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides, why and when."""

    by: str
    reason: str
    at: datetime

    def __post_init__(self) -> None:
        for name, text, most in (("by", self.by, BY_CHARACTERS), ("reason", self.reason, REASON_CHARACTERS)):
            if not text.strip() or len(text) > most or not text.isprintable():
                raise RolloutConflict(f"{name}={text[:80]!r}: expected one line of 1 to {most} characters")


@dataclass(frozen=True, slots=True)
class DecisionBasis:
    """The verdict that a decision rests on: its state with the reasons."""

    state: VerdictState
    reasons: Sequence[str]
    verdict_id: int | None = None
    policy_sha256: str | None = None


Judge = Callable[[], DecisionBasis | None]
"""Judges the candidate now; None when no evidence about it has been gathered yet."""


def first_deployment(store: Store, models: Path, live: ModelRef, by: str, now: datetime) -> Deployment:
    """Make `live` the live model if none ever was; returns the deployment in force.

    It is pinned to the digest of its artifact, which is verified first: raises the artifact's own errors.
    """
    deployment = store.deployment()
    if deployment is not None:
        return deployment
    digest = _verified_digest(models, live)
    with store.writing() as connection:
        candidates.lock_deployments(connection)
        deployment = deployments.newest(connection)
        if deployment is not None:
            return deployment
        first = Deployment(live, now, by, "first deployment", artifact_digest=digest)
        deployment = deployments.append(connection, first)
    _log_deployment(deployment)
    return deployment


def pin_artifact(store: Store, models: Path, deployment: Deployment) -> Deployment:
    """Return the deployment with the digest of its artifact; one of 0.1.0, which had none, gets it now.

    That is the artifact its evidence is about, or else the one in the models directory; raises that
    artifact's errors.
    """
    if deployment.artifact_digest is not None:
        return deployment
    with store.reading() as connection:
        judged_digest = streams.live_digest(connection, deployment.id)
    digest = judged_digest or _verified_digest(models, deployment.live)
    with store.writing() as connection:
        pinned = deployments.set_artifact_digest(connection, deployment, digest)
    logs.event(
        _log,
        "deployment_pinned",
        level=logging.WARNING,
        live_model=str(pinned.live),
        deployment=pinned.id,
        reason=f"its artifact is {digest}",
    )
    return pinned


def promote(
    store: Store,
    models: Path,
    candidate: ModelRef,
    judge: Judge,
    decision: Decision,
    *,
    override: bool = False,
) -> Deployment:
    """Make a candidate the live model; the model that was live becomes a candidate.

    Raises PromotionRefused unless the verdict is PROMOTE now or `override` is set, which is recorded.
    RolloutConflict, CandidateConflict and DeployedMeanwhile say what else is in the way; an artifact that is
    altered or cannot predict raises its own error.
    """
    current = _current(store)
    if current.live == candidate:
        raise RolloutConflict(f"{candidate} is live already, since {current.since:%Y-%m-%d %H:%M:%S} UTC")
    with store.reading() as connection:
        deployments.require_active(connection, candidate)
    basis = judge() or _without_evidence(candidate)
    if basis.state is not VerdictState.PROMOTE and not override:
        raise PromotionRefused(candidate, basis)
    promotion = _promotion(candidate, _verified_digest(models, candidate), decision, basis)
    return _deploy(store, current, promotion, policy_of=candidate)


def _promotion(candidate: ModelRef, digest: str, decision: Decision, basis: DecisionBasis) -> Deployment:
    return Deployment(
        candidate,
        decision.at,
        decision.by,
        decision.reason,
        kind=DeploymentKind.PROMOTION,
        verdict_id=basis.verdict_id,
        verdict_state=basis.state.value,
        overridden=basis.state is not VerdictState.PROMOTE,
        artifact_digest=digest,
        policy_sha256=basis.policy_sha256,
    )


def rollback(store: Store, models: Path, decision: Decision, to: ModelRef | None = None) -> Deployment:
    """Make the model live again that was live before, or `to`, which has to have been live once.

    It takes no verdict. Rolling back again goes further back, never forth to a model rolled back from. The
    model that was live becomes a candidate, from now on. Raises RolloutConflict, DeployedMeanwhile, or the
    artifact's own errors.
    """
    with store.reading() as connection:
        history = deployments.history(connection)
    if not history:
        raise _nothing_deployed()
    current, target = history[-1], _target(history, to)
    digest = _verified_digest(models, target)
    restored = Deployment(
        target,
        decision.at,
        decision.by,
        decision.reason,
        kind=DeploymentKind.ROLLBACK,
        artifact_digest=digest,
    )
    return _deploy(store, current, restored, policy_of=current.live)


def rollback_path(history: Sequence[Deployment]) -> list[ModelRef]:
    """Return the models that rollbacks would go back through, oldest first; the last of them is live.

    A rollback removes all that came after the model it restored.
    """
    models: list[ModelRef] = []
    for deployment in history:
        if deployment.kind is DeploymentKind.ROLLBACK and deployment.live in models:
            while models[-1] != deployment.live:
                models.pop()
        else:
            models.append(deployment.live)
    return models


def _target(history: Sequence[Deployment], to: ModelRef | None) -> ModelRef:
    live = history[-1].live
    if to is None:
        models = rollback_path(history)
        if len(models) < 2:
            raise RolloutConflict(
                f"there is nothing before {live} to go back to; --to NAME@VERSION takes any model that was "
                "ever live, `umbra deployments` lists them"
            )
        return models[-2]
    if to == live:
        raise RolloutConflict(f"{to} is live already, since {history[-1].since:%Y-%m-%d %H:%M:%S} UTC")
    if all(deployment.live != to for deployment in history):
        raise RolloutConflict(f"{to} was never live; `umbra deployments` lists the models that were")
    return to


def _current(store: Store) -> Deployment:
    deployment = store.deployment()
    if deployment is None:
        raise _nothing_deployed()
    return deployment


def _nothing_deployed() -> NoDeployment:
    return NoDeployment("no model has been deployed yet; `umbra prepare` deploys the first one")


def _without_evidence(candidate: ModelRef) -> DecisionBasis:
    return DecisionBasis(VerdictState.INSUFFICIENT, [f"no evidence about {candidate} has been gathered yet"])


def _verified_digest(models: Path, model: ModelRef) -> str:
    """Return the artifact's digest, once its hashes are right and it has priced the example."""
    loaded = artifact.load(artifact.existing(models, model))
    try:
        prices = loaded.predict([EXAMPLE]).tolist()
    except Exception as fault:  # whatever a recipe raises, such a model must not go live
        raise UnfitArtifact(f"{model} cannot price the example house: {fault!r}") from fault
    if len(prices) != 1 or not isfinite(prices[0]) or prices[0] <= 0:
        raise UnfitArtifact(f"{model} prices the example house at {prices!r:.80}: expected US dollars")
    return loaded.digest


def _deploy(store: Store, current: Deployment, new: Deployment, *, policy_of: ModelRef) -> Deployment:
    with store.writing() as connection:
        deployment = deployments.append_if_current(connection, current, new, policy_of)
    _log_deployment(deployment)
    return deployment


def _log_deployment(deployment: Deployment) -> None:
    logs.event(
        _log,
        "deployed",
        live_model=str(deployment.live),
        deployment=deployment.id,
        kind=deployment.kind.value,
        by=deployment.by,
        reason=deployment.reason,
        verdict=deployment.verdict_state or "",
        overridden=deployment.overridden,
    )
