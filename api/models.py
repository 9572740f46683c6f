"""Models: GET /v1/models lists the artifacts, GET /v1/deployment shows the live model and its candidates."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
from flask import Response, request
from pydantic import Field

from api.content import JSON
from api.deployments import DeploymentView
from api.errors import InvalidQuery
from api.live import Live
from api.openapi.operation import REQUEST_ID, ResourceDescription, get
from api.openapi.schema import Schema
from api.openapi.shapes import TIME
from api.store_reads import StoreReads
from model_package import artifact, manifest
from model_package.manifest import Manifest
from model_package.reference import ModelRef
from monitoring import logs
from shadow.records import Candidate, CandidateState
from shadow.store import StoreUnavailable

DEPLOYMENTS_MOST = 100
CARDS_MOST = 200
_log = logging.getLogger("umbra.models")


class ModelRole(StrEnum):
    """How a model is used now."""

    LIVE = "live"
    CANDIDATE = "candidate"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """A model artifact with its role."""

    name: str
    version: str
    role: ModelRole
    recipe: str | None
    digest: Annotated[str | None, Field(description="SHA-256 of the manifest.")]
    card: Annotated[dict[str, Any] | None, Field(description="The model card; null when it cannot be read.")]


@dataclass(frozen=True, slots=True)
class ModelsView:
    """Every artifact."""

    models: Sequence[ArtifactView]
    candidates_known: bool


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A model that is scored in shadow."""

    model: ModelRef
    state: CandidateState
    sample: float
    replay_from: datetime | None
    added_at: datetime

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateView:
        """Show a candidate."""
        return cls(
            candidate.model, candidate.state, candidate.sample, candidate.replay_from, candidate.added_at
        )


@dataclass(frozen=True, slots=True)
class CurrentDeploymentView(DeploymentView):
    """The deployment that answers, with the candidates beside it."""

    candidates: Annotated[
        Sequence[CandidateView] | None, Field(description="null: the store is not available.")
    ]


@dataclass(frozen=True, slots=True)
class DeploymentsView:
    """Deployments, the newest first."""

    deployments: Sequence[DeploymentView]


class ModelResource:
    """Serves models and deployments."""

    def __init__(self, live: Live, store_reads: StoreReads, directory: Path) -> None:
        self._live = live
        self._store_reads = store_reads
        self._directory = directory
        self._cards: dict[str, dict[str, Any]] = {}

    def models(self) -> Response:
        """Answer with every artifact and the role it has now."""
        candidates = self._candidates()
        roles = self._roles(candidates or [])
        references = [ModelRef(*pair) for pair in artifact.listing(self._directory)]
        views = [self._artifact(reference, roles) for reference in references]
        return _answer(ModelsView(views, candidates is not None))

    def deployment(self) -> Response:
        """Answer with the deployment served here and the candidates (null: the store is not available)."""
        candidates = self._candidates()
        views = None if candidates is None else [CandidateView.of(candidate) for candidate in candidates]
        deployment = self._live.serving().deployment
        return _answer(CurrentDeploymentView(**DeploymentView.fields_of(deployment), candidates=views))

    def deployments(self) -> Response:
        """Answer with the newest deployments, or the one that was decided at a moment."""
        decided_at = _moment(request.args.get("decided_at"))
        history = self._store_reads.deployments()[::-1]
        chosen = [deployment for deployment in history if decided_at in (None, deployment.since)]
        return _answer(DeploymentsView(list(map(DeploymentView.of, chosen[:DEPLOYMENTS_MOST]))))

    def _candidates(self) -> list[Candidate] | None:
        try:
            return self._store_reads.candidates()
        except StoreUnavailable as fault:
            logs.event(_log, "candidates_unknown", level=logging.WARNING, error=fault)
            return None

    def _roles(self, candidates: list[Candidate]) -> dict[ModelRef, ModelRole]:
        present = (candidate for candidate in candidates if candidate.state is not CandidateState.REMOVED)
        roles = {candidate.model: ModelRole.CANDIDATE for candidate in present}
        return {**roles, self._live.serving().ref: ModelRole.LIVE} if self._live.is_ready else roles

    def _artifact(self, ref: ModelRef, roles: Mapping[ModelRef, ModelRole]) -> ArtifactView:
        role = roles.get(ref, ModelRole.IDLE)
        directory = artifact.directory_of(self._directory, ref)
        try:
            stated = manifest.read(directory)
            card = self._card(directory, stated)
        except (OSError, ValueError) as fault:
            logs.event(_log, "artifact_unreadable", level=logging.WARNING, error=fault)
            return ArtifactView(ref.name, ref.version, role, None, None, None)
        return ArtifactView(ref.name, ref.version, role, stated.recipe, stated.digest, card)

    def _card(self, directory: Path, stated: Manifest) -> dict[str, Any]:
        """Read the card as it was saved; once, for a digest stands for one content for ever."""
        if stated.digest not in self._cards:
            if len(self._cards) >= CARDS_MOST:
                self._cards.clear()
            self._cards[stated.digest] = manifest.document(directory, stated, "card.json")
        return self._cards[stated.digest]


def _moment(text: str | None) -> datetime | None:
    """Read a moment as problems and deployments write it; raises InvalidQuery."""
    if text is None:
        return None
    try:
        # A plus sign that was not escaped arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidQuery(f"decided_at={text[:80]!r}: expected a moment such as 2026-11-21T10:00:00.123456Z")
    return moment


def _answer(view: ModelsView | CurrentDeploymentView | DeploymentsView) -> Response:
    return Response(orjson.dumps(view), content_type=JSON)


def describe() -> ResourceDescription:
    """Describe the three operations."""
    models = get("models", "Every model artifact, with its card and its role.", ModelsView, tag="models")
    summary = "The live model, and the candidates scored in shadow."
    deployment = get("deployment", summary, CurrentDeploymentView, 503, tag="models")
    paths = {
        "/v1/models": {"get": models},
        "/v1/deployment": {"get": deployment},
        "/v1/deployments": {"get": _deployments()},
    }
    return ResourceDescription(paths, (ModelsView, CurrentDeploymentView, DeploymentsView))


def _deployments() -> Schema:
    decided_at = {
        "name": "decided_at",
        "in": "query",
        "description": "Only the deployment that was decided at this moment: the `decided_at` of a 504.",
        "schema": TIME,
    }
    summary = "The newest 100 deployments: which model, since when, by whom and why."
    return {
        **get("deployments", summary, DeploymentsView, 400, 503, tag="models"),
        "parameters": [decided_at, REQUEST_ID],
    }
