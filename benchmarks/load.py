"""Load: wrk when it is installed, else a small generator of our own; ours too where arrivals have a rate.

As a command it is that generator, in a process of its own:
`python -m benchmarks.load PORT BODIES SECONDS --connections 8` asks again as soon as it is answered,
`--rate 500` sends at Poisson times whatever the answers do, and measures from when each was due.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

from model_package.schema import Row

PATH = "/v1/predictions"
_SCRIPT = """
local requests, position = {}, 0
function init(arguments)
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
  end
end
function request()
  position = position % #requests + 1
  return requests[position]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'FOUND{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"errors":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
_DRAIN_SECONDS = 5.0
_MOST_OPEN = 512


class NoAnswers(RuntimeError):
    """The load generator got nothing to measure."""


@dataclass(frozen=True, slots=True)
class LoadFigure:
    """What one window of load found; latencies in milliseconds.

    `sent_late_p99` is how late the generator itself was: when it is large, the machine is too busy to tell.
    """

    requests: int
    errors: int
    seconds: float
    p50: float
    p99: float
    sent_late_p99: float = 0.0

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / self.seconds


def generator() -> str:
    """Which generator a closed loop uses."""
    return "wrk" if shutil.which("wrk") else "benchmarks.load"


def write_bodies(path: Path, houses: Sequence[Row]) -> Path:
    """One JSON house per line, as each request will send it."""
    path.write_bytes(b"".join(orjson.dumps(house) + b"\n" for house in houses))
    return path


def closed(port: int, bodies: Path, connections: int, seconds: float) -> LoadFigure:
    """Keep `connections` requests under way all the time."""
    if generator() == "wrk":
        return _wrk(port, bodies, connections, seconds)
    return _own(port, bodies, seconds, "--connections", str(connections))


def open_(port: int, bodies: Path, rate: float, seconds: float) -> LoadFigure:
    """Send `rate` requests a second at Poisson times; latency counts from when each was due."""
    return _own(port, bodies, seconds, "--rate", str(rate))


def _wrk(port: int, bodies: Path, connections: int, seconds: float) -> LoadFigure:
    script = bodies.with_suffix(".lua")
    script.write_text(_SCRIPT, encoding="utf-8")
    command = [
        str(shutil.which("wrk")),
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "10s",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}{PATH}",
        "--",
        str(bodies),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return _load(json.loads(done.stdout.partition("FOUND")[2] or "{}"), done.stdout)


def _own(port: int, bodies: Path, seconds: float, *options: str) -> LoadFigure:
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(bodies), str(seconds), *options]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    return _load(json.loads(done.stdout), done.stderr)


def _load(report: dict[str, Any], output: str) -> LoadFigure:
    if not report.get("requests"):
        raise NoAnswers(f"no request was answered: {output[-500:]}")
    return LoadFigure(**report)


class Generator:
    """Raw sockets, one thread: a request is one connection, as with Umbra's synchronous workers."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._address = ("127.0.0.1", port)
        self._requests = requests
        self._sent = 0
        self._open: dict[socket.socket, tuple[float, bytearray]] = {}
        self.milliseconds: list[float] = []
        self.late_milliseconds = [0.0]
        self.errors = 0

    def closed(self, connections: int, seconds: float) -> float:
        """Run a closed loop; return the seconds it took."""
        begun = time.perf_counter()
        while (now := time.perf_counter()) < begun + seconds:
            while len(self._open) < connections:
                self._send(now)
            self._receive(0.1)
        return time.perf_counter() - begun

    def open(self, rate: float, seconds: float, chance: random.Random) -> float:
        """Poisson arrivals; returns the seconds it took until the last answer."""
        begun = due = time.perf_counter()
        waiting: deque[float] = deque()
        while (now := time.perf_counter()) < begun + seconds or waiting:
            while due <= min(now, begun + seconds):
                waiting.append(due)
                due += chance.expovariate(rate)
            while waiting and len(self._open) < _MOST_OPEN:
                self.late_milliseconds.append(1e3 * (time.perf_counter() - waiting[0]))
                self._send(waiting.popleft())
            self._receive(max(0.0, min(due - time.perf_counter(), 0.1)))
        last = time.perf_counter() + _DRAIN_SECONDS
        while self._open and time.perf_counter() < last:
            self._receive(0.1)
        self.errors += len(self._open)
        return time.perf_counter() - begun

    def _send(self, due: float) -> None:
        connection = socket.create_connection(self._address, timeout=10)
        connection.sendall(self._requests[self._sent % len(self._requests)])
        self._sent += 1
        self._open[connection] = (due, bytearray())

    def _receive(self, seconds: float) -> None:
        # select, not epoll: its timeout is in microseconds.
        for connection in select.select(list(self._open), [], [], seconds)[0]:
            due, answer = self._open[connection]
            try:
                chunk = connection.recv(65536)
            except OSError:
                chunk = b""
            answer += chunk
            if not chunk or _is_whole(answer):
                self._finish(connection, due, answer)

    def _finish(self, connection: socket.socket, due: float, answer: bytearray) -> None:
        connection.close()
        del self._open[connection]
        if answer.startswith(b"HTTP/1.1 200 ") and _is_whole(answer):
            self.milliseconds.append(1e3 * (time.perf_counter() - due))
        else:
            self.errors += 1


def _is_whole(answer: bytearray) -> bool:
    head, gap, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return bool(gap) and len(body) >= int(length or 0)


def _request(body: bytes) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _go_first() -> None:
    """Be woken before all others, where that is allowed: it mostly waits, and should not be late itself."""
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@click.command(
    epilog="""\b
Examples:
  python -m benchmarks.load 8000 bodies.jsonl 5 --connections 32
  python -m benchmarks.load 8000 bodies.jsonl 10 --rate 800"""
)
@click.argument("port", type=int)
@click.argument("bodies", type=click.Path(exists=True, path_type=Path))
@click.argument("seconds", type=float)
@click.option("--connections", default=8, show_default=True, help="Requests under way (closed loop).")
@click.option("--rate", type=float, help="Requests a second (open loop), instead of connections.")
@click.option("--seed", default=1, show_default=True, help="Of the arrival times.")
def main(port: int, bodies: Path, seconds: float, connections: int, rate: float | None, seed: int) -> None:
    """Ask PORT for a price with each line of BODIES in turn, and print what was found as JSON."""
    gc.disable()
    load = Generator(port, [_request(body) for body in bodies.read_bytes().splitlines()])
    run: Callable[[], float] = lambda: load.closed(connections, seconds)  # noqa: E731
    if rate is not None:
        _go_first()
        run = lambda: load.open(rate, seconds, random.Random(seed))  # noqa: E731, S311
    elapsed = run()
    latencies = load.milliseconds or [0.0]
    print(
        json.dumps(
            {
                "requests": len(load.milliseconds),
                "errors": load.errors,
                "seconds": elapsed,
                "p50": percentile(latencies, 0.5),
                "p99": percentile(latencies, 0.99),
                "sent_late_p99": percentile(load.late_milliseconds, 0.99),
            }
        )
    )


if __name__ == "__main__":
    main()
