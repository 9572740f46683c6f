"""Recording: all questions, in order, several at once; a run that is there is whole."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from differential_tests import recording, run_file, sides
from differential_tests.questions import Question, corpus, digest
from differential_tests.recording import SideDead
from differential_tests.run_file import RunHeader, SideAnswer
from differential_tests.sides import SendingLimits

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ROWS = [
    Question(f"r{number}", "ordinary", row={"n": number, "zone": f"z{number % 3}"}) for number in range(30)
]
NO_HANG_SECONDS = 10.0


class Echo:
    """A side that answers a row with its number; some requests only once others have come."""

    def __init__(self, failures: dict[str, str] | None = None) -> None:
        self.requests: list[list[str]] = []
        self.closed = False
        self._failures = failures or {}

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        self.requests.append([one.id for one in questions])
        return [
            SideAnswer(
                one.id,
                one.kind,
                one.segment,
                200,
                value=(one.row or {}).get("n"),
                failure=self._failures.get(one.id, ""),
            )
            for one in questions
        ]

    def header(self, questions_sha256: str, now: datetime) -> RunHeader:
        return RunHeader("echo", questions_sha256, now.isoformat())

    def close(self) -> None:
        self.closed = True


class Slowest(Echo):
    """Answers the first request last: when three more have come."""

    def __init__(self) -> None:
        super().__init__()
        self._others = threading.Semaphore(0)

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        if questions[0].id == "r0":
            for _ in range(3):
                assert self._others.acquire(timeout=NO_HANG_SECONDS)
        else:
            self._others.release()
        return super().ask(questions)


def test_a_run_has_the_answers_in_the_order_of_the_questions_whichever_came_first(tmp_path):
    side = Slowest()
    done = recording.record(side, ROWS, tmp_path / "a.jsonl", now=NOW, concurrency=2, segment="zone")
    found = list(run_file.read(tmp_path / "a.jsonl"))
    assert side.requests[-1] != ["r0"] != side.requests[0]
    assert [(one.id, one.value, one.segment) for one in found] == [
        (f"r{number}", number, f"z{number % 3}") for number in range(30)
    ]
    assert done.header == run_file.header(tmp_path / "a.jsonl")
    assert done.header.questions_sha256 == digest(ROWS)
    assert (done.answered, done.refused, done.failed) == (30, 0, 0)


def test_rows_share_a_request_but_not_with_what_should_be_refused_nor_with_bodies():
    asked = [*ROWS[:5], Question("bad", "unseen", row={}), Question("body", "given", body="{}"), *ROWS[5:7]]
    assert [[one.id for one in request] for request in recording.requests(asked, 2)] == [
        ["r0", "r1"],
        ["r2", "r3"],
        ["r4"],
        ["bad"],
        ["body"],
        ["r5", "r6"],
    ]
    assert len(list(recording.requests(asked, 1))) == len(asked)


def test_all_that_may_share_a_request_in_the_corpus_is_accepted(models):
    side = sides.open_side(str(models / "linear" / "1"))
    shared = [one for one in corpus.questions(ordinary=3) if one.kind in recording.TOGETHER]
    assert {one.code for one in side.ask(shared)} == {""}


def test_progress_is_told_as_answers_come(tmp_path):
    told: list[tuple[int, int]] = []
    recording.record(
        Echo(), ROWS, tmp_path / "a", now=NOW, rows_per_request=10, progress=lambda *now: told.append(now)
    )
    assert told == [(10, 30), (20, 30), (30, 30)]


def test_after_twenty_silent_requests_a_side_is_dead_and_what_was_seen_is_said(tmp_path):
    side = Echo({one.id: "timeout" for one in ROWS[4:]})
    with pytest.raises(SideDead) as told:
        recording.record(side, ROWS, tmp_path / "a", now=NOW)
    assert "20 requests in a row, the last: timeout" in str(told.value)
    assert "4 of the 24 questions asked (30 in all) had an answer" in str(told.value)
    assert side.closed
    assert list(tmp_path.iterdir()) == []


def test_a_side_that_answers_now_and_then_is_not_dead(tmp_path):
    failing = {one.id: "broken" for number, one in enumerate(ROWS) if number % 15}
    assert recording.record(Echo(failing), ROWS, tmp_path / "a", now=NOW).failed == 28


def test_a_side_that_says_nothing_but_nonsense_is_no_run_and_what_it_says_is_told(tmp_path):
    failing = {one.id: "not-json" for one in ROWS}
    with pytest.raises(SideDead, match=r"none of 30 questions .* 30 times came not-json, status 200"):
        recording.record(Echo(failing), ROWS, tmp_path / "a", now=NOW)
    assert list(tmp_path.iterdir()) == []
    failing.pop("r7")
    assert recording.record(Echo(failing), ROWS, tmp_path / "a", now=NOW).failed == 29


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, b"", "not-json, status 404"),
        (404, {"detail": "Not Found"}, "a refusal, status 404: .*Not Found"),
        (200, b"<html>hello</html>", "not-json, status 200: .*<html>hello"),
        (200, {"result": 7}, "no-answer, status 200"),
    ],
)
def test_a_service_that_is_not_the_one_that_was_meant_is_told_by_its_replies(
    serve, said, tmp_path, status, body, told
):
    side = sides.open_side(serve(lambda _: said(body, status)))
    with pytest.raises(SideDead, match=told):
        recording.record(side, ROWS, tmp_path / "a", now=NOW)


def test_a_wrong_address_is_told_where_refusals_have_no_code_and_a_bad_row_is_a_refusal(
    serve, said, tmp_path
):
    without = {"response": {"code": ""}}
    with pytest.raises(SideDead, match="status 404"):
        recording.record(
            sides.open_side(serve(lambda _: said(b"no", 404)), without), ROWS, tmp_path / "a", now=NOW
        )
    refusing = sides.open_side(serve(lambda _: said(b"no", 422)), without)
    assert recording.record(refusing, ROWS, tmp_path / "a", now=NOW).refused == 30


def test_a_side_of_which_every_reply_is_too_large_is_given_up_unless_it_ever_answered(tmp_path):
    failing = {one.id: "too-large" for one in ROWS}
    side = Echo(failing)
    with pytest.raises(SideDead, match="20 requests in a row, the last: too-large"):
        recording.record(side, ROWS, tmp_path / "a", now=NOW)
    assert len(side.requests) < len(ROWS)
    failing.pop("r0")
    assert recording.record(Echo(failing), ROWS, tmp_path / "a", now=NOW).failed == 29


def test_a_side_that_answered_nothing_at_all_is_dead_however_little_was_asked(tmp_path):
    with pytest.raises(SideDead, match="every request, the last: unreachable"):
        recording.record(Echo({"r0": "unreachable"}), ROWS[:1], tmp_path / "a", now=NOW)


def test_a_hung_service_is_given_up_and_nothing_waits_for_it(talk, over, tmp_path):
    side = sides.open_side(talk(lambda _: over.wait() and None), limits=SendingLimits(seconds=0.05))
    with pytest.raises(SideDead, match="timeout"):
        recording.record(side, ROWS, tmp_path / "a", now=NOW, concurrency=8)


class Interrupted(Echo):
    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        if questions[0].id == "r7":
            raise KeyboardInterrupt
        return super().ask(questions)


def test_what_is_interrupted_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("before")
    side = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        recording.record(side, ROWS, path, now=NOW)
    assert side.closed
    assert [one.name for one in tmp_path.iterdir()] == ["a.jsonl"]
    assert path.read_text() == "before"


class Full(Echo):
    """Answers what no file can hold."""

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        return [SideAnswer(one.id, one.kind, value=object()) for one in questions]


def test_a_run_that_cannot_be_written_to_its_end_is_not_there(tmp_path):
    with pytest.raises(TypeError):
        recording.record(Full(), ROWS, tmp_path / "a.jsonl", now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_a_device_is_not_replaced_by_a_run(tmp_path):
    for path in (tmp_path, tmp_path.parent / "no" / "such" / "folder"):
        with pytest.raises(OSError, match=str(path)):
            recording.record(Echo(), ROWS, path, now=NOW)
