"""Deployments: who has been live, since when, by whom and on what grounds; rows are only ever added."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Row, select, update

from model_package.reference import ModelRef
from shadow.records import CandidateState, Deployment, DeploymentKind
from shadow.store.candidates import CandidateConflict, add, hash_of, lock_deployments, present
from shadow.store.database.tables import candidates, deployments


class DeployedMeanwhile(RuntimeError):
    """Somebody else has made a deployment since the one that a decision was about."""

    def __init__(self, seen: Deployment, found: Deployment | None) -> None:
        now = "nothing" if found is None else f"{found.live} (deployment {found.id}, by {found.by})"
        super().__init__(
            f"{seen.live} was live when this was decided, meanwhile it is {now}; "
            "look at `umbra deployments` and decide again"
        )
        self.seen = seen
        self.found = found


def newest(connection: Connection) -> Deployment | None:
    """The deployment in force."""
    row = connection.execute(select(deployments).order_by(deployments.c.id.desc()).limit(1)).first()
    return None if row is None else _deployment(row)


def history(connection: Connection) -> list[Deployment]:
    """Every deployment there ever was, the oldest first."""
    return [_deployment(row) for row in connection.execute(select(deployments).order_by(deployments.c.id))]


def append(connection: Connection, deployment: Deployment) -> Deployment:
    """Make `deployment` the one in force; returns it with its number."""
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


def pin(connection: Connection, deployment: Deployment, digest: str) -> Deployment:
    """Name the artifact of a deployment that was made before deployments named theirs."""
    unnamed = (deployments.c.id == deployment.id) & deployments.c.artifact_digest.is_(None)
    connection.execute(update(deployments).where(unnamed).values(artifact_digest=digest))
    return replace(deployment, artifact_digest=digest)


def require_active(connection: Connection, model: ModelRef) -> None:
    """Raise CandidateConflict unless `model` is being scored in shadow."""
    state = next((one.state for one in present(connection) if one.model == model), None)
    if state is None:
        raise CandidateConflict(f"{model} is not a candidate; `umbra candidates` lists them")
    if state is not CandidateState.ACTIVE:
        raise CandidateConflict(f"{model} is {state.value}; `umbra candidates resume {model}` goes on first")


def succeed(connection: Connection, seen: Deployment, decided: Deployment, policy_of: ModelRef) -> Deployment:
    """Have `decided` follow `seen` as the deployment in force; returns it with its number.

    Its model is no candidate any more. The one that was live becomes one at once, judged by the policy that
    `policy_of` had when it was last a candidate; `decided` names that policy, unless it names one. Raises
    DeployedMeanwhile, or CandidateConflict for a promotion of what is no active candidate.
    """
    lock_deployments(connection)
    found = newest(connection)
    if found is None or found.id != seen.id:
        raise DeployedMeanwhile(seen, found)
    if decided.kind is DeploymentKind.PROMOTION:
        require_active(connection, decided.live)
    policy = _policy(connection, policy_of)
    judged_by = decided.policy_sha256 or policy["policy_sha256"] or hash_of(policy["policy"])
    made = append(connection, replace(decided, policy_sha256=judged_by))
    for model in (decided.live, seen.live):
        _retire(connection, model)
    heir = add(connection, seen.live, 1.0, None, decided.since)
    connection.execute(update(candidates).where(candidates.c.id == heir.id).values(policy))
    return made


def _policy(connection: Connection, model: ModelRef) -> dict[str, str | None]:
    query = select(candidates.c.policy, candidates.c.policy_sha256).where(_is(model))
    row = connection.execute(query.order_by(candidates.c.id.desc()).limit(1)).first()
    return {"policy": row and row.policy, "policy_sha256": row and row.policy_sha256}


def _retire(connection: Connection, model: ModelRef) -> None:
    there = _is(model) & (candidates.c.state != CandidateState.REMOVED)
    connection.execute(update(candidates).where(there).values(state=CandidateState.REMOVED.value))


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
