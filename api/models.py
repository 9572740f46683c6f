"""Models: GET /v1/models lists the artifacts, GET /v1/deployment says who is live and who is a candidate."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from flask import Response, request

from api.content import JSON
from api.deployments import shown_deployment
from api.errors import InvalidQuery
from api.live import Live
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


class Models:
    """The two views, with what they need."""

    def __init__(self, live: Live, store_reads: StoreReads, directory: Path) -> None:
        self._live = live
        self._store_reads = store_reads
        self._directory = directory
        self._cards: dict[str, dict[str, Any]] = {}

    def models(self) -> Response:
        """Every artifact, with the role it has now."""
        candidates = self._candidates()
        roles = self._roles(candidates or [])
        shown = [self._artifact(ModelRef(*found), roles) for found in artifact.listing(self._directory)]
        return _answer({"models": shown, "candidates_known": candidates is not None})

    def deployment(self) -> Response:
        """What this process answers with, and who is being scored beside it (null: the store is away)."""
        candidates = self._candidates()
        return _answer(
            {
                **shown_deployment(self._live.serving().deployment),
                "candidates": None if candidates is None else [_candidate(one) for one in candidates],
            }
        )

    def deployments(self) -> Response:
        """Who was live, the newest first, or the deployment that was decided at a moment."""
        decided_at = _moment(request.args.get("decided_at"))
        history = self._store_reads.deployments()[::-1]
        made = [one for one in history if decided_at in (None, one.since)]
        return _answer({"deployments": [shown_deployment(one) for one in made[:DEPLOYMENTS_MOST]]})

    def _candidates(self) -> list[Candidate] | None:
        try:
            return self._store_reads.candidates()
        except StoreUnavailable as fault:
            logs.event(_log, "candidates_unknown", level=logging.WARNING, error=fault)
            return None

    def _roles(self, candidates: list[Candidate]) -> dict[ModelRef, str]:
        roles = {one.model: "candidate" for one in candidates if one.state is not CandidateState.REMOVED}
        return {**roles, self._live.serving().ref: "live"} if self._live.is_ready else roles

    def _artifact(self, ref: ModelRef, roles: Mapping[ModelRef, str]) -> dict[str, Any]:
        shown = {"name": ref.name, "version": ref.version, "role": roles.get(ref, "idle")}
        directory = artifact.directory_of(self._directory, ref)
        try:
            stated = manifest.read(directory)
            card = self._card(directory, stated)
        except (OSError, ValueError) as fault:
            logs.event(_log, "artifact_unreadable", level=logging.WARNING, error=fault)
            return {**shown, "recipe": None, "digest": None, "card": None}
        return {**shown, "recipe": stated.recipe, "digest": stated.digest, "card": card}

    def _card(self, directory: Path, stated: Manifest) -> dict[str, Any]:
        """The card as it was saved; read once, for a digest stands for one content for ever."""
        if stated.digest not in self._cards:
            if len(self._cards) >= CARDS_MOST:
                self._cards.clear()
            self._cards[stated.digest] = manifest.document(directory, stated, "card.json")
        return self._cards[stated.digest]


def _moment(text: str | None) -> datetime | None:
    """A moment as problems and deployments tell it; raises InvalidQuery."""
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


def _answer(body: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(body), content_type=JSON)


def _model(ref: ModelRef) -> dict[str, str]:
    return {"name": ref.name, "version": ref.version}


def _candidate(one: Candidate) -> dict[str, Any]:
    return {
        "model": _model(one.model),
        "state": one.state,
        "sample": one.sample,
        "replay_from": one.replay_from,
        "added_at": one.added_at,
    }
