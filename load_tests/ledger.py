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
        """Captures that wait in the journal (None: not known), and for each active candidate."""
        active = [one for one in self.status["candidates"] if one["state"] == "active"]
        return self.status["journal"]["waiting"], *(one["pending"] for one in active)

    @property
    def settled(self) -> bool:
        """Whether nothing waits: the journal is in the store, and every candidate has scored all of it."""
        return not any(one != 0 for one in self.behind)

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by role."""
        return {one["role"]: one["pid"] for one in self.status["processes"]}

    @property
    def houses(self) -> int:
        """How many houses it knows of, those included that the journal could not take."""
        intake = self.status["intake"]
        return int(intake["stored"] + intake["pruned"] + sum(intake["dropped"].values()))

    def faults(self, answered: int, *, exactly: bool) -> Iterator[str]:
        """What is wrong, when so many houses were answered; `exactly`: and certainly none beyond them."""
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
        return {one["candidate"]: one[what] for one in self.status["candidates"]}


def settle(
    look: Callable[[], Ledger], answered: int, *, exactly: bool, patience_seconds: float = PATIENCE_SECONDS
) -> Ledger:
    """Wait until nothing waits, as long as it becomes less; then it has to balance with what was answered.

    Raises Unbalanced.
    """
    found, deadline = look(), time.monotonic() + patience_seconds
    while not found.settled and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        before, found = found, look()
        if found.behind != before.behind:
            deadline = time.monotonic() + patience_seconds
    faults = list(found.faults(answered, exactly=exactly))
    if faults:
        raise Unbalanced("; ".join(faults))
    return found
