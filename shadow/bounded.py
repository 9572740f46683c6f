"""An answer that may never come: a database or a disk that hangs keeps nobody waiting for good."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Content = TypeVar("Content")


class NotAnswered(RuntimeError):
    """It took longer than anybody waits."""

    safe_to_log = True


class Answer(Generic[Content]):
    """What a function returns, asked for in a thread that is left behind if it hangs."""

    def __init__(self, ask: Callable[[], Content]) -> None:
        self._future: Future[Content] = Future()
        threading.Thread(target=self._ask, args=(ask,), name="umbra-answer", daemon=True).start()

    def within(self, seconds: float, whom: str) -> Content:
        """Wait for it; raises NotAnswered, naming whom, or what the function raises."""
        try:
            return self._future.result(seconds)
        except TimeoutError:
            if self._future.done():  # the function's own
                raise
        raise NotAnswered(f"{whom} did not answer within {seconds:g} seconds")

    def _ask(self, ask: Callable[[], Content]) -> None:
        try:
            self._future.set_result(ask())
        except BaseException as fault:  # noqa: BLE001 (raised again by who waits)
            self._future.set_exception(fault)
