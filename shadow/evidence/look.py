"""A look at the evidence: streams opened, changed days added up, candidates judged, documents left."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from shadow.evidence import automation, skew
from shadow.evidence.agreement import agreement
from shadow.evidence.course import course
from shadow.evidence.drift import Counting
from shadow.evidence.drift_document import document
from shadow.evidence.judgement import facts_of
from shadow.evidence.opening import Opening
from shadow.evidence.refreshing import refresh
from shadow.records import ModelRef
from shadow.settings import Settings
from shadow.store import Store, snapshots
from shadow.store.snapshots import Kind, Snapshot
from shadow.store.streams import Stream
from shadow.verdict import Facts, decide
from shadow.verdict.keeping import keep

_PICTURES_SECONDS = 10.0
"""What changes slowly and costs most is made no more often than this."""


class Look:
    """Looks at all streams in force; `once` is one look."""

    def __init__(self, store: Store, settings: Settings, stop: threading.Event) -> None:
        self._store = store
        self._settings = settings
        self._stop = stop
        self._opening = Opening(store, settings.models)
        self._countings: dict[int, Counting] = {}
        self._pictured: dict[int, datetime] = {}

    def once(self, now: datetime) -> int:
        """Bring everything up to date; returns how many candidates were judged. Raises StoreUnavailable."""
        judged = 0
        for stream in self._opening.keep_open():
            if self._stop.is_set() or self._is_fresh(stream, now):
                continue
            self._one(stream, now)
            judged += 1
        return judged

    def _is_fresh(self, stream: Stream, now: datetime) -> bool:
        """Whether the worker of another host has just judged it."""
        with self._store.reading() as connection:
            last = snapshots.get(connection, stream.id, "verdict")
        return last is not None and now - last.computed_at < timedelta(
            seconds=self._settings.evidence_seconds / 2
        )

    def _one(self, stream: Stream, now: datetime) -> None:
        refresh(self._store, stream, self._stop)
        if self._stop.is_set():  # what is half refreshed is not judged
            return
        self._counting(stream).bring_up_to_date(self._store)
        facts = facts_of(self._store, self._settings.models, stream, now)
        verdict = decide(facts)
        kept = keep(self._store, verdict)
        self._leave(stream, "verdict", now, verdict.as_json())
        self._picture(stream, facts, now)
        automation.act(self._store, self._settings.models, verdict, kept.id, now)

    def _counting(self, stream: Stream) -> Counting:
        if stream.id not in self._countings:
            self._countings[stream.id] = Counting(self._settings.models, stream)
        return self._countings[stream.id]

    def _picture(self, stream: Stream, facts: Facts, now: datetime) -> None:
        last = self._pictured.get(stream.id)
        if last is not None and (now - last).total_seconds() < _PICTURES_SECONDS:
            return
        self._pictured[stream.id] = now
        for model in (stream.terms.live, stream.candidate):
            self._replay(stream, model, now)
        store, models, masked = self._store, self._settings.models, self._settings.masked_fields
        self._leave(stream, "evidence", now, course(facts))
        self._leave(stream, "comparison", now, agreement(store, stream, facts, masked))
        self._leave(stream, "drift", now, document(store, models, stream, facts.policy, now, masked))

    def _replay(self, stream: Stream, model: ModelRef, now: datetime) -> None:
        length = stream.terms.day_seconds
        skew.check(self._store, self._settings, model, length, stream.started_at, now, self._stop)

    def _leave(self, stream: Stream, kind: Kind, now: datetime, body: dict[str, object]) -> None:
        with self._store.writing() as connection:
            snapshots.put(connection, stream.id, kind, Snapshot(now, body))
