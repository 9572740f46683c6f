"""Umbra itself: a prediction, and what became of it in Postgres."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from smoke.check import Wrong, short
from smoke.compose import Compose
from smoke.document import JsonDocument
from smoke.site import HttpSite

_LIVE = "SELECT live_name || '@' || live_version, prediction_dollars FROM captures WHERE id = '{id}'"
REFUSED = "password authentication failed"
_SHADOW = (
    "SELECT c.name || '@' || c.version, o.state, coalesce(o.prediction_dollars::text, o.reason)"
    " FROM observations o JOIN candidates c ON c.id = o.candidate_id WHERE o.capture_id = '{id}' ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class PredictionAnswer:
    """One answered house."""

    request_id: str
    id: UUID
    model: str
    dollars: float

    def __str__(self) -> str:
        return f"{self.model} ${self.dollars:,.0f} (request {self.request_id})"


def predict(api: HttpSite) -> PredictionAnswer:
    """Ask for the example of /openapi.json; raise Wrong."""
    post = api.json("GET", "/openapi.json")["paths"]["/v1/predictions"]["post"]
    house = post["requestBody"]["content"]["application/json"]["example"].content
    answer = api.json("POST", "/v1/predictions", house)
    prediction = answer["predictions"].only()
    dollars = prediction["price_dollars"].number()
    return PredictionAnswer(
        answer["request_id"].text(), _id(prediction["id"]), _name(answer["model"]), dollars
    )


def _id(written: JsonDocument) -> UUID:
    try:
        return UUID(written.text())
    except ValueError:
        raise Wrong(f"{written.at}: expected a UUID, got {short(written.text())}", written.advice) from None


def password_refused(compose: Compose) -> bool:
    """Return whether `migrate` failed because Postgres knows another password; raise Wrong."""
    return REFUSED in compose.run("logs", "--no-log-prefix", "--tail", "50", "migrate")


def live_row(compose: Compose, answer: PredictionAnswer) -> str:
    """Check the row of the live prediction; raise Wrong."""
    rows = _query(compose, _LIVE.format(id=answer.id), columns=2)
    if [(model, _dollars(dollars)) for model, dollars in rows] != [(answer.model, answer.dollars)]:
        raise Wrong(
            f"expected {answer.model} and {answer.dollars!r}, found {rows}", "docker compose logs worker"
        )
    return f"{answer.model} ${answer.dollars:,.0f}"


def candidate_rows(compose: Compose, api: HttpSite, answer: PredictionAnswer) -> str:
    """Check the row of every candidate that scores all requests; raise Wrong."""
    deployment = api.json("GET", "/v1/deployment")
    if deployment["candidates"].content is None:
        raise Wrong("the API does not know its candidates: its store is slow", "docker compose logs postgres")
    wanted = {
        _name(candidate["model"]) for candidate in deployment["candidates"].items() if _scores_all(candidate)
    }
    if not wanted:
        raise Wrong("no candidate scores every request", "docker compose exec worker umbra candidates")
    rows = {
        model: (state, detail)
        for model, state, detail in _query(compose, _SHADOW.format(id=answer.id), columns=3)
    }
    missing = sorted(model for model in wanted if rows.get(model, ("",))[0] != "scored")
    if missing:
        raise Wrong(f"not scored by {', '.join(missing)}; found {rows}", "docker compose logs worker")
    return ", ".join(f"{model} ${_dollars(rows[model][1]):,.0f}" for model in sorted(wanted))


def _scores_all(candidate: JsonDocument) -> bool:
    return candidate["state"].text() == "active" and candidate["sample"].number() == 1


def shown(api: HttpSite, answer: PredictionAnswer) -> str:
    """Check that GET /v1/predictions/{id} returns both predictions; raise Wrong."""
    prediction = api.json("GET", f"/v1/predictions/{answer.id}")
    dollars, observed = prediction["price_dollars"].number(), prediction["observations"].items()
    if dollars != answer.dollars or not observed:
        seen = f"${dollars:,.0f} and {len(observed)} observations"
        raise Wrong(f"expected ${answer.dollars:,.0f} and observations, found {seen}", api.logs())
    return f"live and {len(observed)} observed"


def ledger(compose: Compose) -> str:
    """Check that `umbra status` reports a balanced ledger; raise Wrong."""
    printed = compose.run("exec", "-T", "worker", "umbra", "status").strip()
    last = printed.splitlines()[-1] if printed else "umbra status prints nothing"
    if "balances" not in last:
        raise Wrong(last, "docker compose exec worker umbra status")
    return last


def _query(compose: Compose, sql: str, *, columns: int) -> list[list[str]]:
    printed = compose.run(
        "exec", "-T", "postgres", "psql", "-U", "umbra", "-d", "umbra", "-AtX", "-F", "\t", "-c", sql
    )
    rows = [line.split("\t") for line in printed.splitlines()]
    if any(len(row) != columns for row in rows):
        raise Wrong(f"psql printed no table: {short(printed)}", "docker compose logs postgres")
    return rows


def _dollars(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        raise Wrong(f"expected a price, found {short(written)}", "docker compose logs worker") from None


def _name(model: JsonDocument) -> str:
    return f"{model['name'].text()}@{model['version'].text()}"
