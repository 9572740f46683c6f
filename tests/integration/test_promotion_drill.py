"""The drill (P7): promoted under load, rolled back, again; what goes wrong meanwhile costs no answer."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from harness import artifacts
from harness.audit import audit, predict, stored
from harness.load import Load
from harness.stack import MakeStack, Stack
from harness.waiting import wait_until
from sqlalchemy import create_engine, make_url, text

from model_package.reference import ModelRef
from shadow import rollout
from shadow.records import Deployment
from shadow.rollout import Decision
from shadow.store import Store, deployments, open_store

GBM = ModelRef("gbm", "1")
SEED = 20_061
CLIENTS = 2
TOKEN = "-".join(["a", "token", "for", "the", "drill"])
WORKERS = 2
PROMISED_SECONDS = 2.0
SLACK_SECONDS = 2.0  # two cores for API, ingest, lanes, clients and whatever else is tested on this machine
LONGEST_SECONDS = PROMISED_SECONDS + SLACK_SECONDS


@dataclass(frozen=True, slots=True)
class Told:
    """When a request was sent and answered (Unix seconds), and the model that the answer named, if any."""

    begun: float
    ended: float
    model: str | None


class Witness:
    """Stands between clients and the API, and notes when it said what."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.told: dict[str, Told] = {}

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        begun = time.time()
        status, answer = self._stack.ask(method, path, body, headers)
        model = json.loads(answer)["model"] if answer.startswith(b"{") else None
        name = None if model is None else f"{model['name']}@{model['version']}"
        self.told[headers["X-Request-ID"]] = Told(begun, time.time(), name)
        return status, answer


def promote(store: Store, models: Path) -> Deployment:
    """Promote gbm@1, in spite of its verdict, in this process."""
    decision = Decision("drill", "a drill", datetime.now(UTC))
    return rollout.promote(store, models, GBM, lambda: None, decision, override=True)


