"""A service that has the right answer to all of the workload, notes what it is asked, and can err."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from load_tests import workload
from load_tests.workload import WorkloadRequest, marker

# What each program says of itself and of its connection.
OWN_HEADERS = {"host", "connection", "content-length"}
Answer = tuple[int, str, bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came, with what differs from run to run put back into markers."""

    method: str
    path: str
    headers: frozenset[tuple[str, str]]
    body: str


def expected(request: WorkloadRequest) -> Asked:
    """How a request of the workload has to come."""
    headers = frozenset((name.lower(), value) for name, value in request.headers.items())
    return Asked(request.method, request.path, headers, request.body)


@dataclass(slots=True)
class Service:
    """`err` may change an answer before it is given."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    err: Callable[[WorkloadRequest, Answer], Answer] = lambda _, answer: answer
    _places: dict[str, int] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _known: dict[Asked, WorkloadRequest] = field(
        default_factory=lambda: {
            expected(request): request
            for kind in workload.read().kinds
            for visit in kind.visits
            for request in visit
        }
    )

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Answer:
        """Note the request; status, kind and body of the answer. What is not of the workload gets a 501."""
        own_headers = frozenset((name, value) for name, value in headers.items() if name not in OWN_HEADERS)
        request_sent = Asked(method, path, own_headers, self._marked(body))
        self.asked.append(request_sent)
        known = self._known.get(request_sent)
        if known is None:
            return 501, "text/plain", b"not of the workload"
        return self.err(known, (known.status, known.headers["Accept"], self._right(known).encode()))

    def _marked(self, body: str) -> str:
        for prediction_id in re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", body):
            if prediction_id in self._places:
                body = body.replace(prediction_id, marker(self._places[prediction_id]))
        return re.sub(r"\d{4}-\d{2}-\d{2}", workload.TODAY, body) if "price_dollars" in body else body

    def _right(self, request: WorkloadRequest) -> str:
        if request.checked in ("accepted", "type"):
            return json.dumps({request.checked: request.expected})
        ids = [f"0198c0de-7a11-7000-8000-{next(self._numbers):012x}" for _ in range(request.houses)]
        self._places |= {prediction_id: position for position, prediction_id in enumerate(ids)}
        if request.checked == "lines":
            return "prediction_id,price_dollars\r\n" + "".join(
                f"{prediction_id},180000.0\r\n" for prediction_id in ids
            )
        return json.dumps(
            {"predictions": [{"id": prediction_id, "price_dollars": 180000.0} for prediction_id in ids]}
        )
