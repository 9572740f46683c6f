"""Gauges: the newest documents about the current streams as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from shadow.evidence.documents.shapes import DriftDocument
from shadow.json_shapes import from_json
from shadow.records import VerdictState
from shadow.store.streams.documents import StreamDocuments
from shadow.verdict.shapes import VerdictDocument

Labels = tuple[str, ...]
Values = dict[str, dict[Any, float]]
Sample = tuple[str, Any, float | None]
PREDICTION = "prediction"
"""The field name under which the drift of the live prices is exported, beside those of the fields."""


def gauges(current: Sequence[StreamDocuments]) -> Values:
    """Return every sample there is; an unknown number has none."""
    values: Values = {}
    for name, labels, value in _samples(current):
        if value is not None:
            values.setdefault(name, {})[labels] = float(value)
    return values


def _samples(current: Sequence[StreamDocuments]) -> Iterator[Sample]:
    for about in current:
        stored = about.documents.get("verdict")
        if stored is not None:
            document = from_json(VerdictDocument, stored.body)
            yield from _verdict(str(about.stream.candidate), document, stored.computed_at)
    # Drift is that of the rows answered, whoever is the candidate: exported once, as measured last.
    drift_documents = sorted(
        (about.documents["drift"] for about in current if "drift" in about.documents),
        key=lambda stored: stored.computed_at,
    )
    drifts = [from_json(DriftDocument, stored.body) for stored in drift_documents]
    for drift in drifts:
        for skew in drift.skew:
            yield "umbra_replay_differing_houses", skew.model, skew.beyond
    if drifts:
        yield from _drift(drifts[-1])


def _verdict(candidate: str, document: VerdictDocument, computed_at: datetime) -> Iterator[Sample]:
    for state in VerdictState:
        yield "umbra_verdict_state", (candidate, state.value), document.state == state.value
    losses, difference = document.losses, document.difference
    yield "umbra_loss_ratio", ("live", document.live), losses.live
    yield "umbra_loss_ratio", ("candidate", candidate), losses.candidate
    yield "umbra_loss_difference_ratio", (candidate, "lower"), difference.lower
    yield "umbra_loss_difference_ratio", (candidate, "mean"), difference.mean
    yield "umbra_loss_difference_ratio", (candidate, "upper"), difference.upper
    yield "umbra_evidence_ln_e", candidate, document.keys.rows.ln_e
    yield "umbra_outcome_coverage_ratio", candidate, document.counts.coverage
    yield "umbra_evidence_timestamp_seconds", candidate, computed_at.timestamp()
    advice = document.rollback
    yield "umbra_rollback_alarm", candidate, None if advice is None else advice.alarm


def _drift(document: DriftDocument) -> Iterator[Sample]:
    for entry in document.fields:
        yield from _column(entry.field, entry.state, entry.psi_by_window)
    live = document.predictions.live
    if live is not None:
        yield from _column(PREDICTION, live.state, live.psi_by_window)


def _column(field: str, state: int | None, psi_by_window: Mapping[str, float | None]) -> Iterator[Sample]:
    yield "umbra_drift_state", field, state
    for window, psi in psi_by_window.items():
        yield "umbra_drift_psi", (field, f"{window}d"), psi
