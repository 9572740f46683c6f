"""On a real search node: real lines are taken, and every search and chart of Kibana's finds what it is for.

`python tests/opensearch/node.py -- pytest tests/elastic` starts one and sets UMBRA_TEST_ELASTICSEARCH_URL.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator

import pytest
from harness import artifacts, lines
from harness.load import House, houses
from harness.stack import Stack
from harness.waiting import wait_until
from needed import missing
from poison_recipe import POISON
from reading import aggregations, index, kql, objects
from reading.node import Line, Node

from model_package.schema import FIELDS

VARIABLE = "UMBRA_TEST_ELASTICSEARCH_URL"
REQUEST_ID = "the-one-to-find"
# What only goes wrong elsewhere would tell; and what no line has, for the index makes it of another field.
NOT_IN_THIS_RUN = {"error.type", "error.message", "umbra.because", "message.keyword"}
# Figures that are right at zero: no request failed on our side.
MAY_BE_ZERO = {"umbra-api-logs: Failed"}


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    url = os.environ.get(VARIABLE)
    if url is None:
        missing("a search node", f"python tests/opensearch/node.py -- pytest, or set {VARIABLE}")
    made = Node(url)
    made.install()
    yield made
    made.close()


@pytest.fixture(scope="module")
def real_lines(node: Node, tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What a whole Umbra logged: prices, refusals, candidates that score and one that fails, a killed one.

    Only where there is a node to give them to.
    """
    directory = tmp_path_factory.mktemp("stack")
    stack = Stack(
        directory,
        directory / "models",
        recipe_modules="poison_recipe",
        log_houses_share=1,
        candidate_batch_rows=100,
        api_max_rows=5000,
        api_max_body_bytes=1 << 24,
    )
    try:
        _live(stack)
    finally:
        stack.end()
    return [line for file in sorted(stack.logged()) for line in lines.read(file)]


@pytest.fixture(scope="module")
def filled(node: Node, real_lines: list[Line]) -> Node:
    """The node with the real lines in it."""
    refused = node.add(real_lines)
    assert not refused, f"{len(refused)} of {len(real_lines)}, the first: {refused[0]}"
    return node


def _live(stack: Stack) -> None:
    stack.done("prepare")
    stack.done("candidates", "add", artifacts.poisonous(stack.settings.models, "raises"))
    process = stack.up()
    first, second, *_ = _ask(stack, _varied(30), REQUEST_ID)
    _ask(stack, houses(3, living_area=POISON))
    one_wrong = houses(1, living_area="large", neighborhood="Atlantis")
    slow = houses(4999) + one_wrong  # all are read before it is refused
    for body in (b"no JSON", json.dumps(one_wrong).encode(), json.dumps(slow).encode()):
        status, _ = stack.ask("POST", "/v1/predictions", body, {"Content-Type": "application/json"})
        assert 400 <= status < 500
    assert stack.ask("GET", "/v1/nothing")[0] == 404
    stack.wait_drained()
    sold = {"prediction_id": first, "price_dollars": 183_000, "sold_at": "2026-01-31"}
    body = json.dumps([sold, {"prediction_id": second, "state": "withdrawn"}]).encode()
    assert stack.ask("POST", "/v1/outcomes", body, {"Content-Type": "application/json"})[0] == 202
    stack.kill("scoring", random.Random(1))
    wait_until(lambda: stack.events("process_ended"), 30, stack.explain)
    stack.wait_drained()
    assert stack.stop(process) == 0, stack.explain()


def _ask(stack: Stack, rows: list[House], request_id: str = "") -> list[str]:
    """The ids of the predictions."""
    headers = {"Content-Type": "application/json"} | ({"X-Request-ID": request_id} if request_id else {})
    status, answer = stack.ask("POST", "/v1/predictions", json.dumps(rows).encode(), headers)
    assert status == 200, answer
    return [one["id"] for one in json.loads(answer)["predictions"]]


def _varied(count: int) -> list[House]:
    """Houses that differ in every field; a field that may be empty sometimes is."""
    chance = random.Random(1)
    return [
        house
        | {field.name: None for field in FIELDS if field.nullable and chance.random() < 0.3}
        | {"overall_quality": chance.randint(1, 10), "year_built": chance.randint(1900, 2010)}
        for house in houses(count)
    ]


def test_real_lines_of_every_kind_are_there(real_lines: list[Line]) -> None:
    seen = {line["message"] for line in real_lines}
    assert {"request", "house_captured", "house_compared", "observation_failed", "process_ended"} <= seen
    assert {line["event"]["dataset"] for line in real_lines} == {"umbra.api", "umbra.worker"}


