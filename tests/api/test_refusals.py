"""Bad input: refused with a 4xx problem that names every fault, never answered with a 5xx or with HTML."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_package.schema import EXAMPLE, NAMES

GENERATED = 800


def _problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body = json.loads(answer.data)
    assert body["type"] == f"urn:umbra:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body


def _house(**changes):
    return dict(EXAMPLE) | changes


def _json(text):
    return {"data": text, "content_type": "application/json"}


@pytest.mark.parametrize(
    ("field", "value", "got"),
    [
        ("living_area", "5", '"5"'),
        ("living_area", True, "true"),
        ("bedrooms", 2.5, "2.5"),
        ("bedrooms", False, "false"),
        ("living_area", -1, "-1"),
        ("living_area", None, "null"),
        ("living_area", [1], "a list of 1"),
        ("living_area", {}, "an object of 0"),
        ("zoning", "Moon", '"Moon"'),
        ("zoning", 5, "5"),
        ("living_area", 10**400, None),
    ],
)
def test_nothing_is_coerced_and_the_fault_names_row_field_expected_and_got(bench, field, value, got):
    body = _problem(bench.post([_house(), _house(**{field: value})]), 422, "invalid-rows")
    (fault,) = body["errors"]
    assert (fault["row"], fault["field"]) == (1, field)
    assert fault["expected"]
    assert fault["got"] == got or got is None


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none_are_refused(bench, literal):
    text = json.dumps(_house(living_area="@")).replace('"@"', literal)
    body = _problem(bench.post(**_json(text)), 422, "invalid-rows")
    assert body["errors"][0]["field"] == "living_area"


def test_every_fault_of_every_row_is_listed(bench):
    body = _problem(
        bench.post([_house(bedrooms="3", rooms=None), _house(), _house(colour="red")]), 422, "invalid-rows"
    )
    assert [(fault["row"], fault["field"]) for fault in body["errors"]] == [
        (0, "bedrooms"),
        (0, "rooms"),
        (2, "colour"),
    ]


def test_a_request_that_is_wrong_all_over_lists_a_hundred_faults_and_says_what_was_not_looked_at(bench):
    wrong = bench.post([{}] * 50)
    body = _problem(wrong, 422, "invalid-rows")
    assert len(body["errors"]) == 100
    assert body["unchecked_rows"] == 50 - 1 - max(fault["row"] for fault in body["errors"])
    assert f"{body['unchecked_rows']} more rows not looked at" in body["detail"]
    assert len(wrong.data) < 30_000
    answer = bench.client.post("/v1/outcomes", json=[{}] * 50)
    assert len(_problem(answer, 422, "invalid-rows")["errors"]) == 100


def test_a_missing_field_and_a_field_that_comes_twice_are_faults(bench):
    house = _house()
    del house["living_area"]
    (missing,) = _problem(bench.post([house]), 422, "invalid-rows")["errors"]
    assert (missing["field"], missing["got"]) == ("living_area", "nothing")
    twice = json.dumps(_house())[:-1] + ', "living_area": 1500.0}'
    (double,) = _problem(bench.post(**_json(twice)), 422, "invalid-rows")["errors"]
    assert (double["field"], double["got"]) == ("living_area", "2 times")


MALFORMED = [
    b"",
    b" ",
    b"{",
    b"[",
    b"nul",
    b"{}}",
    b'{"a":1,}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b"\x00",
    json.dumps(EXAMPLE).encode("utf-16"),
    json.dumps(EXAMPLE).encode("utf-32"),
    b'{"zoning": "\xc3\x28"}',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"'single'",
    b"<html>",
    b"living_area=5",
    b"\x1f\x8b\x08\x00",
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_not_json_is_400(bench, body):
    _problem(bench.post(**_json(body)), 400, "malformed-body")


@pytest.mark.parametrize("body", ["[]", "{}", "null", "5", '"house"', "true", "[[]]", "[null]", "[1, 2]"])
def test_json_that_is_no_house_is_422(bench, body):
    assert _problem(bench.post(**_json(body)), 422, "invalid-rows")["errors"]


@pytest.mark.parametrize(
    "body", [b"", b"living_area\n1000\n", b"a,b\n1", b"\xff\xff", b'"', b"\n\n\n", b"\x00,\x00\n"]
)
def test_what_is_not_a_csv_of_houses_is_400_or_422(bench, body):
    answer = bench.post(data=body, content_type="text/csv")
    assert answer.status_code in (400, 422), answer.text
    assert json.loads(answer.data)["type"].startswith("urn:umbra:problem:")


def test_more_houses_than_allowed_is_413(bench):
    body = _problem(bench.post([_house()] * 51), 413, "too-many-rows")
    assert "51" in body["detail"]
    assert "50" in body["detail"]


def test_a_body_over_the_limit_is_413_and_at_the_limit_is_read(bench):
    body = _problem(bench.post(**_json(b" " * 100_001)), 413, "body-too-large")
    assert "100000" in body["detail"]
    _problem(bench.post(**_json(b" " * 100_000)), 400, "malformed-body")
    assert bench.post(**_json(json.dumps(EXAMPLE).encode().ljust(100_000))).status_code == 200


def _declaring(bench, length):
    arguments = _json(b"{}") | {"environ_overrides": {"CONTENT_LENGTH": length}}
    return bench.client.post("/v1/predictions", **arguments)


@pytest.mark.parametrize("declared", ["1" * 30, "100001"])
def test_a_body_declared_over_the_limit_is_not_even_read(bench, declared):
    answer = _declaring(bench, declared)
    _problem(answer, 413, "body-too-large")


@pytest.mark.parametrize("declared", ["abc", "-1", "1e3", "٣"])
def test_a_length_that_is_no_number_is_400(bench, declared):
    answer = bench.client.post(
        "/v1/predictions", **_json(b"{}"), environ_overrides={"CONTENT_LENGTH": declared}
    )
    _problem(answer, 400, "unreadable-body")


def test_a_body_that_ends_early_is_400_and_no_shorter_list(bench):
    rows = (",".join(NAMES) + "\n" + (",".join(str(EXAMPLE[name]) for name in NAMES) + "\n") * 2).encode()
    assert bench.post(data=rows, content_type="text/csv").status_code == 200
    cut = bench.client.post(
        "/v1/predictions",
        data=rows,
        content_type="text/csv",
        environ_overrides={"CONTENT_LENGTH": str(len(rows) + 100)},
    )
    _problem(cut, 400, "unreadable-body")


OTHER_KINDS = [
    "",
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "json",
    ";;;",
    "application/jsonx",
    "application/x-www-form-urlencoded",
    "application/json; charset=latin-1",
    "x" * 5000,
    "application/json; charset=utf-16",
    "text/csv; charset=cp1252",
]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_of_body_are_415(bench, kind):
    body = _problem(bench.post(data=json.dumps(EXAMPLE), content_type=kind), 415, "unsupported-content")
    assert "application/json" in body["detail"] or "utf-8" in body["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "x"])
def test_encoded_bodies_are_415(bench, encoding):
    answer = bench.post(**_json(json.dumps(EXAMPLE)), headers={"Content-Encoding": encoding})
    _problem(answer, 415, "unsupported-content")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1//models", 404, "not-found"),
        ("GET", "/v1/predictions", 405, "method-not-allowed"),
        ("DELETE", "/v1/models", 405, "method-not-allowed"),
        ("POST", "/readyz", 405, "method-not-allowed"),
        ("TRACE", "/", 405, "method-not-allowed"),
        ("GET", "/docs/vendor/../../app.py", 404, "not-found"),
        ("GET", "/docs/vendor/nothing.js", 404, "not-found"),
    ],
)
def test_wrong_paths_and_methods_are_problems_too(bench, method, path, status, code):
    answer = bench.client.open(path, method=method)
    body = _problem(answer, status, code)
    assert body["instance"] == path
    assert ("Allow" in answer.headers) == (status == 405)


def test_head_and_options_are_answered_without_a_body(bench):
    assert bench.client.head("/livez").data == b""
    assert bench.client.head("/v1/models").status_code == 200
    options = bench.client.options("/v1/predictions")
    assert (options.status_code, options.data) == (200, b"")
    assert "POST" in options.headers["Allow"]


def test_our_own_fault_is_a_500_that_tells_strangers_nothing(bench):
    def break_it(_):
        raise RuntimeError("secret-password in the message")

    bench.app.before_request_funcs[None].append(lambda: break_it(None))
    body = _problem(bench.client.get("/livez"), 500, "internal")
    assert "secret" not in json.dumps(body)


def _mutations(seed):
    """Bodies that are nearly right: bytes flipped, cut, doubled, swapped, or values replaced by nonsense."""
    chance = random.Random(seed)
    good = json.dumps([EXAMPLE]).encode()
    odd = [None, True, [], {}, "", "NaN", -0.0, 1e308, 10**50, "\ud800", "\0", "é" * 50, [[[]]], {"a": {}}]
    for _ in range(GENERATED // 4):
        at, kind = chance.randrange(len(good)), chance.randrange(4)
        piece = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 6)))
        yield [
            good[:at],
            good[:at] + piece + good[at:],
            good[:at] + piece + good[at + len(piece) :],
            good[at:] + good[:at],
        ][kind]
        yield json.dumps([_house(**{chance.choice(NAMES): chance.choice(odd)})]).encode()
        yield json.dumps(chance.choice(odd)).encode()
        yield bytes(chance.randrange(256) for _ in range(chance.randrange(200)))


def test_generated_bodies_never_get_a_5xx(bench):
    chance = random.Random(20261121)
    seen = Counter()
    for body in _mutations(seed=20261121):
        kind = chance.choice(["application/json", "application/json", "text/csv"])
        answer = bench.post(data=body, content_type=kind)
        assert answer.status_code < 500, (kind, body, answer.text)
        if answer.status_code != 200:
            assert json.loads(answer.data)["status"] == answer.status_code
        seen[answer.status_code] += 1
    assert seen.total() == GENERATED
    assert seen[400] > 50
    assert seen[422] > 50


_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
_LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10)
_KEYS = st.sampled_from(NAMES) | st.text(max_size=8)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4)
)
_BODIES = (
    st.binary(max_size=300)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | _VALUES.map(lambda value: json.dumps(value).encode())
)
_HEADERS = (
    "Accept",
    "Content-Encoding",
    "X-Request-ID",
    "Accept-Encoding",
    "Range",
    "If-None-Match",
    "Authorization",
    "Cookie",
    "Expect",
    "Connection",
)
_PATHS = st.just("/v1/predictions") | st.text(max_size=30).map(lambda text: "/v1/predictions/" + text)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=_BODIES,
    headers=st.dictionaries(st.sampled_from(_HEADERS), _TEXT, max_size=4),
    kind=st.sampled_from(["application/json", "text/csv"]) | _TEXT,
    path=_PATHS,
    method=st.sampled_from(["POST", "POST", "GET", "PUT", "HEAD", "OPTIONS", "PATCH"]),
)
def test_no_body_header_path_or_method_gets_a_5xx(bench, body, headers, kind, path, method):
    answer = bench.client.open(path, method=method, data=body, headers=headers, content_type=kind)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.content_type == "application/problem+json"
