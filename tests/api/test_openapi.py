"""The OpenAPI document is valid, complete and true; the page that shows it loads nothing from elsewhere."""

from __future__ import annotations

import gzip
import json
import re

import jsonschema
import openapi_spec_validator
import pytest

from model_package.schema import EXAMPLE

PAGES_ONLY = {"/assets/<path:name>", "/docs/vendor/swagger-ui-bundle.js", "/docs/vendor/<path:filename>"}


@pytest.fixture
def document(bench):
    return bench.client.get("/openapi.json").json


def _schema(document, name):
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def test_it_is_a_valid_openapi_3_1_document(document):
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1.")


def test_every_route_and_method_is_in_it_and_nothing_else(bench, document):
    routes = {
        (re.sub(r"<identifier>", "{id}", rule.rule), method.lower())
        for rule in bench.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule not in PAGES_ONLY
    }
    assert routes == {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_answers_are_what_it_says(bench, document):
    house = dict(EXAMPLE, entity_id="parcel-7")
    prediction = bench.post(house).json
    name = prediction["predictions"][0]["id"]
    sale = {"prediction_id": name, "price_dollars": 5.0, "sold_at": "2026-01-31"}
    gone = {"prediction_id": name, "state": "withdrawn"}
    taken = bench.client.post("/v1/outcomes", json=[sale, gone]).json
    bench.ingest()
    stored = bench.client.get(f"/v1/predictions/{name}").json
    assert stored["outcome"]
    for name, body in (
        ("AskedHouse", house),
        ("ReportedOutcome", sale),
        ("ReportedOutcome", gone),
        ("OutcomesTaken", taken),
        ("OutcomeCounts", bench.client.get("/v1/outcomes").json),
        ("Predictions", prediction),
        ("Prediction", stored),
        ("Models", bench.client.get("/v1/models").json),
        ("CurrentDeployment", bench.client.get("/v1/deployment").json),
        ("Status", bench.client.get("/readyz").json),
        ("Problem", bench.post({"living_area": "5"}).json),
        ("Problem", bench.client.get("/nowhere").json),
        ("House", EXAMPLE),
    ):
        jsonschema.validate(body, _schema(document, name), cls=jsonschema.Draft202012Validator)


def test_its_limits_are_those_of_this_api(document):
    text = document["paths"]["/v1/predictions"]["post"]["description"]
    assert "50 houses" in text
    assert "100000 bytes" in text


def test_every_problem_type_is_named_in_it(bench, document):
    from api import errors  # noqa: PLC0415

    named = document["components"]["schemas"]["Problem"]["properties"]["type"]["examples"]
    assert {problem.type for problem in errors.BY_EXCEPTION.values()} <= set(named)


def test_the_page_loads_everything_from_here(bench):
    page = bench.client.get("/docs")
    assert page.content_type == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert len(links) >= 4
    for link in links:
        assert link.startswith("/")
        assert bench.client.get(link).status_code == 200, link


def test_the_script_is_served_packed_or_unpacked_as_the_client_can(bench):
    path = "/docs/vendor/swagger-ui-bundle.js"
    packed = bench.client.get(path, headers={"Accept-Encoding": "gzip, br"})
    plain = bench.client.get(path)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.data) == plain.data
    assert b"SwaggerUIBundle" in plain.data


def test_the_example_in_it_is_answered(bench, document):
    body = document["paths"]["/v1/predictions"]["post"]["requestBody"]["content"]["application/json"][
        "example"
    ]
    assert bench.post(json.loads(json.dumps(body))).status_code == 200
