"""Live: the deployed model this process answers with, loaded once and replaced only whole."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path

from model_package import artifact, recipes
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE, Row
from monitoring import logs
from shadow import rollout
from shadow.records import Deployment
from shadow.settings import Settings

_log = logging.getLogger("umbra.live")


class NoLiveModel(RuntimeError):
    """No live model is loaded in this process yet."""


class InvalidPrediction(RuntimeError):
    """The live model answered something that is not a price for each house."""


class OtherArtifact(artifact.InvalidArtifact):
    """The artifact here is not the one that was deployed, although it has the same name and version."""


@dataclass(frozen=True)
class Serving:
    """One deployment with its model: read once per request, so that every part of an answer agrees."""

    deployment: Deployment
    model: artifact.Model

    @cached_property
    def label(self) -> str:
        """The model's reference as text."""
        return str(self.ref)

    @property
    def ref(self) -> ModelRef:
        """The model's reference."""
        return self.deployment.live

    def price(self, rows: Sequence[Row]) -> list[float]:
        """Prices in US dollars, answer i for house i; raises InvalidPrediction."""
        dollars = self.model.predict(rows)
        prices: list[float] = dollars.tolist()
        # The sum is finite only if every price is; numpy's own test costs one house three times as much.
        if dollars.shape != (len(rows),) or not isfinite(sum(prices)):
            raise InvalidPrediction(f"{self.ref}: expected {len(rows)} finite prices, got {prices!r:.200}")
        return prices


class Live:
    """Holds what is served now. `swap` is one assignment: a request sees the old model or the new, whole."""

    def __init__(self, serving: Serving | None = None) -> None:
        self._serving = serving
        self._wanted: ModelRef | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a model to answer with."""
        return self._serving is not None

    @property
    def wanted(self) -> ModelRef:
        """The model that should be live; another one than is served when it cannot be loaded here."""
        return self._wanted or self.serving().ref

    def serving(self) -> Serving:
        """Return what is served now; raises NoLiveModel."""
        if self._serving is None:
            raise NoLiveModel("no live model is loaded yet")
        return self._serving

    def swap(self, serving: Serving) -> None:
        """Serve another model from the next request on."""
        self._serving = serving
        self._wanted = None

    def note_failed_switch(self, wanted: ModelRef) -> None:
        """Note that `wanted` should be live and cannot be loaded; the served model answers on."""
        self._wanted = wanted


def load(settings: Settings) -> Serving:
    """Find the current deployment, verify and load its artifact, and warm it with one prediction.

    If that artifact cannot be loaded, what was served here before is, while `api.model_watch` tries on.
    Raises NoDeployment, the artifact's own errors, or OSError.
    """
    recipes.register(settings.recipe_modules)
    wanted = rollout.current_deployment(settings)
    try:
        serving = load_deployment(settings.models, wanted)
    except Exception as fault:  # whatever a recipe raises
        before = _last_served(settings.data_dir)
        if before is None or before.live == wanted.live:
            raise
        log_failed_switch(before.live, wanted.live, fault)
        serving = load_deployment(settings.models, before)
    rollout.save_last_served(settings.data_dir, serving.deployment)
    return serving


def load_deployment(models: Path, deployment: Deployment) -> Serving:
    """Verify and load a deployment's artifact and warm it with one prediction.

    Raises OtherArtifact, the artifact's own errors, or OSError.
    """
    ref, digest = deployment.live, deployment.artifact_digest
    model = artifact.load(artifact.directory_of(models, ref))
    if digest is not None and digest != model.digest:
        raise OtherArtifact(
            f"{ref} in {models} has the digest {model.digest}, deployed was {digest}: copy the artifact that "
            "was promoted to this host"
        )
    serving = Serving(deployment, model)
    serving.price([EXAMPLE])
    return serving


def log_failed_switch(served: ModelRef, wanted: ModelRef | None, fault: Exception) -> None:
    """Log that `served` answers on, because the deployed model (None: unknown) cannot be loaded."""
    logs.event(
        _log,
        "switch_failed",
        level=logging.ERROR,
        error=fault,
        live_model=str(served),
        wanted_model=str(wanted or ""),
    )


def _last_served(data_dir: Path) -> Deployment | None:
    try:
        return rollout.read_last_served(data_dir)
    except rollout.NoDeployment:
        return None
