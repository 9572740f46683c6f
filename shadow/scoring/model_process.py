"""The process in which a candidate's model runs, and nothing else.

It has memory and thread limits, no database credentials and one open socket, to its
lane. Whatever the model does (raise, hang, exit, exhaust memory), it does
here. Run as `python -m shadow.scoring.model_process SOCKET ARTIFACT MEMORY_BYTES [RECIPE_MODULE ...]`.

A message is its length (8 bytes, big endian) and its body. A request is a JSON object {"rows": [house,
...], "timed": [index, ...]}; the answer is JSON: {"dollars": [...], "seconds": {index: seconds}} with
null for what is not finite, or {"fault": reason, "detail": text}. No reply is longer than `reply.most_bytes`.
"""

from __future__ import annotations

import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from model_package import artifact, recipes
from shadow import start

_LENGTH = struct.Struct(">Q")


class MessageTooLong(ValueError):
    """The other process announces more than it may send."""


def send(connection: socket.socket, body: bytes) -> None:
    """Send one message; raises OSError."""
    connection.sendall(frame_message(body))


def frame_message(body: bytes) -> bytes:
    """Frame `body` as a message: its length, then the body."""
    return _LENGTH.pack(len(body)) + body


def receive(
    connection: socket.socket, wait: Callable[[], None] = lambda: None, most_bytes: int | None = None
) -> bytes | None:
    """Receive one message, or None when the other process is gone; calls `wait` before each piece.

    Raises MessageTooLong if it announces more than `most_bytes`.
    """
    head = _exactly(connection, _LENGTH.size, wait)
    if head is None:
        return None
    length: int = _LENGTH.unpack(head)[0]
    if most_bytes is not None and length > most_bytes:
        raise MessageTooLong(f"{length:,} bytes announced, at most {most_bytes:,} expected")
    return _exactly(connection, length, wait)


def _exactly(connection: socket.socket, count: int, wait: Callable[[], None]) -> bytes | None:
    received = bytearray()
    while len(received) < count:
        wait()
        chunk = connection.recv(min(count - len(received), 1 << 20))
        if not chunk:
            return None
        received += chunk
    return bytes(received)


def predict(model: artifact.Model, request: Mapping[str, Any]) -> dict[str, Any]:
    """Score one request; what the model raises becomes a fault with its class and message."""
    rows: Sequence[Any] = request["rows"]
    try:
        dollars = model.predict(rows)
        seconds = {str(index): _timed(model, rows[index]) for index in request["timed"]}
        values = np.asarray(dollars, dtype=np.float64)
        if values.shape != (len(rows),):
            detail = f"{len(rows)} houses asked, answer of shape {values.shape}"
            return {"fault": "wrong_length", "detail": detail}
        return {"dollars": values.tolist(), "seconds": seconds}
    except MemoryError as fault:
        return {"fault": "memory", "detail": _message(fault)}
    except Exception as fault:  # noqa: BLE001 - the model may raise anything, and that is its answer
        return {"fault": "raised", "detail": _message(fault)}


def _timed(model: artifact.Model, row: Any) -> float:
    started = time.perf_counter()
    model.predict([row])
    return time.perf_counter() - started


def _message(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {fault}"[:500].encode(errors="backslashreplace").decode()


def main(arguments: Sequence[str]) -> int:
    """Load the artifact, report that, and answer until the lane hangs up."""
    start.begin()
    start.set_parent_death_signal(
        signal.SIGKILL
    )  # a model that hangs would never notice that its lane is gone
    descriptor, directory, memory_bytes, *modules = arguments
    _limit_memory(int(memory_bytes))
    connection = socket.socket(fileno=int(descriptor))
    try:
        recipes.register(modules)
        model = artifact.load(Path(directory))
    except Exception as fault:  # noqa: BLE001 - whatever keeps it from loading is reported to the lane
        return _converse(connection, {"fault": "unloadable", "detail": _message(fault)}, None)
    return _converse(connection, {"ready": True}, model)


def _limit_memory(most_bytes: int) -> None:
    """Limit the address space; a lower limit that nobody may raise (`ulimit -v`) stays."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        most_bytes = min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


def _converse(connection: socket.socket, first: dict[str, Any], model: artifact.Model | None) -> int:
    """Send `first`, then answer with the model until the lane hangs up; returns the exit status."""
    try:
        send(connection, orjson.dumps(first))
        while model is not None and (body := receive(connection)) is not None:
            send(connection, orjson.dumps(predict(model, orjson.loads(body))))
    except OSError:
        return 1  # the lane is gone
    return 0 if model is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
