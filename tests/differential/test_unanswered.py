"""Questions that no side answered, and replies that other clients cannot read: never taken for agreement."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ElementTree

import pytest

from differential_tests import cli

TERMS = '[service]\npath = "/price"\n[service.response]\ncode = ""\n'


@dataclass(frozen=True, slots=True)
class Ended:
    status: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.toml").write_text(TERMS)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["differential_tests", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Ended(ended.value.code, said.out, said.err)

    return run


def rows(tmp_path: Path, *given: dict[str, Any]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, given)))
    return path


HOUSES = [{"area": 50 + number} for number in range(4)]


@pytest.fixture
def priced(serve, said) -> Callable[..., str]:
    """Provide a service that answers with prices; `fault` changes the answer by the area of a row."""

    def start(fault: Callable[[float, float], Any] = lambda _, price: price, **more: Any) -> str:
        def answering(asked: Any) -> Any:
            row = asked.json if "area" in asked.json else None
            if row is None:
                return said({"error": "no area"}, 422)
            price = fault(row["area"], 1000.0 * row["area"])
            return price if isinstance(price, said) else said({"predictions": [{"price": price, **more}]})

        return serve(answering)

    return start


def ran(command: Command, a: str, b: str, path: Path, *more: str) -> Ended:
    return command("run", a, b, "--payloads", path, "--terms", "t.toml", "--no-noise", *more)


def check_of(ended: Ended) -> dict[str, Any]:
    return json.loads(ended.out.splitlines()[0])


def test_rows_that_both_sides_answer_are_the_same(command, priced, tmp_path):
    ended = ran(command, priced(), priced(), rows(tmp_path, *HOUSES), "--json")
    assert ended.status == 0
    assert check_of(ended)["asked"] == [
        {"kind": "given", "rows": 4, "answered": 4, "refused": 0, "empty": 0, "refusal": ""}
    ]


def test_a_run_in_which_both_sides_refused_every_row_could_not_be_made(command, priced, tmp_path):
    path = rows(tmp_path, {"size": 50}, {"size": 60})
    ended = ran(
        command, priced(), priced(), path, "--html", "r.html", "--markdown", "r.md", "--junit", "r.xml"
    )
    assert ended.status == 2
    for report in (ended.out, *((tmp_path / f"r.{kind}").read_text() for kind in ("html", "md", "xml"))):
        assert "no question was answered" in " ".join(report.split())
    assert "422" in ended.out
    assert "could not run" in ended.out


def test_runs_in_which_nothing_was_answered_cannot_be_compared_either(command, priced, tmp_path):
    path = rows(tmp_path, {"size": 50}, {"size": 60})
    for name in ("a", "b"):
        assert command("record", priced(), "-o", name, "--payloads", path, "--terms", "t.toml").status == 0
    ended = command("compare", "a", "b", "--terms", "t.toml", "--json")
    assert ended.status == 2
    assert "no question was answered" in check_of(ended)["error"]


def test_some_rows_that_both_sides_refused_are_told_in_every_report(command, priced, tmp_path):
    path = rows(tmp_path, *HOUSES, {"size": 60})
    reports = ("--html", "r.html", "--markdown", "r.md", "--junit", "r.xml", "--jsonl", "r.jsonl")
    ended = ran(command, priced(), priced(), path, *reports)
    assert ended.status == 0
    assert "not answered by either side, but should be: 1 row" in " ".join(ended.out.split())
    assert "1 refused by both, most with 422" in " ".join(ended.out.split())
    assert json.loads((tmp_path / "r.jsonl").read_text().splitlines()[0])["unanswered"] == 1
    for kind in ("html", "md"):
        assert "5 rows, 4 answered by both, 1 refused by both" in (tmp_path / f"r.{kind}").read_text()
    case = ElementTree(file=tmp_path / "r.xml").find(".//testcase/system-out")
    assert case is not None
    assert "1 refused by both" in str(case.text)


def test_questions_that_are_meant_to_be_refused_are_the_same_when_both_sides_refuse_them(
    command, priced, tmp_path
):
    asked = [{"id": f"m{n}", "kind": "malformed", "row": {"size": n}} for n in range(3)]
    ended = ran(command, priced(), priced(), rows(tmp_path, *asked), "--json")
    assert (ended.status, check_of(ended)["unanswered"]) == (0, 0)


CONSTANTS = {"currency": "USD", "version": 3}


@pytest.mark.parametrize(
    ("value", "more"),
    [
        *((value, {}) for value in (math.nan, None, math.inf, [], {})),
        (math.nan, CONSTANTS),
        (None, CONSTANTS),
    ],
    ids=str,
)
def test_answers_of_nothing_but_null_and_nan_are_no_answers(command, priced, tmp_path, value, more):
    url = priced(lambda _area, _price: value, **more)
    ended = ran(command, url, url, rows(tmp_path, *HOUSES), "--json")
    assert ended.status == 2
    assert "nothing but null and NaN" in check_of(ended)["error"]


def test_a_place_that_is_always_null_beside_prices_is_the_same(command, priced, tmp_path):
    url = priced(explanation=None, currency="USD")
    ended = ran(command, url, url, rows(tmp_path, *HOUSES), "--json")
    assert (ended.status, check_of(ended)["unanswered"]) == (0, 0)


def test_some_answers_of_null_are_told(command, priced, tmp_path):
    url = priced(lambda area, price: None if area == 51 else price)
    ended = ran(command, url, url, rows(tmp_path, *HOUSES), "--json")
    assert (ended.status, check_of(ended)["unanswered"]) == (0, 1)


ODD = {
    "a byte order mark": (lambda text: b"\xef\xbb\xbf" + text.encode(), "byte order mark"),
    "UTF-16": (lambda text: text.encode("utf-16"), "utf-16"),
    "UTF-32": (lambda text: text.encode("utf-32"), "utf-32"),
    "a key twice": (
        lambda text: text.replace('{"price"', '{"price": 1, "price"').encode(),
        "key 'price' twice",
    ),
}


@pytest.mark.parametrize(("spoil", "told"), ODD.values(), ids=ODD)
def test_a_reply_that_other_clients_cannot_read_differs_from_one_that_they_can(
    command, priced, said, tmp_path, spoil, told
):
    def odd(_area: float, price: float) -> Any:
        return said(spoil(json.dumps({"predictions": [{"price": price}]})))

    ended = ran(command, priced(), priced(odd), rows(tmp_path, *HOUSES), "--json")
    assert ended.status == 1
    found = [json.loads(line) for line in ended.out.splitlines()[1:]]
    assert [(finding["kind"], told in finding["b"]) for finding in found] == [("failure", True)] * 4


def test_two_models_held_to_exact_terms_are_told_that_they_need_not_agree(command, models, tmp_path):
    linear, gbm = models / "linear" / "1", models / "gbm" / "1"
    ended = command("run", linear, gbm, "--no-noise")
    assert ended.status == 1
    assert "D4 note: two models need not agree" in " ".join(ended.out.split())
    (tmp_path / "wide.toml").write_text("[tolerance]\npercent = 60\n")
    assert "need not agree" not in command("run", linear, gbm, "--no-noise", "--terms", "wide.toml").out


def _texts(html: str) -> Iterator[str]:
    yield from (part.partition(">")[2] for part in html.split("<"))


def test_the_page_names_the_sides_rounds_numbers_and_says_what_percentages_are_of(command, models, tmp_path):
    linear, gbm = models / "linear" / "1", models / "gbm" / "1"
    command("run", linear, gbm, "--no-noise", "--html", "r.html")
    html = (tmp_path / "r.html").read_text()
    for words in ("linear@1 against gbm@1", "<th>linear@1</th>", "<th>gbm@1</th>", "% of the larger"):
        assert words in html
    assert "Nothing differs at" in html
    spreads = html[html.index('class="spreads"') :]
    assert "<td><code>$.errors[0].row</code></td>" not in spreads
    prices = [text for text in _texts(html) if text.replace(",", "").isdigit() and len(text) > 5]
    assert len(prices) > 20
