"""The workload: what each kind of user asks, how often, and what is a right answer.

`workload.json` is all of it. Both `locustfile.py` and `k6.js` read that file and hold nothing of their own;
`python -m load_tests.visits` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "workload.json"
TODAY = "<today>"
COMMON = ("method", "path", "headers", "status", "checked")


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a run may have at most: wrong answers as a share of all, and the 99th percentile of latency."""

    error_ratio: float
    p99_milliseconds: float


@dataclass(frozen=True, slots=True)
class WorkloadRequest:
    """One request and its right answer: the status, and what is `checked` in the body has to be `expected`.

    `checked` is `prices` (of a JSON answer), `lines` (of a CSV answer), `accepted` or `type` (of a problem).
    """

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    checked: str
    expected: int | str

    @property
    def houses(self) -> int:
        """Return the number of houses in a right answer."""
        return int(self.expected) if self.checked in ("prices", "lines") else 0


Visit = tuple[WorkloadRequest, ...]


@dataclass(frozen=True, slots=True)
class VisitKind:
    """One kind of user: its share of all users, and its visits, made in this order again and again.

    The requests of a visit follow each other; a later one may name what an earlier one was answered.
    """

    name: str
    weight: int
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """All kinds of users, and how many, how fast and how long unless told otherwise."""

    users: int
    visits_per_second: float
    seconds: int
    timeout_seconds: int
    budgets: Budgets
    kinds: tuple[VisitKind, ...]


def read(path: Path = FILE) -> Workload:
    """Read a workload."""
    document = json.loads(path.read_text(encoding="utf-8"))
    kinds = tuple(
        VisitKind(
            kind["name"],
            kind["weight"],
            tuple(_visit(visit, document["requests"]) for visit in kind["visits"]),
        )
        for kind in document["kinds"]
    )
    simple = {key: document[key] for key in ("users", "visits_per_second", "seconds", "timeout_seconds")}
    return Workload(**simple, budgets=Budgets(**document["budgets"]), kinds=kinds)


def _visit(steps: Sequence[Mapping[str, Any]], requests: Mapping[str, Mapping[str, Any]]) -> Visit:
    return tuple(
        WorkloadRequest(
            step["request"], **requests[step["request"]], body=step["body"], expected=step["expected"]
        )
        for step in steps
    )


def write(workload: Workload, path: Path) -> None:
    """Write the file that `read` reads: what requests of a name have in common once, then a visit a line."""
    head = asdict(workload)
    kinds = ",\n".join(map(_kind_text, workload.kinds))
    del head["kinds"]
    head["requests"] = {
        request.name: {name: getattr(request, name) for name in COMMON}
        for kind in workload.kinds
        for visit in kind.visits
        for request in visit
    }
    text = json.dumps({"made_by": "python -m load_tests.visits"} | head, indent=1).removesuffix("\n}")
    path.write_text(f'{text},\n "kinds": [\n{kinds}\n ]\n}}\n', encoding="utf-8")


def _kind_text(kind: VisitKind) -> str:
    visits = ",\n".join(f"   {json.dumps(list(map(_step, visit)))}" for visit in kind.visits)
    return f'  {{"name": "{kind.name}", "weight": {kind.weight}, "visits": [\n{visits}\n  ]}}'


def _step(request: WorkloadRequest) -> dict[str, object]:
    return {"request": request.name, "body": request.body, "expected": request.expected}


def marker(position: int) -> str:
    """Return the placeholder for the id of the prediction at this position of the answer before."""
    return f"<prediction {position}>"


def filled(request: WorkloadRequest, ids: Sequence[str], now: datetime) -> WorkloadRequest:
    """Replace the placeholders of a request by the ids of an earlier answer and by the day."""
    body = request.body.replace(TODAY, now.astimezone(UTC).date().isoformat())
    for position, prediction_id in enumerate(ids):
        body = body.replace(marker(position), prediction_id)
    return replace(request, body=body)
