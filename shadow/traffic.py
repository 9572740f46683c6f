"""Traffic for `umbra demo`: houses asked for as people would, until stopped.

Arrivals are a Poisson process; most requests ask for one house, some for a list or a CSV file, and
some are wrong, as real requests are. Run as `python -m shadow.traffic URL RATE SEED`.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from model_package import schema, synthetic
from monitoring import logs
from shadow import processes
from shadow.presence import Announcement
from shadow.settings import Settings

_HOUSES = 2000
_TIMEOUT_SECONDS = 10.0
_log = logging.getLogger("umbra.traffic")
House = Mapping[str, float | int | str | None]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to be sent."""

    content_type: str
    body: bytes


def one_house(houses: Sequence[House], chance: random.Random) -> Ask:
    """A single house as JSON."""
    return Ask("application/json", json.dumps(chance.choice(houses)).encode())


def a_list(houses: Sequence[House], chance: random.Random) -> Ask:
    """Two to twenty houses as a JSON list."""
    return Ask("application/json", json.dumps(chance.choices(houses, k=chance.randint(2, 20))).encode())


def a_table(houses: Sequence[House], chance: random.Random) -> Ask:
    """Two to twenty houses as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, schema.NAMES)
    writer.writeheader()
    writer.writerows(chance.choices(houses, k=chance.randint(2, 20)))
    return Ask("text/csv", text.getvalue().encode())


def a_mistake(houses: Sequence[House], chance: random.Random) -> Ask:
    """Something a caller got wrong: a text for a number, a field nobody knows, one missing, cut-off JSON."""
    house = dict(chance.choice(houses))
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


_MIXTURE: dict[Callable[[Sequence[House], random.Random], Ask], float] = {
    one_house: 0.86,
    a_list: 0.06,
    a_table: 0.03,
    a_mistake: 0.05,
}


def requests(houses: Sequence[House], rate: float, chance: random.Random) -> Iterator[tuple[float, Ask]]:
    """Requests for ever, each with the seconds to wait before it (exponential, mean 1 / rate)."""
    kinds, weights = list(_MIXTURE), list(_MIXTURE.values())
    while True:
        (kind,) = chance.choices(kinds, weights)
        yield chance.expovariate(rate), kind(houses, chance)


def send(url: str, ask: Ask) -> int:
    """Send one request to the API at `url`; returns the status of the answer. Raises OSError."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/v1/predictions", ask.body, {"Content-Type": ask.content_type})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def run(_settings: Settings, stop: threading.Event, announcement: Announcement) -> None:
    """Send traffic until told to stop; an API that is away for a while is asked again."""
    url, rate, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    houses = synthetic.synthetic(_HOUSES, seed).rows
    announcement.tell(url=url, rate=rate)
    for seconds, ask in requests(houses, rate, random.Random(seed)):  # noqa: S311 - not a secret
        if stop.wait(seconds):
            return
        try:
            send(url, ask)
        except (OSError, http.client.HTTPException) as fault:
            logs.event(_log, "no_answer", level=logging.WARNING, error=fault)


if __name__ == "__main__":
    sys.exit(processes.main("traffic", run))
