"""A look at the evidence: streams opened, changed days added up, candidates judged, documents left."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta

from monitoring import logs
from shadow.evidence import automation, skew
from shadow.evidence.documents.comparison import agreement
from shadow.evidence.documents.drift import document
from shadow.evidence.documents.timeline import course
from shadow.evidence.drift import Counting
from shadow.evidence.facts import facts_of
from shadow.evidence.recording import keep
from shadow.evidence.streams import Opening
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable
from shadow.store.evidence.refresh import refresh
from shadow.store.retention import prunings
from shadow.store.streams import Stream, documents
from shadow.store.streams.documents import DocumentKind, StoredDocument
from shadow.verdict import Facts, decide

_PICTURES_SECONDS = 10.0
"""What changes slowly and costs most is made no more often than this."""
_log = logging.getLogger("umbra.evidence")


class Look:
    """Looks at all streams in force; `once` is one look."""

    def __init__(self, store: Store, settings: Settings, stop: threading.Event) -> None:
        self._store = store
        self._settings = settings
        self._stop = stop
        self._opening = Opening(store, settings.models)
        self._countings: dict[int, Counting] = {}
        self._pictured: dict[int, datetime] = {}
        self._told: dict[int, str] = {}

    def once(self, now: datetime) -> int:
        """Bring everything up to date; returns how many candidates were judged. Raises StoreUnavailable.

        Each step is kept as soon as it is done: a look that ends in the midst is gone on with by the next.
        """
        in_force = self._opening.keep_open()
        for kept in (self._countings, self._pictured, self._told):
            for over in kept.keys() - {stream.id for stream in in_force}:
                del kept[over]
        return sum(self._attempt(stream, now) for stream in in_force if not self._is_fresh(stream, now))

    def _is_fresh(self, stream: Stream, now: datetime) -> bool:
        """Whether the worker of another host has just judged it; its clock may be ahead."""
        with self._store.reading() as connection:
            last = documents.get(connection, stream.id, "verdict")
        pause = timedelta(seconds=self._settings.evidence_seconds / 2)
        return last is not None and abs(now - last.computed_at) < pause

    def _attempt(self, stream: Stream, now: datetime) -> bool:
        """Judge one candidate; what goes wrong with it is told once, and keeps no other from being judged."""
        try:
            judged = self._one(stream, now)
        except StoreUnavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - one wrong number must not end all evidence
            if self._told.get(stream.id) != repr(fault):
                candidate = str(stream.candidate)
                logs.event(_log, "look_failed", level=logging.ERROR, error=fault, candidate=candidate)
            self._told[stream.id] = repr(fault)
            return False
        self._told.pop(stream.id, None)
        return judged

    def _one(self, stream: Stream, now: datetime) -> bool:
        if not self._stop.is_set():
            refresh(self._store, stream, self._stop)
        if not self._stop.is_set():
            self._counting(stream).bring_up_to_date(self._store, self._stop)
        if self._stop.is_set():  # what is half refreshed is not judged
            return False
        facts = self._judge(stream, now)
        self._picture(stream, facts, now)
        return True

    def _judge(self, stream: Stream, now: datetime) -> Facts:
        facts = facts_of(self._store, self._settings.models, stream, now)
        verdict = decide(facts)
        kept = keep(self._store, verdict)
        self._leave(stream, "verdict", now, verdict.as_json())
        automation.act(self._store, self._settings, verdict, kept.id, now)
        return facts

    def _counting(self, stream: Stream) -> Counting:
        if stream.id not in self._countings:
            self._countings[stream.id] = Counting(self._settings.models, stream)
        return self._countings[stream.id]

    def _picture(self, stream: Stream, facts: Facts, now: datetime) -> None:
        """The other documents, unless they are new; a stop leaves the rest for the next time."""
        last = self._pictured.get(stream.id)
        if last is not None and (now - last).total_seconds() < _PICTURES_SECONDS:
            return
        store, models, masked = self._store, self._settings.models, self._settings.masked_fields
        self._leave(stream, "evidence", now, course(facts))
        if not self._stop.is_set():
            self._leave(stream, "comparison", now, agreement(store, models, stream, facts, masked))
        for model in (stream.terms.live, stream.candidate):
            if not self._stop.is_set():
                skew.check(store, self._settings, model, stream, now, self._stop)
        if not self._stop.is_set():
            self._leave(stream, "drift", now, document(store, models, stream, facts.policy, now, masked))
            self._pictured[stream.id] = now

    def _leave(self, stream: Stream, kind: DocumentKind, now: datetime, body: dict[str, object]) -> None:
        with self._store.writing() as connection:
            bound = prunings.latest_bound(connection)  # what has been pruned since the document was made
            documents.put(connection, stream.id, kind, StoredDocument(now, body), bound)
