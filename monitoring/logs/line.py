"""One log line: an event or a library's record as JSON, in the names of the Elastic Common Schema."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
from pythonjsonlogger.orjson import OrjsonFormatter, orjson_default

from monitoring.logs import fields as log_fields

WITHHELD = "withheld"

_STACK_CHARACTERS = 2800
_MESSAGE_CHARACTERS = 500

request_id: ContextVar[str] = ContextVar("umbra_request_id", default="")
"""The request id that lines of this context carry; empty: none."""


class LineFormatter(OrjsonFormatter):
    """python-json-logger's orjson formatter with the schema's nested names. NaN and infinity become null."""

    def __init__(self, service: str, version: str) -> None:
        super().__init__()
        self._service = {"name": service, "version": version} if version else {"name": service}
        self._host = {"name": socket.gethostname()}
        self._dataset = {"dataset": service}

    def render(self, record: logging.LogRecord) -> bytes:
        """Render one line as bytes; if a field cannot be written, without fields. Never raises."""
        document = self._document(record)
        try:
            return orjson.dumps(document, default=orjson_default, option=orjson.OPT_NON_STR_KEYS) + b"\n"
        except (TypeError, ValueError, RecursionError) as fault:
            return self._without_fields(document, fault)

    def format(self, record: logging.LogRecord) -> str:
        """Render the same line as text, for handlers of other libraries."""
        return self.render(record).decode().rstrip("\n")

    def _without_fields(self, document: Mapping[str, Any], fault: Exception) -> bytes:
        envelope = {
            key: document[key] for key in ("@timestamp", "log", "service", "host", "process", "event")
        }
        message = str(document["message"]).encode("utf-8", "replace").decode()
        error = {"type": type(fault).__name__, "message": "a field of this line cannot be written as JSON"}
        return orjson.dumps({**envelope, "event": self._dataset, "message": message, "error": error}) + b"\n"

    def _document(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: Mapping[str, Any] | None = getattr(record, "fields", None)
        document: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC),
            "message": record.msg if fields is not None else self._message(record),
            "log": {"level": record.levelname.lower(), "logger": record.name},
            "event": self._dataset,
            "service": self._service,
            "host": self._host,
            "process": {"pid": os.getpid()},
        }
        if identifier := request_id.get():
            document["trace"] = {"id": identifier}
        if fields:
            self._add(document, fields)
        error = record.error if fields is not None else record.exc_info and record.exc_info[1]  # type: ignore[attr-defined]
        if error:
            document["error"] = self._error(error, with_stack=record.levelno >= logging.ERROR)
        return document

    def _add(self, document: dict[str, Any], fields: Mapping[str, Any]) -> None:
        own = {}
        for key, value in fields.items():
            if key == "event":
                document["event"] = {**self._dataset, **value}
            elif key in log_fields.EVENT_GROUPS:
                document[key] = value
            else:
                own[key] = value
        if own:
            document["umbra"] = own

    def _message(self, record: logging.LogRecord) -> str:
        """Return the message of a library's record, whose arguments may not fit its format."""
        try:
            return record.getMessage()
        except Exception:  # noqa: BLE001 (whatever the text of an argument raises)
            return _text_of(record.msg)

    def _error(self, error: BaseException, *, with_stack: bool) -> dict[str, str]:
        """Describe an error: type and message, and the stack of one that may be a defect of ours.

        The end of a long stack names the cause; a line under 4 KiB stays whole in a pipe.
        """
        described = {"type": type(error).__name__, "message": _text_of(error)[:_MESSAGE_CHARACTERS]}
        if with_stack:
            described["stack_trace"] = _end("".join(traceback.format_exception(error)))
        return described


class DiscreetFormatter(LineFormatter):
    """Omits texts that may repeat the fields of a row, and writes their origin instead.

    Keeps the text of an error whose class, or of a library's record that, has a true `safe_to_log`.
    """

    def _document(self, record: logging.LogRecord) -> dict[str, Any]:
        document = super()._document(record)
        if not hasattr(record, "fields"):
            file = {"name": record.filename, "line": record.lineno}
            document["log"]["origin"] = {"file": file, "function": record.funcName}
        return document

    def _add(self, document: dict[str, Any], fields: Mapping[str, Any]) -> None:
        super()._add(document, {key: fields[key] for key in fields if key not in log_fields.TEXTS})

    def _message(self, record: logging.LogRecord) -> str:
        return super()._message(record) if _is_safe_to_log(record) else WITHHELD

    def _error(self, error: BaseException, *, with_stack: bool) -> dict[str, str]:  # noqa: ARG002
        message = _text_of(error)[:_MESSAGE_CHARACTERS] if _is_safe_to_log(type(error)) else WITHHELD
        frames = [frame for cause in reversed(list(_chain(error))) for frame in _frames(cause)]
        return {"type": type(error).__name__, "message": message, "stack_trace": _end("\n".join(frames))}


def _is_safe_to_log(something: object) -> bool:
    return getattr(something, "safe_to_log", False) is True


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each once: they may form a cycle."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _frames(error: BaseException) -> list[str]:
    """Return the frames of an error and its type, without its message."""
    codes = ((frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__))
    return [*(f"  {code.co_filename}:{line} in {code.co_name}" for code, line in codes), type(error).__name__]


def _text_of(something: object) -> str:
    """Return the text of an object, or why it has none."""
    try:
        return str(something)
    except Exception as fault:  # noqa: BLE001 (whatever it raises; the line is worth more)
        return f"{type(something).__name__} has no text: {type(fault).__name__}"


def _end(stack: str) -> str:
    """Return the last whole lines of a stack; the end of a line that alone is too long."""
    end = stack[-_STACK_CHARACTERS:]
    return end if len(end) == len(stack) else end.partition("\n")[2] or end
