"""Lookups: reading the store without ever letting it hold up the process that answers.

An API process answers one request at a time, so a store that hangs would hang predictions too. Each look-up
runs in a thread and is waited for only so long; after one that failed or was given up, the store is left
alone for a while and look-ups are refused at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar
from uuid import UUID

from shadow.records import Candidate, Prediction
from shadow.store import Store, StoreUnavailable

Found = TypeVar("Found")


class Lookups:
    """What the API reads from the store; every method may raise StoreUnavailable, soon."""

    def __init__(
        self,
        store: Store,
        *,
        wait_seconds: float = 0.5,
        rest_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._wait_seconds = wait_seconds
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._resting_until = -float("inf")
        self._thread: threading.Thread | None = None

    def prediction(self, capture_id: UUID) -> Prediction | None:
        """A capture and all that is known about it."""
        return self._bounded(lambda: self._store.prediction(capture_id))

    def candidates(self) -> list[Candidate]:
        """The models scored in shadow."""
        return self._bounded(self._store.candidates)

    def _bounded(self, look: Callable[[], Found]) -> Found:
        if self._clock() < self._resting_until or (self._thread and self._thread.is_alive()):
            raise StoreUnavailable("the store did not answer a moment ago")
        try:
            return self._waited(look)
        except StoreUnavailable:
            self._resting_until = self._clock() + self._rest_seconds
            raise

    def _waited(self, look: Callable[[], Found]) -> Found:
        answers: SimpleQueue[Found | Exception] = SimpleQueue()
        self._thread = threading.Thread(target=_put, args=(answers, look), name="umbra-lookup", daemon=True)
        self._thread.start()
        self._thread.join(self._wait_seconds)
        if self._thread.is_alive():
            raise StoreUnavailable(f"the store did not answer within {self._wait_seconds:g} seconds")
        found = answers.get_nowait()
        if isinstance(found, Exception):
            raise found
        return found


def _put(answers: SimpleQueue[Found | Exception], look: Callable[[], Found]) -> None:
    try:
        answers.put(look())
    except Exception as fault:  # noqa: BLE001 (raised again by the thread that waits)
        answers.put(fault)
