"""Last served: the deployment that this data directory served last, for a start while the store is away."""

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
    """Return the deployment in force, or the one served last when the store fails; raises NoDeployment.

    Whatever the failure (missing rights, a column of a later Umbra, a file that is no database): the
    deployment that was served here before can be served again.
    """
    try:
        deployment = _stored(settings.store)
    except Exception as fault:  # noqa: BLE001 (a live answer does not need the store)
        logs.event(_log, "deployment_from_memory", level=logging.WARNING, error=fault)
        return _without_store(settings.data_dir, fault)
    return deployment or _from_emptied_store(settings.data_dir)


def _without_store(data_dir: Path, fault: Exception) -> Deployment:
    """Read the deployment served last; without one, the error also says why the store failed."""
    try:
        return read_last_served(data_dir)
    except NoDeployment as absent:
        if isinstance(fault, StoreUnavailable):
            raise NoDeployment(f"{fault}; {absent}") from fault
        raise


def _from_emptied_store(data_dir: Path) -> Deployment:
    """Read the deployment served last although the store has none: somebody emptied it."""
    absent = NoDeployment("no model has been deployed yet; `umbra prepare` trains and deploys the first one")
    try:
        deployment = read_last_served(data_dir)
    except NoDeployment:
        raise absent from None
    logs.event(_log, "deployment_from_memory", level=logging.WARNING, error=absent)
    return deployment


def _stored(url: str) -> Deployment | None:
    store = open_store(url)
    try:
        return store.deployment()
    finally:
        store.close()


def save_last_served(data_dir: Path, deployment: Deployment) -> None:
    """Save the deployment that is served here; a disk that refuses it is only logged."""
    path = _file(data_dir)
    document = asdict(deployment) | {"live": str(deployment.live), "since": deployment.since.isoformat()}
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(path)
    except OSError as fault:  # a full disk must not keep a model from answering
        logs.event(_log, "deployment_not_remembered", level=logging.WARNING, error=fault)


def read_last_served(data_dir: Path) -> Deployment:
    """Read the deployment that was served here last; raises NoDeployment."""
    path = _file(data_dir)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        parsed = {
            "live": ModelRef.parse(document["live"]),
            "since": datetime.fromisoformat(document["since"]),
            "kind": DeploymentKind(document.get("kind", DeploymentKind.FIRST)),
        }
        known = {field.name: document[field.name] for field in fields(Deployment) if field.name in document}
        return Deployment(**(known | parsed))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise NoDeployment(
            f"the store cannot be asked and {path} remembers no deployment ({fault}); "
            "start the store, or run `umbra prepare` against it once"
        ) from fault


def _file(data_dir: Path) -> Path:
    return data_dir / "deployment.json"
