"""Retries: the same request under the same key is one request, and its rows are captured once."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from api.live import Serving
from api.retries import Key, KeyReused, Retries
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE
from shadow.records import new_capture_ids

HOUSE = dict(EXAMPLE)
LARGER_HOUSE = HOUSE | {"living_area": HOUSE["living_area"] + 1}
MILLISECONDS = 1_790_000_000_000


def _ids(answer):
    return [prediction["id"] for prediction in answer.json["predictions"]]


def _key(text="a", *, exclusive=True):
    return Key(text.encode().ljust(16), exclusive)


@pytest.fixture
def retries(tmp_path):
    return Retries(tmp_path / "shared")


def test_a_request_sent_three_times_under_one_key_is_captured_once(bench):
    answers = [bench.post([HOUSE, HOUSE], headers={"Idempotency-Key": "order-1"}) for _ in range(3)]
    assert _ids(answers[0]) == _ids(answers[1]) == _ids(answers[2])
    assert bench.ingest() == 2
    assert bench.value("umbra_captures_written_total") == 2
    assert bench.value("umbra_captures_repeated_total") == 4


def test_a_quoted_key_and_the_bare_one_are_the_same(bench):
    bare, quoted = (bench.post(headers={"Idempotency-Key": key}) for key in ("order-1", '"order-1"'))
    assert _ids(bare) == _ids(quoted)


def test_requests_without_a_key_are_captured_each(bench):
    answers = [bench.post(headers={"X-Request-ID": "r-1"}) for _ in range(2)]
    assert _ids(answers[0]) != _ids(answers[1])
    assert bench.ingest() == 2


def test_a_key_with_another_body_is_refused_and_nothing_is_captured(bench):
    bench.post(HOUSE, headers={"Idempotency-Key": "order-1"})
    answer = bench.post(LARGER_HOUSE, headers={"Idempotency-Key": "order-1"})
    assert (answer.status_code, answer.json["type"]) == (422, "urn:umbra:problem:idempotency-key-reused")
    assert bench.ingest() == 1


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "caf\u00e9", "a\tb"])
def test_a_key_that_cannot_be_one_is_refused(bench, key):
    answer = bench.post(headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json["type"]) == (400, "urn:umbra:problem:invalid-idempotency-key")


def test_what_another_model_answers_is_captured_as_its_own(bench):
    before = bench.post(headers={"Idempotency-Key": "order-1"})
    serving = bench.live.serving()
    deployment = serving.deployment
    bench.live.swap(Serving(type(deployment)(ModelRef("plain", "2"), *_but_live(deployment)), serving.model))
    after = bench.post(headers={"Idempotency-Key": "order-1"})
    assert after.json["model"]["version"] == "2"
    assert _ids(before) != _ids(after)
    assert bench.ingest() == 2


def _but_live(deployment):
    return deployment.since, deployment.by, deployment.reason


def test_two_processes_share_their_keys_also_after_both_were_killed(serving):
    server = serving(UMBRA_API_WORKERS="2", UMBRA_API_RETRY_BY_REQUEST_ID="true")

    def ids(**headers):
        status, _, body = server.price(**headers)
        assert status == 200
        return tuple(prediction["id"] for prediction in json.loads(body)["predictions"])

    with ThreadPoolExecutor(8) as clients:
        together = set(clients.map(lambda _: ids(Idempotency_Key="order-1"), range(24)))
    assert len(together) == 1
    by_request = ids(X_Request_ID="r-1")
    for worker in _children(server.process.pid):
        os.kill(worker, signal.SIGKILL)
    server.wait_until(lambda: server.workers_ready() == 4)
    assert ids(Idempotency_Key="order-1") in together
    assert ids(X_Request_ID="r-1") == by_request


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:  # noqa: PTH123
        return [int(child) for child in children.read().split()]


def test_a_request_id_is_no_promise_so_another_body_under_it_is_another_request(retries):
    ids, others = (new_capture_ids(1, MILLISECONDS, number) for number in (1, 2))
    key = _key(exclusive=False)
    assert retries.claim(key, b"one", "plain@1", ids).ids == ids
    assert retries.claim(key, b"other", "plain@1", others).ids == others
    with pytest.raises(KeyReused, match="another body"):
        retries.claim(_key(), b"one", "plain@1", ids)


def test_a_try_that_a_killed_process_left_unsettled_is_captured_at_the_next(retries):
    ids = new_capture_ids(2, MILLISECONDS, 1)
    claim = retries.claim(_key(), b"one", "plain@1", ids)
    assert not claim.settled
    second = retries.claim(_key(), b"one", "plain@1", new_capture_ids(2, MILLISECONDS + 5, 2))
    assert (second.ids, second.settled) == (ids, False)
    retries.settle(second)
    assert retries.claim(_key(), b"one", "plain@1", new_capture_ids(2, MILLISECONDS + 9, 3)).settled


def test_a_request_that_the_journal_could_not_take_is_counted_once_however_often_it_is_sent(bench):
    bench.recorder.close()  # from now on it drops
    answers = [bench.post([HOUSE, HOUSE], headers={"Idempotency-Key": "order-1"}) for _ in range(3)]
    assert _ids(answers[0]) == _ids(answers[2])
    assert bench.value("umbra_captures_dropped_total", reason="closed") == 2
    assert bench.value("umbra_captures_repeated_total") == 4


def test_a_key_is_forgotten_after_a_day(retries):
    ids = new_capture_ids(1, MILLISECONDS, 1)
    retries.claim(_key(), b"one", "plain@1", ids)
    late = new_capture_ids(1, MILLISECONDS + 86_400_000, 2)
    assert retries.claim(_key(), b"other", "plain@1", late).ids == late


def test_an_entry_of_which_a_killed_process_wrote_a_part_is_none(retries, tmp_path):
    ids, fresh = (new_capture_ids(1, MILLISECONDS, number) for number in (1, 2))
    claim = retries.claim(_key(), b"one", "plain@1", ids)
    with (tmp_path / "shared" / "keys").open("r+b") as table:
        table.seek(claim.offset + 40)
        table.write(b"\xff")
    assert retries.claim(_key(), b"one", "plain@1", fresh).ids == fresh


def test_the_oldest_key_makes_way_for_a_new_one(retries):
    for number in range(5):
        key = Key(b"same" + bytes([number]) * 12, exclusive=True)
        retries.claim(key, b"one", "plain@1", new_capture_ids(1, MILLISECONDS + number, number))
    fresh = new_capture_ids(1, MILLISECONDS + 9, 9)
    second = Key(b"same" + bytes([1]) * 12, exclusive=True)
    assert retries.claim(second, b"one", "plain@1", fresh).ids == new_capture_ids(1, MILLISECONDS + 1, 1)
    first = Key(b"same" + bytes([0]) * 12, exclusive=True)
    assert retries.claim(first, b"one", "plain@1", fresh).ids == fresh


def test_without_a_directory_a_process_knows_its_own_keys(tmp_path):
    (tmp_path / "shared").write_text("in the way")
    retries = Retries(tmp_path / "shared")
    ids = new_capture_ids(1, MILLISECONDS, 1)
    retries.claim(_key(str(uuid4())), b"one", "plain@1", ids)
    assert retries.claim(_key(), b"one", "plain@1", ids).ids == ids
    assert retries.claim(_key(), b"one", "plain@1", new_capture_ids(1, MILLISECONDS, 2)).ids == ids
