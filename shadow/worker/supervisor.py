"""The supervisor: keeps ingest, evidence and one scoring process per candidate running.

It holds no data of its own: after a crash a new one takes over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from monitoring import logs, metrics
from shadow import processes
from shadow.bounded import Refreshed
from shadow.processes import Child, descendants
from shadow.records import Candidate, CandidateState
from shadow.settings import Settings
from shadow.store import Store, StoreUnavailable, WrongStore

_PAUSE_SECONDS = 0.5
_STOP_SECONDS = 25.0
_log = logging.getLogger("umbra.worker")


class Roster:
    """The active candidates, read by a thread: a store that hangs delays no other duty of the worker."""

    def __init__(self, store: Store, stop: threading.Event) -> None:
        self._active = Refreshed(
            lambda: _active(store), pause_seconds=_PAUSE_SECONDS, share=1.0, report=_report
        )
        self._active.follow(stop)

    def active(self) -> dict[int, Candidate] | None:
        """Return the candidates by id, as last read; None before the first time."""
        return self._active.value

    @property
    def refusal(self) -> str | None:
        """Why Umbra cannot work with this store; None: it can."""
        fault = self._active.error
        return str(fault) if isinstance(fault, WrongStore) else None


def _active(store: Store) -> dict[int, Candidate]:
    return {
        candidate.id: candidate
        for candidate in store.candidates()
        if candidate.state is CandidateState.ACTIVE
    }


def _report(fault: Exception) -> None:
    """Log why the candidates cannot be read; of a store that is away ingest and the lanes say so."""
    if not isinstance(fault, WrongStore | StoreUnavailable):
        logs.event(_log, "reading_failed", level=logging.ERROR, error=fault)


class Supervisor:
    """The processes of one data directory."""

    def __init__(self, settings: Settings, roster: Roster, environment: Mapping[str, str]) -> None:
        self._metrics_dir = settings.metrics_files("worker")
        self._roster = roster
        self._environment = environment
        self._ingest = Child("ingest", processes.python("shadow.ingest"), environment)
        self._evidence = Child("evidence", processes.python("shadow.evidence"), environment)
        self._lanes: dict[int, Child] = {}
        self._leaving: list[Child] = []

    def supervise(self, now: float) -> None:
        """Start the processes that should run and do not; `now` is monotonic seconds."""
        self._follow_roster()
        for child in (self._ingest, self._evidence, *self._lanes.values()):
            pid = child.pid
            status = child.supervise(now)
            if status is not None:
                metrics.worker_exited(self._metrics_dir, pid)
                logs.event(_log, "process_ended", level=logging.ERROR, role=child.name, status=status)
        for child in [child for child in self._leaving if not child.is_running]:
            metrics.worker_exited(self._metrics_dir, child.pid)
            self._leaving.remove(child)
        self._end_orphans()

    def status_facts(self) -> dict[str, Any]:
        """Describe each process that should run, for `umbra status`."""
        return {
            child.name: child.status_facts()
            for child in (self._ingest, self._evidence, *self._lanes.values())
        }

    def stop(self) -> None:
        """Let ingest empty the journal, then each lane score the new captures; kill those that do not end."""
        processes.stop_all([self._ingest, self._evidence], _STOP_SECONDS)
        processes.stop_all([*self._lanes.values(), *self._leaving], _STOP_SECONDS)
        self._end_orphans()

    def _end_orphans(self) -> None:
        """Kill what a killed lane has left behind, such as helpers of its model."""
        own = (self._ingest, self._evidence, *self._lanes.values(), *self._leaving)
        descendants.kill_orphans({child.pid for child in own})

    def _follow_roster(self) -> None:
        active = self._roster.active()
        if active is None:
            return
        for candidate_id in self._lanes.keys() - active.keys():
            self._lanes[candidate_id].terminate()
            self._leaving.append(self._lanes.pop(candidate_id))
        for candidate_id in active.keys() - self._lanes.keys():
            self._lanes[candidate_id] = self._lane(active[candidate_id])

    def _lane(self, candidate: Candidate) -> Child:
        command = processes.python("shadow.scoring", str(candidate.id))
        return Child(f"scoring {candidate.model}", command, self._environment)
