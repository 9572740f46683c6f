"""The ledger after a load: has everything that was answered a place in the store, and does it add up?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 60.0


class Unbalanced(RuntimeError):
    """The ledger does not add up after a load; the message says what of it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What `umbra status --json` printed, and its exit status."""

    status: Mapping[str, Any]
    exit_status: int

    @property
    def behind(self) -> tuple[int | None, ...]:
        """Return the captures waiting in the journal (None: unknown) and for each active candidate."""
        active = [candidate for candidate in self.status["candidates"] if candidate["state"] == "active"]
        return self.status["journal"]["waiting"], *(candidate["pending"] for candidate in active)

    @property
    def settled(self) -> bool:
        """Return whether the store has the whole journal, and every candidate has scored all of it."""
        return not any(count != 0 for count in self.behind)

    @property
    def processes(self) -> dict[str, int]:
        """Return the process ids by role."""
        return {process["role"]: process["pid"] for process in self.status["processes"]}

    @property
    def houses(self) -> int:
        """Return the number of known houses, with those that the journal could not take."""
        intake = self.status["intake"]
        return int(intake["stored"] + intake["pruned"] + sum(intake["dropped"].values()))

    def faults(self, answered: int, *, exactly: bool) -> Iterator[str]:
        """Yield the faults of the ledger after so many answered houses; `exactly`: and none beyond them."""
        if self.status["trouble"] is not None:
            yield f"the store cannot be asked: {self.status['trouble']}"
            return
        if not self.settled:
            waiting = self.status["journal"]["waiting"]
            yield f"{waiting} captures wait in the journal, and for candidates: {self._of_all('pending')}"
        intake = self.status["intake"]
        if self.houses < answered or (exactly and self.houses > answered):
            yield f"{answered} houses were answered, the ledger knows of {self.houses}: {intake}"
        if self.exit_status != 0 or not self.status["balanced"]:
            yield (
                f"umbra status does not balance (exit status {self.exit_status}): {intake}, missing of "
                f"candidates: {self._of_all('missing')}"
            )

    def _of_all(self, what: str) -> dict[str, int]:
        return {candidate["candidate"]: candidate[what] for candidate in self.status["candidates"]}


def settle(
    look: Callable[[], Ledger], answered: int, *, exactly: bool, patience_seconds: float = PATIENCE_SECONDS
) -> Ledger:
    """Wait until nothing waits, as long as it becomes less; then it has to balance with what was answered.

    Raises Unbalanced.
    """
    ledger, deadline = look(), time.monotonic() + patience_seconds
    while not ledger.settled and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        before, ledger = ledger, look()
        if ledger.behind != before.behind:
            deadline = time.monotonic() + patience_seconds
    faults = list(ledger.faults(answered, exactly=exactly))
    if faults:
        raise Unbalanced("; ".join(faults))
    return ledger
