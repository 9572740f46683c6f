"""Umbra itself: a prediction, and what became of it in Postgres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from smoke.check import Wrong
from smoke.compose import Compose
from smoke.site import Site

_LIVE = "SELECT live_name || '@' || live_version, prediction_dollars FROM captures WHERE id = '{id}'"
REFUSED = "password authentication failed"
_SHADOW = (
    "SELECT c.name || '@' || c.version, o.state, coalesce(o.prediction_dollars::text, o.reason)"
    " FROM observations o JOIN candidates c ON c.id = o.candidate_id WHERE o.capture_id = '{id}' ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered house."""

    request_id: str
    id: UUID
    model: str
    dollars: float

    def __str__(self) -> str:
        return f"{self.model} ${self.dollars:,.0f} (request {self.request_id})"


def predict(api: Site) -> Answer:
    """Ask for the example of /openapi.json; raises Wrong."""
    paths = api.json("GET", "/openapi.json")["paths"]
    house = paths["/v1/predictions"]["post"]["requestBody"]["content"]["application/json"]["example"]
    told = api.json("POST", "/v1/predictions", house)
    (one,) = told["predictions"]
    model = f"{told['model']['name']}@{told['model']['version']}"
    return Answer(told["request_id"], UUID(one["id"]), model, one["price_dollars"])


def password_refused(compose: Compose) -> bool:
    """Whether `migrate` failed because Postgres knows another password; raises Wrong."""
    return REFUSED in compose.run("logs", "--no-log-prefix", "--tail", "50", "migrate")


def live_row(compose: Compose, answer: Answer) -> str:
    """The row of the live prediction; raises Wrong."""
    rows = _query(compose, _LIVE.format(id=answer.id))
    if [(model, float(dollars)) for model, dollars in rows] != [(answer.model, answer.dollars)]:
        raise Wrong(
            f"expected {answer.model} and {answer.dollars!r}, found {rows}", "docker compose logs worker"
        )
    return f"{answer.model} ${answer.dollars:,.0f}"


def candidate_rows(compose: Compose, api: Site, answer: Answer) -> str:
    """The row of every candidate that scores all requests; raises Wrong."""
    present = api.json("GET", "/v1/deployment")["candidates"]
    wanted = {_name(c["model"]) for c in present if c["state"] == "active" and c["sample"] == 1}
    if not wanted:
        raise Wrong("no candidate scores every request", "docker compose exec worker umbra candidates")
    rows = {model: (state, told) for model, state, told in _query(compose, _SHADOW.format(id=answer.id))}
    missing = sorted(model for model in wanted if rows.get(model, ("",))[0] != "scored")
    if missing:
        raise Wrong(f"not scored by {', '.join(missing)}; found {rows}", "docker compose logs worker")
    return ", ".join(f"{model} ${float(rows[model][1]):,.0f}" for model in sorted(wanted))


def shown(api: Site, answer: Answer) -> str:
    """GET /v1/predictions/{id} gives both predictions; raises Wrong."""
    told = api.json("GET", f"/v1/predictions/{answer.id}")
    if told["price_dollars"] != answer.dollars or not told["observations"]:
        raise Wrong(f"expected ${answer.dollars:,.0f} and observations, found {told}", api.logs())
    return f"live and {len(told['observations'])} observed"


def ledger(compose: Compose) -> str:
    """`umbra status` says that the ledger balances; raises Wrong."""
    printed = compose.run("exec", "-T", "worker", "umbra", "status")
    last = printed.strip().splitlines()[-1]
    if "balances" not in last:
        raise Wrong(last, "docker compose exec worker umbra status")
    return last


def _query(compose: Compose, sql: str) -> list[list[str]]:
    printed = compose.run(
        "exec", "-T", "postgres", "psql", "-U", "umbra", "-d", "umbra", "-AtX", "-F", "\t", "-c", sql
    )
    return [line.split("\t") for line in printed.splitlines()]


def _name(model: dict[str, Any]) -> str:
    return f"{model['name']}@{model['version']}"
