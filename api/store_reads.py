"""Reads of the store that cannot hang a process that answers.

An API process answers one request at a time, so a store that hangs would hang predictions too. Each read
runs in a thread with a time limit; after a read that failed or took too long, all reads are refused at once
for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from model_package.reference import InvalidReference, ModelRef
from shadow.bounded import BackgroundCall, NotAnswered, Refreshed
from shadow.records import Candidate, Deployment, Prediction
from shadow.store import Store, StoreUnavailable, deployments, outcomes
from shadow.store.outcomes import OutcomeCounts
from shadow.store.streams import documents, verdicts
from shadow.store.streams.documents import DocumentKind, StreamDocuments
from shadow.store.streams.verdicts import RecordedVerdict

Result = TypeVar("Result")
_VERDICT: tuple[DocumentKind, ...] = ("verdict",)
_SHORT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class CandidateVerdict:
    """The newest stream of a candidate with the changes of its state.

    `is_over`: nothing more is added, for the candidate was removed or another model is live. `ended_at` is
    when another one went live; None: it has not.
    """

    stream: StreamDocuments
    history: Sequence[RecordedVerdict]
    is_over: bool
    ended_at: datetime | None


class StoreReads:
    """What the API reads from the store; every method may raise StoreUnavailable, soon.

    Fields that are `masked` are in no document that is read.
    """

    def __init__(
        self,
        store: Store,
        *,
        masked: Collection[str] = (),
        wait_seconds: float = 0.5,
        rest_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.masked = masked
        self._wait_seconds = wait_seconds
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._resting_until = -float("inf")
        self._hanging: BackgroundCall[Any] | None = None
        self._counts = self._refreshed(lambda: _count(store), wait_seconds)

    def prediction(self, capture_id: UUID) -> Prediction | None:
        """Read a capture and all that is known about it."""
        return self._bounded(lambda: self._store.prediction(capture_id))

    def candidates(self) -> list[Candidate]:
        """Read the models scored in shadow."""
        return self._bounded(self._store.candidates)

    def deployments(self) -> list[Deployment]:
        """Read every deployment, the oldest first."""
        return self._bounded(lambda: _history(self._store))

    def verdicts(self) -> list[StreamDocuments]:
        """Read the open streams with their documents."""
        return self._bounded(lambda: _open_streams(self._store, self.masked))

    def verdict(self, candidate: str) -> CandidateVerdict | None:
        """Read the newest verdict on a candidate (NAME@VERSION); None: it was never judged."""
        return self._bounded(lambda: _candidate_verdict(self._store, candidate, self.masked))

    def run(self, query: Callable[[Store], Result]) -> Result:
        """Run a query of a page."""
        return self._bounded(lambda: query(self._store))

    def refreshed(self, query: Callable[[Store], Result]) -> Refreshed[Result]:
        """Make a slow query of a page that refreshes in a thread of its own."""
        return self._refreshed(lambda: query(self._store), _SHORT_SECONDS, self._rest_seconds)

    def outcome_counts(self) -> tuple[OutcomeCounts, datetime]:
        """Return the counts of outcomes, and when they were counted."""
        return self._counts.latest()

    def _refreshed(
        self, query: Callable[[], Result], wait_seconds: float, pause_seconds: float = 0.0
    ) -> Refreshed[Result]:
        return Refreshed(
            query,
            wait_seconds=wait_seconds,
            pause_seconds=pause_seconds,
            clock=self._clock,
            first_error=StoreUnavailable("it is still being counted"),
        )

    def _bounded(self, read: Callable[[], Result]) -> Result:
        if self._clock() < self._resting_until or (self._hanging and self._hanging.is_running):
            raise StoreUnavailable("the store did not answer a moment ago")
        try:
            return self._within_limit(read)
        except StoreUnavailable:
            self._resting_until = self._clock() + self._rest_seconds
            raise

    def _within_limit(self, read: Callable[[], Result]) -> Result:
        call = BackgroundCall(read, "umbra-store-read")
        try:
            return call.result_within(self._wait_seconds, "the store")
        except NotAnswered as fault:
            self._hanging = call
            raise StoreUnavailable(str(fault)) from fault


def _history(store: Store) -> list[Deployment]:
    with store.reading() as connection:
        return deployments.history(connection)


def _open_streams(store: Store, masked: Collection[str]) -> list[StreamDocuments]:
    with store.reading() as connection:
        return documents.of_open_streams(connection, masked)


def _candidate_verdict(store: Store, candidate: str, masked: Collection[str]) -> CandidateVerdict | None:
    """Read the newest stream of a candidate, open or ended."""
    try:
        model = ModelRef.parse(candidate)
    except InvalidReference:
        return None
    with store.reading() as connection:
        newest = documents.of_newest_stream(connection, model, _VERDICT, masked)
        if newest is None:
            return None
        stream = newest.stream
        return CandidateVerdict(
            newest, verdicts.history(connection, stream.id), newest.is_over, stream.ended_at
        )


def _count(store: Store) -> tuple[OutcomeCounts, datetime]:
    with store.reading() as connection:
        return outcomes.counts(connection), datetime.now(UTC)
