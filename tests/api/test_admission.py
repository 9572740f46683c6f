"""What no resource should see: other hosts, pages of other sites, framing that can be read in two ways."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network

import pytest

from api.app import build
from api.clients import Clients
from api.hosts import Hosts
from model_package.schema import EXAMPLE

HOUSE = json.dumps(EXAMPLE).encode()
LOOPBACK = [
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "127.0.0.1:18100",
    "127.1.2.3",
    "[::1]:8000",
    "prices.localhost",
]
OTHERS = [
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.1",
    "[2001:db8::1]",
    "api",
]
SENSELESS = ["a b", "localhost:port", "user@localhost", "localhost/x", "[::1", "http://localhost", "::1"]
EVERYWHERE = ["0.0.0.0", "::"]  # noqa: S104


@pytest.mark.parametrize("host", LOOPBACK)
def test_names_of_loopback_are_always_welcome(host):
    for bound in ("127.0.0.1", "::1", "192.0.2.7", *EVERYWHERE):
        assert Hosts(bound).accepts(host)


@pytest.mark.parametrize("host", OTHERS)
def test_on_loopback_no_other_name_is(host):
    assert not Hosts("127.0.0.1").accepts(host)
    assert not Hosts("::1").accepts(host)


@pytest.mark.parametrize("host", SENSELESS)
def test_what_is_no_host_is_refused_as_that(host):
    with pytest.raises(ValueError, match="expected HOST"):
        Hosts("127.0.0.1", ["*"]).accepts(host)


def test_the_address_and_the_names_that_were_given_are_welcome():
    hosts = Hosts("192.0.2.7", ["Prices.Example.com", "[2001:db8::1]"])
    assert all(
        map(hosts.accepts, ["192.0.2.7:8000", "prices.example.com", "PRICES.example.com.", "[2001:db8::1]"])
    )
    assert not any(map(hosts.accepts, ["192.0.2.8", "x.prices.example.com", "example.com", "api"]))
    assert Hosts("127.0.0.1", ["*"]).accepts("anything.example")


@pytest.mark.parametrize("bound", EVERYWHERE)
def test_where_every_address_is_listened_on_no_name_of_the_internet_is_welcome(bound):
    hosts = Hosts(bound)
    assert all(map(hosts.accepts, ["192.0.2.1:8000", "[2001:db8::1]:8000", "api:8000", "umbra-api"]))
    assert not any(map(hosts.accepts, ["evil.example", "localhost.evil.example:8000"]))
    assert Hosts(bound, ["umbra.default.svc"]).accepts("umbra.default.svc:8000")


def _problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert json.loads(answer.data)["type"] == f"urn:umbra:problem:{code}"
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/", "/v1/models", "/docs/vendor/swagger-ui.css", "/assets/x", "/nope"])
def test_a_request_for_another_host_is_misdirected_whatever_it_asks_for(bench, path):
    _problem(bench.client.get(path, headers={"Host": "evil.example:8000"}), 421, "misdirected-request")


def test_a_house_and_an_outcome_sent_to_another_host_are_refused(bench):
    _problem(bench.post(headers={"Host": "evil.example"}), 421, "misdirected-request")
    answer = bench.client.post("/v1/outcomes", json=[], headers={"Host": "evil.example"})
    _problem(answer, 421, "misdirected-request")


def test_probes_may_call_the_api_what_they_like(bench):
    for path in ("/livez", "/readyz"):
        assert bench.client.get(path, headers={"Host": "umbra.pod.cluster.example"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/outcomes", "/v1/deployment/promote"])
def test_a_page_of_another_site_may_change_nothing(bench, path):
    answer = bench.client.post(path, json=dict(EXAMPLE), headers={"Sec-Fetch-Site": "cross-site"})
    _problem(answer, 403, "cross-site-request")


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
def test_our_own_pages_and_people_may_ask(bench, site):
    assert bench.post(headers={"Sec-Fetch-Site": site}).status_code == 200


def test_a_link_from_another_site_leads_here(bench):
    assert bench.client.get("/try", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("coding", ["identity, chunked", "gzip, chunked", "chunked, identity", "identity"])
def test_a_transfer_coding_other_than_chunked_alone_is_refused(bench, coding):
    _problem(bench.post(headers={"Transfer-Encoding": coding}), 400, "bad-request")


def test_without_a_host_http_1_1_is_refused_and_http_1_0_is_not(bench):
    def asked(version):
        return bench.client.get(
            "/v1/models", environ_overrides={"SERVER_PROTOCOL": version, "HTTP_HOST": ""}
        ).status_code

    assert asked("HTTP/1.1") == 400
    assert asked("HTTP/1.0") == 200


def test_the_target_goes_before_the_host_when_it_names_one(bench):
    def asked(target):
        return bench.client.get("/v1/models", environ_overrides={"RAW_URI": target}).status_code

    assert asked("http://evil.example/v1/models") == 421
    assert asked("http://localhost:8000/v1/models") == 200


PROXIES = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("::1")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("10.9.9.9", "198.51.100.7:51234", "198.51.100.7"),
        ("::1", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, <script>", "127.0.0.1"),
        ("127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("", "198.51.100.7", None),
    ],
)
def test_the_client_is_the_first_that_no_trusted_proxy_names(peer, forwarded, client):
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
    assert Clients(PROXIES).address(environ) == client


def test_without_a_proxy_nobody_is_believed():
    assert Clients().address({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "1.2.3.4"}) == "127.0.0.1"
    assert Clients().address({"REMOTE_ADDR": "::ffff:192.0.2.1"}) == "192.0.2.1"


def test_every_kind_of_answer_says_that_it_is_not_to_be_guessed_at_or_embedded(bench):
    answers = [
        bench.client.get(path)
        for path in (
            "/",
            "/v1/models",
            "/openapi.json",
            "/docs/vendor/swagger-ui.css",
            "/nope",
            "/docs/vendor/swagger-ui-bundle.js",
            "/assets/x",
            "/livez",
        )
    ]
    for answer in [*answers, bench.post(), bench.post({"a": 1})]:
        assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
        assert answer.headers.getlist("Cross-Origin-Resource-Policy") == ["same-origin"]


@pytest.fixture
def prefixed(bench):
    """The application as a proxy shows it below /umbra."""
    return build(replace(bench.app.extensions["umbra"], path_prefix="/umbra")).test_client()


def test_below_a_prefix_every_link_of_every_page_leads_somewhere(prefixed):
    seen, waiting = set(), ["/umbra/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = prefixed.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert answer.status_code == 200, path
        if answer.content_type.startswith("text/html"):
            links = [
                text.split('"')[0] for name in ("href", "src") for text in answer.text.split(f' {name}="')[1:]
            ]
            waiting += [link.split("?")[0] for link in links if not link.startswith("#")]
            assert all(link.startswith(("/umbra/", "#")) for link in links), (path, links)
    assert {"/umbra/try", "/umbra/deployments", "/umbra/docs", "/umbra/openapi.json"} <= seen
    assert any(path.startswith("/umbra/assets/") for path in seen)


def test_a_proxy_may_take_the_prefix_off(prefixed):
    assert prefixed.get("/v1/models").data == prefixed.get("/umbra/v1/models").data
    assert 'href="/umbra/try"' in prefixed.get("/").text
    assert prefixed.get("/umbra").status_code == 200
    assert prefixed.get("/umbrage/livez").status_code == 404
    assert prefixed.post("/umbra/v1/predictions", json=dict(EXAMPLE)).status_code == 200


def test_below_a_prefix_the_description_and_the_problems_name_it(prefixed):
    assert json.loads(prefixed.get("/umbra/openapi.json").data)["servers"] == [{"url": "/umbra"}]
    assert json.loads(prefixed.get("/umbra/nope").data)["instance"] == "/umbra/nope"


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/nope", "/candidates/nope@1", "/v1/predictions/nope", "/assets/0/nope.js"])
def test_a_browser_reads_a_page_of_what_is_wrong_and_a_machine_a_problem(bench, path):
    page = bench.client.get(path, headers=BROWSER)
    assert page.content_type == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for accept in ("*/*", "application/json", "application/problem+json"):
        answer = bench.client.get(path, headers={"Accept": accept})
        assert answer.content_type == "application/problem+json"
        assert answer.status_code == page.status_code == json.loads(answer.data)["status"]


def test_what_a_client_wrote_is_no_markup_on_the_page_of_what_is_wrong(bench):
    page = bench.client.get("/v1/predictions/%3Cscript%3Ealert", headers=BROWSER)
    assert page.status_code == 400
    assert "<script>alert" not in page.text


def test_who_posts_reads_problems_whatever_it_accepts(bench):
    answer = bench.post({"a": 1}, headers=BROWSER)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
