"""The measured part of docs/load_tests.md: a table, what belongs to it, and two plots."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from load_tests import plot
from load_tests.load import Measured
from load_tests.plot import Panel, Point
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


class Figures:
    """The figures of one load, as they stand in its column."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured

    @cached_property
    def milliseconds(self) -> list[float]:
        """Every latency, in order."""
        return sorted(sample.milliseconds for sample in self.measured.samples)

    def column(self) -> dict[str, str]:
        """Texts by the names of their rows."""
        found, times, spent = self.measured, self.milliseconds, self.measured.processor_seconds
        latencies = {
            "mean": sum(times) / len(times),
            "min": times[0],
            "max": times[-1],
            **{name: percentile(times, share) for name, share in SHARES.items()},
        }
        return {
            "requests": f"{len(times):,}",
            "failures": f"{sum(bool(sample.fault) for sample in found.samples):,}",
            **{f"{name}, ms": f"{value:.1f}" for name, value in latencies.items()},
            "requests/s": f"{len(times) / found.seconds:,.1f}",
            "houses/s": f"{found.houses / found.seconds:,.1f}",
            **{
                f"memory of the {half}, MB": f"{size / 1e6:,.0f}" for half, size in found.memory_bytes.items()
            },
            **{f"processors busy, {one}": f"{used / found.seconds:.2f}" for one, used in spent.items()},
            "houses in the ledger": f"{found.ledger.houses:,}",
            "ledger balances after, s": f"{found.settle_seconds:.1f}",
        }


def text(found: Sequence[Measured], conditions: Sequence[str], plots: Mapping[str, str]) -> str:
    """The whole measured part; `plots`: what each shows, by file name."""
    parts = [
        "\n".join(f"- {line}" for line in conditions),
        table(found),
        f"What was asked in the {found[0].load.name} loads, and how long that took:",
        requests_table([one for one in found if one.load == found[0].load]),
        *(f"![{shown}]({name})" for name, shown in plots.items()),
    ]
    return "\n\n".join(parts)


def table(found: Sequence[Measured]) -> str:
    """A column for each load, a row for each figure."""
    titles = [f"{one.load.name}, {workers(one)}" for one in found]
    columns = [Figures(one).column() for one in found]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return markdown(["", *titles], rows)


def requests_table(found: Sequence[Measured]) -> str:
    """A row for each request of the workload, the most frequent first."""
    times: dict[str, list[float]] = defaultdict(list)
    for sample in (sample for one in found for sample in one.samples):
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
    """A table; all but the first column is of figures."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def workers(one: Measured) -> str:
    """How many processes the API had."""
    return f"{one.api_workers} worker{'s' * (one.api_workers != 1)}"


def around(page: Path) -> tuple[str, str]:
    """What stands before and after the place of the measured part; raises NoPlace."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"{page}: expected a line {BEGIN} and after it a line {END}")
    return before, after


def write(page: Path, measured: str) -> None:
    """Put the measured part between the markers of a page; raises NoPlace."""
    before, after = around(page)
    page.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}", encoding="utf-8")


def by_percentile(found: Sequence[Measured]) -> str:
    """A panel for each load: latency over the share of requests that were not slower."""
    return _panels(found, _percentile_panel)


def by_second(found: Sequence[Measured]) -> str:
    """A panel for each load: requests answered in each of its seconds."""
    return _panels(found, _second_panel)


def _panels(found: Sequence[Measured], draw: Callable[[Sequence[Measured]], Panel]) -> str:
    loads = dict.fromkeys(one.load for one in found)
    return plot.svg([draw([one for one in found if one.load == load]) for load in loads])


def _percentile_panel(found: Sequence[Measured]) -> Panel:
    lines = {workers(one): _percentile_line(Figures(one).milliseconds) for one in found}
    across = plot.Axis("share of requests not slower, %", [(_nines(share), name) for share, name in NINES])
    latencies = [y for line in lines.values() for _, y in line]
    return Panel(f"Latency, {found[0].load.name} load", across, plot.decades("ms", latencies), lines)


def _percentile_line(times: Sequence[float]) -> list[Point]:
    """Forty points, evenly on an axis on which each further nine takes the same room."""
    last = min(_nines(1 - 1 / len(times)), _nines(NINES[-1][0])) if len(times) > 1 else 0.0
    places = [last * i / 40 for i in range(41)]
    return [(place, percentile(times, 1 - 10**-place)) for place in places]


def _nines(share: float) -> float:
    return -math.log10(1 - share)


def _second_panel(found: Sequence[Measured]) -> Panel:
    lines = {workers(one): _second_line(one) for one in found}
    most = max(y for line in lines.values() for _, y in line)
    seconds = max(x for line in lines.values() for x, _ in line)
    across, up = plot.even("second of the load", seconds), plot.even("req/s", most)
    return Panel(f"Requests answered each second, {found[0].load.name} load", across, up, lines)


def _second_line(one: Measured) -> list[Point]:
    """Whole seconds only: the last one is cut off by the end of the load."""
    first = min(sample.sent_at for sample in one.samples)
    ended = Counter(int(sample.sent_at + sample.milliseconds / 1000 - first) for sample in one.samples)
    return [(second + 1.0, float(ended[second])) for second in range(max(1, int(one.seconds)))]
