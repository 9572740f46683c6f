"""Sides of a comparison: a service over HTTP, or the artifact of a model in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from differential_tests.questions import Question
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.sides import mapping
from differential_tests.sides.artifact import MANIFEST, ArtifactSide
from differential_tests.sides.service import SendingLimits, ServiceSide
from differential_tests.sides.source import UnknownSource, is_service, redacted
from model_package import recipes

__all__ = [
    "LETTERS",
    "MANIFEST",
    "Letter",
    "SendingLimits",
    "Side",
    "UnknownSource",
    "is_service",
    "open_side",
    "redacted",
]

Letter = Literal["a", "b"]
RECIPE_MODULES = "UMBRA_RECIPE_MODULES"
LETTERS: tuple[Letter, ...] = ("a", "b")


class Side(Protocol):
    """A side of a comparison."""

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        """Ask rows in one request (a question with a body has its own); return answers in order.

        Never raises for what the side does wrong: then each answer is a failure. May be called by several
        threads at once.
        """
        ...

    def header(self, questions_sha256: str, now: datetime) -> RunHeader:
        """Return who answered so far."""
        ...

    def close(self) -> None:
        """End running requests and release all resources."""
        ...


def open_side(
    source: str,
    service: Mapping[str, Any] | None = None,
    *,
    letter: Letter = "a",
    limits: SendingLimits | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Side:
    """Open the service at an http(s) address, or the artifact in a directory with a manifest.

    `service` is the section [service] of the terms, of which `letter` chooses the overrides; `environment`
    has the values of headers, and names modules of recipes as for Umbra itself. Raises UnknownSource,
    InvalidTolerances, or what artifact.load raises.
    """
    understood = mapping.read(service or {}, letter)
    if is_service(source):
        return ServiceSide(source, understood, environment, limits or SendingLimits())
    if (Path(source) / MANIFEST).is_file():
        recipes.register(environment.get(RECIPE_MODULES, "").replace(",", " ").split())
        return ArtifactSide(Path(source), understood)
    raise UnknownSource(source)
