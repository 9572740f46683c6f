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
            expected(one): one for kind in workload.read().kinds for visit in kind.visits for one in visit
        }
    )

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Answer:
        """Note the request; status, kind and body of the answer. What is not of the workload gets a 501."""
        told = frozenset((name, value) for name, value in headers.items() if name not in OWN_HEADERS)
        asked = Asked(method, path, told, self._marked(body))
        self.asked.append(asked)
        known = self._known.get(asked)
        if known is None:
            return 501, "text/plain", b"not of the workload"
        return self.err(known, (known.status, known.headers["Accept"], self._right(known).encode()))

    def _marked(self, body: str) -> str:
        for one in re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", body):
            if one in self._places:
                body = body.replace(one, marker(self._places[one]))
        return re.sub(r"\d{4}-\d{2}-\d{2}", workload.TODAY, body) if "price_dollars" in body else body

    def _right(self, request: WorkloadRequest) -> str:
        if request.checked in ("accepted", "type"):
            return json.dumps({request.checked: request.expected})
        ids = [f"0198c0de-7a11-7000-8000-{next(self._numbers):012x}" for _ in range(request.houses)]
        self._places |= {one: place for place, one in enumerate(ids)}
        if request.checked == "lines":
            return "prediction_id,price_dollars\r\n" + "".join(f"{one},180000.0\r\n" for one in ids)
        return json.dumps({"predictions": [{"id": one, "price_dollars": 180000.0} for one in ids]})
