"""Changes that change no answer: none of them is a finding."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import builds
import pytest
from builds import Patch
from serving import Api, prepare

from differential_tests import sides
from differential_tests.findings import Check, Level
from differential_tests.levels import service
from differential_tests.levels.suite import Suite
from differential_tests.questions import JSON, Question, corpus
from differential_tests.recording import TOGETHER
from differential_tests.recording.strategies import at_once, in_requests
from differential_tests.run_file import SideAnswer
from differential_tests.settings import tolerances
from differential_tests.sides import Side

QUESTIONS = corpus.questions(ordinary=60)[::3]
TERMS = tolerances.read()
ACCEPT = {"headers": {"Accept": JSON}}
Strategy = Callable[[Side, Sequence[Question]], list[SideAnswer]]
REFACTORED = Patch(
    "model_package/recipes/linear_features.py",
    "encoded = np.ascontiguousarray(np.where(np.isnan(matrix), self.fill, matrix))\n"
    "        np.maximum(encoded, self.low, out=encoded)\n"
    "        np.minimum(encoded, self.high, out=encoded)\n",
    "encoded = np.array(matrix, order='C')\n"
    "        np.copyto(encoded, self.fill, where=np.isnan(encoded))\n"
    "        encoded = np.clip(encoded, self.low, self.high)\n",
)


class KindCounts:
    """A side that is asked the same in another way."""

    def __init__(self, side: Side, way: Strategy) -> None:
        self._side, self._way = side, way
        self.header, self.close = side.header, side.close

    def ask(self, questions: Sequence[Question]) -> list[SideAnswer]:
        return self._way(self._side, questions)


def _compared(
    models: Path, api: Api, way: Strategy | None = None, told: dict[str, object] = ACCEPT
) -> list[Check]:
    """Compare the unpatched package with the API by one strategy."""
    package, over_http = sides.open_side(str(models / "linear" / "1")), sides.open_side(api.url, told)
    return service(package, KindCounts(over_http, way) if way else over_http, QUESTIONS, TERMS)


def _nothing(checks: Sequence[Check]) -> None:
    assert checks
    assert [(check.name, check.error, check.findings[:3]) for check in checks if not check.passed] == []
    assert all(check.rows for check in checks)


def _other_keys(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    return side.ask([_reordered(one) for one in questions])


def _reordered(one: Question) -> Question:
    if one.row is None or one.kind not in TOGETHER:  # of a refused row the faults have the order of the keys
        return one
    return replace(one, row=dict(Random(1).sample(list(one.row.items()), len(one.row))))


def _spelled(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    """Send rows that are answered as bodies in other words; a body has a list of answers."""
    asked = [one for one in questions if one.row is not None and one.kind in TOGETHER]
    said = {one.id: side.ask([_body(one)])[0] for one in asked}
    return [_row(said[one.id]) if one.id in said else side.ask([one])[0] for one in questions]


def _body(one: Question) -> Question:
    return replace(one, row=None, body=f" \r\n{json.dumps(one.row, indent=3).replace('.0,', '.00e0,')}\t")


def _row(answer: SideAnswer) -> SideAnswer:
    return replace(answer, value=answer.value[0]) if isinstance(answer.value, list) else answer


def _by_sevens(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    return in_requests(side, questions, rows=7)


def _backwards(side: Side, questions: Sequence[Question]) -> list[SideAnswer]:
    return side.ask(questions[::-1])[::-1]


WAYS = {
    "keys in another order": _other_keys,
    "other blanks and another spelling of numbers": _spelled,
    "seven rows in a request": _by_sevens,
    "eight requests at once": at_once,
    "the last question first": _backwards,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_another_way_of_asking_is_no_finding(way: Strategy, models: Path, api: Api) -> None:
    _nothing(_compared(models, api, way))


def test_another_host_header_is_no_finding(models: Path, api: Api) -> None:
    _nothing(_compared(models, api, told={"headers": {**ACCEPT["headers"], "Host": "prices.localhost"}}))


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_three_workers_another_hash_seed_time_zone_locale_and_database_are_no_finding(
    models: Path, start: Callable[..., Api], store_url: str, tmp_path: Path
) -> None:
    prepare(models, tmp_path, store_url=store_url)
    elsewhere = {"PYTHONHASHSEED": "7", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C"}
    api = start(workers=3, environment=elsewhere, store_url=store_url)
    _nothing(_compared(models, api, at_once))
    assert len(api.answered_by()) > 1


def test_an_artifact_written_with_other_blanks_and_keys_is_no_finding(
    models: Path, sales: Path, api: Api, tmp_path: Path
) -> None:
    def written_again(files: dict[str, bytes]) -> None:
        for name in [name for name in files if name.endswith(".json")]:
            document = json.loads(files[name])
            files[name] = json.dumps(dict(reversed(document.items())), indent=7).encode()

    package = builds.artifact(models / "linear" / "1", tmp_path / "models", written_again)
    levels = frozenset({Level.D0, Level.D1, Level.D2, Level.D5})
    suite = Suite(
        package, TERMS, api.url, sales, QUESTIONS, recipes=builds.RECIPES, levels=levels, examples=5
    )
    _nothing(list(suite.checks()))


def test_a_function_written_otherwise_is_no_finding(models: Path, sales: Path, tmp_path: Path) -> None:
    code = builds.build(REFACTORED, tmp_path / "build")
    seen = builds.climb(code, models / "linear" / "1", [Level.D0, Level.D1, Level.D3], "--sales", str(sales))
    assert seen.first is None, seen.text
    assert seen.ran == {Level.D0, Level.D1, Level.D3}
