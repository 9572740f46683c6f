"""Rollout: which model is live. The store decides; the data directory remembers the last decision.

An API process that starts while the store is away answers with what was live when it was last asked.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime
from pathlib import Path

from monitoring import logs
from shadow.records import Deployment, ModelRef
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, deployments, open_store

_log = logging.getLogger("umbra.rollout")


class NoDeployment(RuntimeError):
    """No model has ever been live here."""

    names_no_house = True


def current_deployment(settings: Settings) -> Deployment:
    """The deployment in force, or the last one remembered when the store is away; raises NoDeployment."""
    memory = settings.data_dir / "deployment.json"
    store = open_store(settings.store)
    try:
        found = store.deployment()
    except StoreUnavailable as fault:
        logs.event(_log, "deployment_from_memory", level=logging.WARNING, error=fault)
        return _remembered(memory)
    finally:
        store.close()
    if found is None:
        raise NoDeployment("no model has been deployed yet; `umbra prepare` trains and deploys the first one")
    _remember(memory, found)
    return found


def first_deployment(store: Store, live: ModelRef, by: str, now: datetime) -> Deployment:
    """Make `live` the live model if none ever was; returns the deployment in force."""
    with store.writing() as connection:
        found = deployments.newest(connection)
        if found is None:
            found = Deployment(live, now, by, "first deployment")
            deployments.append(connection, found)
            logs.event(_log, "deployed", live_model=str(live), by=by, reason=found.reason)
    return found


def _remember(path: Path, deployment: Deployment) -> None:
    facts = {
        "live": str(deployment.live),
        "since": deployment.since.isoformat(),
        "by": deployment.by,
        "reason": deployment.reason,
    }
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(facts), encoding="utf-8")
        fresh.replace(path)
    except OSError as fault:  # a full disk must not keep a model from answering
        logs.event(_log, "deployment_not_remembered", level=logging.WARNING, error=fault)


def _remembered(path: Path) -> Deployment:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.fromisoformat(facts["since"])
        return Deployment(ModelRef.parse(facts["live"]), since, facts["by"], facts["reason"])
    except (OSError, ValueError, KeyError) as fault:
        raise NoDeployment(
            f"the store is away and {path} remembers no deployment ({fault}); "
            "start the store, or run `umbra prepare` against it once"
        ) from fault
