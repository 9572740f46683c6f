"""What an artifact says of itself: its digests and its reference profile, without loading the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_package import artifact, manifest
from model_package.manifest import ANEW, InvalidArtifact
from shadow.records import ModelRef


@dataclass(frozen=True, slots=True)
class Described:
    """An artifact as evidence needs it. `profile` is what model_package.profile made in training.

    `by_importance`: the fields, those first on which its answers rest most; empty when its card does not say.
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
                f"{self.model}: its profile tells no mean loss, which the margin is a share of: {ANEW}, "
                "or give the policy an absolute margin"
            ) from None


def describe(models: Path, model: ModelRef) -> Described:
    """Read an artifact, every file verified; raises AlteredArtifact or InvalidArtifact."""
    directory = artifact.directory_of(models, model.name, model.version)
    stated = manifest.read(directory)
    files = manifest.contents(directory, stated)
    profile, card = json.loads(files["profile.json"]), json.loads(files["card.json"])
    importance: Mapping[str, float] = card.get("importance", {})
    by_importance = sorted(importance, key=lambda name: importance[name], reverse=True)
    return Described(model, stated.digest, stated.schema_sha256, profile, tuple(by_importance))
