"""What an artifact says of itself: its digests and its reference profile, without loading the model."""

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
from shadow.store.streams import Stream

_AGE_OF = {year: age for age, year in AGES.items()}


class AnotherArtifact(InvalidArtifact):
    """What lies there now is not what a stream's evidence is about."""


@dataclass(frozen=True, slots=True)
class Described:
    """An artifact as evidence needs it. `profile` is what model_package.profile made in training.

    `by_importance`: the profiled fields, those first on which its answers rest most, with ages in place of
    years; empty when its card does not say.
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

    @property
    def fields(self) -> Mapping[str, Any]:
        """How each field was distributed; none, when its profile does not say."""
        found: Mapping[str, Any] = self.profile.get("fields", {})
        return found

    @property
    def prices(self) -> Mapping[str, Any] | None:
        """How its answers were distributed; None, when its profile does not say."""
        found: Mapping[str, Any] | None = self.profile.get("prediction")
        return found


def describe(models: Path, model: ModelRef) -> Described:
    """Read an artifact, every file verified; raises AlteredArtifact or InvalidArtifact.

    Of one that was read before only the manifest is read again: evidence is looked at all the time.
    """
    directory = artifact.directory_of(models, model)
    return _described(directory, model, manifest.read(directory).digest)


def both(models: Path, stream: Stream) -> tuple[Described, Described]:
    """The artifacts that a stream is about, live and candidate; raises AnotherArtifact for others."""
    live = _agreed(describe(models, stream.terms.live), stream.terms.live_digest)
    return live, _agreed(describe(models, stream.candidate), stream.terms.candidate_digest)


def _agreed(found: Described, digest: str) -> Described:
    if found.digest != digest:
        raise AnotherArtifact(
            f"{found.model}: its evidence is about the artifact {digest[:12]}..., what lies there is "
            f"{found.digest[:12]}...: put that one back, or remove the candidate and add it again, which "
            "begins a new stream"
        )
    return found


@lru_cache(maxsize=64)
def _described(directory: Path, model: ModelRef, digest: str) -> Described:
    stated = manifest.read(directory)
    if stated.digest != digest:
        raise InvalidArtifact(f"{directory}: was replaced while it was read: {ANEW}")
    files = manifest.contents(directory, stated)
    try:
        profile, card = dict(json.loads(files["profile.json"])), json.loads(files["card.json"])
        importance = dict(card.get("importance", {}))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidArtifact(f"{directory}: no profile or no card ({error!r}): {ANEW}") from error
    columns = dict.fromkeys(
        _AGE_OF.get(name, name) for name in sorted(importance, key=lambda n: -importance[n])
    )
    profiled = tuple(name for name in columns if name in profile.get("fields", {}))
    return Described(model, stated.digest, stated.schema_sha256, profile, profiled)
