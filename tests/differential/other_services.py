"""Prediction services of other people, small enough to read: `other_services.py PORT DIALECT [--FAULT]`.

Nothing of Umbra is imported here. A price is 1,000 dollars a square metre and 5,000 a room.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "Bearer very-secret-7"  # noqa: S105 (what a test sends)


class Refused(Exception):
    """A status, and what is said with it."""

    def __init__(self, status: int, said: Any) -> None:
        super().__init__(status)
        self.status, self.said = status, said


class House:
    """The model, and what is wrong with it."""

    def __init__(self, faults: argparse.Namespace) -> None:
        self.faults = faults
        self._random, self._numbers = random.Random(), itertools.count()

    def price(self, area: float, rooms: float) -> float:
        dollars = 1000.0 * area + 5000.0 * rooms
        if self.faults.dearer_above is not None and area > self.faults.dearer_above:
            dollars *= 1.01
        is_off = next(self._numbers) % 5 == 4
        return dollars * (1 + is_off * self.faults.jitter * self._random.uniform(-1, 1))

    def answer(self, dialect: str, path: str, token: str | None, body: Any) -> Any:
        if self.faults.hang:
            threading.Event().wait()
        return getattr(self, f"_{dialect}")(path, token, body)

    def _instances(self, path: str, _: str | None, body: Any) -> Any:
        expect(path == "/v1/models/house:predict", 404, {"error": "no such model"})
        return {"predictions": [self.price(one["area"], one["rooms"]) for one in body["instances"]]}

    def _ndarray(self, path: str, _: str | None, body: Any) -> Any:
        expect(path == "/api/v1.0/predictions", 404, {"status": {"reason": "NOT_FOUND"}})
        expect(body["data"]["names"] == ["area", "rooms"], 400, {"status": {"reason": "WRONG_NAMES"}})
        prices = [[self.price(*cells)] for cells in body["data"]["ndarray"]]
        return {"data": {"names": ["t:0"], "ndarray": prices}, "meta": {"model": "house"}}

    def _plain(self, path: str, token: str | None, body: Any) -> Any:
        expect(path == "/price", 404, {"error": "nothing here"})
        expect(token == TOKEN, 401, {"error": "who are you"})
        return {"price": self.price(body["house"]["area"], body["house"]["rooms"])}

    def _plain2(self, path: str, token: str | None, body: Any) -> Any:
        expect(path == "/v2/price", 404, {"error": "nothing here"})
        expect(token == TOKEN, 401, {"error": "who are you"})
        limit = self.faults.refuse_above
        expect(limit is None or body["LotArea"] <= limit, 422, {"error": "too-large"})
        return {"result": {"value": self.price(body["LotArea"], body["TotalRooms"])}}

    def _echoed(self, _path: str, _token: str | None, body: Any) -> Any:
        faults = self.faults
        rows = [{"row": one["row"], "price": self.price(one["area"], one["rooms"])} for one in body]
        names = [one["row"] for one in rows]
        if faults.swap in names:
            at = names.index(faults.swap)
            rows[at - 1], rows[at] = rows[at], rows[at - 1]
        doubled = [one for one in rows if one["row"] == faults.double]
        return [one for one in rows if one["row"] != faults.drop] + doubled


def expect(right: bool, status: int, said: Any) -> None:
    if not right:
        raise Refused(status, said)


def main() -> None:
    """Serve until killed; says `ready` once it listens."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("dialect")
    for name in ("dearer-above", "refuse-above"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--hang", action="store_true")
    for name in ("drop", "double", "swap"):
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args()
    house = House(given)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet: the kernel would hold back the second one

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, said = (
                    200,
                    house.answer(given.dialect, self.path, self.headers["Authorization"], body),
                )
            except Refused as fault:
                status, said = fault.status, fault.said
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
