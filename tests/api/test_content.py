"""Content negotiation as RFC 9110 and real clients have it: Content-Type, Accept, and pages for browsers."""

from __future__ import annotations

import json

import pytest

from api.content import CSV, JSON, of_answer, of_body, preferred, prefers_page
from model_package.schema import EXAMPLE, NAMES

HOUSE = json.dumps(EXAMPLE)
TABLE = f"{','.join(NAMES)}\r\n{','.join(str(EXAMPLE[name]) for name in NAMES)}\r\n"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"  # every HttpURLConnection before Java 19
CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
AXIOS = "application/json, text/plain, */*"
JQUERY = "application/json, text/javascript, */*; q=0.01"


@pytest.mark.parametrize(
    ("accept", "body", "answer"),
    [
        ("", JSON, JSON),
        ("application/json;charset=UTF-8", JSON, JSON),
        ("application/json;charset=UTF-8", CSV, JSON),
        ("application/json;odata=verbose;q=0.9", CSV, JSON),
        ("APPLICATION/JSON ; version=2", CSV, JSON),
        ("text/csv; charset=utf-8", JSON, CSV),
        ("text/csv; header=present", JSON, CSV),
        ("text/*", JSON, CSV),
        ("application/*;q=.1", CSV, JSON),
        ("application/problem+json", CSV, JSON),
        ("application/vnd.api+json", CSV, JSON),
        (JAVA, JSON, JSON),
        (JAVA, CSV, CSV),
        ("*", JSON, JSON),
        ("*; q=.2", CSV, CSV),
        ("*/*;q=0.1, text/csv;q=.05", JSON, JSON),
        ("application/json;q=0.5, text/csv;q=0.6", JSON, CSV),
        ("application/json; q=.5, text/csv ; Q = 0.4", CSV, JSON),
        ("application/json;q=0, */*", JSON, CSV),
        ("text/csv;q=0, text/*", JSON, JSON),
        (AXIOS, CSV, JSON),
        (AXIOS, JSON, JSON),
        (JQUERY, CSV, JSON),
        (CHROME, JSON, JSON),
        (CHROME, CSV, CSV),
        ("application/json;q=high", CSV, JSON),
        ("application/json;q=", CSV, JSON),
        ("text/csv,application/json", JSON, JSON),
        (",,;q=1,", JSON, JSON),
        ("text/csv;q=9e9", JSON, CSV),
        ('application/json; profile="a, b"; q=0.1, text/csv;q=0.5', JSON, CSV),
        ('application/json;q="0.4", text/csv;x="a,b";q=0.5, image/png;x="c"', JSON, CSV),
        ('text/csv; x="\\"; q=0,"; q=0.5, application/json;q="0.4"', JSON, CSV),
    ],
)
def test_the_kind_of_an_answer_is_what_the_client_prefers(accept, body, answer):
    assert of_answer({"HTTP_ACCEPT": accept}, body) == answer


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0", "x", "application/pdf"])
@pytest.mark.parametrize("body", [JSON, CSV])
def test_a_client_that_accepts_neither_kind_is_answered_in_the_kind_of_its_body(accept, body):
    assert of_answer({"HTTP_ACCEPT": accept}, body) == body


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("application/json", JSON),
        ("application/json;charset=UTF-8", JSON),
        ('application/json; charset="utf-8"', JSON),
        ("Application/JSON; Charset=utf8", JSON),
        ("application/json;odata.metadata=minimal", JSON),
        ("application/json;", JSON),
        ("application/vnd.api+json", JSON),
        ("application/ld+json; profile=x", JSON),
        ("application/json; charset=us-ascii", JSON),
        ("text/csv", CSV),
        ("text/csv; header=present", CSV),
        ("text/csv; charset=UTF-8; header=present", CSV),
        ("TEXT/CSV;charset='utf-8'", CSV),
    ],
)
def test_the_kind_of_a_body_is_what_it_is_declared_to_be_whatever_else_is_declared(declared, kind):
    assert of_body({"CONTENT_TYPE": declared}) == kind


def test_what_the_answer_calls_itself_can_be_asked_for_and_sent_again(bench):
    answer = bench.post(data=TABLE, content_type="text/csv")
    second_answer = bench.post(
        data=TABLE, content_type=answer.content_type, headers={"Accept": answer.content_type}
    )
    assert (second_answer.status_code, second_answer.content_type) == (200, answer.content_type)


@pytest.mark.parametrize("accept", [JAVA, "application/json;charset=UTF-8", "image/png"])
def test_a_house_is_priced_whatever_the_client_accepts(bench, accept):
    answer = bench.post(data=HOUSE, content_type="application/json;charset=UTF-8", headers={"Accept": accept})
    assert (answer.status_code, answer.content_type) == (200, JSON)


@pytest.mark.parametrize("accept", [CHROME, FIREFOX, "text/html", "text/html, application/json;q=0.9"])
def test_who_names_html_first_reads_a_page(accept):
    assert prefers_page({"HTTP_ACCEPT": accept})


@pytest.mark.parametrize(
    "accept", ["", "*/*", "*", AXIOS, JQUERY, JSON, "application/json, text/html", "text/html;q=0.1, */*"]
)
def test_who_does_not_reads_json(accept):
    assert not prefers_page({"HTTP_ACCEPT": accept})


def test_an_endless_header_is_read_as_far_as_it_makes_sense():
    assert preferred("a/b," * 2000 + "text/csv", [JSON, CSV]) is None
    assert preferred("application/json;q=" + "1" * 8000, [CSV, JSON]) == JSON
