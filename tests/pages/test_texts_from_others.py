"""Markup in any text of any document is shown as it is, and nothing of it runs."""

from __future__ import annotations

import pytest
from stock import MARKUP

from model_package.schema import NAMES

PATHS = ["/", "/candidates/gbm@1", "/candidates/gbm@1/evidence", "/candidates/gbm@1/drift", "/deployments"]


@pytest.mark.parametrize("path", PATHS)
def test_it_is_text(stung, visit, path):
    window = visit(stung)
    assert window.open(path) == 200
    assert window.page.evaluate("window.stung") is None
    assert window.page.locator("img[src=x]").count() == 0
    if path != "/deployments":
        assert MARKUP in window.page.text_content("main")


@pytest.mark.parametrize(
    "path",
    [
        "/candidates/<script>window.stung=1<%2Fscript>",
        '/candidates/"><img src=x onerror=window.stung=1>/drift',
        "/candidates/gbm@1/drift?field=<script>window.stung=1</script>",
        '/try?prediction="><script>window.stung=1</script>',
    ],
)
def test_nor_does_an_address_run(site, visit, path):
    window = visit(site)
    assert window.open(path) in (200, 404)
    assert window.page.evaluate("window.stung") is None
    assert window.page.locator("img[src=x]").count() == 0


def test_the_form_takes_nothing_but_the_schemas_fields(site, visit):
    window = visit(site)
    window.open("/try")
    names = window.page.eval_on_selector_all("#house [name]", "all => all.map(one => one.name)")
    assert tuple(names) == NAMES
