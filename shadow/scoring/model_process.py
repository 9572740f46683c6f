"""The process in which a candidate's model runs, and nothing else.

It has memory and thread limits, no database credentials and one open socket, to the
lane that asks it. Whatever the model does - raise, hang, exit, eat memory - it does
here. Run as `python -m shadow.scoring.model_process SOCKET ARTIFACT MEMORY_BYTES [RECIPE_MODULE ...]`.

A message is its length (8 bytes, big endian) and its body. A request is a JSON object {"rows": [house,
...], "timed": [index, ...]}; the answer is JSON: {"dollars": [...], "seconds": {index: seconds}} with
null for what is not finite, or {"fault": reason, "detail": text}.
"""

from __future__ import annotations

import resource
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from model_package import artifact, recipes
from shadow import processes

_LENGTH = struct.Struct(">Q")


def send(connection: socket.socket, body: bytes) -> None:
    """Send one message; raises OSError, TimeoutError within the socket's timeout."""
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> bytes | None:
    """Receive one message, or None when the other side is gone."""
    head = _exactly(connection, _LENGTH.size)
    return None if head is None else _exactly(connection, _LENGTH.unpack(head)[0])


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(count - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def answer(model: artifact.Model, request: Mapping[str, Any]) -> dict[str, Any]:
    """Score one request; what the model raises becomes a fault with its class and words."""
    rows: Sequence[Any] = request["rows"]
    try:
        dollars = model.predict(rows)
        seconds = {str(index): _timed(model, rows[index]) for index in request["timed"]}
        return {"dollars": np.asarray(dollars, dtype=np.float64).tolist(), "seconds": seconds}
    except MemoryError as fault:
        return {"fault": "memory", "detail": _words(fault)}
    except Exception as fault:  # noqa: BLE001 - the model is a stranger: anything it raises is its answer
        return {"fault": "raised", "detail": _words(fault)}


def _timed(model: artifact.Model, row: Any) -> float:
    started = time.perf_counter()
    model.predict([row])
    return time.perf_counter() - started


def _words(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {fault}"[:500]


def main(arguments: Sequence[str]) -> int:
    """Load the artifact, say so, and answer until the lane hangs up."""
    processes.end_with_parent()  # a model that hangs would never notice that its lane is gone
    descriptor, directory, memory_bytes, *modules = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
    connection = socket.socket(fileno=int(descriptor))
    try:
        recipes.register(modules)
        model = artifact.load(Path(directory))
    except Exception as fault:  # noqa: BLE001 - whatever keeps it from loading is told to the lane
        send(connection, orjson.dumps({"fault": "unloadable", "detail": _words(fault)}))
        return 1
    send(connection, orjson.dumps({"ready": True}))
    while (body := receive(connection)) is not None:
        send(connection, orjson.dumps(answer(model, orjson.loads(body))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
