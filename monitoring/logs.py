"""One JSON line per event, in the names of the Elastic Common Schema, without ever holding up the caller.

`event(log, "batch_stored", rows=250)` writes `{"message": "batch_stored", "umbra": {"rows": 250}, ...}`.
Keywords named like a group of the schema (`http`, `url`, `event`, ...) stand on top, others under `umbra`.
Never hand over bodies, header values or store URLs: what is not passed cannot leak.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pythonjsonlogger.orjson import OrjsonFormatter, orjson_default

from monitoring.sink import Sink

SCHEMA_GROUPS = frozenset({"event", "http", "url", "trace", "process", "client"})

_STACK_CHARACTERS = 2800
_MESSAGE_CHARACTERS = 500

_request_id: ContextVar[str] = ContextVar("umbra_request_id", default="")


def configure(
    service: str, level: str, directory: Path | None, *, version: str = "", descriptor: int = 1
) -> None:
    """Send every line of this process, and of its later forks, to a file in `directory` or to `descriptor`.

    `service` is `umbra.api` or `umbra.worker`. Calling it again replaces what was configured before.
    """
    handler = _Lines(Sink(service, directory, descriptor), _Formatter(service, version))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Lines)]:
        old.stop()
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # Each saves a look-up per line; what they would add is not written.
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


def bind(request_id: str) -> None:
    """Stamp the lines that follow in this context with the request's id; empty: none."""
    _request_id.set(request_id)


def on_dropped(count: Callable[[], None]) -> None:
    """Have `count` called once per line dropped by this process from now on."""
    for handler in _handlers():
        handler.sink.on_dropped = count


def flush(seconds: float = 2.0) -> bool:
    """Wait until everything written so far has left, at most `seconds`; False if it has not."""
    return all(handler.sink.flush(seconds) for handler in _handlers())


def _handlers() -> list[_Lines]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _Lines)]


class _Lines(logging.Handler):
    """Formats in the caller, hands the bytes to the sink. Needs no lock: the sink's queue has its own."""

    def __init__(self, sink: Sink, formatter: _Formatter) -> None:
        super().__init__()
        self.sink = sink
        self.formatter = formatter
        self._render = formatter.render
        atexit.register(self.stop)

    def createLock(self) -> None:  # noqa: N802 (logging's own name)
        """Have none."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line; one that cannot even be rendered is counted as dropped."""
        try:
            self.sink.put(self._render(record))
        except Exception:  # noqa: BLE001 (a line is never worth its caller)
            self.sink.drop(1)

    def stop(self) -> None:
        """Write what is waiting, within the sink's deadline, and end its thread."""
        atexit.unregister(self.stop)
        self.sink.close()


class _Formatter(OrjsonFormatter):
    """python-json-logger's orjson formatter with the schema's nested names. NaN and infinity become null."""

    def __init__(self, service: str, version: str) -> None:
        super().__init__()
        self._service = {"name": service, "version": version} if version else {"name": service}
        self._host = {"name": socket.gethostname()}
        self._dataset = {"dataset": service}

    def render(self, record: logging.LogRecord) -> bytes:
        """One line as bytes. A field nobody can write costs the fields, never the line or the caller."""
        document = self._document(record)
        try:
            return orjson.dumps(document, default=orjson_default, option=orjson.OPT_NON_STR_KEYS) + b"\n"
        except (TypeError, ValueError, RecursionError) as fault:
            return self._without_fields(document, fault)

    def format(self, record: logging.LogRecord) -> str:
        """The same line as text, for handlers that are not ours."""
        return self.render(record).decode().rstrip("\n")

    def _without_fields(self, document: Mapping[str, Any], fault: Exception) -> bytes:
        kept = {key: document[key] for key in ("@timestamp", "log", "service", "host", "process", "event")}
        message = str(document["message"]).encode("utf-8", "replace").decode()
        error = {"type": type(fault).__name__, "message": "a field of this line cannot be written as JSON"}
        return orjson.dumps({**kept, "event": self._dataset, "message": message, "error": error}) + b"\n"

    def _document(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: Mapping[str, Any] | None = getattr(record, "fields", None)
        document: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC),
            "message": record.msg if fields is not None else _message(record),
            "log": {"level": record.levelname.lower(), "logger": record.name},
            "event": self._dataset,
            "service": self._service,
            "host": self._host,
            "process": {"pid": os.getpid()},
        }
        if request_id := _request_id.get():
            document["trace"] = {"id": request_id}
        if fields:
            self._add(document, fields)
        error = record.error if fields is not None else record.exc_info and record.exc_info[1]  # type: ignore[attr-defined]
        if error:
            document["error"] = _error(error, with_stack=record.levelno >= logging.ERROR)
        return document

    def _add(self, document: dict[str, Any], fields: Mapping[str, Any]) -> None:
        own = {}
        for key, value in fields.items():
            if key == "event":
                document["event"] = {**self._dataset, **value}
            elif key in SCHEMA_GROUPS:
                document[key] = value
            else:
                own[key] = value
        if own:
            document["umbra"] = own


def _message(record: logging.LogRecord) -> str:
    """The text of a line from a library; its arguments may not fit its format."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _error(error: BaseException, *, with_stack: bool) -> dict[str, str]:
    """A warning is about the world, so what it says suffices; an error may be our own, so its stack is kept.

    The end of a long stack names the cause; a line under 4 KiB stays whole in a pipe.
    """
    told = {"type": type(error).__name__, "message": str(error)[:_MESSAGE_CHARACTERS]}
    if with_stack:
        told["stack_trace"] = "".join(traceback.format_exception(error))[-_STACK_CHARACTERS:]
    return told
