"""A watch: looks at the ledger all the time, because it has to balance at every moment."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from harness.stack import Stack

from shadow.status import StoreState

_PAUSE_SECONDS = 0.03


class Watch:
    """Looks in a thread of its own while the context lasts, and keeps every ledger that did not add up."""

    def __init__(self, stack: Stack) -> None:
        self.looks = 0
        self.unbalanced: list[StoreState] = []
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, _fault: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            books = self._stack.status().store
            if books is not None:
                self.looks += 1
                if not books.balances:
                    self.unbalanced.append(books)
