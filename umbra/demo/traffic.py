"""Traffic for `umbra demo`: houses asked for as people would, and told of again once they are sold.

Arrivals are a Poisson process; most requests ask for one house, some for a list or a CSV file, and
some are wrong, as real requests are. Run as `python -m umbra.demo.traffic URL RATE SEED`.
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
from umbra.demo.market import House, Market, Registry, houses

_TIMEOUT_SECONDS = 10.0
_REPORT_SECONDS = 0.25
_REPORTS_MOST = 500
_AWAY_SECONDS = 2.0
_log = logging.getLogger("umbra.traffic")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to be sent: a right one asks for `houses`, a wrong one for nothing."""

    content_type: str
    body: bytes
    houses: tuple[House, ...] = ()


def one_house(market: Market, _: random.Random) -> Ask:
    """A single house as JSON."""
    return _single(market.new())


def a_listing(market: Market, chance: random.Random) -> Ask:
    """A single house as JSON, by somebody who says which one it is and may ask again."""
    return _single(market.listing(chance))


def a_list(market: Market, chance: random.Random) -> Ask:
    """Two to twenty houses as a JSON list."""
    asked = _several(market, chance)
    return Ask("application/json", json.dumps([house.asked for house in asked]).encode(), asked)


def a_table(market: Market, chance: random.Random) -> Ask:
    """Two to twenty houses as CSV."""
    asked, text = _several(market, chance), io.StringIO()
    writer = csv.DictWriter(text, schema.NAMES)
    writer.writeheader()
    writer.writerows(house.asked for house in asked)
    return Ask("text/csv", text.getvalue().encode(), asked)


def a_mistake(market: Market, chance: random.Random) -> Ask:
    """Something a caller got wrong: a text for a number, a field nobody knows, one missing, cut-off JSON."""
    house = dict(market.new().asked)
    name = chance.choice([field.name for field in schema.FIELDS if field.kind != "category"])
    match chance.randrange(4):
        case 0:
            house[name] = "a lot"
        case 1:
            house["swimming_lanes"] = 8
        case 2:
            house[name] = -1
        case _:
            return Ask("application/json", json.dumps(house).encode()[:-7])
    return Ask("application/json", json.dumps(house).encode())


def _single(house: House) -> Ask:
    return Ask("application/json", json.dumps(house.asked).encode(), (house,))


def _several(market: Market, chance: random.Random) -> tuple[House, ...]:
    return tuple(market.new() for _ in range(chance.randint(2, 20)))


_MIXTURE: dict[Callable[[Market, random.Random], Ask], float] = {
    one_house: 0.78,
    a_listing: 0.08,
    a_list: 0.06,
    a_table: 0.03,
    a_mistake: 0.05,
}


def requests(market: Market, rate: float, chance: random.Random) -> Iterator[tuple[float, Ask]]:
    """Requests for ever, each with the seconds to wait before it (exponential, mean 1 / rate)."""
    kinds, weights = list(_MIXTURE), list(_MIXTURE.values())
    while True:
        (kind,) = chance.choices(kinds, weights)
        yield chance.expovariate(rate), kind(market, chance)


def ask_for_prices(url: str, ask: Ask) -> list[str]:
    """Send one request to the API at `url`; gives the ids of its predictions. Raises OSError."""
    status, answer = _post(url, "/v1/predictions", ask.content_type, ask.body)
    return [one["id"] for one in json.loads(answer)["predictions"]] if status == HTTPStatus.OK else []


def report(url: str, told: list[dict[str, Any]]) -> bool:
    """Say what houses sold for; whether it was taken. Raises OSError."""
    status, _ = _post(url, "/v1/outcomes", "application/json", json.dumps(told).encode())
    return status == HTTPStatus.ACCEPTED


def _post(url: str, path: str, content_type: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    try:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Traffic:
    """Asks for prices and reports sales in turns; an API that is away for a while is asked again."""

    def __init__(self, url: str, registry: Registry) -> None:
        self._url = url
        self._registry = registry
        self._report_at = 0.0

    def ask(self, ask: Ask) -> None:
        """Ask for prices, and expect to hear what the answered houses sell for."""
        try:
            ids = ask_for_prices(self._url, ask)
        except (OSError, http.client.HTTPException) as fault:
            logs.event(_log, "no_answer", level=logging.WARNING, error=fault)
        else:
            self._registry.expect(ask.houses if ids else (), ids, time.monotonic())

    def pause(self, seconds: float, stop: threading.Event) -> bool:
        """Report sales while time passes; whether a stop was asked for."""
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
        due = self._registry.due(now, _REPORTS_MOST)
        if not due:
            return
        moment = datetime.now(UTC)
        try:
            taken = report(self._url, [one.as_json(moment) for one in due])
        except (OSError, http.client.HTTPException) as fault:
            taken = False
            logs.event(_log, "no_answer", level=logging.WARNING, error=fault)
        if not taken:
            self._report_at = now + _AWAY_SECONDS
            self._registry.put_back(due)


def run(_settings: Settings, stop: threading.Event, heartbeat: Heartbeat) -> None:
    """Send traffic until told to stop."""
    url, rate, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)  # noqa: S311 - not a secret
    traffic = Traffic(url, Registry(random.Random(f"{seed} sales")))  # noqa: S311
    heartbeat.report(url=url, rate=rate)
    for seconds, ask in requests(Market(houses(seed)), rate, chance):
        if traffic.pause(seconds, stop):
            return
        traffic.ask(ask)


if __name__ == "__main__":
    sys.exit(processes.main("traffic", run))
