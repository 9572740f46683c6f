"""`umbra report`: one file that needs nothing but itself."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from stock import MARKUP, sting

from umbra.command import main


@pytest.fixture(scope="module")
def written(copied, tmp_path_factory):
    """The report of a store whose documents have markup in every text."""
    settings = copied()
    sting(settings.data_dir / "umbra.db")
    path = tmp_path_factory.mktemp("report") / "report.html"
    done = report(settings, "gbm@1", path)
    assert done.exit_code == 0, done.output
    return path


def report(settings, candidate, path):
    environment = {"UMBRA_DATA_DIR": str(settings.data_dir), "UMBRA_RECIPE_MODULES": "plain_recipe"}
    return CliRunner().invoke(main, ["report", candidate, "-o", str(path)], env=environment)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_it_opens_without_a_network(written, browser, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    requests, troubles = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda fault: troubles.append(str(fault)))
    page.on("console", lambda line: troubles.append(line.text))
    page.goto(written.as_uri(), wait_until="networkidle")
    assert requests == [written.as_uri()]
    assert troubles == []
    assert int(page.evaluate("document.documentElement.dataset.charts")) >= 16
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.stung") is None
    assert page.locator("img").count() == 0
    assert MARKUP in page.inner_text("main")
    context.close()


def test_everything_a_decision_rests_on_is_in_it(written, stocked):
    text = written.read_text(encoding="utf-8")
    terms = stocked.stream.terms
    for hashed in (terms.live_digest, terms.candidate_digest, terms.policy_sha256, terms.schema_digest):
        assert hashed in text
    assert "[segments.dimensions.neighborhood.groups]" in text
    for expected in (
        "Not worse, by houses",
        "Bland-Altman",
        "Drift by field",
        "Changes of the verdict",
        "Are the houses whose price is known like the others?",
        "made ",
    ):
        assert expected in text
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', text.split("<script>")[0]) == []


def test_who_was_never_judged_has_none(stocked, tmp_path):
    path = tmp_path / "report.html"
    done = report(stocked.settings, "gbm@7", path)
    assert done.exit_code == 1
    assert "gbm@7" in done.output
    assert not path.exists()
    assert report(stocked.settings, "gbm", path).exit_code == 2
