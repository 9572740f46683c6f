"""Every page, in a real browser: it fits, nothing goes wrong in it, and it can be read by anybody."""

from __future__ import annotations

import pytest
from harness.waiting import wait_until

PAGES = {
    "/": "linear@1",
    "/candidates/gbm@1": "Worst disagreements",
    "/candidates/gbm@1/evidence": "Every rule has to pass",
    "/candidates/gbm@1/drift": "Drift by field",
    "/try": "What is a house worth?",
    "/deployments": "Audit log",
    "/docs": "/v1/predictions",
}
CHARTS = {"/": 1, "/candidates/gbm@1": 5, "/candidates/gbm@1/evidence": 4, "/candidates/gbm@1/drift": 7}
COUNTED = "Houses stored"
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]

# Of every element that holds text itself: the ratio of its colour to what is behind it (WCAG 2.2, 1.4.3).
PALE = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const part = (value) => (value / 255 <= 0.03928 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const shown = (element) => element.checkVisibility() && !element.matches("script, option, noscript");
  const all = [...document.body.querySelectorAll("*")];
  return all.filter((element) => own(element) && shown(element)).map((element) => {
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent.trim().slice(0, 40)];
  }).filter(([ratio]) => ratio < 4.5);
}"""

# What a person who cannot see it, or has no mouse, would miss.
UNNAMED = """() => {
  const label = (one) => one.getAttribute("aria-label");
  const named = (one) => one.labels?.length || label(one) || one.textContent.trim();
  const headed = (one) => label(one) || document.getElementById(one.getAttribute("aria-labelledby"));
  const missing = (selector, test) => [...document.querySelectorAll(selector)].filter((one) => !test(one));
  return [
    ...missing("input, select, button, textarea", named),
    ...missing("table", (table) => table.caption),
    ...missing("canvas", label),
    ...missing("nav, section", headed),
    ...missing("th", (head) => head.scope),
    ...(document.querySelectorAll("h1").length === 1 ? [] : [document.body]),
    ...(document.querySelectorAll("main").length === 1 ? [] : [document.body]),
    ...(new Set([...document.querySelectorAll("[id]")].map((one) => one.id)).size
        === document.querySelectorAll("[id]").length ? [] : [document.body]),
  ].map((one) => one.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize(("width", "scheme"), LOOKS, ids=str)
def test_it_fits_and_nothing_goes_wrong(site, visit, width, scheme):
    window = visit(site, width, scheme)
    for path, expected in PAGES.items():
        assert window.open(path) == 200
        window.page.get_by_text(expected).first.wait_for()
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width, path
        if path in CHARTS and (path != "/" or COUNTED in window.page.inner_text("main")):
            assert int(window.page.evaluate("document.documentElement.dataset.charts")) == CHARTS[path]
            for canvas in window.page.query_selector_all("canvas"):
                box = canvas.bounding_box()
                assert box is not None
                assert box["width"] > 200
                assert box["height"] > 150


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_and_use_it(site, stung, visit, scheme):
    for server, paths in ((site, [*PAGES][:-1]), (stung, ["/deployments"])):
        window = visit(server, 1440, scheme)
        for path in paths:
            window.open(path)
            assert window.page.evaluate(PALE) == [], path
            assert window.page.evaluate(UNNAMED) == [], path


def test_without_scripts_the_numbers_are_there(site, visit):
    window = visit(site, 390, scripts=False)
    for path, expected in [*PAGES.items()][:-1]:
        window.open(path)
        assert expected in window.page.inner_text("main")
        assert window.page.locator("canvas:visible").count() == 0
    window.open("/candidates/gbm@1/evidence")
    window.page.get_by_text("The numbers").first.click()
    table = window.page.get_by_role("table", name="Evidence after each mature day")
    assert table.get_by_role("row").count() > 28


def test_the_keyboard_skips_what_is_on_every_page(site, visit):
    window = visit(site)
    window.open("/")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    window.page.keyboard.press("Enter")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_charts_change_their_colours_with_the_theme(site, visit):
    window = visit(site, 1440, "light")
    window.open("/candidates/gbm@1/evidence")
    colour = "Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor"
    before = window.page.evaluate(colour)
    window.page.emulate_media(color_scheme="dark")
    wait_until(lambda: window.page.evaluate(colour) != before, 10)


def test_the_charts_show_the_numbers_of_the_documents(site, visit):
    window = visit(site)
    window.open("/candidates/gbm@1/evidence")
    drawn = window.page.evaluate(
        "Chart.getChart(document.querySelector('[data-chart=capital-data]')).data.datasets.map("
        "(one) => [one.label, one.data.at(-1)])"
    )
    named = dict(drawn)
    tiles = window.page.inner_text(".tiles")
    assert f"{named['Not worse']:.2f}" in tiles
    assert f"turns at {named['Threshold']:.2f}" in tiles
