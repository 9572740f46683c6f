"""The API keeps to its own document, whatever it is asked; and a document that lies is found out."""

from __future__ import annotations

import pytest
from harness.audit import check_ledger

# Nightly, with UMBRA_TEST_EXAMPLES, it takes as long as there are examples.
pytestmark = pytest.mark.timeout(0)


def test_every_operation_answers_as_the_document_says(ask, document, stack):
    run = ask(document)
    assert run.status == 0, run.printed
    phases = {name: phase["status"] for name, phase in run.report["phases"].items()}
    assert phases == dict.fromkeys(("examples", "coverage", "fuzzing", "stateful"), "success")
    operations = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    assert {name for name, count in run.accepted().items() if count} == operations, run.printed
    stack.wait_drained()
    check_ledger(stack)


def test_a_document_that_lies_is_found_out(ask, document):
    schemas, paths = document["components"]["schemas"], document["paths"]
    paths["/livez"]["get"]["responses"]["200"]["content"] = {"text/csv": {"schema": {"type": "string"}}}
    schemas["Status"]["properties"]["model"]["type"] = "integer"
    paths["/v1/models"]["get"]["security"] = [{"AdminToken": []}]
    del paths["/v1/outcomes"]["post"]["responses"]["422"]
    document["components"]["headers"]["RequestId"]["schema"]["type"] = "integer"
    schemas["AskedHouse"]["properties"]["fireplaces"]["maximum"] = 11
    schemas["AskedHouse"]["properties"]["bedrooms"]["maximum"] = 29
    run = ask(document, "--exclude-path-regex", "candidates|deploy|verdict", "--phases", "coverage")
    assert run.status == 1, run.printed
    assert run.faults() >= {
        ("UndefinedContentType", "GET /livez"),
        ("JsonSchemaError", "GET /readyz"),
        ("IgnoredAuth", "GET /v1/models"),
        ("UndefinedStatusCode", "POST /v1/outcomes"),
        ("RejectedPositiveData", "POST /v1/predictions"),
        ("AcceptedNegativeData", "POST /v1/predictions"),
    }, run.printed
