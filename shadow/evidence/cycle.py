"""The evidence cycle: open streams, recompute changed days, judge candidates, publish documents."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta

from monitoring import logs
from shadow.evidence import automation, drift, skew
from shadow.evidence.context import StreamContext
from shadow.evidence.documents.comparison import comparison_document
from shadow.evidence.documents.drift import drift_document
from shadow.evidence.documents.timeline import timeline_document
from shadow.evidence.drift import BinCounter, StreamDrift
from shadow.evidence.recording import record
from shadow.evidence.stream_evidence import gather
from shadow.evidence.streams import StreamOpener
from shadow.json_shapes import to_json
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable
from shadow.store.evidence.refresh import refresh
from shadow.store.retention import prunings
from shadow.store.streams import Stream, documents
from shadow.store.streams.documents import DocumentKind, StoredDocument
from shadow.verdict import StreamEvidence, decide, verdict_document

_DOCUMENTS_SECONDS = 10.0
"""Documents other than the verdict change slowly and cost most: the least time between two of a kind."""
_log = logging.getLogger("umbra.evidence")


class EvidenceCycle:
    """Brings all streams in force up to date; `run` is one cycle."""

    def __init__(self, store: Store, settings: Settings, stop: threading.Event) -> None:
        self._store = store
        self._settings = settings
        self._stop = stop
        self._opener = StreamOpener(store, settings.models)
        self._counters: dict[int, BinCounter] = {}
        self._published_at: dict[int, datetime] = {}
        self._logged_errors: dict[int, str] = {}

    def run(self, now: datetime) -> int:
        """Bring everything up to date; returns how many candidates were judged. Raises StoreUnavailable.

        Each step is stored as soon as it is done: the next cycle goes on where this one was cut short.
        """
        in_force = self._opener.open_missing()
        self._forget_all_but({stream.id for stream in in_force})
        return sum(self._judge_or_log(stream, now) for stream in in_force if not self._is_fresh(stream, now))

    def _forget_all_but(self, stream_ids: set[int]) -> None:
        for by_stream in (self._counters, self._published_at, self._logged_errors):
            for stream_id in by_stream.keys() - stream_ids:
                del by_stream[stream_id]

    def _is_fresh(self, stream: Stream, now: datetime) -> bool:
        """Whether the worker of another host has just judged it; its clock may be ahead."""
        with self._store.reading() as connection:
            last = documents.get(connection, stream.id, "verdict")
        pause = timedelta(seconds=self._settings.evidence_seconds / 2)
        return last is not None and abs(now - last.computed_at) < pause

    def _judge_or_log(self, stream: Stream, now: datetime) -> bool:
        """Judge one candidate; an error is logged once, and the other candidates are judged all the same."""
        try:
            is_judged = self._judge(stream, now)
        except StoreUnavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - one wrong number must not end all evidence
            if self._logged_errors.get(stream.id) != repr(fault):
                candidate = str(stream.candidate)
                logs.event(_log, "look_failed", level=logging.ERROR, error=fault, candidate=candidate)
            self._logged_errors[stream.id] = repr(fault)
            return False
        self._logged_errors.pop(stream.id, None)
        return is_judged

    def _judge(self, stream: Stream, now: datetime) -> bool:
        """Bring one stream up to date and judge its candidate; returns False when a stop cut it short."""
        if not self._stop.is_set():
            refresh(self._store, stream, self._stop)
        context = StreamContext.read(self._settings.models, stream)
        if not self._stop.is_set():
            self._counter(context).update(self._store, self._stop)
        if self._stop.is_set():  # half-refreshed sums must not be judged
            return False
        measured = drift.measure(self._store, context, now)
        evidence = gather(self._store, stream, context.policy, measured.state, now)
        self._decide(evidence, now)
        if self._is_due(stream, now):
            self._publish_documents(context, evidence, measured, now)
        return True

    def _counter(self, context: StreamContext) -> BinCounter:
        stream_id = context.stream.id
        if stream_id not in self._counters:
            self._counters[stream_id] = BinCounter(context)
        return self._counters[stream_id]

    def _decide(self, evidence: StreamEvidence, now: datetime) -> None:
        verdict = decide(evidence)
        recorded = record(self._store, verdict)
        self._publish(evidence.stream_id, "verdict", now, verdict_document(verdict))
        automation.apply_verdict(self._store, self._settings, verdict, recorded.id, now)

    def _is_due(self, stream: Stream, now: datetime) -> bool:
        last = self._published_at.get(stream.id)
        return last is None or (now - last).total_seconds() >= _DOCUMENTS_SECONDS

    def _publish_documents(
        self, context: StreamContext, evidence: StreamEvidence, measured: StreamDrift, now: datetime
    ) -> None:
        """Publish the other documents; a stop leaves the rest to the next cycle."""
        stream, masked = context.stream, self._settings.masked_fields
        self._publish(stream.id, "evidence", now, timeline_document(evidence))
        if not self._stop.is_set():
            document = comparison_document(self._store, context, evidence, masked)
            self._publish(stream.id, "comparison", now, document)
        for model in (stream.terms.live, stream.candidate):
            if not self._stop.is_set():
                skew.check(self._store, self._settings, model, stream, now, self._stop)
        if not self._stop.is_set():
            self._publish(stream.id, "drift", now, drift_document(self._store, context, measured, masked))
            self._published_at[stream.id] = now

    def _publish(self, stream_id: int, kind: DocumentKind, now: datetime, document: object) -> None:
        with self._store.writing() as connection:
            bound = prunings.latest_bound(
                connection
            )  # rows pruned since the document was computed are left out
            documents.put(connection, stream_id, kind, StoredDocument(now, to_json(document)), bound)
