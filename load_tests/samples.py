"""Samples: every request of a run with its true latency, in a CSV file; figures of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RequestSample:
    """One request and its answer.

    `sent_at` is Unix time, `houses` how many a right answer priced (0: none), `fault` what was wrong
    (empty: nothing).
    """

    sent_at: float
    request: str
    milliseconds: float
    houses: int
    fault: str


def record(path: Path, events: Any) -> None:
    """Write a line for every request that Locust reports; the file is complete when Locust ends."""
    file = path.open("w", encoding="utf-8", newline="")
    writer = csv.writer(file)
    writer.writerow([column.name for column in fields(RequestSample)])

    def on_request(
        name: str,
        response_time: float,
        exception: Exception | None,
        start_time: float,
        context: dict[str, Any],
        **_: object,
    ) -> None:
        houses = 0 if exception else context.get("houses", 0)
        sample = RequestSample(start_time, name, response_time, houses, str(exception or ""))
        writer.writerow(astuple(sample))

    def on_quit(**_: object) -> None:
        file.close()

    events.request.add_listener(on_request)
    events.quit.add_listener(on_quit)


def read(path: Path) -> list[RequestSample]:
    """Read the samples of a file, in the order of the answers."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            RequestSample(float(sent_at), request, float(milliseconds), int(houses), fault)
            for sent_at, request, milliseconds, houses, fault in list(csv.reader(file))[1:]
        ]


def houses(samples: Sequence[RequestSample]) -> int:
    """Count the houses answered with a price."""
    return sum(sample.houses for sample in samples)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest of sorted values that at least this share of them do not exceed.

    It is one of the values, never between two (nearest rank).

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
