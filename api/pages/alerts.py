"""Alerts of the overview: what Umbra itself knows to be wrong, without a monitoring stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from api.pages.documents import drift_of, verdict_of
from api.pages.formatting import in_unit, seconds
from api.pages.queries import RolloutState, SystemStatus
from shadow.evidence.documents.shapes import DriftDocument
from shadow.records import CandidateState
from shadow.status import Status, StoreState
from shadow.store.streams.documents import StreamDocuments

LAG_SECONDS = 60.0
STALE = timedelta(minutes=10)
_BROKEN = {"breaker_open", "overtaken"}


@dataclass(frozen=True, slots=True)
class OverviewAlert:
    """A fact that needs attention; `path` is the page about it."""

    tone: Literal["bad", "warn", "good"]
    title: str
    text: str
    path: str = ""


def of_live(served: str, wanted: str) -> Iterator[OverviewAlert]:
    """Warn if another model is served than was deployed."""
    if served != wanted:
        yield OverviewAlert(
            "bad", f"{wanted} was deployed and cannot be loaded here.", f"{served} answers on."
        )


def of_rollout(rollout: RolloutState, now: datetime) -> Iterator[OverviewAlert]:
    """List what the evidence shows."""
    for stream in rollout.streams:
        yield from _of_verdict(stream, now)
    for candidate in rollout.candidates:
        if candidate.state is CandidateState.PAUSED:
            remedy = f"umbra candidates resume {candidate.model} goes on where it stopped."
            yield OverviewAlert("warn", f"{candidate.model} is paused.", remedy)
    drifts = [drift_of(stream).body for stream in rollout.streams if "drift" in stream.documents]
    if drifts:
        yield from _of_drift(drifts[0], f"/candidates/{rollout.streams[0].stream.candidate}/drift")


def _of_verdict(stream: StreamDocuments, now: datetime) -> Iterator[OverviewAlert]:
    document, candidate = verdict_of(stream), stream.stream.candidate
    verdict = document.body
    path, reasons = f"/candidates/{candidate}/evidence", verdict.reasons
    if verdict.rollback is not None and verdict.rollback.alarm:
        because = "; ".join(verdict.rollback.because)
        yield OverviewAlert("bad", f"Roll back to {candidate}.", because, "/deployments")
    if verdict.state == "promote":
        ready = f"Its verdict is promote: umbra promote {candidate} makes it live."
        yield OverviewAlert("good", f"{candidate} is ready.", ready, path)
    if verdict.state == "blocked":
        yield OverviewAlert("bad", f"{candidate} is blocked.", reasons[0] if reasons else "", path)
    if verdict.state == "reject":
        yield OverviewAlert("warn", f"{candidate} is rejected.", reasons[0] if reasons else "", path)
    if document.computed_at is not None and now - document.computed_at > STALE:
        age = seconds((now - document.computed_at).total_seconds())
        yield OverviewAlert(
            "warn", f"The verdict on {candidate} is {age} old.", "Is the worker running?", path
        )


def _of_drift(drift: DriftDocument, path: str) -> Iterator[OverviewAlert]:
    state = drift.state
    if state:
        moved = [entry.field for entry in drift.fields if entry.state == state]
        named = ", ".join(moved[:5]) + (" and others" if len(moved) > 5 else "")
        yield OverviewAlert(
            "bad" if state > 1 else "warn", f"Drift is {in_unit(state, 'state')}.", named, path
        )
    for skew in drift.skew:
        if skew.beyond:
            text = f"{skew.beyond} of {skew.houses} houses on {skew.date}."
            yield OverviewAlert("bad", f"{skew.model} answers otherwise than its artifact.", text, path)


def of_system(system: SystemStatus) -> Iterator[OverviewAlert]:
    """List what the status and the ledger show."""
    yield from _of_processes(system.status)
    if system.status.store is not None:
        yield from _of_store(system.status.store)


def _of_processes(status: Status) -> Iterator[OverviewAlert]:
    roles = {process.role for process in status.processes}
    if "worker" not in roles:
        yield OverviewAlert(
            "warn", "No worker is running here.", "Houses wait in the journal: umbra work moves them on."
        )
    for process in status.processes:
        if process.facts.get("state") in _BROKEN:
            # Why may quote what a model said, and it may have said a house: not for everybody.
            title = f"{process.facts.get('candidate')} cannot be scored."
            yield OverviewAlert("bad", title, "umbra status says why; its houses wait meanwhile.")
    if status.journal.refused_files:
        yield OverviewAlert(
            "warn", "Journal files were set aside.", f"{status.journal.refused_files}: see umbra journal."
        )
    if status.troubles:
        yield OverviewAlert("bad", "Not everything is in order here.", "umbra status says what is wrong.")


def _of_store(store: StoreState) -> Iterator[OverviewAlert]:
    if not store.balances:
        yield OverviewAlert(
            "bad", "The ledger does not balance.", "Keep the database as it is and report it."
        )
    if store.intake.dropped:
        dropped = (f"{houses:,} ({reason})" for reason, houses in store.intake.dropped.items())
        yield OverviewAlert("warn", "Houses were dropped.", ", ".join(dropped))
    for account in store.accounts:
        lag = store.lags.get(account.candidate.id, 0.0)
        if lag > LAG_SECONDS and account.candidate.state is CandidateState.ACTIVE:
            text = f"{account.pending:,} houses wait, the oldest for {seconds(lag)}."
            yield OverviewAlert("warn", f"{account.candidate.model} lags.", text)
