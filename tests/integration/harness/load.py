"""Load: clients that ask for prices all the time and remember every answer, and every request without one."""

from __future__ import annotations

import csv
import http.client
import io
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Any, Self

from harness.stack import Stack
from harness.waiting import wait_until

from model_package.schema import EXAMPLE, NAMES

House = dict[str, Any]
_areas = itertools.count(2000)


def houses(count: int, **fields: object) -> list[House]:
    """Houses that differ from each other and from all made before."""
    return [
        EXAMPLE | {"living_area": 800 + next(_areas) % 3000, "lot_area": next(_areas)} | fields
        for _ in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Answered:
    """An acknowledged request: house i was `rows[i]`, its price `dollars[i]`, its id `ids[i]`."""

    request_id: str
    rows: Sequence[House]
    ids: Sequence[str]
    dollars: Sequence[float]
    prices: Sequence[str]
    seconds: float


def as_json(rows: Sequence[House]) -> tuple[str, bytes]:
    """A body with a list of houses, or with one house alone."""
    return "application/json", json.dumps(rows[0] if len(rows) == 1 else rows).encode()


def as_csv(rows: Sequence[House]) -> tuple[str, bytes]:
    """A body with a table of houses."""
    text = io.StringIO()
    writer = csv.DictWriter(text, NAMES)
    writer.writeheader()
    writer.writerows(rows)
    return "text/csv", text.getvalue().encode()


class Asker:
    """Asks, and keeps the books that the store is audited by."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._numbers = itertools.count()
        self.answers: list[Answered] = []
        self.lost: dict[str, Sequence[House]] = {}
        self.faults: list[str] = []
        self.refused: list[str] = []

    def ask(
        self, rows: Sequence[House], body: Callable[[Sequence[House]], tuple[str, bytes]] = as_json
    ) -> Answered | None:
        """Ask for prices; None when no answer came or it was not one."""
        request_id = f"load-{id(self):x}-{next(self._numbers)}"
        kind, sent = body(rows)
        headers = {"Content-Type": kind, "X-Request-ID": request_id}
        begun = time.perf_counter()
        try:
            status, answer = self._stack.ask("POST", "/v1/predictions", sent, headers)
        except (OSError, http.client.HTTPException) as fault:
            self.lost[request_id] = rows
            self.faults.append(repr(fault))
            return None
        if status != 200:
            self.refused.append(f"{status}: {answer[:300]!r}")
            raise AssertionError(self.refused[-1])
        taken = Answered(request_id, rows, *_read(kind, answer), time.perf_counter() - begun)
        assert len(taken.ids) == len(taken.dollars) == len(rows)
        self.answers.append(taken)
        return taken

    @property
    def acknowledged(self) -> int:
        """Houses answered so far."""
        return sum(len(answer.rows) for answer in list(self.answers))


def _read(kind: str, answer: bytes) -> tuple[list[str], list[float], list[str]]:
    """Ids, prices, and prices as they were written."""
    if kind == "text/csv":
        table = list(csv.DictReader(io.StringIO(answer.decode())))
        texts = [row["price_dollars"] for row in table]
        return [row["prediction_id"] for row in table], list(map(float, texts)), texts
    found = json.loads(answer, parse_float=str)["predictions"]
    texts = [one["price_dollars"] for one in found]
    return [one["id"] for one in found], list(map(float, texts)), texts


class Load(Asker):
    """Asks in threads of its own while the context lasts; single houses, lists and tables."""

    def __init__(self, stack: Stack, *, seed: int = 1, clients: int = 2, pause_seconds: float = 0.03) -> None:
        super().__init__(stack)
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}-{number}"),), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, _fault: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def more(self, answers: int, seconds: float = 60.0) -> None:
        """Wait for that many more answers."""
        wanted = len(self.answers) + answers
        wait_until(lambda: len(self.answers) >= wanted, seconds, lambda: self.faults[-5:])

    def seconds(self, since: int, until: int) -> tuple[float, float]:
        """Median and longest time of the answers numbered since <= i < until that were for one house."""
        times = [answer.seconds for answer in self.answers[since:until] if len(answer.rows) == 1]
        return median(times), max(times)

    def _run(self, chance: random.Random) -> None:
        while not self._stop.wait(self._pause_seconds):
            if chance.random() < 0.7:
                self.ask(houses(1))
            else:
                self.ask(houses(chance.randint(2, 30)), chance.choice([as_json, as_csv]))
