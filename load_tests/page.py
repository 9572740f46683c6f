"""The measured part of docs/load_tests.md: a table, what belongs to it, and two plots."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from load_tests import plot
from load_tests.load import MeasuredLoad
from load_tests.plot import ChartPanel, Point
from load_tests.samples import percentile

BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
SHARES = {
    "median": 0.5,
    "p66": 0.66,
    "p75": 0.75,
    "p80": 0.8,
    "p90": 0.9,
    "p95": 0.95,
    "p98": 0.98,
    "p99": 0.99,
    "p99.9": 0.999,
    "p99.99": 0.9999,
}
NINES = ((0.0, "0"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"))


class NoPlace(ValueError):
    """A page without the two markers; the message says which."""


class LoadFigures:
    """The figures of one load, as they stand in its column."""

    def __init__(self, measured: MeasuredLoad) -> None:
        self.measured = measured

    @cached_property
    def milliseconds(self) -> list[float]:
        """Return every latency, sorted."""
        return sorted(sample.milliseconds for sample in self.measured.samples)

    def column(self) -> dict[str, str]:
        """Return the texts of the column by row name."""
        load, times, spent = self.measured, self.milliseconds, self.measured.processor_seconds
        latencies = {
            "mean": sum(times) / len(times),
            "min": times[0],
            "max": times[-1],
            **{name: percentile(times, share) for name, share in SHARES.items()},
        }
        return {
            "requests": f"{len(times):,}",
            "failures": f"{sum(bool(sample.fault) for sample in load.samples):,}",
            **{f"{name}, ms": f"{value:.1f}" for name, value in latencies.items()},
            "requests/s": f"{len(times) / load.seconds:,.1f}",
            "houses/s": f"{load.houses / load.seconds:,.1f}",
            **{f"memory of the {half}, MB": f"{size / 1e6:,.0f}" for half, size in load.memory_bytes.items()},
            **{
                f"processors busy, {process}": f"{used / load.seconds:.2f}" for process, used in spent.items()
            },
            "houses in the ledger": f"{load.ledger.houses:,}",
            "ledger balances after, s": f"{load.settle_seconds:.1f}",
        }


def text(loads: Sequence[MeasuredLoad], conditions: Sequence[str], plots: Mapping[str, str]) -> str:
    """Write the measured part of the page; `plots` has the caption of each file."""
    sections = [
        "\n".join(f"- {line}" for line in conditions),
        table(loads),
        f"What was asked in the {loads[0].load.name} loads, and how long that took:",
        requests_table([load for load in loads if load.load == loads[0].load]),
        *(f"![{title}]({name})" for name, title in plots.items()),
    ]
    return "\n\n".join(sections)


def table(loads: Sequence[MeasuredLoad]) -> str:
    """Write a table with a column for each load and a row for each figure."""
    titles = [f"{load.load.name}, {workers(load)}" for load in loads]
    columns = [LoadFigures(load).column() for load in loads]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return markdown(["", *titles], rows)


def requests_table(loads: Sequence[MeasuredLoad]) -> str:
    """Write a table with a row for each request of the workload, the most frequent first."""
    times: dict[str, list[float]] = defaultdict(list)
    for sample in (sample for load in loads for sample in load.samples):
        times[sample.request].append(sample.milliseconds)
    total = sum(map(len, times.values()))
    rows = []
    for name, unordered in sorted(times.items(), key=lambda item: -len(item[1])):
        ordered = sorted(unordered)
        middle, late = percentile(ordered, 0.5), percentile(ordered, 0.99)
        share = len(ordered) / total
        rows.append([name, f"{len(ordered):,} ({share:.1%})", f"{middle:.1f}", f"{late:.1f}"])
    return markdown(["request", "count", "median, ms", "p99, ms"], rows)


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; every column but the first holds figures."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def workers(load: MeasuredLoad) -> str:
    """Describe the number of API workers."""
    return f"{load.api_workers} worker{'s' * (load.api_workers != 1)}"


def around(page: Path) -> tuple[str, str]:
    """Split the page around the measured part; raise NoPlace."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"{page}: expected a line {BEGIN} and after it a line {END}")
    return before, after


def write(page: Path, measured: str) -> None:
    """Put the measured part between the markers of a page; raise NoPlace."""
    before, after = around(page)
    page.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}", encoding="utf-8")


def by_percentile(loads: Sequence[MeasuredLoad]) -> str:
    """Draw a panel for each load: latency over the share of requests that were not slower."""
    return _panels(loads, _percentile_panel)


def by_second(loads: Sequence[MeasuredLoad]) -> str:
    """Draw a panel for each load: requests answered in each second."""
    return _panels(loads, _second_panel)


def _panels(measured: Sequence[MeasuredLoad], draw: Callable[[Sequence[MeasuredLoad]], ChartPanel]) -> str:
    loads = dict.fromkeys(load.load for load in measured)
    return plot.svg(
        [draw([measured_load for measured_load in measured if measured_load.load == load]) for load in loads]
    )


def _percentile_panel(loads: Sequence[MeasuredLoad]) -> ChartPanel:
    lines = {workers(load): _percentile_line(LoadFigures(load).milliseconds) for load in loads}
    across = plot.ChartAxis(
        "share of requests not slower, %", [(_nines(share), name) for share, name in NINES]
    )
    latencies = [y for line in lines.values() for _, y in line]
    return ChartPanel(f"Latency, {loads[0].load.name} load", across, plot.decades("ms", latencies), lines)


def _percentile_line(times: Sequence[float]) -> list[Point]:
    """Compute forty points, evenly on an axis on which each further nine takes the same length."""
    last = min(_nines(1 - 1 / len(times)), _nines(NINES[-1][0])) if len(times) > 1 else 0.0
    nines = [last * i / 40 for i in range(41)]
    return [(nine, percentile(times, 1 - 10**-nine)) for nine in nines]


def _nines(share: float) -> float:
    return -math.log10(1 - share)


def _second_panel(loads: Sequence[MeasuredLoad]) -> ChartPanel:
    lines = {workers(load): _second_line(load) for load in loads}
    most = max(y for line in lines.values() for _, y in line)
    seconds = max(x for line in lines.values() for x, _ in line)
    across, up = plot.even("second of the load", seconds), plot.even("req/s", most)
    return ChartPanel(f"Requests answered each second, {loads[0].load.name} load", across, up, lines)


def _second_line(load: MeasuredLoad) -> list[Point]:
    """Count answers by whole second, without the incomplete last one."""
    first = min(sample.sent_at for sample in load.samples)
    ended = Counter(int(sample.sent_at + sample.milliseconds / 1000 - first) for sample in load.samples)
    return [(second + 1.0, float(ended[second])) for second in range(max(1, int(load.seconds)))]
