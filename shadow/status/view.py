"""The status as JSON types."""

from __future__ import annotations

from datetime import datetime

from shadow.policy_summary import PolicySummary
from shadow.records import Deployment
from shadow.status.state import JournalState, Status
from shadow.store.ledger import Account, Intake


def as_json(status: Status) -> dict[str, object]:
    """Convert the status to JSON types."""
    store = status.store
    return {
        "taken_at": status.taken_at.isoformat(),
        "data_dir": str(status.data_dir),
        "trouble": status.store_error,
        "troubles": list(status.troubles),
        "purpose": None if store is None else store.purpose,
        "balanced": None if store is None else store.balances,
        "processes": [
            {"role": p.role, "pid": p.pid, "since": p.since.isoformat(), "facts": dict(p.facts)}
            for p in status.processes
        ],
        "journal": _journal(status.journal),
        "deployment": None if store is None or store.deployment is None else _deployment(store.deployment),
        "intake": None if store is None else _intake(store.intake),
        "outcomes": None if store is None else store.outcomes.by_name(),
        "candidates": [] if store is None else [_account(a, store.lags) for a in store.accounts],
    }


def _journal(journal: JournalState) -> dict[str, object]:
    return {
        "bytes": journal.size_bytes,
        "segments": journal.files,
        "refused_files": journal.refused_files,
        "waiting": journal.waiting,
        "oldest_waiting_at": _iso(journal.oldest_waiting_at),
        "held_up": dict(journal.held_up),
        "kept_bytes": journal.kept_bytes,
        "missing": journal.missing,
        "missing_outcomes": journal.missing_outcomes,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _deployment(deployment: Deployment) -> dict[str, object]:
    view = deployment.view()
    return {key: view[key] for key in ("live", "since", "by", "reason")}


def _intake(intake: Intake) -> dict[str, object]:
    return {
        "numbered": intake.numbered,
        "stored": intake.stored,
        "pruned": intake.pruned,
        "dropped": intake.dropped,
        "balanced": intake.balances,
    }


def _account(account: Account, lags: dict[int, float]) -> dict[str, object]:
    candidate = account.candidate
    summary = PolicySummary.of(candidate.policy)
    return {
        "candidate": str(candidate.model),
        "state": candidate.state.value,
        "policy": summary.name,
        "day_seconds": summary.day_seconds,
        "sample": candidate.sample,
        "eligible": account.eligible,
        **account.by_state(),
        "failed": account.failed,
        "dropped": account.dropped,
        "lag_seconds": lags[candidate.id],
        "missing": account.missing,
        "balanced": account.balances,
    }
