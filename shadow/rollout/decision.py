"""Decisions: promotions and rollbacks, each written whole or not at all.

A decision is prepared (verdict, artifact) without holding anybody up, then made in one transaction, unless
somebody else has decided meanwhile. API processes notice by themselves (api.model_watch).
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
    """What was asked does not fit what is live."""


class PromotionRefused(RuntimeError):
    """The evidence does not allow this promotion."""

    def __init__(self, candidate: ModelRef, judgement: Judgement) -> None:
        listed = "".join(f"\n  - {reason}" for reason in judgement.reasons)
        super().__init__(
            f"{candidate}: the verdict is {judgement.state.upper()}, only PROMOTE allows a promotion{listed}"
        )
        self.candidate = candidate
        self.state = judgement.state
        self.reasons = tuple(judgement.reasons)


class UnfitArtifact(RuntimeError):
    """A model that loads and cannot answer."""


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
class Judgement:
    """What the evidence says of a candidate now: the verdict's state with its reasons."""

    state: VerdictState
    reasons: Sequence[str]
    verdict_id: int | None = None
    policy_sha256: str | None = None


Judge = Callable[[], Judgement | None]
"""Judges the candidate now; None when no evidence about it has been gathered yet."""


def first_deployment(store: Store, models: Path, live: ModelRef, by: str, now: datetime) -> Deployment:
    """Make `live` the live model if none ever was; returns the deployment in force.

    It is pinned to the digest of its artifact, which is verified first: raises the artifact's own errors.
    """
    found = store.deployment()
    if found is not None:
        return found
    digest = _verified(models, live)
    with store.writing() as connection:
        candidates.lock_deployments(connection)
        found = deployments.newest(connection)
        if found is not None:
            return found
        first = Deployment(live, now, by, "first deployment", artifact_digest=digest)
        made = deployments.append(connection, first)
    _say(made)
    return made


def pinned(store: Store, models: Path, deployment: Deployment) -> Deployment:
    """The deployment with the digest of its artifact; one of 0.1.0, which had none, gets it now.

    That is the artifact its evidence is about, or else the one that is there; raises that artifact's errors.
    """
    if deployment.artifact_digest is not None:
        return deployment
    with store.reading() as connection:
        judged = streams.live_digest(connection, deployment.id)
    digest = judged or _verified(models, deployment.live)
    with store.writing() as connection:
        named = deployments.set_artifact_digest(connection, deployment, digest)
    logs.event(
        _log,
        "deployment_pinned",
        level=logging.WARNING,
        live_model=str(named.live),
        deployment=named.id,
        reason=f"its artifact is {digest}",
    )
    return named


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
    altered or cannot answer raises its own error.
    """
    seen = _in_force(store)
    if seen.live == candidate:
        raise RolloutConflict(f"{candidate} is live already, since {seen.since:%Y-%m-%d %H:%M:%S} UTC")
    with store.reading() as connection:
        deployments.require_active(connection, candidate)
    judgement = judge() or _unjudged(candidate)
    allowed = judgement.state is VerdictState.PROMOTE
    if not (allowed or override):
        raise PromotionRefused(candidate, judgement)
    digest = _verified(models, candidate)
    decided = Deployment(
        candidate,
        decision.at,
        decision.by,
        decision.reason,
        kind=DeploymentKind.PROMOTION,
        verdict_id=judgement.verdict_id,
        verdict_state=judgement.state.value,
        overridden=not allowed,
        artifact_digest=digest,
        policy_sha256=judgement.policy_sha256,
    )
    return _made(store, seen, decided, policy_of=candidate)


def rollback(store: Store, models: Path, decision: Decision, to: ModelRef | None = None) -> Deployment:
    """Make live again what was live before, or `to`, which has to have been live once. No verdict is asked.

    Rolling back again goes further back, never forth: what was rolled back from is no place to go back to.
    The model that was live becomes a candidate, from now on. Raises RolloutConflict, DeployedMeanwhile, or
    the artifact's own errors.
    """
    with store.reading() as connection:
        history = deployments.history(connection)
    if not history:
        raise _nothing_deployed()
    seen, target = history[-1], _target(history, to)
    digest = _verified(models, target)
    decided = Deployment(
        target,
        decision.at,
        decision.by,
        decision.reason,
        kind=DeploymentKind.ROLLBACK,
        artifact_digest=digest,
    )
    return _made(store, seen, decided, policy_of=seen.live)


def standing(history: Sequence[Deployment]) -> list[ModelRef]:
    """The models that a rollback would go back through, oldest first; the last of them is live.

    A rollback takes away all that came after the model it restored.
    """
    models: list[ModelRef] = []
    for one in history:
        if one.kind is DeploymentKind.ROLLBACK and one.live in models:
            while models[-1] != one.live:
                models.pop()
        else:
            models.append(one.live)
    return models


def _target(history: Sequence[Deployment], to: ModelRef | None) -> ModelRef:
    live = history[-1].live
    if to is None:
        models = standing(history)
        if len(models) < 2:
            raise RolloutConflict(
                f"there is nothing before {live} to go back to; --to NAME@VERSION takes any model that was "
                "ever live, `umbra deployments` lists them"
            )
        return models[-2]
    if to == live:
        raise RolloutConflict(f"{to} is live already, since {history[-1].since:%Y-%m-%d %H:%M:%S} UTC")
    if all(one.live != to for one in history):
        raise RolloutConflict(f"{to} was never live; `umbra deployments` lists the models that were")
    return to


def _in_force(store: Store) -> Deployment:
    found = store.deployment()
    if found is None:
        raise _nothing_deployed()
    return found


def _nothing_deployed() -> NoDeployment:
    return NoDeployment("no model has been deployed yet; `umbra prepare` deploys the first one")


def _unjudged(candidate: ModelRef) -> Judgement:
    return Judgement(VerdictState.INSUFFICIENT, [f"no evidence about {candidate} has been gathered yet"])


def _verified(models: Path, model: ModelRef) -> str:
    """The artifact's digest, once its hashes are right and it has answered the example with a price."""
    loaded = artifact.load(artifact.existing(models, model))
    try:
        prices = loaded.predict([EXAMPLE]).tolist()
    except Exception as fault:  # whatever a recipe raises, such a model must not go live
        raise UnfitArtifact(f"{model} cannot price the example house: {fault!r}") from fault
    if len(prices) != 1 or not isfinite(prices[0]) or prices[0] <= 0:
        raise UnfitArtifact(f"{model} prices the example house at {prices!r:.80}: expected US dollars")
    return loaded.digest


def _made(store: Store, seen: Deployment, decided: Deployment, *, policy_of: ModelRef) -> Deployment:
    with store.writing() as connection:
        made = deployments.append_if_current(connection, seen, decided, policy_of)
    _say(made)
    return made


def _say(made: Deployment) -> None:
    logs.event(
        _log,
        "deployed",
        live_model=str(made.live),
        deployment=made.id,
        kind=made.kind.value,
        by=made.by,
        reason=made.reason,
        verdict=made.verdict_state or "",
        overridden=made.overridden,
    )
