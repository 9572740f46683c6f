"""A model process may send anything, and start anything: its lane bounds the one and ends the other."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from model_package.schema import EXAMPLE
from shadow.records import PendingCapture
from shadow.scoring.reply import (
    CRASHED,
    HUNG,
    NOT_FINITE,
    NOT_POSITIVE,
    WRONG_LENGTH,
    BatchFailed,
    most_bytes,
)
from shadow.scoring.scorer import SOCKET, Scorer, ScorerPlan, ScorerUnavailable

MODEL_PROCESS = """
    import json, os, socket, struct, sys, time
    connection = socket.socket(fileno=int(sys.argv[1]))
    def say(body, length=None):
        connection.sendall(struct.pack(">Q", len(body) if length is None else length) + body)
    def heard():
        (length,) = struct.unpack(">Q", connection.recv(8, socket.MSG_WAITALL))
        return json.loads(connection.recv(length, socket.MSG_WAITALL))
    def healthy():
        while True:
            rows = heard()["rows"]
            say(json.dumps({"dollars": [1e5] * len(rows), "seconds": {}}).encode())
"""
MALFORMED = {
    "a terabyte announced": 'say(b"x" * 100, 1 << 40)',
    "a byte too many announced": f"say(b'[', {most_bytes(2) + 1})",
    "no JSON": 'say(b"\\xff\\x00")',
    "a list": 'say(b"[1.0, 2.0]")',
    "an empty object": 'say(b"{}")',
    "no seconds": "say(b'{\"dollars\": [1.0, 2.0]}')",
    "seconds that are a list": 'say(b\'{"dollars": [1.0, 2.0], "seconds": []}\')',
    "seconds that are texts": 'say(b\'{"dollars": [1.0, 2.0], "seconds": {"0": "1"}}\')',
    "seconds before the question": 'say(b\'{"dollars": [1.0, 2.0], "seconds": {"1": -1.0}}\')',
    "a fault that is a number": 'say(b\'{"fault": 3, "detail": "x"}\')',
    "a fault without a detail": 'say(b\'{"fault": "raised"}\')',
    "ready once more": "say(b'{\"ready\": true}')",
    "a very deep list": "say(b'[' * 60000)",
    "an infinite number": 'say(b\'{"dollars": [NaN, 1.0], "seconds": {}}\')',
    "an end half way": 'say(b"{", 100); sys.exit(0)',
    "an end before the length": "connection.sendall(b'123'); sys.exit(0)",
    "a closed socket": "connection.close(); time.sleep(3600)",
}
WRONG = {
    "two numbers a house": ("[[1.0, 2.0], [3.0, 4.0]]", WRONG_LENGTH),
    "one of them nested": ("[1.0, [2.0]]", WRONG_LENGTH),
    "an object": ("[1.0, {}]", WRONG_LENGTH),
    "one too few": ("[1.0]", WRONG_LENGTH),
    "no list": ("3.0", WRONG_LENGTH),
    "a text": ('[1.0, "2.0"]', NOT_FINITE),
    "a truth": ("[1.0, true]", NOT_FINITE),
    "nothing": ("[1.0, null]", NOT_FINITE),
    "a loss": ("[1.0, -2.0]", NOT_POSITIVE),
}
HOUSES = [
    PendingCapture(UUID(int=number), number, f"request-{number}", "linear@1", 1e5, json.dumps(EXAMPLE))
    for number in (1, 2)
]


def plan(code: str, seconds: float = 20.0) -> ScorerPlan:
    """A model process of a few lines, which says that it is ready and then does what `code` says."""
    source = textwrap.dedent(MODEL_PROCESS) + "say(b'{\"ready\": true}')\n" + textwrap.dedent(code)
    return ScorerPlan([sys.executable, "-S", "-c", source, SOCKET], dict(os.environ), seconds)


@pytest.fixture
def scoring() -> Iterator[Callable[..., Scorer]]:
    made: list[Scorer] = []

    def make(code: str, seconds: float = 20.0) -> Scorer:
        made.append(Scorer(plan(code, seconds), threading.Event()))
        return made[-1]

    yield make
    for scorer in made:
        scorer.stop()


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_reply_is_a_crash_and_the_next_model_process_is_asked(
    scoring: Callable[..., Scorer], kind: str, tmp_path: Path
) -> None:
    scorer = scoring(
        f"""
        if not os.path.exists({str(tmp_path / "again")!r}):
            open({str(tmp_path / "again")!r}, "w").close()
            heard()
            {MALFORMED[kind]}
            time.sleep(3600)
        healthy()
        """
    )
    with pytest.raises(BatchFailed) as caught:
        scorer.score(HOUSES, [])
    assert caught.value.reason == CRASHED
    assert len(caught.value.detail) < 400
    assert scorer.pid is None
    assert [answer.prediction_dollars for answer in scorer.score(HOUSES, [])] == [1e5, 1e5]


@pytest.mark.parametrize("first", ["", "say(b'{}')", "say(b'x', 1 << 50)", "say(b'{\"dollars\": 1}')"])
def test_a_model_process_that_begins_with_anything_but_ready_is_no_scorer(first: str) -> None:
    code = textwrap.dedent(MODEL_PROCESS) + first
    command = [sys.executable, "-S", "-c", code, SOCKET]
    scorer = Scorer(ScorerPlan(command, dict(os.environ), 20.0), threading.Event())
    with pytest.raises(ScorerUnavailable):
        scorer.score(HOUSES, [])


def test_an_answer_nobody_asked_for_is_not_taken_for_that_of_the_next_batch(
    scoring: Callable[..., Scorer],
) -> None:
    twice = 'body = b\'{"dollars": [7.0, 7.0], "seconds": {}}\'; heard(); say(body); say(body); healthy()'
    scorer = scoring(twice)
    assert [answer.prediction_dollars for answer in scorer.score(HOUSES, [])] == [7.0, 7.0]
    assert select.select([scorer._running._connection], [], [], 60)[0], "the second answer has come"
    with pytest.raises(BatchFailed, match="before it was asked"):
        scorer.score(HOUSES, [])


def test_a_reply_that_trickles_for_ever_is_ended_at_the_deadline(scoring: Callable[..., Scorer]) -> None:
    code = """
        heard()
        connection.sendall(struct.pack(">Q", 60000))
        while True:
            connection.sendall(b" ")
            time.sleep(0.001)
        """
    with pytest.raises(BatchFailed) as caught:
        scoring(code, 0.3).score(HOUSES, [])
    assert caught.value.reason == HUNG


@pytest.mark.parametrize("kind", WRONG)
def test_one_amount_that_is_none_fails_the_batch_and_blames_no_house(
    scoring: Callable[..., Scorer], kind: str
) -> None:
    dollars, reason = WRONG[kind]
    scorer = scoring(f'heard(); say(b\'{{"dollars": {dollars}, "seconds": {{}}}}\'); healthy()')
    with pytest.raises(BatchFailed) as caught:
        scorer.score(HOUSES, [])
    assert caught.value.reason == reason
    assert [answer.prediction_dollars for answer in scorer.score(HOUSES, [])] == [1e5, 1e5]


def test_words_of_a_model_are_stored_without_what_commands_a_terminal_or_a_store(
    scoring: Callable[..., Scorer],
) -> None:
    scorer = scoring(r"""heard(); say(b'{"fault": "raised", "detail": "a\\u0000b\\u001b[2Jc"}'); healthy()""")
    with pytest.raises(BatchFailed) as caught:
        scorer.score(HOUSES, [])
    assert caught.value.detail == r"a\x00b\x1b[2Jc"


HELPERS = {
    "a child": "start()",
    "a child in a session of its own": "start(os.setsid)",
    "a grandchild without a parent": "start(lambda: os.fork() and os._exit(0))",
    "a grandchild in a session of its own": "start(lambda: (os.setsid(), os.fork() and os._exit(0)))",
}
DEATHS = {
    "is stopped": ("healthy()", None),
    "ends by itself": ("heard(); os._exit(3)", CRASHED),
    "hangs": ("heard(); time.sleep(3600)", HUNG),
    "is killed": ("heard(); os.kill(os.getpid(), 9)", CRASHED),
}
STARTS_A_HELPER = """
    def start(leave=lambda: None):
        read, write = os.pipe()
        if os.fork() == 0:
            leave()
            open(MARKER, "w").write(str(os.getpid()))
            os.write(write, b"x")
            time.sleep(3600)
        os.read(read, 1)
