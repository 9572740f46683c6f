"""Alerts: what Umbra itself knows to be wrong, without a monitoring stack beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from api.pages.documents import EvidenceDocument
from api.pages.formatting import in_unit, seconds
from api.pages.queries import RolloutState, SystemStatus
from shadow.records import CandidateState
from shadow.status import Status, StoreState
from shadow.store.streams.documents import StreamDocuments

LAG_SECONDS = 60.0
STALE = timedelta(minutes=10)
_BROKEN = {"breaker_open", "overtaken"}


@dataclass(frozen=True, slots=True)
class OverviewAlert:
    """One thing to look at, and where."""

    tone: Literal["bad", "warn", "good"]
    title: str
    text: str
    path: str = ""


def of_live(served: str, wanted: str) -> Iterator[OverviewAlert]:
    """What this process knows of the model it answers with."""
    if served != wanted:
        yield OverviewAlert(
            "bad", f"{wanted} was deployed and cannot be loaded here.", f"{served} answers on."
        )


def of_situation(found: RolloutState, now: datetime) -> Iterator[OverviewAlert]:
    """What the evidence says."""
    for dossier in found.dossiers:
        yield from _of_verdict(dossier, now)
    for candidate in found.candidates:
        if candidate.state is CandidateState.PAUSED:
            remedy = f"umbra candidates resume {candidate.model} goes on where it stopped."
            yield OverviewAlert("warn", f"{candidate.model} is paused.", remedy)
    drifts = [EvidenceDocument.of(one, "drift") for one in found.dossiers if "drift" in one.documents]
    if drifts:
        yield from _of_drift(drifts[0], f"/candidates/{found.dossiers[0].stream.candidate}/drift")


def _of_verdict(dossier: StreamDocuments, now: datetime) -> Iterator[OverviewAlert]:
    verdict, candidate = EvidenceDocument.of(dossier, "verdict"), dossier.stream.candidate
    path, reasons = f"/candidates/{candidate}/evidence", verdict.texts("reasons")
    if verdict.at("rollback.alarm"):
        because = "; ".join(verdict.texts("rollback.because"))
        yield OverviewAlert("bad", f"Roll back to {candidate}.", because, "/deployments")
    if verdict.at("state") == "promote":
        ready = f"Its verdict is promote: umbra promote {candidate} makes it live."
        yield OverviewAlert("good", f"{candidate} is ready.", ready, path)
    if verdict.at("state") == "blocked":
        yield OverviewAlert("bad", f"{candidate} is blocked.", reasons[0] if reasons else "", path)
    if verdict.at("state") == "reject":
        yield OverviewAlert("warn", f"{candidate} is rejected.", reasons[0] if reasons else "", path)
    if verdict.computed_at is not None and now - verdict.computed_at > STALE:
        age = seconds((now - verdict.computed_at).total_seconds())
        yield OverviewAlert(
            "warn", f"The verdict on {candidate} is {age} old.", "Is the worker running?", path
        )


def _of_drift(drift: EvidenceDocument, path: str) -> Iterator[OverviewAlert]:
    state = drift.number("state")
    if state:
        moved = [str(one.get("field")) for one in drift.rows("fields") if one.get("state") == state]
        named = ", ".join(moved[:5]) + (" and others" if len(moved) > 5 else "")
        yield OverviewAlert(
            "bad" if state > 1 else "warn", f"Drift is {in_unit(state, 'state')}.", named, path
        )
    for one in drift.rows("skew"):
        if one.get("beyond"):
            text = f"{one.get('beyond')} of {one.get('houses')} houses on {one.get('date')}."
            yield OverviewAlert("bad", f"{one.get('model')} answers otherwise than its artifact.", text, path)


def of_standing(found: SystemStatus) -> Iterator[OverviewAlert]:
    """What was counted."""
    yield from _of_processes(found.status)
    if found.status.store is not None:
        yield from _of_books(found.status.store)


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


def _of_books(books: StoreState) -> Iterator[OverviewAlert]:
    if not books.balances:
        yield OverviewAlert(
            "bad", "The ledger does not balance.", "Keep the database as it is and report it."
        )
    if books.intake.dropped:
        dropped = (f"{houses:,} ({reason})" for reason, houses in books.intake.dropped.items())
        yield OverviewAlert("warn", "Houses were dropped.", ", ".join(dropped))
    for account in books.accounts:
        lag = books.lags.get(account.candidate.id, 0.0)
        if lag > LAG_SECONDS and account.candidate.state is CandidateState.ACTIVE:
            text = f"{account.pending:,} houses wait, the oldest for {seconds(lag)}."
            yield OverviewAlert("warn", f"{account.candidate.model} lags.", text)
