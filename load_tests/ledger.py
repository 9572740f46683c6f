"""The ledger after a load: has everything that was answered a place in the store, and does it add up?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOOK_SECONDS = 0.2
SETTLE_SECONDS = 180.0


class Unbalanced(RuntimeError):
    """The ledger does not add up after a load; the message says what of it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What `umbra status --json` printed, and its exit status."""

    status: Mapping[str, Any]
    exit_status: int

    @property
    def settled(self) -> bool:
        """Whether nothing waits: the journal is in the store, and every candidate has scored all of it."""
        behind = [one for one in self.status["candidates"] if one["state"] == "active" and one["pending"]]
        return self.status["journal"]["waiting"] == 0 and not behind

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
            yield f"{waiting} captures wait in the journal, for candidates: {self._of_all('pending')}"
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
    look: Callable[[], Ledger], answered: int, *, exactly: bool, seconds: float = SETTLE_SECONDS
) -> Ledger:
    """Wait until nothing waits; the ledger then has to balance, and to know of every answered house.

    Raises Unbalanced.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()).settled and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    faults = list(found.faults(answered, exactly=exactly))
    if faults:
        raise Unbalanced("; ".join(faults))
    return found
