"""Deployments: which model has been live, since when, by whom and why; rows are only ever added."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Row, select, update

from model_package.reference import ModelRef
from shadow.records import CandidateState, Deployment, DeploymentKind
from shadow.store.candidates import CandidateConflict, add, hash_of, lock_deployments, present
from shadow.store.database.tables import candidates, deployments


class DeployedMeanwhile(RuntimeError):
    """Somebody else has added a deployment since the one that a decision was based on."""

    def __init__(self, expected: Deployment, current: Deployment | None) -> None:
        now = "nothing" if current is None else f"{current.live} (deployment {current.id}, by {current.by})"
        super().__init__(
            f"{expected.live} was live when this was decided, meanwhile it is {now}; "
            "look at `umbra deployments` and decide again"
        )
        self.expected = expected
        self.current = current


def newest(connection: Connection) -> Deployment | None:
    """Return the deployment in force; None when no model has ever been live."""
    row = connection.execute(select(deployments).order_by(deployments.c.id.desc()).limit(1)).first()
    return None if row is None else _deployment(row)


def history(connection: Connection) -> list[Deployment]:
    """Return every deployment, oldest first."""
    return [_deployment(row) for row in connection.execute(select(deployments).order_by(deployments.c.id))]


def append(connection: Connection, deployment: Deployment) -> Deployment:
    """Put `deployment` in force; returns it with its number."""
    values = {
        "live_name": deployment.live.name,
        "live_version": deployment.live.version,
        "since": deployment.since,
        "decided_by": deployment.by,
        "reason": deployment.reason,
        "kind": deployment.kind.value,
        "verdict_id": deployment.verdict_id,
        "verdict_state": deployment.verdict_state,
        "overridden": deployment.overridden,
        "artifact_digest": deployment.artifact_digest,
        "policy_sha256": deployment.policy_sha256,
    }
    number = connection.execute(deployments.insert().values(values).returning(deployments.c.id)).scalar_one()
    return replace(deployment, id=number)


def set_artifact_digest(connection: Connection, deployment: Deployment, digest: str) -> Deployment:
    """Store the digest of the artifact for a deployment of a version that stored none; returns it with it."""
    without_digest = (deployments.c.id == deployment.id) & deployments.c.artifact_digest.is_(None)
    connection.execute(update(deployments).where(without_digest).values(artifact_digest=digest))
    return replace(deployment, artifact_digest=digest)


def require_active(connection: Connection, model: ModelRef) -> None:
    """Raise CandidateConflict unless `model` is being scored in shadow."""
    states = {candidate.model: candidate.state for candidate in present(connection)}
    state = states.get(model)
    if state is None:
        raise CandidateConflict(f"{model} is not a candidate; `umbra candidates` lists them")
    if state is not CandidateState.ACTIVE:
        raise CandidateConflict(f"{model} is {state.value}; `umbra candidates resume {model}` goes on first")


def append_if_current(
    connection: Connection, expected: Deployment, new: Deployment, policy_of: ModelRef
) -> Deployment:
    """Put `new` in force after `expected`; returns it with its number.

    The model of `new` stops being a candidate. The demoted model, which was live, becomes one at once, judged
    by the policy that `policy_of` had when it was last a candidate; `new` names that policy, unless it names
    one. Raises DeployedMeanwhile when `expected` is not in force any more, and CandidateConflict for a
    promotion of a model that is no active candidate.
    """
    lock_deployments(connection)
    current = newest(connection)
    if current is None or current.id != expected.id:
        raise DeployedMeanwhile(expected, current)
    if new.kind is DeploymentKind.PROMOTION:
        require_active(connection, new.live)
    policy = _policy(connection, policy_of)
    policy_sha256 = new.policy_sha256 or policy["policy_sha256"] or hash_of(policy["policy"])
    appended = append(connection, replace(new, policy_sha256=policy_sha256))
    for model in (new.live, expected.live):
        _remove_candidate(connection, model)
    demoted = add(connection, expected.live, 1.0, None, new.since)
    connection.execute(update(candidates).where(candidates.c.id == demoted.id).values(policy))
    return appended


def _policy(connection: Connection, model: ModelRef) -> dict[str, str | None]:
    """Return the policy columns of the newest candidate with this model."""
    query = select(candidates.c.policy, candidates.c.policy_sha256).where(_is(model))
    row = connection.execute(query.order_by(candidates.c.id.desc()).limit(1)).first()
    return {"policy": row and row.policy, "policy_sha256": row and row.policy_sha256}


def _remove_candidate(connection: Connection, model: ModelRef) -> None:
    """Remove the candidate with this model, if there is one."""
    not_removed = _is(model) & (candidates.c.state != CandidateState.REMOVED)
    connection.execute(update(candidates).where(not_removed).values(state=CandidateState.REMOVED.value))


def _is(model: ModelRef) -> ColumnElement[bool]:
    return (candidates.c.name == model.name) & (candidates.c.version == model.version)


def _deployment(row: Row[tuple[object, ...]]) -> Deployment:
    return Deployment(
        live=ModelRef(row.live_name, row.live_version),
        since=row.since,
        by=row.decided_by,
        reason=row.reason,
        id=row.id,
        kind=DeploymentKind(row.kind),
        verdict_id=row.verdict_id,
        verdict_state=row.verdict_state,
        overridden=row.overridden,
        artifact_digest=row.artifact_digest,
        policy_sha256=row.policy_sha256,
    )
