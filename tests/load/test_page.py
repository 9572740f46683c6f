"""The page: figures of true samples, a table a person can check, plots that are pictures."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from load_tests import page, plot, samples, workload
from load_tests.ledger import Ledger
from load_tests.load import LoadProfile, MeasuredLoad
from load_tests.samples import RequestSample, percentile
from load_tests.workload import Budgets

ROOT = Path(__file__).parents[2]
LEDGER = Ledger({"intake": {"stored": 18_000, "pruned": 0, "dropped": {}}}, 0)
TIMES = [round(random.Random(3).lognormvariate(2, 1), 3) for _ in range(20_000)]


def measured(name: str = "steady", workers: int = 2, times: list[float] = TIMES) -> MeasuredLoad:
    """One request each millisecond, every tenth a list of five that was answered wrongly."""
    samples = tuple(
        RequestSample(
            1000.0 + i / 1000,
            "list" if i % 10 == 0 else "one house",
            time,
            int(i % 10 > 0),
            "wrong" if i % 10 == 0 else "",
        )
        for i, time in enumerate(times)
    )
    load = LoadProfile(name, 20, 5.0, 20, Budgets(0, 500))
    seconds, memory = {"api": 10.0, "worker": 2.0, "locust": 5.0}, {"api": 120_400_000, "worker": 90_000_000}
    return MeasuredLoad(load, workers, samples, seconds, memory, 1.25, LEDGER)


def cells(text: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {name: values for name, *values in rows if name != "---"}


@pytest.mark.parametrize("share", [0.5, 0.66, 0.99, 0.999, 0.9999, 1.0])
@pytest.mark.parametrize("count", [1, 2, 3, 100, 1000, 20_000])
def test_a_percentile_is_numpys_nearest_rank(share: float, count: int) -> None:
    ordered = sorted(TIMES[:count])
    assert percentile(ordered, share) == np.quantile(ordered, share, method="inverted_cdf")


def test_the_table_has_every_figure_of_every_load() -> None:
    table = cells(page.table([measured(), measured("full", 1, TIMES[:1000])]))
    assert table[""] == ["steady, 2 workers", "full, 1 worker"]
    assert table["requests"] == ["20,000", "1,000"]
    assert table["failures"] == ["2,000", "100"]
    assert table["mean, ms"][0] == f"{np.mean(TIMES):.1f}"
    assert (table["min, ms"][0], table["max, ms"][0]) == (f"{min(TIMES):.1f}", f"{max(TIMES):.1f}")
    for name, share in (("median", 0.5), ("p66", 0.66), ("p95", 0.95), ("p99.9", 0.999), ("p99.99", 0.9999)):
        assert table[f"{name}, ms"][0] == f"{np.quantile(TIMES, share, method='inverted_cdf'):.1f}"
    first_to_last = max((i + time) / 1000 for i, time in enumerate(TIMES))
    assert table["requests/s"][0] == f"{20_000 / first_to_last:,.1f}"
    assert table["houses/s"][0] == f"{18_000 / first_to_last:,.1f}"
    assert table["processors busy, api"][0] == f"{10 / first_to_last:.2f}"
    assert table["memory of the api, MB"][0] == "120"


def test_requests_are_told_apart_the_most_frequent_first() -> None:
    table = cells(page.requests_table([measured()]))
    assert list(table) == ["request", "one house", "list"]
    assert table["list"][0] == "2,000 (10.0%)"
    assert table["list"][1] == f"{np.quantile(TIMES[::10], 0.5, method='inverted_cdf'):.1f}"


def test_samples_are_read_as_they_were_recorded(tmp_path: Path) -> None:
    class Hook(list):
        add_listener = list.append

    class Events:
        request, quit = Hook(), Hook()

    samples.record(tmp_path / "samples.csv", Events)
    for fault in (None, ValueError('said "no", and\nleft')):
        for listener in Events.request:
            listener(
                name="list",
                response_time=1.23456789,
                exception=fault,
                start_time=5.5,
                context={"houses": 4},
                response_length=9,
            )
    Events.quit[0](exit_code=0)
    assert samples.read(tmp_path / "samples.csv") == [
        RequestSample(5.5, "list", 1.23456789, 4, ""),
        RequestSample(5.5, "list", 1.23456789, 0, 'said "no", and\nleft'),
    ]


def test_only_what_stands_between_the_markers_is_written(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n")
    page.write(path, "new")
    page.write(path, "newer")
    assert path.read_text() == f"before\n\n{page.BEGIN}\n\nnewer\n\n{page.END}\n\nafter\n"
    path.write_text("without")
    with pytest.raises(page.NoPlace, match=page.BEGIN):
        page.write(path, "new")
    assert path.read_text() == "without"


# -- the committed page

COMMITTED = (ROOT / "docs" / "load_tests.md").read_text(encoding="utf-8")


def test_the_committed_page_has_the_figures_that_are_measured_now() -> None:
    (table,) = re.findall(r"^\|  \| steady, .*?(?=\n\n)", COMMITTED, re.MULTILINE | re.DOTALL)
    table_cells = cells(table)
    assert table_cells.pop("") == [
        f"{load}, {workers}"
        for load in ("steady", "full")
        for workers in ("1 worker", "2 workers", "5 workers")
    ]
    assert list(table_cells) == list(cells(page.table([measured()])))[1:]
    for name in re.findall(r"!\[.*\]\((.+)\)", COMMITTED):
        assert ElementTree.parse(ROOT / "docs" / name).getroot().tag.endswith("svg")  # noqa: S314 (ours)


def test_every_option_and_variable_stands_on_the_page_with_its_default() -> None:
    plan = workload.read()
    defaults = {
        "max-error-ratio": plan.budgets.error_ratio,
        "max-p99-milliseconds": plan.budgets.p99_milliseconds,
        "visits-per-second": plan.visits_per_second,
        "visits-per-user": 0,
    }
    for option, default in defaults.items():
        variable = f"LOAD_{option.upper().replace('-', '_')}"
        assert f"| {default:g} | `--{option}` | `{variable}` |" in COMMITTED
    sources = [(ROOT / "load_tests" / name).read_text(encoding="utf-8") for name in ("options.py", "k6.js")]
    for variable in re.findall(r"\bLOAD_[A-Z0-9_]+", "".join(sources)):
        assert variable in COMMITTED


# -- plots


def lines(drawn: str) -> list[list[tuple[float, float]]]:
    """Return the points of every line but those of the legend."""
    points = re.findall(r'<polyline class="line\d" points="([^"]+)"/>\n', drawn)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in points]  # type: ignore[misc]


def test_a_plot_is_an_svg_with_a_line_for_every_load_inside_its_panel() -> None:
    loads = [measured(workers=count) for count in (1, 2, 5)] + [measured("full", 1, TIMES[:2000])]
    for drawn in (page.by_percentile(loads), page.by_second(loads)):
        root = ElementTree.fromstring(drawn)  # noqa: S314 (ours)
        assert root.get("viewBox") == f"0 0 {2 * plot.WIDTH + plot.GAP} {plot.HEIGHT}"
        assert "prefers-color-scheme: dark" in drawn
        assert len(lines(drawn)) == 4
        for x, y in (point for line in lines(drawn) for point in line):
            assert plot.LEFT <= x <= plot.WIDTH - plot.RIGHT
            assert plot.TOP <= y <= plot.HEIGHT - plot.BOTTOM
        assert len(drawn) < 20_000


def test_a_slower_request_is_higher_and_a_rarer_one_further_right() -> None:
    (line,) = lines(page.by_percentile([measured()]))
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)


@pytest.mark.parametrize("times", [[0.04], [5.0, 5.0], [0.0004, 90_000.0]])
def test_a_load_of_next_to_nothing_is_drawn_too(times: list[float]) -> None:
    for draw in (page.by_percentile, page.by_second):
        assert all(math.isfinite(y) for line in lines(draw([measured(times=times)])) for _, y in line)
