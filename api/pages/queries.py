"""Asking: what the pages want to know of the store; each question is one look-up."""

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
    dossiers: tuple[StreamDocuments, ...]
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What takes long to count: the status, and how many houses were answered in each of the last minutes."""

    status: Status
    arrivals: list[tuple[datetime, int]]


def situation(store: Store, kinds: Collection[DocumentKind], masked: Collection[str]) -> RolloutState:
    """Who is there now."""
    with store.reading() as connection:
        return RolloutState(
            deployments.newest(connection),
            tuple(candidates.present(connection)),
            tuple(documents.of_current_streams(connection, kinds, masked)),
            purposes.find(connection),
        )


def dossier(
    store: Store, model: ModelRef | None, kinds: Collection[DocumentKind], masked: Collection[str]
) -> tuple[StreamDocuments | None, list[Candidate]]:
    """The newest stream of a model with these documents, and the candidates there are."""
    with store.reading() as connection:
        found = None if model is None else documents.of_newest_stream(connection, model, kinds, masked)
        return found, candidates.present(connection)


def history(store: Store) -> tuple[list[Deployment], RolloutState]:
    """Every deployment, the newest first, and who could be promoted."""
    with store.reading() as connection:
        made = deployments.history(connection)[::-1]
        present = tuple(candidates.present(connection))
        found = tuple(documents.of_current_streams(connection, _VERDICT, ()))
    return made, RolloutState(made[0] if made else None, present, found)


def standing(store: Store, take_status: Callable[[datetime], Status]) -> SystemStatus:
    """Count everything: to be asked in the background."""
    now = datetime.now(UTC)
    with store.reading() as connection:
        arrived = captures.arrivals_by_minute(connection, now, _MINUTES)
    return SystemStatus(take_status(now), arrived)