def over_http(stack: Stack, what: str, **body: object) -> dict[str, Any]:
    """Decide by a request, which must be granted."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    status, answer = stack.ask("POST", f"/v1/deployment/{what}", json.dumps(body).encode(), headers)
    assert status == 200, answer
    return dict(json.loads(answer))


def switches(stack: Stack, number: int) -> Counter[int]:
    """How often each process said that it switched to a deployment, by process id."""
    events = [line for line in stack.events("switched") if line["umbra"]["deployment"] == number]
    return Counter(line["process"]["pid"] for line in events)


def wait_switched(stack: Stack, number: int) -> None:
    """Until every API process there is has switched to a deployment, each of them once."""
    workers = stack.pids("api worker")
    wait_until(lambda: switches(stack, number).keys() >= set(workers), 20, stack.explain)
    assert set(switches(stack, number).values()) == {1}


def up(make_stack: MakeStack, **settings: object) -> Stack:
    """A stack whose API processes are all ready."""
    stack = make_stack(api_workers=WORKERS, admin_token=TOKEN, journal_write_seconds=5, **settings)
    stack.up()
    wait_until(lambda: len(stack.events("worker_ready")) == WORKERS, 30, stack.explain)
    return stack


def history(stack: Stack) -> list[Deployment]:
    with open_store(stack.settings.store).reading() as connection:
        return deployments.history(connection)


def check_versions(stack: Stack, load: Load, witness: Witness) -> dict[str, int]:
    """Every answer is of the model it names, which was live then; gives how many each model answered."""
    log, found = history(stack), stored(stack)
    seen = Counter[str]()
    for answer in load.answers:
        told = witness.told[answer.request_id]
        (model,) = {f"{found[name].live_name}@{found[name].live_version}" for name in answer.ids}
        assert told.model in (None, model)
        assert was_live(log, model, told), f"{model} answered {told}, deployed was {log}"
        seen[model] += 1
    for model in seen:
        check_prices(stack, load, found, model)
    return seen


def was_live(log: list[Deployment], model: str, told: Told) -> bool:
    """Whether the model was live for some moment of the request, or had been a moment before."""
    ends = [one.since.timestamp() + LONGEST_SECONDS for one in log[1:]] + [math.inf]
    return any(
        str(one.live) == model and one.since.timestamp() <= told.ended and told.begun <= end
        for one, end in zip(log, ends, strict=True)
    )


def check_prices(stack: Stack, load: Load, found: dict[str, Any], model: str) -> None:
    """The prices are those of the model that is named, asked here."""
    told = {
        name: (row, price)
        for answer in load.answers
        for name, row, price in zip(answer.ids, answer.rows, answer.dollars, strict=True)
        if f"{found[name].live_name}@{found[name].live_version}" == model
    }
    prices = predict(stack.settings.models, model, [row for row, _ in told.values()])
    assert prices == [price for _, price in told.values()]


def test_promoted_rolled_back_and_promoted_again_under_load(make_stack: MakeStack, store_url: str) -> None:
    stack = up(make_stack, store_url=store_url)
    witness = Witness(stack)
    with Load(witness, clients=CLIENTS) as load:  # type: ignore[arg-type]
        load.more(20)
        stack.done("promote", "gbm@1", "--override", "--reason", "a drill")
        wait_switched(stack, 2)
        load.more(20)
        assert over_http(stack, "rollback", reason="a drill")["kind"] == "rollback"
        wait_switched(stack, 3)
        load.more(20)
        assert over_http(stack, "promote", candidate="gbm@1", reason="again", override=True)["overridden"]
        wait_switched(stack, 4)
        load.more(20)
    assert load.faults == []
    assert stack.metric("api", "umbra_live_model_info", model="gbm@1") == WORKERS
    assert stack.metric("api", "umbra_live_model_info", model="linear@1") == 0
    stack.wait_drained()
    assert set(check_versions(stack, load, witness)) == {"linear@1", "gbm@1"}
    audit(stack, [load], complete=())
    present = {str(one["candidate"]): one for one in json.loads(stack.done("candidates", "--json"))}
    assert present.keys() == {"linear@1"}, "who was live is a candidate, who is live is none"


def test_a_deployment_that_cannot_be_loaded_leaves_the_old_model_answering_and_is_told(
    make_stack: MakeStack, prepared: Path, models: Path
) -> None:
    stack = up(make_stack)
    witness, store = Witness(stack), open_store(stack.settings.store)
    with Load(witness, clients=CLIENTS) as load, artifacts.altered(models / "gbm" / "1" / "model.txt"):  # type: ignore[arg-type]
        made = promote(store, prepared / "models")  # as on a host whose copy is as it was saved
        wait_until(lambda: len(stack.events("switch_failed")) == WORKERS, 20, stack.explain)
        ready = json.loads(stack.ask("GET", "/readyz")[1])
        assert (ready["status"], ready["model"], ready["wanted"]) == ("ready", "linear@1", "gbm@1")
        stack.kill("api worker", random.Random(SEED))
        wait_until(lambda: len(stack.events("worker_ready")) == WORKERS + 1, 30, stack.explain)
        wait_until(lambda: stack.metric("api", "umbra_switch_failures_total") > WORKERS, 20, stack.explain)
        load.more(20)
    assert {line["umbra"]["wanted_model"] for line in stack.events("switch_failed")} == {"gbm@1"}
    told = Counter(line["process"]["pid"] for line in stack.events("switch_failed"))
    assert max(told.values()) <= 2, "told once by who had served before, twice by who started meanwhile"
    wait_switched(stack, made.id)
    assert json.loads(stack.ask("GET", "/readyz")[1])["model"] == "gbm@1"
    assert len(load.faults) <= CLIENTS
    store.close()
    stack.wait_drained()
    audit(stack, [load], complete=())


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_while_the_store_is_away_for_the_api_it_answers_on_and_switches_once_it_is_back(
    make_stack: MakeStack, postgres_url: str, store_url: str
) -> None:
    stack = up(make_stack, store_url=store_url)
    witness, store = Witness(stack), open_store(store_url)
    with Load(witness, clients=CLIENTS) as load:  # type: ignore[arg-type]
        with away_but_for(store, postgres_url):
            made = promote(store, stack.settings.models)
            load.more(60)
            assert switches(stack, made.id) == {}
            assert stack.is_ready()
        wait_switched(stack, made.id)
        load.more(20)
    store.close()
    assert load.faults == []
    stack.wait_drained()
    audit(stack, [load], complete=())


@contextmanager
def away_but_for(store: Store, server_url: str) -> Iterator[None]:
    """A database that has ended every connection but one of this store, and takes no new one, meanwhile."""
    name = make_url(store.url).database
    with store.reading() as connection:  # from now on the pool has this one, and uses it again
        kept = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    others = f"pg_stat_activity WHERE datname = '{name}' AND pid <> {kept}"
    server = make_url(server_url).set(drivername="postgresql+psycopg2")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM {others}"))  # noqa: S608 (ours)
        yield
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.dispose()
