"""Memory: the deployment that this data directory served last, for a start while the store is away."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path

from model_package.reference import ModelRef
from monitoring import logs
from shadow.records import Deployment, DeploymentKind
from shadow.settings import Settings
from shadow.store import StoreUnavailable, open_store

_log = logging.getLogger("umbra.rollout")


class NoDeployment(RuntimeError):
    """No model has ever been live here."""

    safe_to_log = True


def current_deployment(settings: Settings) -> Deployment:
    """The deployment in force, or the one remembered when the store cannot tell it; raises NoDeployment.

    Whatever the store answers with, rights taken away, a column of a later Umbra, a file that is no database:
    what was served here before can be served again.
    """
    try:
        found = _stored(settings.store)
    except Exception as fault:  # noqa: BLE001 (a live answer does not need the store)
        logs.event(_log, "deployment_from_memory", level=logging.WARNING, error=fault)
        return _instead(settings.data_dir, fault)
    return found or _only_remembered(settings.data_dir)


def _instead(data_dir: Path, fault: Exception) -> Deployment:
    """What is remembered here; if nothing is, say also why the store could not be asked."""
    try:
        return remembered(data_dir)
    except NoDeployment as absent:
        if isinstance(fault, StoreUnavailable):
            raise NoDeployment(f"{fault}; {absent}") from fault
        raise


def _only_remembered(data_dir: Path) -> Deployment:
    """What was served here before, although the store knows of no deployment: somebody emptied it."""
    absent = NoDeployment("no model has been deployed yet; `umbra prepare` trains and deploys the first one")
    try:
        found = remembered(data_dir)
    except NoDeployment:
        raise absent from None
    logs.event(_log, "deployment_from_memory", level=logging.WARNING, error=absent)
    return found


def _stored(url: str) -> Deployment | None:
    store = open_store(url)
    try:
        return store.deployment()
    finally:
        store.close()


def remember(data_dir: Path, deployment: Deployment) -> None:
    """Keep the deployment that is served here; a disk that does not take it is told of, no more."""
    path = _file(data_dir)
    facts = asdict(deployment) | {"live": str(deployment.live), "since": deployment.since.isoformat()}
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(facts), encoding="utf-8")
        fresh.replace(path)
    except OSError as fault:  # a full disk must not keep a model from answering
        logs.event(_log, "deployment_not_remembered", level=logging.WARNING, error=fault)


def remembered(data_dir: Path) -> Deployment:
    """The deployment that was served here last; raises NoDeployment."""
    path = _file(data_dir)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        read = {"live": ModelRef.parse(facts["live"]), "since": datetime.fromisoformat(facts["since"])}
        kind = DeploymentKind(facts.get("kind", DeploymentKind.FIRST))
        known = {field.name: facts[field.name] for field in fields(Deployment) if field.name in facts}
        return Deployment(**(known | read | {"kind": kind}))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise NoDeployment(
            f"the store cannot be asked and {path} remembers no deployment ({fault}); "
            "start the store, or run `umbra prepare` against it once"
        ) from fault


def _file(data_dir: Path) -> Path:
    return data_dir / "deployment.json"
