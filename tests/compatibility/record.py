"""Record anew what the tests compare with: `pytest -n0 tests/compatibility/record.py`.

What lies in `recorded` is of commit 080bad5, with the golden models of then. To record again is to give that
up: from then on the tests compare with the code of that day. The requests are those that were recorded.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import archives
import exchanges
import interfaces
import pytest
from archives import RECORDED
from databases import make_database
from exchanges import Session
from harness.artifacts import poisonous
from harness.stack import Stack
from harness.waiting import wait_until
from needed import program

from model_package.schema import EXAMPLE, Row
from model_package.synthetic import synthetic

MODELS = Path(__file__).parents[2] / "differential_tests" / "golden" / "models"
POISON = {**EXAMPLE, "living_area": 1313.0}
UNKNOWN = "0198c0de-7a11-7000-8000-0123456789ab"
SEED, ROWS, SECONDS = 1_807, 25, 120.0
# A second is a day. The golden models have no profile: no drift is known of them, and no hold-out loss.
POLICY = {
    "horizon_days = 7200": "horizon_days = 30",
    "entities = 500": "entities = 200",
    "days = 28\nweekdays = 2": "days = 8\nweekdays = 1",
    "per_segment = 100": "per_segment = 5",
    "default_days = 15": "default_days = 1",
    "min_delays = 200": "min_delays = 20",
    "relative = 0.04": "absolute = 0.03",
    "gate = true": "gate = false",
}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_record_a_data_directory(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server_url = "" if database == "sqlite" else request.getfixturevalue("postgres_url")
    url, data = make_database(server_url) if server_url else "", tmp_path / "data"
    shutil.copytree(MODELS, data / "models")
    poisonous(data / "models", "raises")
    settings = {"recipe_modules": "poison_recipe", "candidate_latency_share": 0.1, "evidence_seconds": 1}
    with archives.stack(tmp_path, store_url=url, **settings) as stack:
        season = Season(stack)
        moment = season.run()
    if url:
        (data / archives.DUMP).write_text(_dump(url), encoding="utf-8")
    archives.pack(data, database)
    (tmp_path / "later").mkdir()
    with archives.taken_over(database, tmp_path / "later", server_url) as old:
        _write(f"{database}.json", {"moment": moment, "view": archives.view(old, season.predictions, moment)})


def test_record_the_answers_of_the_api(fresh: Stack) -> None:
    _write("openapi.json", json.loads(fresh.ask("GET", "/openapi.json")[1]))
    session, file = Session(fresh.settings.api_port), RECORDED / "answers.jsonl.xz"
    exchanges.write(file, [session.send(exchange) for exchange in exchanges.read(file)])


def test_record_the_metrics(old_on_sqlite: Stack) -> None:
    wait_until(lambda: _is_complete(old_on_sqlite.metrics("worker")), SECONDS)
    exposed = {half: interfaces.exposed(old_on_sqlite.metrics(half)) for half in ("api", "worker")}
    _write("metrics.json", {"declared": interfaces.declared(), **exposed})


def _is_complete(text: str) -> bool:
    """Whether everything that is looked up in the background is there."""
    looked_up = ("umbra_outcomes_matched", "umbra_ledger_houses", "umbra_evidence_ln_e", "umbra_store_bytes")
    return all(f"\n{name}" in text for name in looked_up)


def _write(name: str, document: object) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (RECORDED / name).write_text(f"{text}\n", encoding="utf-8")


def _dump(url: str) -> str:
    options = ("--no-owner", "--no-privileges", "--rows-per-insert=200")
    result = subprocess.run(
        [program("pg_dump"), *options, f"--dbname={url}"], capture_output=True, text=True, check=True
    )
    # Newer versions of pg_dump write commands for psql as well.
    return "".join(line for line in result.stdout.splitlines(keepends=True) if not line.startswith("\\"))


class Season:
    """Houses are answered, scored and sold, and people decide, until linear@1 may be promoted."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        sales = synthetic(4000, SEED)
        self._sales = zip(sales.rows, sales.prices.tolist(), strict=True)
        self.predictions: list[str] = []
        """The ids of predictions of every kind."""

    def run(self) -> str:
        """Live through it; returns a moment at which the verdict was PROMOTE.

        What is answered and sold after that moment stays in the journal.
        """
        done = self._stack.done
        done("prepare")
        done("candidates", "remove", "gbm@1")
        done("candidates", "add", "gbm@1", "--policy", str(self._policy()))
        done("candidates", "add", "raises@1", "--sample", "0.5")
        with self._running("up"):
            self._post("/v1/outcomes", [_sale(UNKNOWN, 150_000.0)])
            self.predictions += self._trade()[:6] + self._answered([POISON] * 10)[:4]
            self._stack.wait_drained()
        done("candidates", "pause", "raises@1")
        with self._running("serve", UMBRA_JOURNAL_MAX_BYTES="65536"):
            for _ in range(5):  # of which the last are dropped
                self._answered([dict(EXAMPLE)] * ROWS)
        with self._running("up"):
            self._stack.wait_drained()
            archives.decide(self._stack, "gbm@1", "promote", "gbm@1", "--override")
            self.predictions += self._trade()[:1]
            archives.decide(self._stack, "linear@1", "rollback")
            self._trade()
            archives.decide(self._stack, "gbm@1", "promote", "gbm@1", "--override")
            wait_until(self._may_be_promoted, SECONDS, self._stack.explain)
            moment = datetime.now(UTC).isoformat()
        with self._running("serve"):
            self.predictions += self._trade()[-1:]
        return moment

    @contextmanager
    def _running(self, command: str, **variables: str) -> Iterator[None]:
        before = dict(self._stack.environment)
        self._stack.environment.update(variables)
        process = self._stack.start(command)
        self._stack.wait_ready(process)
        yield
        self._stack.stop(process)
        self._stack.environment = before

    def _policy(self) -> Path:
        text, path = self._stack.done("policy", "show", "demo"), self._stack.directory / "policy.toml"
        for before, after in POLICY.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")
        return path

    def _may_be_promoted(self) -> bool:
        self._trade()
        return self._stack.run("verdict", "linear@1", "--exit-code").returncode == 0

    def _trade(self) -> list[str]:
        """Have houses answered, and report what becomes of them; returns the ids of the predictions."""
        rows, prices = zip(*itertools.islice(self._sales, ROWS), strict=True)
        ids = self._answered([*rows[:4], {**rows[4], "entity_id": "parcel-7"}, *rows[5:]])
        sales = [_sale(*sale) for sale in zip(ids, prices, strict=True)]
        # The first is never heard of again, the second withdrawn, the third corrected, the fourth told twice.
        withdrawn, wrong = {"prediction_id": ids[1], "state": "withdrawn"}, _sale(ids[2], 1.1 * prices[2])
        self._post("/v1/outcomes", [withdrawn, wrong, *sales[3:], sales[3]])
        self._post("/v1/outcomes", [sales[2]])
        return ids

    def _answered(self, rows: Sequence[Row]) -> list[str]:
        return [prediction["id"] for prediction in self._post("/v1/predictions", rows)["predictions"]]

    def _post(self, path: str, document: object) -> Any:
        body = json.dumps(document).encode()
        status, answer = self._stack.ask("POST", path, body, {"Content-Type": "application/json"})
        assert status < 300, answer
        return json.loads(answer)


def _sale(prediction_id: str, price_dollars: float) -> dict[str, object]:
    return {"prediction_id": prediction_id, "price_dollars": price_dollars, "sold_at": "2026-01-31"}
