"""Live: the deployed model this process answers with, loaded once and replaced only whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

from model_package import artifact, recipes
from model_package.schema import EXAMPLE, Row
from shadow import rollout
from shadow.records import Deployment, ModelRef
from shadow.settings import Settings


class NoLiveModel(RuntimeError):
    """This process has no model to answer with yet."""


class InvalidPrediction(RuntimeError):
    """The live model answered something that is not a price for each house."""


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

    @property
    def is_ready(self) -> bool:
        """Whether there is a model to answer with."""
        return self._serving is not None

    def serving(self) -> Serving:
        """What is served now; raises NoLiveModel."""
        if self._serving is None:
            raise NoLiveModel("no live model is loaded yet")
        return self._serving

    def swap(self, serving: Serving) -> None:
        """Serve another model from the next request on."""
        self._serving = serving


def load(settings: Settings) -> Serving:
    """Find the current deployment, verify and load its artifact, and warm it with one prediction.

    Raises NoDeployment, the artifact's own errors, or OSError.
    """
    recipes.register(settings.recipe_modules)
    deployment = rollout.current_deployment(settings)
    ref = deployment.live
    serving = Serving(
        deployment, artifact.load(artifact.directory_of(settings.models, ref.name, ref.version))
    )
    serving.price([EXAMPLE])
    return serving
