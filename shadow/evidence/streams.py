"""Opening streams: one for every active candidate against the live model, its policy frozen at the start."""

from __future__ import annotations

import logging
from pathlib import Path

from model_package.manifest import AlteredArtifact, InvalidArtifact
from model_package.reference import ModelRef
from monitoring import logs
from shadow import policy as policies
from shadow.evidence.reference import Reference, read_reference
from shadow.policy import InvalidPolicy, Policy
from shadow.records import Candidate, CandidateState, Deployment
from shadow.store import Store, candidates, deployments, streams
from shadow.store.streams import Stream, StreamTerms

_log = logging.getLogger("umbra.evidence")


class StreamOpener:
    """Opens the streams that are missing; logs once which it cannot open."""

    def __init__(self, store: Store, models: Path) -> None:
        self._store = store
        self._models = models
        self._logged: dict[ModelRef, str] = {}

    def open_missing(self) -> list[Stream]:
        """End the streams that are over and open those that are missing; returns the streams in force."""
        with self._store.writing() as connection:
            deployment = deployments.newest(connection)
            if deployment is None:
                return []
            streams.end_older(connection, deployment)
            in_force = {stream.terms.candidate_id for stream in streams.current(connection)}
            present = candidates.present(connection)
        for candidate in present:
            is_due = candidate.state is CandidateState.ACTIVE and candidate.model != deployment.live
            if is_due and candidate.id not in in_force:
                self._open_or_log(deployment, candidate)
        with self._store.reading() as connection:
            return streams.current(connection)

    def _open_or_log(self, deployment: Deployment, candidate: Candidate) -> None:
        model = candidate.model
        try:
            self._open(deployment, candidate)
        except (AlteredArtifact, InvalidArtifact, InvalidPolicy) as fault:
            if self._logged.get(model) != str(fault):
                logs.event(_log, "stream_not_opened", level=logging.ERROR, error=fault, candidate=str(model))
            self._logged[model] = str(fault)
        else:
            self._logged.pop(model, None)

    def _open(self, deployment: Deployment, candidate: Candidate) -> None:
        live = read_reference(self._models, deployment.live)
        own = read_reference(self._models, candidate.model)
        policy = Policy.parse(candidate.policy or policies.default_text())
        # Rows answered once both were known count, and none from before.
        began = max(deployment.since, candidate.added_at)
        with self._store.writing() as connection:
            number = streams.next_number(connection, live.digest)
            terms = _terms(deployment, candidate, live, own, policy, number)
            stream = streams.open_stream(connection, terms, began)
        if stream.terms.number == number:  # else the worker of another host was first, and has logged it
            logs.event(
                _log,
                "stream_opened",
                candidate=str(candidate.model),
                live_model=str(deployment.live),
                policy=policy.sha256,
                stream=stream.id,
            )


def _terms(
    deployment: Deployment,
    candidate: Candidate,
    live_reference: Reference,
    candidate_reference: Reference,
    policy: Policy,
    number: int,
) -> StreamTerms:
    return StreamTerms(
        deployment_id=deployment.id,
        candidate_id=candidate.id,
        live=deployment.live,
        live_digest=live_reference.digest,
        candidate_digest=candidate_reference.digest,
        schema_digest=candidate_reference.schema_digest,
        policy=policy.text,
        policy_sha256=policy.sha256,
        day_seconds=policy.day_seconds,
        margin=policy.margin_of(live_reference.mean_loss if policy.margin.absolute is None else 0.0),
        alpha=policy.alpha_of(number),
        number=number,
    )
