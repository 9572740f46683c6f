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
COMMON = ("method", "path", "headers", "status", "told")


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a run may have at most: wrong answers as a share of all, and the 99th percentile of latency."""

    error_ratio: float
    p99_milliseconds: float


@dataclass(frozen=True, slots=True)
class Request:
    """One request and its right answer: the status, and what is `told` in the body has to be `expected`.

    `told` is `prices` (of a JSON answer), `lines` (of a CSV answer), `accepted` or `type` (of a problem).
    """

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    told: str
    expected: int | str

    @property
    def houses(self) -> int:
        """How many houses a right answer prices."""
        return int(self.expected) if self.told in ("prices", "lines") else 0


Visit = tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Kind:
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
    kinds: tuple[Kind, ...]


def read(path: Path = FILE) -> Workload:
    """The workload of a file."""
    given = json.loads(path.read_text(encoding="utf-8"))
    kinds = tuple(
        Kind(one["name"], one["weight"], tuple(_visit(visit, given["requests"]) for visit in one["visits"]))
        for one in given["kinds"]
    )
    simple = {key: given[key] for key in ("users", "visits_per_second", "seconds", "timeout_seconds")}
    return Workload(**simple, budgets=Budgets(**given["budgets"]), kinds=kinds)


def _visit(steps: Sequence[Mapping[str, Any]], requests: Mapping[str, Mapping[str, Any]]) -> Visit:
    return tuple(
        Request(step["request"], **requests[step["request"]], body=step["body"], expected=step["expected"])
        for step in steps
    )


def write(workload: Workload, path: Path) -> None:
    """Write the file that `read` reads: what requests of a name have in common once, then a visit a line."""
    head = asdict(workload)
    kinds = ",\n".join(map(_kind_text, workload.kinds))
    del head["kinds"]
    head["requests"] = {
        one.name: {name: getattr(one, name) for name in COMMON}
        for kind in workload.kinds
        for visit in kind.visits
        for one in visit
    }
    text = json.dumps({"made_by": "python -m load_tests.visits"} | head, indent=1).removesuffix("\n}")
    path.write_text(f'{text},\n "kinds": [\n{kinds}\n ]\n}}\n', encoding="utf-8")


def _kind_text(kind: Kind) -> str:
    visits = ",\n".join(f"   {json.dumps(list(map(_step, visit)))}" for visit in kind.visits)
    return f'  {{"name": "{kind.name}", "weight": {kind.weight}, "visits": [\n{visits}\n  ]}}'


def _step(one: Request) -> dict[str, object]:
    return {"request": one.name, "body": one.body, "expected": one.expected}


def marker(place: int) -> str:
    """What stands in a body for the id of the prediction at this place of the answer before."""
    return f"<prediction {place}>"


def filled(asked: Request, ids: Sequence[str], now: datetime) -> Request:
    """The request with the ids of an earlier answer, and the day, in the place of their markers."""
    body = asked.body.replace(TODAY, now.astimezone(UTC).date().isoformat())
    for place, one in enumerate(ids):
        body = body.replace(marker(place), one)
    return replace(asked, body=body)
