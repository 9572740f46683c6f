"""An application over real parts: a real artifact of a plain recipe, a real journal, a real SQLite store."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from api.app import Parts, build
from api.live import Live, Serving, load
from api.lookups import Lookups
from model_package import artifact
from model_package.schema import EXAMPLE
from monitoring import metrics
from shadow import journal
from shadow.capture import Recorder, open_recorder
from shadow.records import ModelRef
from shadow.rollout import first_deployment
from shadow.settings import Settings
from shadow.store import Store, open_store
from shadow.store.schema import migrate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
CARD = b'{"metrics": {"rmse_log": 0.13}}'


@pytest.fixture(autouse=True)
def _plain_recipe_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


def save_model(models: Path, name: str = "plain") -> Path:
    """Save the next version of a model of the plain recipe."""
    files = {"card.json": CARD, "profile.json": b"{}"}
    return artifact.save(models, name, "plain", lambda _: files, lambda _: None)


@pytest.fixture
def deployed(settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Settings of a data directory in which plain@1 is live."""
    made = settings(recipe_modules="plain_recipe", api_max_rows=50, api_max_body_bytes=100_000)
    deploy(made)
    return made


def deploy(made: Settings) -> None:
    """Make plain@1 live in a data directory."""
    from model_package import recipes  # noqa: PLC0415 (after the recipe's folder is on the path)

    recipes.register(made.recipe_modules)
    save_model(made.models)
    store = open_store(made.store)
    migrate(store)
    first_deployment(store, ModelRef("plain", "1"), "test", NOW)
    store.close()


@dataclass(slots=True)
class Bench:
    """An application and what it is made of."""

    app: Flask
    settings: Settings
    registry: CollectorRegistry
    live: Live
    store: Store
    recorder: Recorder
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def post(self, house: Any = None, **more: Any) -> Any:
        """POST /v1/predictions, the example house by default."""
        return self.client.post("/v1/predictions", **({"json": house or dict(EXAMPLE)} | more))

    def value(self, name: str, **labels: str) -> float | None:
        """One sample of the metrics."""
        return self.registry.get_sample_value(name, labels)

    def journalled(self) -> list[dict[str, Any]]:
        """Every entry of the journal, once the recorder is closed."""
        self.recorder.close()
        return read_journal(self.settings)


def read_journal(settings: Settings) -> list[dict[str, Any]]:
    """Every line of captures in the data directory's journal."""
    lines = [line for path in sorted(settings.journal_dir.rglob("*")) if path.is_file()
             for line in path.read_bytes().splitlines()]
    found = [line[line.index(b"{") :] for line in lines if b'"kind":"captures"' in line]
    return [json.loads(line) for line in found]


@pytest.fixture
def bench(deployed: Settings) -> Iterator[Bench]:
    """The application over real parts, with metrics of its own."""
    registry = CollectorRegistry()
    measured = metrics.serving(None, registry)
    live = Live(load(deployed))
    store, recorder = open_store(deployed.store), open_recorder(deployed)
    parts = Parts(
        live, recorder, Lookups(store), measured, deployed.models, deployed.api_max_rows,
        deployed.api_max_body_bytes,
    )  # fmt: skip
    yield Bench(build(parts), deployed, registry, live, store, recorder)
    recorder.close()
    store.close()
