"""The state of an installation at one moment: its processes, its journal, and its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shadow.processes.heartbeat import LiveProcess
from shadow.records import Deployment, Purpose
from shadow.store import outcomes
from shadow.store.ledger import Account, Intake


@dataclass(frozen=True, slots=True)
class JournalState:
    """The journal of this data directory: captures in it that the store does not have yet.

    `kept_bytes` are in files that were stored and stay for a while; `held_up` are files that ingest cannot
    move now, with the reason. `missing` captures and outcomes are those that the store acknowledged and has
    lost, and that no journal file holds any more. None: not known.
    """

    size_bytes: int
    files: int
    refused_files: int
    waiting: int | None
    kept_bytes: int = 0
    held_up: Mapping[str, str] = field(default_factory=dict)
    oldest_waiting_at: datetime | None = None
    missing: int | None = None
    missing_outcomes: int | None = None


@dataclass(frozen=True, slots=True)
class StoreState:
    """The contents of the store at one moment. `purpose` None: nothing has used it yet."""

    deployment: Deployment | None
    intake: Intake
    outcomes: outcomes.OutcomeCounts
    accounts: tuple[Account, ...]
    lags: dict[int, float]
    purpose: Purpose | None = None

    @property
    def balances(self) -> bool:
        """Whether the intake and every candidate's ledger add up."""
        return self.intake.balances and all(account.balances for account in self.accounts)


@dataclass(frozen=True, slots=True)
class Status:
    """Processes, journal and store. `store` is None when it did not answer; `store_error` says why.

    `troubles` name missing or stuck processes, disks that do not answer, and whatever keeps captures from
    the store.
    """

    data_dir: Path
    taken_at: datetime
    processes: tuple[LiveProcess, ...]
    journal: JournalState
    store: StoreState | None
    store_error: str | None
    troubles: tuple[str, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether the store answers, everything adds up, and there are no troubles."""
        return self.store is not None and self.store.balances and not self.troubles
