"""Deployments: who has been live, since when and by whom; rows are only ever added."""

from __future__ import annotations

from sqlalchemy import Connection, select

from shadow.records import Deployment, ModelRef
from shadow.store.tables import deployments


def newest(connection: Connection) -> Deployment | None:
    """The deployment in force."""
    row = connection.execute(select(deployments).order_by(deployments.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    return Deployment(ModelRef(row.live_name, row.live_version), row.since, row.decided_by, row.reason)


def append(connection: Connection, deployment: Deployment) -> None:
    """Make `deployment` the one in force."""
    connection.execute(
        deployments.insert().values(
            live_name=deployment.live.name,
            live_version=deployment.live.version,
            since=deployment.since,
            decided_by=deployment.by,
            reason=deployment.reason,
        )
    )