def test_every_real_line_is_taken_and_found_again(filled: Node, real_lines: list[Line]) -> None:
    found = filled.search({"size": 0, "track_total_hits": True})
    assert found["hits"]["total"]["value"] == len(real_lines)


def test_real_lines_add_no_field_to_the_mapping(filled: Node) -> None:
    for name, mappings in filled.mappings().items():
        assert mappings["properties"]["umbra"]["properties"].keys() == _declared().keys(), name


def test_real_lines_have_every_field_that_kibanas_objects_name(real_lines: list[Line]) -> None:
    written = {field for line in real_lines for field in _names("", line)}
    assert set(objects.fields_used()) - written <= NOT_IN_THIS_RUN


@pytest.mark.parametrize("search", objects.searches(), ids=lambda search: search.id)
def test_a_search_finds_lines(filled: Node, search: objects.Search) -> None:
    query, sort = kql.read(search.query).query, [{field: order} for field, order in search.sort]
    found = filled.search({"query": query, "sort": sort, "_source": False, "fields": list(search.columns)})
    hits = found["hits"]["hits"]
    assert hits
    assert all("fields" in hit for hit in hits), "lines with none of the columns"


@pytest.mark.parametrize("chart", objects.charts(), ids=lambda chart: chart.name)
def test_a_chart_has_something_to_show(filled: Node, chart: objects.Chart) -> None:
    answer = filled.search(aggregations.request(chart))
    assert answer["hits"]["total"]["value"] > 0
    found = aggregations.found(chart, answer)
    assert all(found.values()), found
    counts = [
        value
        for name, column in chart.columns.items()
        if column["operationType"] == "count"
        for value in found[name]
    ]
    assert any(counts) or not counts or chart.name in MAY_BE_ZERO


def test_one_request_is_followed_from_its_answer_to_what_became_of_its_houses(filled: Node) -> None:
    answer = filled.search({"query": kql.read(f'trace.id: "{REQUEST_ID}"').query, "size": 500})
    found = [hit["_source"]["message"] for hit in answer["hits"]["hits"]]
    assert found.count("request") == 1
    assert found.count("house_captured") == 30
    assert found.count("house_compared") == 60
    assert found.count("house_outcome") == 2


def test_refusals_are_found_by_the_fields_that_were_wrong(filled: Node) -> None:
    for field in ("living_area", "neighborhood"):
        answer = filled.search({"query": kql.read(f'umbra.refused_fields: "{field}"').query})
        assert [hit["_source"]["http"]["response"]["status_code"] for hit in answer["hits"]["hits"]] == [
            422,
            422,
        ]


def test_figures_are_those_of_the_lines(filled: Node, real_lines: list[Line]) -> None:
    pairs = [line["umbra"] for line in real_lines if line["message"] == "house_compared"]
    gbm = [pair["difference_ratio"] for pair in pairs if pair["candidate"] == "gbm@1"]
    (chart,) = (one for one in objects.charts() if one.title == "Candidates")
    answer = filled.search(aggregations.request(chart))
    (bucket,) = (one for one in answer["aggregations"]["bucket-0"]["buckets"] if one["key"] == "gbm@1")
    assert bucket["doc_count"] == len(gbm)
    (row,) = bucket["bucket-1"]["buckets"]
    assert row["key"] == "linear@1"
    assert row["figure-4"]["value"] == pytest.approx(min(gbm))
    assert row["figure-5"]["value"] == pytest.approx(max(gbm))


def test_an_undeclared_field_costs_no_line_and_grows_no_mapping(filled: Node, real_lines: list[Line]) -> None:
    before = filled.mappings()
    line = real_lines[0] | {"umbra": {"surprise": {"within": "x"}, "rows": 1}}
    assert filled.add([line]) == []
    assert filled.mappings() == before
    found = filled.search({"query": {"match": {"umbra.surprise.within": "x"}}})
    assert found["hits"]["total"]["value"] == 0


@pytest.mark.parametrize(
    "wrong", [{"umbra": {"rows": "many"}}, {"umbra": {"captured_at": "yesterday"}}, {"error": "text"}]
)
def test_a_value_of_the_wrong_type_is_refused(filled: Node, real_lines: list[Line], wrong: Line) -> None:
    (refusal,) = filled.add([real_lines[0] | wrong])
    assert refusal["status"] == 400


def _declared() -> dict[str, object]:
    mappings = index.document(index.COMPONENT)["template"]["mappings"]
    found: dict[str, object] = mappings["properties"]["umbra"]["properties"]
    return found


def _names(above: str, line: Line) -> Iterator[str]:
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _names(f"{above}{name}.", value)
        elif value is not None:
            yield above + name
