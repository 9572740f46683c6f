"""Traffic for `umbra demo`: requests for predictions like those of people, and the outcomes of their houses.

Arrivals are a Poisson process; most requests have one house, some a list or a CSV file, and some are wrong,
as real requests are. Run as `python -m umbra.demo.traffic URL RATE SEED`.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from model_package import schema
from monitoring import logs
from shadow import processes
from shadow.processes.heartbeat import Heartbeat
from shadow.settings import Settings
from umbra.demo.market import HousingMarket, MarketHouse, ReportQueue, houses

_TIMEOUT_SECONDS = 10.0
_REPORT_SECONDS = 0.25
_REPORTS_MOST = 500
_RETRY_SECONDS = 2.0
_log = logging.getLogger("umbra.traffic")


@dataclass(frozen=True, slots=True)
class TrafficRequest:
    """A request to send; `houses` is empty if it is wrong on purpose."""

    content_type: str
    body: bytes
    houses: tuple[MarketHouse, ...] = ()


def single_house(market: HousingMarket, _: random.Random) -> TrafficRequest:
    """Compose a request for a new house as JSON."""
    return _single(market.new())


def named_house(market: HousingMarket, rng: random.Random) -> TrafficRequest:
    """Compose a request for a house with a name as JSON; later requests may have the same house."""
    return _single(market.listing(rng))


def house_list(market: HousingMarket, rng: random.Random) -> TrafficRequest:
    """Compose a request for two to twenty houses as a JSON list."""
    batch = _several(market, rng)
    body = json.dumps([house.request_fields for house in batch]).encode()
    return TrafficRequest("application/json", body, batch)


def csv_table(market: HousingMarket, rng: random.Random) -> TrafficRequest:
    """Compose a request for two to twenty houses as CSV."""
    batch, text = _several(market, rng), io.StringIO()
    writer = csv.DictWriter(text, schema.NAMES)
    writer.writeheader()
    writer.writerows(house.request_fields for house in batch)
    return TrafficRequest("text/csv", text.getvalue().encode(), batch)


def wrong_request(market: HousingMarket, rng: random.Random) -> TrafficRequest:
    """Compose a wrong request: a text for a number, an unknown field, a wrong value, or cut-off JSON."""
    house = dict(market.new().request_fields)
    name = rng.choice([field.name for field in schema.FIELDS if field.kind != "category"])
    match rng.randrange(4):
        case 0:
            house[name] = "a lot"
        case 1:
            house["swimming_lanes"] = 8
        case 2:
            house[name] = -1
        case _:
            return TrafficRequest("application/json", json.dumps(house).encode()[:-7])
    return TrafficRequest("application/json", json.dumps(house).encode())


def _single(house: MarketHouse) -> TrafficRequest:
    return TrafficRequest("application/json", json.dumps(house.request_fields).encode(), (house,))


def _several(market: HousingMarket, rng: random.Random) -> tuple[MarketHouse, ...]:
    return tuple(market.new() for _ in range(rng.randint(2, 20)))


_MIXTURE: dict[Callable[[HousingMarket, random.Random], TrafficRequest], float] = {
    single_house: 0.78,
    named_house: 0.08,
    house_list: 0.06,
    csv_table: 0.03,
    wrong_request: 0.05,
}


def requests(
    market: HousingMarket, rate: float, rng: random.Random
) -> Iterator[tuple[float, TrafficRequest]]:
    """Generate requests without end, each with the seconds to wait before it (exponential, mean 1 / rate)."""
    kinds, weights = list(_MIXTURE), list(_MIXTURE.values())
    while True:
        (kind,) = rng.choices(kinds, weights)
        yield rng.expovariate(rate), kind(market, rng)


def request_predictions(url: str, request: TrafficRequest) -> list[str]:
    """Send one request to the API at `url`; returns the ids of its predictions. Raises OSError."""
    status, answer = _post(url, "/v1/predictions", request.content_type, request.body)
    if status != HTTPStatus.OK:
        return []
    return [prediction["id"] for prediction in json.loads(answer)["predictions"]]


def post_outcomes(url: str, outcomes: list[dict[str, Any]]) -> bool:
    """Send outcomes of houses; returns whether the API accepted them. Raises OSError."""
    status, _ = _post(url, "/v1/outcomes", "application/json", json.dumps(outcomes).encode())
    return status == HTTPStatus.ACCEPTED


def _post(url: str, path: str, content_type: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    try:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class TrafficGenerator:
    """Requests predictions and reports sales in turns; while the API is away, sales wait."""

    def __init__(self, url: str, queue: ReportQueue) -> None:
        self._url = url
        self._queue = queue
        self._report_at = 0.0

    def send(self, request: TrafficRequest) -> None:
        """Request predictions, and queue the outcomes of the answered houses."""
        try:
            ids = request_predictions(self._url, request)
        except (OSError, http.client.HTTPException) as fault:
            logs.event(_log, "no_answer", level=logging.WARNING, error=fault)
        else:
            self._queue.expect(request.houses if ids else (), ids, time.monotonic())

    def pause(self, seconds: float, stop: threading.Event) -> bool:
        """Report sales for so many seconds; returns whether `stop` was set."""
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if now >= self._report_at:
                self._report(now)
            if stop.wait(min(max(0.0, end - now), _REPORT_SECONDS)):
                return True
            if now >= end:
                return False

    def _report(self, now: float) -> None:
        self._report_at = now + _REPORT_SECONDS
        due = self._queue.due(now, _REPORTS_MOST)
        if not due:
            return
        moment = datetime.now(UTC)
        try:
            accepted = post_outcomes(self._url, [report.as_json(moment) for report in due])
        except (OSError, http.client.HTTPException) as fault:
            accepted = False
            logs.event(_log, "no_answer", level=logging.WARNING, error=fault)
        if not accepted:
            self._report_at = now + _RETRY_SECONDS
            self._queue.put_back(due)


def run(_settings: Settings, stop: threading.Event, heartbeat: Heartbeat) -> None:
    """Send traffic until `stop` is set."""
    url, rate, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)  # noqa: S311 - not a secret
    traffic = TrafficGenerator(url, ReportQueue(random.Random(f"{seed} sales")))  # noqa: S311
    heartbeat.report(url=url, rate=rate)
    for seconds, request in requests(HousingMarket(houses(seed)), rate, rng):
        if traffic.pause(seconds, stop):
            return
        traffic.send(request)


if __name__ == "__main__":
    sys.exit(processes.main("traffic", run))
