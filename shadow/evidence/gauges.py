"""Gauges: the newest documents about the current streams as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from shadow.records import VerdictState
from shadow.store.streams.documents import StreamDocuments

Labels = tuple[str, ...]
Values = dict[str, dict[Any, float]]
Sample = tuple[str, Any, float | None]
PREDICTION = "prediction"
"""The name under which the drift of the live prices is told, beside those of the fields."""


def gauges(current: Sequence[StreamDocuments]) -> Values:
    """Every sample there is; a number that is not known has none."""
    values: Values = {}
    for name, labels, value in _samples(current):
        if value is not None:
            values.setdefault(name, {})[labels] = value
    return values


def _samples(current: Sequence[StreamDocuments]) -> Iterator[Sample]:
    for about in current:
        verdict = about.documents.get("verdict")
        if verdict is not None:
            yield from _verdict(str(about.stream.candidate), verdict.body, verdict.computed_at)
    # Drift is that of the houses asked for, whoever is the candidate: told once, as it was measured last.
    drifts = sorted(
        (one.documents["drift"] for one in current if "drift" in one.documents),
        key=lambda document: document.computed_at,
    )
    for document in drifts:
        for skew in document.body["skew"]:
            yield "umbra_replay_differing_houses", skew["model"], _number(skew["beyond"])
    if drifts:
        yield from _drift(drifts[-1].body)


def _verdict(candidate: str, body: Mapping[str, Any], computed_at: datetime) -> Iterator[Sample]:
    for state in VerdictState:
        yield "umbra_verdict_state", (candidate, state.value), float(body["state"] == state.value)
    losses, difference = body["losses"], body["difference"]
    yield "umbra_loss_ratio", ("live", body["live"]), losses["live"]
    yield "umbra_loss_ratio", ("candidate", candidate), losses["candidate"]
    for bound in ("lower", "mean", "upper"):
        yield "umbra_loss_difference_ratio", (candidate, bound), difference[bound]
    yield "umbra_evidence_ln_e", candidate, body["keys"]["rows"]["ln_e"]
    yield "umbra_outcome_coverage_ratio", candidate, body["counts"]["coverage"]
    yield "umbra_evidence_timestamp_seconds", candidate, computed_at.timestamp()
    watched = body.get("rollback")
    yield "umbra_rollback_alarm", candidate, None if watched is None else float(watched["alarm"])


def _drift(body: Mapping[str, Any]) -> Iterator[Sample]:
    live = body["predictions"].get("live")
    for field in [*body["fields"], *([] if live is None else [{**live, "field": PREDICTION}])]:
        yield "umbra_drift_state", field["field"], _number(field["state"])
        for window, psi in field["psi_by_window"].items():
            yield "umbra_drift_psi", (field["field"], f"{window}d"), psi


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
