"""One JSON line per event, in the names of the Elastic Common Schema, without ever holding up the caller.

`event(log, "batch_stored", rows=250)` writes `{"message": "batch_stored", "umbra": {"rows": 250}, ...}`.
Keywords named like a group of the schema (`http`, `url`, `event`, ...) go to the top level, others under
`umbra`. Never pass bodies, header values or store URLs: what is not passed cannot leak.

Texts that a model, an error or a client chose may repeat the fields of a row. With `withhold` no such text is
written: of an error only its type and origin, of a library's line only its origin.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from monitoring.logs import line as log_line
from monitoring.logs.line import DiscreetFormatter, LineFormatter
from monitoring.logs.sink import Sink

_CLOSE_SECONDS = 2.0
_log = logging.getLogger("umbra.logs")


def configure(
    service: str,
    level: str,
    directory: Path | None,
    *,
    also_descriptor: bool = False,
    withhold: bool = False,
    version: str = "",
    descriptor: int = 1,
) -> None:
    """Send every line of this process, and of its later forks, to a file in `directory` or to `descriptor`.

    With `also_descriptor`, to both: neither waits for the other. `service` is `umbra.api` or `umbra.worker`.
    A second call replaces the configuration of the first.
    """
    sinks = [Sink(service, directory)] if directory else []
    if also_descriptor or not directory:
        sinks.append(Sink(service, None, descriptor))
    formatter = DiscreetFormatter(service, version) if withhold else LineFormatter(service, version)
    root = logging.getLogger()
    for handler in _handlers():
        handler.stop()
        root.removeHandler(handler)
    root.addHandler(_Lines(sinks, formatter))
    root.setLevel(level)
    # Each saves a look-up per line; the line has none of these fields.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def event(
    log: logging.Logger,
    name: str,
    *,
    level: int = logging.INFO,
    error: BaseException | None = None,
    **fields: Any,
) -> None:
    """Write one line about `name`; `error` adds its type, message and, from ERROR on, its stack.

    Never raises, never blocks.
    """
    if log.isEnabledFor(level):
        record = logging.LogRecord(log.name, level, "", 0, name, (), None)
        record.fields = fields
        record.error = error
        log.handle(record)


def bind_request_id(request_id: str) -> None:
    """Add the request's id to later lines of this context; empty: none."""
    log_line.request_id.set(request_id)


def count_dropped_lines(count: Callable[[], None]) -> None:
    """Call `count` once per line that this process drops, for each sink of the line."""
    for handler in _handlers():
        for sink in handler.sinks:
            sink.on_dropped = count


def flush(seconds: float = 2.0) -> bool:
    """Wait until every line so far is written, at most `seconds`; False if some is not."""
    deadline = time.monotonic() + seconds
    return all(sink.flush(deadline - time.monotonic()) for handler in _handlers() for sink in handler.sinks)


def log_uncaught_errors() -> None:
    """Write a line about every error that ends this process or one of its threads.

    Its trace still goes to standard error, unless texts are withheld.
    """
    silent = any(handler.withholds for handler in _handlers())

    def ended(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and isinstance(error, Exception):
            event(_log, "uncaught_error", level=logging.ERROR, error=error)
        if not silent:
            sys.__excepthook__(kind, error or kind(), trace)

    sys.excepthook = ended
    threading.excepthook = lambda thread: ended(thread.exc_type, thread.exc_value, thread.exc_traceback)


def discard_other_output() -> None:
    """While texts are withheld, discard other output of this process: a model may print rows."""
    handlers = [handler for handler in _handlers() if handler.withholds]
    for sink in [sink for handler in handlers for sink in handler.sinks]:
        sink.move_descriptor()
    if handlers:
        with Path(os.devnull).open("w", encoding="ascii") as nowhere:
            for standard in (1, 2):
                os.dup2(nowhere.fileno(), standard)


def _handlers() -> list[_Lines]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _Lines)]


class _Lines(logging.Handler):
    """Formats in the caller and passes the bytes to the sinks. Needs no lock: a sink's queue has its own."""

    def __init__(self, sinks: Sequence[Sink], formatter: LineFormatter) -> None:
        super().__init__()
        self.sinks = sinks
        self.formatter = formatter
        self.withholds = isinstance(formatter, DiscreetFormatter)
        self._render = formatter.render
        atexit.register(self.stop)

    def createLock(self) -> None:  # noqa: N802 (logging's own name)
        """Create no lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the record unless a filter rejects it; from 3.13 on, logging's own method takes the lock."""
        passes = self.filter(record)
        if passes:
            self.emit(passes if isinstance(passes, logging.LogRecord) else record)
        return bool(passes)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line; count one that cannot be rendered as dropped."""
        try:
            line = self._render(record)
            for sink in self.sinks:
                sink.put(line)
        except Exception:  # noqa: BLE001 (a line is never worth its caller)
            self.sinks[0].drop(1)

    def stop(self) -> None:
        """Write the queued lines, within a deadline, and end the sinks' threads."""
        atexit.unregister(self.stop)
        deadline = time.monotonic() + _CLOSE_SECONDS
        for sink in self.sinks:
            sink.close(0.0)
        for sink in self.sinks:
            sink.close(max(0.0, deadline - time.monotonic()))
