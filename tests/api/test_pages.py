"""Pages tell what there is; of what is missing they say that it is, and what to do. Never an error."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from api import pages
from api.app import build
from api.pages import candidate, overview, report
from api.pages.assets import Assets
from api.pages.candidate import TABS
from api.pages.charts import embedded
from api.pages.formatting import age, gap, in_unit, moment, seconds, share
from api.pages.queries import RolloutState
from api.pages.rendering import Rendering
from api.store_reads import StoreReads
from model_package.reference import ModelRef
from model_package.schema import EXAMPLE
from shadow import policy, status
from shadow.bounded import Refreshed
from shadow.processes.heartbeat import Heartbeat
from shadow.records import Candidate, CandidateState, NewObservation, Purpose
from shadow.settings import sqlite_url
from shadow.store import (
    StoreUnavailable,
    candidates,
    deployments,
    observations,
    open_store,
    purposes,
    streams,
)
from shadow.store.database.tables import observations as observed
from shadow.store.streams import Stream, StreamTerms, documents
from shadow.store.streams.documents import StoredDocument, StreamDocuments

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
CANDIDATE = ModelRef("shiny", "1")
PAGES = {
    "verdict": "/candidates/shiny@1/evidence",
    "evidence": "/candidates/shiny@1/evidence",
    "comparison": "/candidates/shiny@1",
    "drift": "/candidates/shiny@1/drift",
}
RULE = {
    "rule": "entities",
    "title": "Houses judged",
    "value": 320,
    "threshold": 500,
    "unit": "houses",
    "result": "fail",
    "effect": "insufficient",
    "detail": "320 of 500 sold houses",
}
BINS = [{"bin": "below 5", "share": 0.25}, {"bin": "from 5", "share": 0.75}]
FIELD = {
    "field": "living_area",
    "importance": 1,
    "houses": 900,
    "state": 2,
    "psi": 0.31,
    "floor": 0.1,
    "js": 0.2,
    "ks": 0.1,
    "w1_sd": 0.3,
    "missing": 0.01,
    "missing_change": 0.005,
    "unseen": 0.0,
    "out_of_range": 0.0,
    "psi_by_window": {"7": 0.31, "28": 0.2},
    "reference": BINS,
    "window": BINS,
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "verdict": {
        "candidate": "shiny@1",
        "live": "plain@1",
        "stream": 1,
        "state": "insufficient",
        "since": "2026-11-20T10:00:00+00:00",
        "evaluated_at": "2026-11-21T10:00:00+00:00",
        "policy": {
            "name": "mine",
            "sha256": "0" * 64,
            "day_seconds": 86400,
            "alpha": 0.025,
            "margin": 0.003,
            "cap": 0.5,
        },
        "watermark": {"day": 20500, "date": "2026-02-16", "maturity_seconds": 600_000, "delays_seen": 900},
        "counts": {"pairs": 400, "sold": 320, "withdrawn": 2, "unsold": 78, "days": 20, "coverage": 0.8},
        "losses": {"live": 0.081, "candidate": 0.075},
        "difference": {"mean": 0.006, "lower": -0.001, "upper": 0.013},
        "keys": {
            "rows": {"ln_e": 1.25, "threshold": 3.69},
            "days": {"lower": -0.01, "threshold": 0.0, "days": 20, "needed_days": 28},
            "harm_rows": {"ln_e": -2.0, "threshold": 3.69},
            "harm_days": {"lower": -0.2, "threshold": 0.0, "days": 20, "needed_days": 28},
            "certificate": {
                "rows": {"ln_e": -5.0, "threshold": 3.69},
                "days": {"lower": -0.5, "threshold": 0.0, "days": 20, "needed_days": 28},
            },
        },
        "rules": [RULE, {**RULE, "rule": "drift", "unit": "state", "value": 0, "result": "pass"}],
        "needed": {"houses_50": 210, "houses_90": 640, "days": 31},
        "reasons": ["Houses judged: 320 of 500 sold houses"],
        "bad_day_rate_not_excluded": 0.107,
        "tipping_point": 0.4,
        "preliminary": {"sold": 30, "mean": 0.01},
        "segments": [
            {"segment": "price:<125k", "pairs": 90, "sold": 70, "mean": 0.004, "ln_e": 0.7, "result": "open"}
        ],
        "rollback": {"alarm": True, "because": ["complaints"]},
    },
    "comparison": {
        "pairs": 400,
        "mean_abs_dollars": 12_345.6,
        "bias": 0.01,
        "mad": 0.05,
        "p50": 0.04,
        "p90": 0.1,
        "p99": 0.2,
        "max": 1.2,
        "beyond_5": 0.4,
        "beyond_10": 0.1,
        "beyond_20": 0.02,
        "limits": {"lower": -0.16, "upper": 0.17, "se": 0.004},
        "slope": 0.02,
        "concordance": 0.97,
        "pearson": 0.98,
        "spearman": 0.97,
        "absurd": 0.0025,
        "histogram": {"edges": [-0.1, 0.0, 0.1], "counts": [150, 250]},
        "points": [{"id": "a", "live": 100_000.0, "candidate": 110_000.0, "sold": 105_000.0}],
        "segments": [
            {
                "segment": "price:<125k",
                "pairs": 90,
                "bias": 0.01,
                "mad": 0.05,
                "beyond_10": 0.1,
                "sold": 70,
                "mean": 0.004,
            }
        ],
        "days": [{"date": "2026-11-20", "pairs": 20, "bias": 0.01, "mad": 0.05}],
        "worst": [
            {
                "id": "0198c0de-7a11-7000-8000-0123456789ab",
                "captured_at": "2026-11-20T10:00:00+00:00",
                "live": 100_000.0,
                "candidate": 260_000.0,
                "sold": 105_000.0,
                "gap": 0.95,
                "inputs": dict(EXAMPLE),
            }
        ],
    },
    "evidence": {
        "threshold": 3.69,
        "days": [
            {
                "date": "2026-11-20",
                "sold": 320,
                "ln_e": 1.25,
                "harm_ln_e": -2.0,
                "mean": 0.006,
                "day_mean": 0.01,
                "lower": -0.001,
                "upper": 0.013,
                "key_b": -0.01,
            }
        ],
    },
    "drift": {
        "windows": {"7": {"houses": 900, "from": "2026-11-14", "to": "2026-11-21"}},
        "state": 2,
        "enough": True,
        "fields": [FIELD],
        "predictions": {"live": FIELD, "candidate": None},
        "skew": [
            {
                "model": "plain@1",
                "date": "2026-11-20",
                "houses": 40,
                "worst_log_ratio": 0.1,
                "beyond": 3,
                "state": 2,
            }
        ],
    },
}


NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TERMS = StreamTerms(
    1,
    1,
    ModelRef("plain", "1"),
    "a" * 64,
    "b" * 64,
    "c" * 64,
    policy.default_text(),
    "d" * 64,
    86400,
    0.003,
    0.025,
    1,
)
STREAM = Stream(1, TERMS, CANDIDATE, NOW, None)


@pytest.fixture
def judged(bench):
    """A candidate with a stream; the application counts as that of `umbra serve` does."""
    now = datetime.now(UTC)
    with bench.store.writing() as connection:
        added = candidates.add(connection, CANDIDATE, 1.0, None, now)
        deployed = deployments.newest(connection)
        assert deployed is not None
        terms = replace(TERMS, deployment_id=deployed.id, candidate_id=added.id)
        streams.open_stream(connection, terms, now)
    return bench


@pytest.fixture
def stream(judged):
    """The stream."""
    with judged.store.reading() as connection:
        (stream,) = streams.current(connection)
    return stream


def tell(bench, stream, kind, body, when=None):
    with bench.store.writing() as connection:
        documents.put(connection, stream.id, kind, StoredDocument(when or datetime.now(UTC), body))


def tell_all(bench, stream):
    for kind, body in DOCUMENTS.items():
        tell(bench, stream, kind, body)


def counting(bench):
    """A client of an application that counts, like that of `umbra serve`."""
    components = bench.app.extensions["umbra"]
    settings = bench.settings
    return build(
        replace(
            components,
            take_status=lambda now: status.gather(settings, now),
            store_reads=StoreReads(bench.store),
        )
    ).test_client()


def counted(client):
    """The overview, once all is counted."""
    for _ in range(100):
        text = client.get("/").text
        if "Houses stored" in text:
            return text
    raise AssertionError(text)


@pytest.mark.parametrize("path", ["/", *dict.fromkeys(PAGES.values()), "/try", "/deployments", "/docs"])
def test_a_page_is_html_that_runs_nothing_but_what_is_served_here(judged, stream, path):
    tell_all(judged, stream)
    answer = judged.client.get(path)
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    rules = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in rules
    assert "script-src 'self';" in rules
    assert "unsafe" not in rules
    assert answer.headers["Cache-Control"] == "no-store"
    assert "style=" not in answer.text
    assert "onclick" not in answer.text


def holes(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from holes(value, (*path, key))


def spoilt(document, path, change):
    changed = copy.deepcopy(document)
    at = changed
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return changed


def _remove(at, key):
    del at[key]


def _null(at, key):
    at[key] = None


def _text(at, key):
    at[key] = "no number"


def rendered(rendering, stream, documents):
    """Every page that shows documents, without a store in between."""
    stored = StreamDocuments(stream, {kind: StoredDocument(NOW, body) for kind, body in documents.items()})
    for tab in TABS.values():
        yield rendering.render(tab.name.lower(), **candidate.context(tab, "shiny@1", stored, None))
    added = Candidate(1, CANDIDATE, 1.0, CandidateState.ACTIVE, None, NOW)
    rollout = RolloutState(None, (added,), (stored,))
    yield rendering.render("overview", **overview.context(rollout, None, None, "", NOW))
    yield report.render(stored, rendering)


@pytest.mark.parametrize("change", [_remove, _null, _text])
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_whatever_a_document_lacks_every_page_is_shown(kind, change):
    rendering = Rendering(Assets(), lambda: NOW)
    for path in holes(DOCUMENTS[kind]):
        if "inputs" not in path[:-2]:  # one field of a house stands for all
            spoilt_one = {**DOCUMENTS, kind: spoilt(DOCUMENTS[kind], path, change)}
            for page in rendered(rendering, STREAM, spoilt_one):
                assert page.endswith("</html>"), path


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_an_empty_document_is_shown(judged, stream, kind):
    tell_all(judged, stream)
    tell(judged, stream, kind, {})
    assert judged.client.get(PAGES[kind]).status_code == 200
    assert judged.client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("path", "missing"),
    [("", "No houses have been compared yet"), ("/evidence", "no verdict yet"), ("/drift", "not known yet")],
)
def test_without_evidence_a_page_says_so_and_what_to_do(judged, stream, path, missing):
    answer = judged.client.get(f"/candidates/shiny@1{path}")
    assert answer.status_code == 200
    assert missing in answer.text
    assert "umbra status" in answer.text


def test_a_candidate_without_a_stream_is_shown(bench):
    with bench.store.writing() as connection:
        candidates.add(connection, CANDIDATE, 0.5, None, datetime.now(UTC))
    answer = bench.client.get("/candidates/shiny@1")
    assert answer.status_code == 200
    assert "no stream has begun yet" in answer.text
    assert "sees 50% of the houses" in bench.client.get("/").text


@pytest.mark.parametrize("name", ["shiny@2", "nonsense", "%3Cb%3E", "a" * 500])
def test_who_is_no_candidate_is_not_found_and_the_candidates_are_named(judged, stream, name):
    answer = judged.client.get(f"/candidates/{name}", headers=BROWSER)
    assert answer.status_code == 404
    assert '<a href="/candidates/shiny@1">' in answer.text
    assert "<b>" not in answer.text


def test_a_stream_that_has_ended_is_shown_as_that(judged, stream):
    tell_all(judged, stream)
    with judged.store.writing() as connection:
        deployment = deployments.newest(connection)
        assert deployment is not None
        streams.end_older(connection, replace(deployment, id=deployment.id + 1, since=datetime.now(UTC)))
    assert "This stream is over" in judged.client.get("/candidates/shiny@1").text


def test_while_the_store_is_away_pages_tell_what_this_process_knows(bench, tmp_path):
    away = StoreReads(open_store(sqlite_url(tmp_path / "no" / "such" / "folder" / "umbra.db")))
    client = build(replace(bench.app.extensions["umbra"], store_reads=away)).test_client()
    for path, code in (
        ("/", 200),
        ("/try", 200),
        ("/try?prediction=1", 200),
        ("/deployments", 503),
        ("/candidates/shiny@1", 503),
        ("/candidates/shiny@1/drift", 503),
    ):
        answer = client.get(path, headers=BROWSER)
        assert (answer.status_code, answer.content_type) == (code, "text/html; charset=utf-8"), path
        assert "The store is away" in answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert "no/such" not in answer.text
    for path in ("/", "/try", "/deployments"):
        assert "plain@1" in client.get(path, headers=BROWSER).text
    answer = client.get("/deployments")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")


def test_nothing_to_complain_of_is_said(judged, stream, settings):
    tell(judged, stream, "verdict", {**DOCUMENTS["verdict"], "rollback": None})
    announced = Heartbeat(judged.settings.run_dir, "worker", datetime.now(UTC))
    assert "<strong>Nothing.</strong>" in counted(counting(judged))
    announced.close()


def test_what_the_evidence_complains_of_is_an_alert(judged, stream):
    tell_all(judged, stream)
    text = judged.client.get("/").text
    for title in ("Roll back to shiny@1.", "Drift is red.", "plain@1 answers otherwise than its artifact."):
        assert title in text
    for state in ("blocked", "reject"):
        tell(judged, stream, "verdict", {**DOCUMENTS["verdict"], "state": state})
        assert f"shiny@1 is {state}" in judged.client.get("/").text
    old = datetime.now(UTC) - timedelta(hours=3)
    tell(judged, stream, "verdict", DOCUMENTS["verdict"], old)
    assert "The verdict on shiny@1 is 3 hours old." in judged.client.get("/").text


def test_a_paused_candidate_is_an_alert(judged):
    with judged.store.writing() as connection:
        candidates.set_state(connection, CANDIDATE, CandidateState.PAUSED)
    assert "shiny@1 is paused." in judged.client.get("/").text


def test_a_model_that_cannot_be_loaded_is_an_alert(judged):
    judged.live.note_failed_switch(ModelRef("shiny", "9"))
    assert "shiny@9 was deployed and cannot be loaded here." in judged.client.get("/").text


def test_what_is_counted_is_shown_and_complained_of(judged):
    judged.post()
    judged.post()
    judged.ingest()
    text = counted(counting(judged))
    assert "No worker is running here." in text
    assert "The ledger balances." in text
    ids = _answered(judged)
    assert "The ledger balances." in counted(counting(judged))
    with judged.store.writing() as connection:
        connection.execute(delete(observed).where(observed.c.capture_id == ids[0]))
    text = counted(counting(judged))
    assert "The ledger does not balance." in text
    assert "The ledger does NOT balance." in text


def _answered(bench):
    with bench.store.writing() as connection:
        (added,) = candidates.present(connection)
        (cursor,) = candidates.cursors_of(connection, added)
        from shadow.store import captures  # noqa: PLC0415 (the table has the same name)

        waiting = captures.pending(connection, cursor.source_id, 0, cursor.last_seq, 1.0)
        answers = [NewObservation(capture.id, 1.0) for capture in waiting]
        observations.store(connection, added, cursor, answers, cursor.last_seq, datetime.now(UTC))
    return [capture.id for capture in waiting]


def test_a_candidate_whose_model_dies_is_an_alert(judged):
    lane = Heartbeat(judged.settings.run_dir, "lane", datetime.now(UTC))
    lane.report(candidate="shiny@1", state="breaker_open", because="killed by signal 9")
    text = counted(counting(judged))
    assert "shiny@1 cannot be scored." in text
    assert "killed by signal 9" not in text
    lane.close()


def test_a_house_that_was_asked_before_fills_the_form(bench):
    house = {**EXAMPLE, "living_area": 1777.0, "lot_frontage": None}
    prediction = bench.post(house).json["predictions"][0]["id"]
    bench.ingest()
    text = bench.client.get(f"/try?prediction={prediction}").text
    assert 'value="1777"' in text
    assert f"This is the house of prediction {prediction}: plain@1 said $177,700" in text
    for unknown in ("0198c0de-7a11-7000-8000-0123456789ab", "nonsense"):
        answer = bench.client.get(f"/try?prediction={unknown}")
        assert answer.status_code == 200
        assert 'value="1350"' in answer.text


MASKED = ("living_area", "neighborhood")


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize("path", ["/", *dict.fromkeys(PAGES.values()), f"{PAGES['drift']}?field=living_area"])
def test_fields_that_were_masked_after_documents_were_made_are_on_no_page(judged, stream, path, is_over):
    tell_all(judged, stream)
    if is_over:
        with judged.store.writing() as connection:
            candidates.set_state(connection, CANDIDATE, CandidateState.REMOVED)
    masking = StoreReads(judged.store, masked=MASKED)
    closed = build(replace(judged.app.extensions["umbra"], store_reads=masking)).test_client()
    unmasked, hidden = judged.client.get(path), closed.get(path)
    assert (unmasked.status_code, hidden.status_code) == (200, 200)
    names = "Living area", "living_area", "living area", "Neighborhood", "NAmes"
    assert path in ("/", PAGES["verdict"]) or any(word in unmasked.text for word in names)
    assert not [word for word in names if word in hidden.text]


def test_masked_fields_of_a_house_that_was_asked_before_are_left_empty(bench):
    house = {**EXAMPLE, "living_area": 1777.0, "neighborhood": "Veenker"}
    prediction = bench.post(house).json["predictions"][0]["id"]
    bench.ingest()
    masking = StoreReads(bench.store, masked=MASKED)
    client = build(replace(bench.app.extensions["umbra"], store_reads=masking)).test_client()
    text = client.get(f"/try?prediction={prediction}").text
    assert "Masked fields are left empty" in text
    assert 'value="1777"' not in text
    assert "<option selected>Veenker" not in text
    assert bench.client.get(f"/try?prediction={prediction}").text.count("<option selected>Veenker") == 1


def test_a_look_up_by_its_id_gives_the_whole_house_back(bench):
    """As docs/operations.md says: whoever has the id has asked, or was told."""
    prediction = bench.post({**EXAMPLE, "living_area": 1777.0}).json["predictions"][0]["id"]
    bench.ingest()
    masking = StoreReads(bench.store, masked=MASKED)
    client = build(replace(bench.app.extensions["umbra"], store_reads=masking)).test_client()
    assert client.get(f"/v1/predictions/{prediction}").json["inputs"]["living_area"] == 1777.0


def test_a_candidate_that_is_ready_needs_attention_and_pages_say_what_to_do(judged, stream):
    tell_all(judged, stream)
    ready = {**DOCUMENTS["verdict"], "state": "promote", "rollback": None}
    tell(judged, stream, "verdict", ready)
    home = judged.client.get("/").text
    assert "shiny@1 is ready." in home
    assert "umbra promote shiny@1" in home
    assert '<a href="/candidates/shiny@1/evidence">Its evidence</a>' in home
    page = judged.client.get("/candidates/shiny@1/evidence").text
    assert "<code>umbra promote shiny@1</code>" in page
    assert '<a href="/deployments">Deployments</a>.' in page


@pytest.mark.parametrize("state", ["insufficient", "continue", "blocked", "reject", "expired", "promote"])
def test_every_evidence_page_leads_to_the_deployments(judged, stream, state):
    tell_all(judged, stream)
    tell(judged, stream, "verdict", {**DOCUMENTS["verdict"], "state": state})
    assert judged.client.get("/candidates/shiny@1/evidence").text.count('href="/deployments"') == 2
    assert ("is ready" in judged.client.get("/").text) is (state == "promote")


@pytest.mark.parametrize(("purpose", "is_said"), [(Purpose.DEMO, True), (Purpose.REAL, False)])
def test_the_overview_says_whether_it_is_a_demo(bench, purpose, is_said):
    with bench.store.writing() as connection:
        purposes.mark(connection, purpose, datetime.now(UTC))
    assert ("This is a demo." in bench.client.get("/").text) is is_said


def test_pages_say_by_which_policy_a_candidate_is_judged_and_what_a_day_is_to_it(bench):
    now = datetime.now(UTC)
    with bench.store.writing() as connection:
        added = candidates.add(connection, CANDIDATE, 1.0, None, now, policy.demo_text())
        deployed = deployments.newest(connection)
        terms = replace(TERMS, deployment_id=deployed.id, candidate_id=added.id, policy=policy.demo_text())
        streams.open_stream(connection, terms, now)
    label = "judged by the policy demo (a day is a second)"
    for path in ("/", *PAGES.values()):
        assert label in bench.client.get(path).text, path


def test_what_only_chance_keeps_from_counting_is_not_called_in_order(judged, stream):
    open_field = {**FIELD, "state": 0, "psi": 0.237, "floor": 0.46}
    tell_all(judged, stream)
    tell(judged, stream, "drift", {**DOCUMENTS["drift"], "state": None, "fields": [open_field]})
    chosen = {
        "sold": 400,
        "unsold": 107,
        "state": 0,
        "gap": {"psi": 0.237, "floor": 0.46, "state": 0},
        "fields": [open_field],
    }
    tell(judged, stream, "comparison", {**DOCUMENTS["comparison"], "selection": chosen})
    for path in (PAGES["drift"], PAGES["verdict"]):
        text = judged.client.get(path).text
        assert text.count("too few to tell") == 2, path
        assert "in order" not in text, path


def test_a_gap_that_chance_alone_reaches_is_not_called_in_order(judged, stream):
    tell_all(judged, stream)
    alike = {**FIELD, "state": 0, "psi": 0.02, "floor": 0.05}
    chosen = {
        "sold": 400,
        "unsold": 107,
        "state": 0,
        "gap": {"psi": 0.237, "floor": 0.46, "state": 0},
        "fields": [alike],
    }
    tell(judged, stream, "comparison", {**DOCUMENTS["comparison"], "selection": chosen})
    text = judged.client.get(PAGES["verdict"]).text
    assert text.count("too few to tell") == 1
    assert text.count("in order") == 1


def test_an_assets_address_names_its_content_and_it_is_kept_for_good(bench):
    page = bench.client.get("/").text
    path = page.split('rel="stylesheet" href="')[1].split('"')[0]
    plain = bench.client.get(path)
    packed = bench.client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in plain.headers["Cache-Control"]
    assert gzip.decompress(packed.data) == plain.data
    assert plain.content_type == "text/css; charset=utf-8"
    assert bench.client.get(path.replace("umbra.css", "other.css")).status_code == 404
    assert bench.client.get("/assets/0000000000/umbra.css").status_code == 404
    assert bench.client.get("/assets/../../pyproject.toml").status_code == 404


def test_the_chart_library_is_the_one_that_is_named():
    library = Assets()["chart.umd.min.js"]
    notice = (Path(pages.__file__).parent / "vendor" / "README.md").read_text(encoding="utf-8")
    assert sha256(library.body).hexdigest() in notice
    assert f"# Chart.js {library.text.split('Chart.js v')[1].split()[0]}" in notice


def test_swagger_ui_is_the_one_that_is_named():
    vendor = Path(pages.__file__).parent / "vendor"
    notice = (vendor / "README.md").read_text(encoding="utf-8")
    script = gzip.decompress((vendor / "swagger-ui-bundle.js.gz").read_bytes())
    for file in (
        script,
        (vendor / "swagger-ui.css").read_bytes(),
        (vendor / "favicon-32x32.png").read_bytes(),
    ):
        assert sha256(file).hexdigest() in notice


def test_data_cannot_end_the_element_it_stands_in():
    text = embedded({"<!--": "</script><script>alert(1)</script>&amp;"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"<!--": "</script><script>alert(1)</script>&amp;"}


def test_figures_are_those_people_write():
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert (share(0.1234), share(None), share(float("nan"))) == ("12.3 %", "–", "–")  # noqa: RUF001
    assert (gap(0.0953), gap(-0.1053)) == ("+10.0 %", "-10.0 %")
    assert (seconds(90 * 60), seconds(3 * 86400), seconds(4.2)) == ("90 minutes", "3 days", "4.2 seconds")
    assert (age(now - timedelta(hours=5), now), age("nonsense", now)) == ("5 hours ago", "–")  # noqa: RUF001
    assert moment("2026-11-21T13:00:00+01:00") == "2026-11-21 12:00:00 UTC"
    assert (in_unit(2, "state"), in_unit(0.002, "share"), in_unit(None, "ln E")) == ("red", "0.2 %", "–")  # noqa: RUF001


def test_what_takes_long_is_not_counted_again_at_once():
    queries, now = [], [0.0]
    count = Refreshed(
        lambda: queries.append(1) or len(queries), wait_seconds=1.0, pause_seconds=5.0, clock=lambda: now[0]
    )
    assert [count.latest(), count.latest()] == [1, 1]
    now[0] = 6.0
    assert count.latest() == 2


def test_while_it_is_counted_for_the_first_time_the_page_says_so(judged):
    def never(_):
        raise StoreUnavailable("it is still being counted")

    client = build(replace(judged.app.extensions["umbra"], take_status=never)).test_client()
    assert "Still being counted" in client.get("/").text
