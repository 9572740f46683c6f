"""The reference of a model: digests and reference profile of its artifact, read without loading the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from model_package import artifact, manifest
from model_package.manifest import ANEW, InvalidArtifact
from model_package.profile import AGES
from model_package.reference import ModelRef

_AGE_OF = {year: age for age, year in AGES.items()}


class AnotherArtifact(InvalidArtifact):
    """The artifact in the models directory is not the one that a stream's evidence is about."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What evidence needs of an artifact. `profile` is what model_package.profile made in training.

    `by_importance`: the profiled fields, those first on which the model's predictions rest most, with ages in
    place of years; empty when the model card states no importance.
    """

    model: ModelRef
    digest: str
    schema_digest: str
    profile: Mapping[str, Any]
    by_importance: tuple[str, ...]

    @property
    def mean_loss(self) -> float:
        """The model's mean capped log loss on the sales it was tested on; raises InvalidArtifact."""
        try:
            return float(self.profile["loss"]["mean"])
        except (KeyError, TypeError, ValueError):
            raise InvalidArtifact(
                f"{self.model}: its profile has no mean loss, which the margin is a share of: {ANEW}, "
                "or give the policy an absolute margin"
            ) from None

    @property
    def fields(self) -> Mapping[str, Any]:
        """The distribution of each field; empty when the profile has none."""
        fields: Mapping[str, Any] = self.profile.get("fields", {})
        return fields

    @property
    def prices(self) -> Mapping[str, Any] | None:
        """The distribution of the model's predictions; None when the profile has none."""
        prices: Mapping[str, Any] | None = self.profile.get("prediction")
        return prices


def read_reference(models: Path, model: ModelRef) -> Reference:
    """Read an artifact, every file verified; raises AlteredArtifact or InvalidArtifact.

    An artifact that was read before costs one read of its manifest: every evidence cycle asks for it.
    """
    directory = artifact.directory_of(models, model)
    return _read(directory, model, manifest.read(directory).digest)


def read_pinned(models: Path, model: ModelRef, digest: str) -> Reference:
    """Read the artifact with this digest; raises AnotherArtifact when a different one lies there."""
    reference = read_reference(models, model)
    if reference.digest != digest:
        raise AnotherArtifact(
            f"{model}: its evidence is about the artifact {digest[:12]}..., the one in the models directory "
            f"is {reference.digest[:12]}...: put that one back, or remove the candidate and add it again, "
            "which begins a new stream"
        )
    return reference


@lru_cache(maxsize=64)
def _read(directory: Path, model: ModelRef, digest: str) -> Reference:
    stated = manifest.read(directory)
    if stated.digest != digest:
        raise InvalidArtifact(f"{directory}: was replaced while it was read: {ANEW}")
    files = manifest.contents(directory, stated)
    try:
        profile, card = dict(json.loads(files["profile.json"])), json.loads(files["card.json"])
        importance = dict(card.get("importance", {}))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidArtifact(f"{directory}: no profile or no card ({error!r}): {ANEW}") from error
    return Reference(model, stated.digest, stated.schema_sha256, profile, _by_importance(importance, profile))


def _by_importance(importance: Mapping[str, float], profile: Mapping[str, Any]) -> tuple[str, ...]:
    ranked = sorted(importance, key=lambda name: -importance[name])
    columns = dict.fromkeys(_AGE_OF.get(name, name) for name in ranked)
    return tuple(name for name in columns if name in profile.get("fields", {}))
