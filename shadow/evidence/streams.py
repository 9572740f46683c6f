"""Opening: every active candidate has a stream against the live model, under a policy frozen at its start."""

from __future__ import annotations

import logging
from pathlib import Path

from model_package.manifest import AlteredArtifact, InvalidArtifact
from model_package.reference import ModelRef
from monitoring import logs
from shadow import policy as policies
from shadow.evidence.reference import Described, describe
from shadow.policy import InvalidPolicy, Policy
from shadow.records import Candidate, CandidateState, Deployment
from shadow.store import Store, candidates, deployments, streams
from shadow.store.streams import Stream, StreamTerms

_log = logging.getLogger("umbra.evidence")


class Opening:
    """Opens the streams there should be; what it cannot open it says once."""

    def __init__(self, store: Store, models: Path) -> None:
        self._store = store
        self._models = models
        self._told: dict[ModelRef, str] = {}

    def keep_open(self) -> list[Stream]:
        """End what is over, open what is missing; returns the streams in force."""
        with self._store.writing() as connection:
            deployment = deployments.newest(connection)
            if deployment is None:
                return []
            streams.end_older(connection, deployment)
            found = {one.terms.candidate_id: one for one in streams.current(connection)}
            active = [one for one in candidates.present(connection) if one.state is CandidateState.ACTIVE]
        missing = [one for one in active if one.id not in found and one.model != deployment.live]
        for one in missing:
            self._attempt(deployment, one)
        with self._store.reading() as connection:
            return streams.current(connection)

    def _attempt(self, deployment: Deployment, candidate: Candidate) -> None:
        model = candidate.model
        try:
            self._open(deployment, candidate)
        except (AlteredArtifact, InvalidArtifact, InvalidPolicy) as fault:
            if self._told.get(model) != str(fault):
                logs.event(_log, "stream_not_opened", level=logging.ERROR, error=fault, candidate=str(model))
            self._told[model] = str(fault)
        else:
            self._told.pop(model, None)

    def _open(self, deployment: Deployment, candidate: Candidate) -> None:
        live, described = describe(self._models, deployment.live), describe(self._models, candidate.model)
        policy = Policy.parse(candidate.policy or policies.default_text())
        # Both were known then; houses answered since count, and none from before.
        began = max(deployment.since, candidate.added_at)
        with self._store.writing() as connection:
            number = streams.next_number(connection, live.digest)
            terms = _terms(deployment, candidate, live, described, policy, number)
            opened = streams.open_stream(connection, terms, began)
        if opened.terms.number == number:  # else the worker of another host was first, and has told
            logs.event(
                _log,
                "stream_opened",
                candidate=str(candidate.model),
                live_model=str(deployment.live),
                policy=policy.sha256,
                stream=opened.id,
            )


def _terms(
    deployment: Deployment,
    candidate: Candidate,
    live: Described,
    described: Described,
    policy: Policy,
    number: int,
) -> StreamTerms:
    return StreamTerms(
        deployment_id=deployment.id,
        candidate_id=candidate.id,
        live=deployment.live,
        live_digest=live.digest,
        candidate_digest=described.digest,
        schema_digest=described.schema_digest,
        policy=policy.text,
        policy_sha256=policy.sha256,
        day_seconds=policy.day_seconds,
        margin=policy.margin_of(live.mean_loss if policy.margin.absolute is None else 0.0),
        alpha=policy.alpha_of(number),
        number=number,
    )
