"""A masked field reaches the store and nothing else, whatever clients send and models do with it (P8)."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import telltale_recipe
from harness import lines
from harness.audit import observed, stored
from harness.load import as_csv, as_json, houses
from harness.stack import Stack

from model_package import artifact, schema
from model_package.reference import ModelRef
from shadow.records import Deployment
from shadow.store import deployments, open_store

assert telltale_recipe
CANARY = 987654.321
WORD = "canary-4711"
TRACES = ("987654.321", WORD)
LIVE_CANNOT, CANDIDATE_CANNOT = 1313, 1414
RANDOM_IDS = ("0198C0DE-7a11-7000-8000-0123456789ab", "4bf92f3577b34da6a3ce929d0e0e4736")


@dataclass(frozen=True, slots=True)
class Told:
    """All that a stack told anybody but its clients and its store."""

    lines: list[dict[str, Any]]
    logs: str
    printed: str
    metrics: str
    masked_and_stored: int

    def about(self, event: str) -> list[dict[str, Any]]:
        """The lines about one event."""
        return [line for line in self.lines if line["message"] == event]


def telltale(models: Path, name: str, cannot_bear: int) -> ModelRef:
    """Save a model that repeats every house it is asked about, and raises on some."""
    files = {
        "card.json": b'{"metrics": {}}',
        "profile.json": b"{}",
        "cannot_bear.json": json.dumps(cannot_bear).encode(),
    }
    saved = artifact.save(models, name, "telltale", lambda _: files, lambda _: None)
    return ModelRef(name, saved.name)


def post(stack: Stack, content: tuple[str, bytes], path: str = "/v1/predictions", **headers: str) -> int:
    """Send a body; gives the status."""
    kind, body = content
    return stack.ask("POST", path, body, {"Content-Type": kind} | headers)[0]


def broken(stack: Stack) -> int:
    """Send what never becomes a request."""
    with socket.create_connection(("127.0.0.1", stack.settings.api_port), 10) as connection:
        connection.sendall(f"GET /{WORD} HTTP/9.9\r\nX-{WORD}: {CANARY}\r\n\r\n".encode())
        return int(connection.recv(1 << 12).split()[1])


def ask_everything(stack: Stack) -> None:
    """Good, refused, failing and odd requests, each of them with a masked value in it."""
    good = houses(2, lot_area=CANARY)
    wordy = {"X-Request-ID": f"{WORD}:{CANARY}"}
    assert post(stack, as_json(good[:1]), **{"X-Request-ID": RANDOM_IDS[0]}) == 200
    assert post(stack, as_json(good[1:]), **{"X-Request-ID": RANDOM_IDS[1]}) == 200
    assert post(stack, as_csv(good), **wordy) == 200
    assert post(stack, as_json(houses(3, lot_area=CANARY)), f"/v1/predictions?lot_area={CANARY}") == 200
    assert post(stack, as_json(houses(1, lot_area=CANARY, living_area=CANDIDATE_CANNOT)), **wordy) == 200
    assert post(stack, as_json(houses(1, lot_area=CANARY, living_area=LIVE_CANNOT)), **wordy) == 500
    wrong = houses(2, lot_area=-CANARY, neighborhood=WORD)
    assert post(stack, as_json([one | {WORD: CANARY} for one in wrong])) == post(stack, as_csv(wrong)) == 422
    assert post(stack, ("text/csv", f"{WORD}\n{CANARY}\n".encode())) == 422
    assert post(stack, ("application/json", f'{{"lot_area": {CANARY}'.encode())) == 400
    assert post(stack, (f"text/{WORD}", b"{}")) == 415
    assert post(stack, as_json(good), **{"Accept": f"text/{WORD}", "X-Request-ID": f"{WORD}/7"}) == 200
    assert stack.ask("GET", f"/v1/predictions/{CANARY}")[0] == 400
    assert stack.ask("GET", f"/{WORD}?lot_area={CANARY}")[0] == 404
    assert stack.ask(WORD.upper(), f"/v1/predictions/{WORD}")[0] == 405
    assert broken(stack) == 400


def run(stack: Stack) -> Told:
    """Ask everything of a stack whose live model and candidate tell all they know; stop it in order."""
    models = stack.settings.models
    live, candidate = telltale(models, "live", LIVE_CANNOT), telltale(models, "candidate", CANDIDATE_CANNOT)
    with open_store(stack.settings.store).writing() as connection:
        deployments.append(connection, Deployment(live, datetime.now(UTC), "a test", "it tells"))
    stack.done("candidates", "remove", "gbm@1")
    stack.done("candidates", "add", str(candidate))
    api = stack.start("serve")
    stack.wait_ready(api)
    worker = stack.start("work")
    ask_everything(stack)
    stack.wait_drained()
    assert {one.reason for one in observed(stack, str(candidate)).values()} == {None, "raised"}
    metrics = "".join(stack.metrics(half) for half in ("api", "worker"))
    assert stack.stop(api) == stack.stop(worker) == 0
    directory = stack.settings.log_dir
    assert directory is not None
    files = list(directory.iterdir())
    return Told(
        [line for file in files for line in lines.read(file)],
        "".join(file.read_text() for file in files),
        stack.output.read_text(),
        metrics,
        sum(row.inputs["lot_area"] == CANARY for row in stored(stack).values()),
    )


@pytest.fixture(scope="module")
def told(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Told]]:
    """Runs a stack of its own with such settings, once, and gives what it told."""
    stacks: list[Stack] = []
    known: dict[str, Told] = {}

    def told_with(**settings: object) -> Told:
        name = repr(settings)
        if name not in known:
            directory = tmp_path_factory.mktemp("told")
            for part in ("data", "models"):
                shutil.copytree(prepared / part, directory / part)
            chosen = {"log_level": "DEBUG", "log_dir": directory / "logs", "log_houses_share": 1} | settings
            stacks.append(Stack(directory, directory / "models", recipe_modules="telltale_recipe", **chosen))
            known[name] = run(stacks[-1])
        return known[name]

    yield told_with
    for stack in stacks:
        stack.end()


WITHHELD = ({"masked_fields": "lot_area,neighborhood"}, {"log_inputs": "false"})


@pytest.mark.parametrize("settings", WITHHELD, ids=["masked", "without inputs"])
def test_what_is_masked_is_in_the_store_and_in_nothing_that_is_logged_printed_or_measured(
    told: Callable[..., Told], settings: dict[str, str]
) -> None:
    found = told(**settings)
    assert found.masked_and_stored == 10
    for trace in TRACES:
        for text in (found.logs, found.printed, found.metrics):
            place = text.lower().find(trace)
            assert place < 0, f"{trace}: {text[max(0, place - 300) : place + 100]}"


@pytest.mark.parametrize("settings", WITHHELD, ids=["masked", "without inputs"])
def test_while_something_is_masked_lines_still_say_what_happened_and_where(
    told: Callable[..., Told], settings: dict[str, str]
) -> None:
    found = told(**settings)
    (failed,) = found.about("request_failed")
    assert failed["error"]["type"] == "ValueError"
    assert failed["error"]["stack_trace"].splitlines()[-2].endswith(" in score")
    (unscored,) = found.about("observation_failed")
    assert unscored["umbra"]["reason"] == "raised"
    assert len(found.about("house_captured")) == 10
    assert len(found.about("house_compared")) == 9
    assert found.printed.count('"house_captured"') == 10
    servers = [line for line in found.lines if line["log"]["logger"] == "gunicorn.error"]
    said = "\n".join(line["message"] for line in servers)
    for text in ("Starting gunicorn", "Listening at: http", "Booting worker with pid", "Shutting down"):
        assert text in said
    assert "glogging.py" not in {line["log"]["origin"]["file"]["name"] for line in servers}


@pytest.mark.parametrize("settings", WITHHELD, ids=["masked", "without inputs"])
def test_while_something_is_masked_ids_that_can_be_no_text_still_join_the_lines_of_a_request(
    told: Callable[..., Told], settings: dict[str, str]
) -> None:
    for event in ("request", "house_captured", "house_compared"):
        assert set(RANDOM_IDS) <= {line["trace"]["id"] for line in told(**settings).about(event)}


def test_a_masked_field_is_missing_from_the_inputs_and_all_others_are_there(
    told: Callable[..., Told],
) -> None:
    fields = set(schema.NAMES) - {"lot_area", "neighborhood"}
    found = told(masked_fields="lot_area,neighborhood")
    assert {frozenset(line["umbra"]["inputs"]) for line in found.about("house_captured")} == {
        frozenset(fields)
    }


def test_with_inputs_switched_off_no_line_has_any(told: Callable[..., Told]) -> None:
    assert all("inputs" not in line.get("umbra", {}) for line in told(log_inputs="false").lines)


@pytest.mark.parametrize("settings", WITHHELD, ids=["masked", "without inputs"])
def test_refused_fields_are_named_by_the_schemas_names_and_by_no_others(
    told: Callable[..., Told], settings: dict[str, str]
) -> None:
    lines_of_requests = [line.get("umbra", {}) for line in told(**settings).about("request")]
    refused = [own for own in lines_of_requests if "refused_fields" in own]
    named = [set(one["refused_fields"]) for one in refused]
    assert sorted(map(len, named)) == [2, 2, 20]
    assert named.count({"lot_area", "neighborhood"}) == 2
    assert all(names <= set(schema.NAMES) for names in named)


def test_without_masking_all_of_these_ways_lead_out(told: Callable[..., Told]) -> None:
    """Or the tests above would show nothing."""
    found = told()
    for event in ("house_captured", "request_failed", "observation_failed"):
        assert TRACES[0] in json.dumps(found.about(event)), event
    assert TRACES[0] in json.dumps([line for line in found.lines if line["log"]["logger"] == "telltale"])
    for event in ("request", "house_captured", "house_compared", "request_failed", "observation_failed"):
        assert WORD in json.dumps([line["trace"] for line in found.about(event)]), event
    assert WORD in json.dumps([line["url"] for line in found.about("request") if "url" in line])
    texts = [line for line in found.printed.splitlines() if not line.startswith("{")]
    assert TRACES[0] in "".join(texts)