"""
LANE = """
    import json, sys
    from shadow import start
    start.adopt_orphans()
    sys.path.insert(0, sys.argv[1])
    import test_scorer
    print(json.dumps(test_scorer.deaths(sys.argv[2])))
"""


def deaths(folder: str) -> dict[str, tuple[str | None, bool]]:
    """In a lane: for each death and helper why the batch failed, and whether the helper lives on."""
    return {
        f"{death}, {helper}": _death(Path(folder) / f"{death}, {helper}", HELPERS[helper], DEATHS[death][0])
        for death in DEATHS
        for helper in HELPERS
    }


def _death(marker: Path, helps: str, does: str) -> tuple[str | None, bool]:
    code = f"MARKER = {str(marker)!r}\n{textwrap.dedent(STARTS_A_HELPER)}\n{helps}\n{does}"
    scorer, reason = Scorer(plan(code, 1.0), threading.Event()), None
    try:
        scorer.score(HOUSES, [])
        os.kill(int(marker.read_text()), 0)
    except BatchFailed as fault:
        reason = fault.reason
    scorer.stop()
    try:
        os.kill(int(marker.read_text()), 0)
    except ProcessLookupError:
        return reason, False
    return reason, True


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """What `deaths` gives in a process that adopts orphans, as a lane does."""
    here, folder = str(Path(__file__).parent), str(tmp_path_factory.mktemp("helpers"))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LANE), here, folder], stdout=subprocess.PIPE, check=True
    )
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("death", DEATHS)
def test_what_a_model_process_has_started_is_gone_once_it(
    died: dict[str, list[object]], helper: str, death: str
) -> None:
    assert died[f"{death}, {helper}"] == [DEATHS[death][1], False]
