"""Bounded calls: wait for a database or a disk that may hang, but only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

Content = TypeVar("Content")
_SHARE = 0.05
_NO_RESULT = "no result yet"


class NotAnswered(RuntimeError):
    """The call took longer than its caller waits."""

    safe_to_log = True


class BackgroundCall(Generic[Content]):
    """A call under way in a thread of its own, which is left behind if it hangs."""

    def __init__(self, call: Callable[[], Content], name: str = "umbra-call") -> None:
        self._future: Future[Content] = Future()
        threading.Thread(target=self._run, args=(call,), name=name, daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether the call has not returned yet."""
        return not self._future.done()

    def result_within(self, seconds: float, source: str) -> Content:
        """Wait for the result; raises NotAnswered, naming the source, or what the call raises."""
        try:
            return self._future.result(seconds)
        except TimeoutError:
            if self._future.done():  # the call itself raised it
                raise
        raise NotAnswered(f"{source} did not answer within {seconds:g} seconds")

    def _run(self, call: Callable[[], Content]) -> None:
        try:
            self._future.set_result(call())
        except BaseException as fault:  # noqa: BLE001 (raised again in the thread that waits)
            self._future.set_exception(fault)


def call_within(seconds: float, source: str, call: Callable[[], Content]) -> Content:
    """Call in a thread and wait for the result; raises NotAnswered, naming the source, or what it raises."""
    return BackgroundCall(call).result_within(seconds, source)


class Refreshed(Generic[Content]):
    """A slow query refreshed in the background; gives the last result meanwhile.

    A query that takes longer than `wait_seconds` runs for `share` of the time at most; each run is at least
    `pause_seconds` after the one before. `report` is called with the first of several equal errors in a row.
    """

    def __init__(
        self,
        query: Callable[[], Content],
        *,
        wait_seconds: float = 0.0,
        pause_seconds: float = 0.0,
        share: float = _SHARE,
        clock: Callable[[], float] = time.monotonic,
        first_error: Exception | None = None,
        report: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._query = query
        self._wait_seconds = wait_seconds
        self._pause_seconds = pause_seconds
        self._share = share
        self._clock = clock
        self._report = report
        self._due_at = -float("inf")
        self._refresh: BackgroundCall[float] | None = None
        self.value: Content | None = None
        """The last result, also while later runs fail; None before the first."""
        self.error: Exception | None = first_error or NotAnswered(_NO_RESULT)
        """What the last run raised; None: it returned `value`."""
        self.refreshed_at = -float("inf")
        """When `value` was returned, by the clock."""

    def latest(self) -> Content:
        """Refresh if it is due, wait at most `wait_seconds` for that, and return the last result.

        Raises what the last run raised, and `first_error` until the first one has ended.
        """
        is_refreshing = self._refresh is not None and self._refresh.is_running
        if not is_refreshing and self._clock() >= self._due_at:
            self._refresh = BackgroundCall(self.refresh, "umbra-refresh")
            with suppress(NotAnswered):
                self._refresh.result_within(self._wait_seconds, "the query")
        if (error := self.error) is not None:
            raise error
        return self.value  # type: ignore[return-value] # some query returned it

    def refresh(self) -> float:
        """Run the query in this thread; returns the seconds to wait before the next run. Never raises."""
        began = self._clock()
        try:
            self.value = self._query()
        except Exception as fault:  # noqa: BLE001 (readers of the result get it)
            self._keep_error(fault)
        else:
            self.refreshed_at, self.error = self._clock(), None
        return self._pause_after(self._clock() - began)

    def follow(self, stop: threading.Event) -> None:
        """Refresh again and again, in a daemon thread, until `stop` is set."""
        threading.Thread(target=self._follow, args=(stop,), name="umbra-refresh", daemon=True).start()

    def _follow(self, stop: threading.Event) -> None:
        while not stop.is_set():
            stop.wait(self.refresh())

    def _keep_error(self, fault: Exception) -> None:
        is_new = type(self.error) is not type(fault)
        self.error = fault
        if is_new:
            self._report(fault)

    def _pause_after(self, seconds: float) -> float:
        """How long to leave the source alone after a run that took so many seconds."""
        pause = max(self._pause_seconds, seconds / self._share if seconds > self._wait_seconds else 0.0)
        self._due_at = self._clock() + pause
        return pause
