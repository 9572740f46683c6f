"""The page needs nothing but itself, runs nothing, and fits a telephone, whatever a service said."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from differential_tests.findings import Check, Finding, FindingKind, Level, Pairs, Spread
from differential_tests.reports import page, plots, summary
from differential_tests.reports.canvas import PlotAxis, axis, short

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Read(HTMLParser):
    """The elements of a page: each with what it is inside of, its attributes, and the texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((*self._open, tag))
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_verdict_is_the_first_thing_that_is_read(every: tuple[Check, ...]) -> None:
    html = page.html(every)
    assert (
        html.index("<h1>") < html.index(summary.verdict(every), html.index("<body>")) < html.index("<table")
    )


def test_it_needs_nothing_from_elsewhere_and_runs_nothing(every: tuple[Check, ...]) -> None:
    read = Read(page.html(every))
    assert not {"script", "link", "img", "iframe", "form", "base"} & {
        element[-1] for element in read.elements
    }
    assert not {
        name for name in read.attributes if name in ("src", "href", "action") or name.startswith("on")
    }
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.html(every)
    assert "url(" not in page.html(every)
    assert "@import" not in page.html(every)


def test_a_hostile_text_is_shown_and_is_nothing_else(every: tuple[Check, ...]) -> None:
    read = Read(page.html(every))
    assert any("<script>alert(1)</script>" in text for text in read.texts)
    assert any("\\u0000\\u001b[31m\\ud800\\u202e\\n" in text for text in read.texts)


def test_fifty_rows_are_shown_with_both_values(every: tuple[Check, ...]) -> None:
    read = Read(page.html(every[:1]))
    findings = every[0].findings[:50]
    for finding in findings[1:]:
        assert {finding.row, repr(finding.a), repr(finding.b)} <= set(read.texts)
    assert every[0].findings[51].row not in read.texts
    assert "The worst 50 of 81" in read.texts


def test_tolerance_noise_hashes_and_segments_are_told(every: tuple[Check, ...]) -> None:
    texts = set(Read(page.html(every[:1])).texts)
    assert {"100 dollars, 5 %", "noise p99.9", "a" * 64, "b" * 64, "NAmes", "OldTown"} <= texts


def test_very_many_spreads_are_cut_and_it_is_said(found: tuple[Check, ...]) -> None:
    spread = Spread("$.x", "s", 1, 1, 1, (1.0,) * 4, (1.0,) * 4)
    html = page.html([replace(found[1], spreads=(spread,) * 100)])
    assert "and 40 more" in html


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_fits_and_can_be_read(
    browser: Browser, tmp_path: Path, every: tuple[Check, ...], width: int, scheme: str
) -> None:
    page.write(tmp_path / "page.html", every)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, messages, requests = context.new_page(), [], []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("dialog", lambda dialog: messages.append(dialog.message))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto((tmp_path / "page.html").as_uri())
    assert (messages, len(requests)) == ([], 1)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("h1").inner_text() == summary.verdict(every)
    assert tab.locator("svg").count() == 9
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"dark": "rgb(12, 16, 23)", "light": "rgb(245, 246, 248)"}[scheme]
    assert _contrast(tab.evaluate(_COLOURS)) >= 4.5
    context.close()


_COLOURS = """() => [
  ".verdict h1", ".verdict p", ".quiet", "th", "td", "summary", "dt", "td .findings", "td .same", "td .error",
].map(name => {
  const shown = document.querySelector(name);
  let ground = shown;
  while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
  return [getComputedStyle(shown).color, getComputedStyle(ground).backgroundColor]
    .map(colour => colour.match(/\\d+/g).slice(0, 3).map(Number));
})"""


def _contrast(colours: list[list[list[int]]]) -> float:
    """Return the contrast of text and background (WCAG 2.2, 1.4.3)."""

    def luminance(colour: list[int]) -> float:
        channels = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]

    ratios = []
    for text, ground in colours:
        dark, light = sorted((luminance(text), luminance(ground)))
        ratios.append((light + 0.05) / (dark + 0.05))
    return min(ratios)


def _pairs(a: list[float], b: list[float]) -> Pairs:
    return Pairs("$.x", tuple(f"r{n}" for n in range(len(a))), np.array(a, float), np.array(b, float))


def test_bland_altman_tells_mean_and_limits() -> None:
    a = np.exp(np.random.default_rng(1).normal(12, 0.3, 400))
    gaps = np.random.default_rng(2).normal(0.02, 0.05, 400)
    note = plots.of(_pairs(a.tolist(), (a * np.exp(gaps)).tolist()))[1].note
    mean, spread = 100 * gaps.mean(), 196 * gaps.std(ddof=1)
    assert note == f"mean {mean:.4g} %, limits of agreement {mean - spread:.4g} % to {mean + spread:.4g} %"


def test_numbers_that_are_not_all_positive_are_subtracted() -> None:
    scatter, altman, histogram = plots.of(_pairs([-1.0, 2.0, 3.0], [-1.0, 2.0, 4.5]))
    assert altman.note.startswith("mean 0.5, ")
    assert "B - A" in histogram.svg
    assert histogram.note == "2 of 3 are exactly nought"
    assert "r2: A 3, B 4.5" in scatter.svg


def test_what_is_no_number_is_counted_and_left_out() -> None:
    inf, nan = float("inf"), float("nan")
    scatter, *_ = plots.of(_pairs([1.0, nan, inf, 4.0], [1.0, 2.0, 3.0, 1e300]))
    assert scatter.note.startswith("1 row; 3 not finite or too large to draw")
    assert plots.of(_pairs([nan], [1.0])) == plots.of(_pairs([], [])) == plots.of(None) == []


any_number = st.floats() | st.floats(1e-3, 1e7)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(any_number, any_number), max_size=6))
def test_any_numbers_can_be_drawn(pairs: list[tuple[float, float]]) -> None:
    for plot in plots.of(_pairs([a for a, _ in pairs], [b for _, b in pairs])):
        assert "nan" not in plot.svg
        assert "inf" not in plot.svg


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9), st.booleans())
def test_an_axis_has_ticks_in_order_and_room_for_all(a: float, b: float, log: bool) -> None:
    fitted: PlotAxis = axis(np.array([a, b]), vertical=False, log=log and a != b)
    ticks = fitted.ticks()
    assert 1 <= len(ticks) <= 10
    assert all(left < right for left, right in pairwise(ticks))
    assert all(fitted.low <= tick <= fitted.high for tick in ticks)
    assert fitted.low < min(a, b) <= max(a, b) < fitted.high
    assert [short(tick) for tick in ticks]


texts = st.text(st.characters(exclude_categories=()), max_size=30) | st.text(
    "</>\"'&{}%= abscript", max_size=30
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(texts, texts)
def test_no_text_changes_the_elements(text: str, other: str) -> None:
    def check(one: str, two: str) -> Check:
        finding = Finding(FindingKind.TEXT, one, two, one, two, segment=one, detail=two)
        spread = Spread(one, two, 1, 1, 1, (0.0,) * 4, (0.0,) * 4)
        pairs = Pairs(one, (two,), np.array([1.0]), np.array([2.0]))
        return Check(
            Level.D2,
            one,
            two,
            1,
            findings=(finding,),
            facts={one: two},
            pairs=pairs,
            spreads=(spread, spread),
        )

    # Texts of the same emptiness: an empty one needs no element to stand in.
    plain = page.html([check("x" if text else "", "y" if other else "")])
    assert Read(page.html([check(text, other)])).elements == Read(plain).elements
