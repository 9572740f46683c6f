"""The queries of the pages; each is one read of the store."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from model_package.reference import ModelRef
from shadow.records import Candidate, Deployment, Purpose
from shadow.status import Status
from shadow.store import Store, candidates, captures, deployments, purposes
from shadow.store.streams import documents
from shadow.store.streams.documents import DocumentKind, StreamDocuments

_MINUTES = 60
_VERDICT: tuple[DocumentKind, ...] = ("verdict",)


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Who is live, who is scored in shadow, and the documents about each."""

    deployment: Deployment | None
    candidates: tuple[Candidate, ...]
    streams: tuple[StreamDocuments, ...]
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What takes long to count: the status, and the answered houses of each of the last minutes."""

    status: Status
    arrivals: list[tuple[datetime, int]]


def rollout_state(store: Store, kinds: Collection[DocumentKind], masked: Collection[str]) -> RolloutState:
    """Read the live model, the candidates, and their documents."""
    with store.reading() as connection:
        return RolloutState(
            deployments.newest(connection),
            tuple(candidates.present(connection)),
            tuple(documents.of_current_streams(connection, kinds, masked)),
            purposes.find(connection),
        )


def newest_stream(
    store: Store, model: ModelRef | None, kinds: Collection[DocumentKind], masked: Collection[str]
) -> tuple[StreamDocuments | None, list[Candidate]]:
    """Read the newest stream of a model with these documents, and all candidates."""
    with store.reading() as connection:
        stream = None if model is None else documents.of_newest_stream(connection, model, kinds, masked)
        return stream, candidates.present(connection)


def deployment_history(store: Store) -> tuple[list[Deployment], RolloutState]:
    """Read every deployment, the newest first, and the candidates for promotion."""
    with store.reading() as connection:
        history = deployments.history(connection)[::-1]
        present = tuple(candidates.present(connection))
        streams = tuple(documents.of_current_streams(connection, _VERDICT, ()))
    return history, RolloutState(history[0] if history else None, present, streams)


def system_status(store: Store, take_status: Callable[[datetime], Status]) -> SystemStatus:
    """Count everything; slow, to be called in the background."""
    now = datetime.now(UTC)
    with store.reading() as connection:
        arrivals = captures.arrivals_by_minute(connection, now, _MINUTES)
    return SystemStatus(take_status(now), arrivals)
