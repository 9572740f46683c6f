"""Requests a second and latency: Umbra with everything on, beside a bare Flask route and the classic way.

`python -m benchmarks.requests` starts all three on this machine and asks them in turns, so that whatever the
machine does meanwhile hits all alike. Then it asks Umbra at half of what it can take, with its shadow worker
running and stopped in turns, to see what the worker costs the live answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import click
from rich.progress import Progress

from benchmarks import ground, load, report
from benchmarks.load import LoadFigure
from benchmarks.report import Cell, ReportColumn, ReportSection
from benchmarks.servers import BenchmarkServer
from benchmarks.site import BenchmarkSite, BenchmarkUmbra, other, prepared

BARE, UMBRA, CLASSIC = "bare", "umbra", "classic"
TARGETS = (BARE, UMBRA, CLASSIC)
OF_BARE, TIMES_CLASSIC, CHANGE_OF_P99 = 0.75, 40.0, 0.05
_WARM_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """How much to measure."""

    workers: Sequence[int]
    connections: Sequence[int]
    rounds: int
    seconds: float
    store: str


@dataclass(frozen=True, slots=True)
class LoadWindow:
    """One stretch of load on one target. `shadow_cpu_seconds` includes what the worker did afterwards."""

    load: LoadFigure
    cpu_seconds: float
    memory_bytes: int
    shadow_cpu_seconds: float = 0.0
    catch_up_seconds: float = 0.0


Windows = dict[tuple[str, int, int], list[LoadWindow]]


def throughput(site: BenchmarkSite, plan: RequestPlan, bar: Progress) -> tuple[Windows, bool]:
    """Measure every target at every number of workers and connections; says whether every ledger balances."""
    windows: Windows = {}
    balanced = True
    task = bar.add_task("", total=len(plan.workers) * plan.rounds * len(plan.connections) * len(TARGETS))
    for workers in plan.workers:
        with ExitStack() as stack:
            bar.update(task, description=f"starting the servers, {workers} worker(s) each")
            umbra = BenchmarkUmbra(site, workers)
            stack.callback(umbra.stop)
            running = {UMBRA: umbra.server}
            for name in (BARE, CLASSIC):
                running[name] = other(site, name, workers)
                stack.callback(running[name].stop)
            for server in running.values():
                server.wait_ready()
                load.closed(server.port, site.bodies, max(plan.connections), _WARM_SECONDS)
            umbra.catch_up()
            for connections, name in _turns(plan):
                bar.update(task, description=f"{workers} worker(s), {connections} connection(s): {name}")
                server = running[name]
                measure = partial(load.closed, server.port, site.bodies, connections, plan.seconds)
                window = _window(server, measure, umbra if name == UMBRA else None)
                windows.setdefault((name, workers, connections), []).append(window)
                bar.advance(task)
            balanced = umbra.stop() and balanced
    return windows, balanced


def _turns(plan: RequestPlan) -> Iterator[tuple[int, str]]:
    """Yield connections and target of each window; every round begins with another target."""
    for round_ in range(plan.rounds):
        first = round_ % len(TARGETS)
        for connections in plan.connections:
            for name in TARGETS[first:] + TARGETS[:first]:
                yield connections, name


def _window(
    server: BenchmarkServer, measure: Callable[[], LoadFigure], umbra: BenchmarkUmbra | None
) -> LoadWindow:
    before = server.usage()
    shadow_before = umbra.worker.usage().cpu_seconds if umbra and umbra.worker else 0.0
    window = measure()
    after = server.usage()
    cpu = after.cpu_seconds - before.cpu_seconds
    if umbra is None or umbra.worker is None:
        return LoadWindow(window, cpu, after.memory_bytes)
    seconds = umbra.catch_up()
    shadow = umbra.worker.usage().cpu_seconds - shadow_before
    return LoadWindow(window, cpu, after.memory_bytes, shadow, seconds)


def throughput_section(windows: Windows) -> ReportSection:
    """Medians over the rounds, and ratios of medians."""
    rates = {key: ground.median([window.load.rate for window in windows]) for key, windows in windows.items()}
    rows = [
        _throughput_row(key, windows, rates) for key, windows in sorted(windows.items(), key=_place_in_table)
    ]
    columns = [
        ReportColumn("workers", "workers", "d"),
        ReportColumn("connections", "connections", "d"),
        ReportColumn("target", "target"),
        ReportColumn("requests_per_second", "requests/s", ",.0f"),
        ReportColumn("p50_milliseconds", "p50 ms", ".2f"),
        ReportColumn("p99_milliseconds", "p99 ms", ".1f"),
        ReportColumn("of_bare", "of bare Flask", ".2f"),
        ReportColumn("times_classic", "times classic", ".0f"),
        ReportColumn("cpu_milliseconds", "CPU ms/request", ".2f"),
        ReportColumn("shadow_cpu_milliseconds", "shadow CPU ms/request", ".2f"),
        ReportColumn("memory_megabytes", "memory MB", ".0f"),
        ReportColumn("errors", "errors", "d"),
    ]
    notes = [
        f"Targets: Umbra at least {OF_BARE:g} of bare Flask and {TIMES_CLASSIC:g} times classic.",
        "Umbra is measured while its shadow worker stores and scores the same requests on the same machine.",
        "CPU and memory are of the API's processes (gunicorn's arbiter and workers); the shadow's apart.",
    ]
    return ReportSection("One house per request, as fast as they are answered", columns, rows, notes)


def _place_in_table(item: tuple[tuple[str, int, int], object]) -> tuple[int, int, int]:
    name, workers, connections = item[0]
    return workers, connections, TARGETS.index(name)


def _throughput_row(
    key: tuple[str, int, int], windows: Sequence[LoadWindow], rates: Mapping[tuple[str, int, int], float]
) -> dict[str, Cell]:
    name, workers, connections = key
    shadow = [1e3 * window.shadow_cpu_seconds / window.load.requests for window in windows]
    return {
        "workers": workers,
        "connections": connections,
        "target": name,
        "requests_per_second": rates[key],
        "lowest": min(window.load.rate for window in windows),
        "highest": max(window.load.rate for window in windows),
        "p50_milliseconds": ground.median([window.load.p50 for window in windows]),
        "p99_milliseconds": ground.median([window.load.p99 for window in windows]),
        "of_bare": rates[key] / rates[BARE, workers, connections],
        "times_classic": rates[key] / rates[CLASSIC, workers, connections],
        "cpu_milliseconds": ground.median([1e3 * w.cpu_seconds / w.load.requests for w in windows]),
        "shadow_cpu_milliseconds": ground.median(shadow) if name == UMBRA else None,
        "memory_megabytes": ground.median([window.memory_bytes / 1e6 for window in windows]),
        "catch_up_seconds": ground.median([window.catch_up_seconds for window in windows]),
        "errors": sum(window.load.errors for window in windows),
    }


@dataclass(frozen=True, slots=True)
class LatencyPair:
    """The same arrivals with the shadow worker on and off."""

    on: LoadFigure
    off: LoadFigure

    def change(self, percentile: str) -> float:
        """Return the latency that the worker adds, as a share of the latency without it."""
        return float(getattr(self.on, percentile) / getattr(self.off, percentile)) - 1


def latency(
    site: BenchmarkSite, plan: RequestPlan, rounds: int, seconds: float, bar: Progress
) -> tuple[float, list[LatencyPair]]:
    """Umbra at half of its saturation with the worker on and off in turns; returns the rate and the pairs."""
    umbra = BenchmarkUmbra(site, max(plan.workers))
    task = bar.add_task("the shadow's price: finding saturation", total=2 * rounds)
    try:
        umbra.server.wait_ready()
        load.closed(umbra.server.port, site.bodies, max(plan.connections), _WARM_SECONDS)
        saturation = load.closed(umbra.server.port, site.bodies, max(plan.connections), plan.seconds).rate
        measure = partial(load.open_, umbra.server.port, site.bodies, saturation / 2, seconds)
        pairs = []
        for round_ in range(rounds):
            loads = {}
            for with_worker in (round_ % 2 == 0, round_ % 2 == 1):
                bar.update(task, description=f"the shadow's price: worker {'on' if with_worker else 'off'}")
                _prepare_worker(umbra, site, running=with_worker)
                loads[with_worker] = measure()
                bar.advance(task)
            pairs.append(LatencyPair(loads[True], loads[False]))
        return saturation / 2, pairs
    finally:
        umbra.stop()


def _latest(pairs: Sequence[LatencyPair]) -> float:
    return max(max(pair.on.sent_late_p99, pair.off.sent_late_p99) for pair in pairs)


def _prepare_worker(umbra: BenchmarkUmbra, site: BenchmarkSite, *, running: bool) -> None:
    """Nothing is left over from the window before; a worker that runs has scored, so it is warm."""
    umbra.start_worker()
    load.closed(umbra.server.port, site.bodies, 1, _WARM_SECONDS)
    umbra.catch_up()
    if not running:
        umbra.stop_worker()


def latency_section(rate: float, workers: int, pairs: Sequence[LatencyPair]) -> ReportSection:
    """Medians over the rounds; the change is the median of each round's own change."""
    rows: list[dict[str, Cell]] = []
    for percentile in ("p50", "p99"):
        changes = [100 * pair.change(percentile) for pair in pairs]
        rows.append(
            {
                "percentile": percentile,
                "off_milliseconds": ground.median([getattr(pair.off, percentile) for pair in pairs]),
                "on_milliseconds": ground.median([getattr(pair.on, percentile) for pair in pairs]),
                "change_percent": ground.median(changes),
                "lowest": min(changes),
                "highest": max(changes),
                "sent_late_p99_milliseconds": _latest(pairs),
                "errors": sum(pair.on.errors + pair.off.errors for pair in pairs),
            }
        )
    columns = [
        ReportColumn("percentile", "live latency"),
        ReportColumn("off_milliseconds", "worker off, ms", ".2f"),
        ReportColumn("on_milliseconds", "worker on, ms", ".2f"),
        ReportColumn("change_percent", "change %", "+.1f"),
        ReportColumn("lowest", "lowest %", "+.1f"),
        ReportColumn("highest", "highest %", "+.1f"),
        ReportColumn("errors", "errors", "d"),
    ]
    notes = [
        f"{rate:,.0f} requests a second at Poisson times (half of saturation), {workers} workers.",
        "Latency counts from when a request was due, so a stall hurts every request it delays.",
        f"The generator itself was up to {_latest(pairs):.1f} ms late (p99 of the worst window).",
        f"Target: p99 changes by less than {CHANGE_OF_P99:.0%}.",
    ]
    return ReportSection("What the shadow worker costs the live answers", columns, rows, notes)


@click.command(
    epilog="""\b
Examples:
  python -m benchmarks.requests
  python -m benchmarks.requests --quick --store sqlite
  python -m benchmarks.requests --only latency --latency-rounds 12
  python -m benchmarks.requests --markdown > table.md"""
)
@click.option("--workers", multiple=True, default=(1, 2), show_default=True, help="gunicorn workers each.")
@click.option(
    "--connections", multiple=True, default=(1, 8, 32), show_default=True, help="Under way at once."
)
@click.option("--rounds", default=3, show_default=True, help="Rounds; every round asks every target.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of one window.")
@click.option("--latency-rounds", default=6, show_default=True, help="Rounds with the worker on and off.")
@click.option("--latency-seconds", default=10.0, show_default=True, help="Length of their windows.")
@click.option(
    "--store",
    type=click.Choice(["sqlite", "postgres"]),
    help="Database of Umbra and of classic; PostgreSQL if it is installed.",
)
@click.option("--only", type=click.Choice(["throughput", "latency"]), help="Leave the other part out.")
@click.option("--quick", is_flag=True, help="One short round of each: to see that it runs.")
@click.option("--json", "kind", flag_value="json", help="Print JSON.")
@click.option("--markdown", "kind", flag_value="markdown", help="Print tables to paste.")
def main(
    workers: Sequence[int],
    connections: Sequence[int],
    rounds: int,
    seconds: float,
    latency_rounds: int,
    latency_seconds: float,
    store: str | None,
    only: str | None,
    quick: bool,
    kind: str | None,
) -> None:
    """Measure Umbra beside a bare Flask route and the classic shadow pattern, on this machine, in one run."""
    if quick:
        rounds, seconds, latency_rounds, latency_seconds = 1, 2.0, 2, 3.0
    chosen = store or ("postgres" if ground.postgres_binaries() else "sqlite")
    plan = RequestPlan(sorted(workers), sorted(connections), rounds, seconds, chosen)
    before = ground.load_average()
    sections, conditions = [], _conditions(plan, before)
    with report.progress() as bar, prepared(chosen) as site:
        if only != "latency":
            windows, balanced = throughput(site, plan, bar)
            sections.append(throughput_section(windows))
            conditions.append(f"Umbra's ledger at the end: {'balances' if balanced else 'DOES NOT BALANCE'}")
        if only != "throughput":
            rate, pairs = latency(site, plan, latency_rounds, latency_seconds, bar)
            sections.append(latency_section(rate, max(plan.workers), pairs))
    report.publish(sections, conditions, kind=kind or "table")


def _conditions(plan: RequestPlan, load_before: float) -> list[str]:
    return [
        f"{ground.machine()}; load average before: {load_before:.2f}",
        f"closed loop by {load.generator()}, open loop by benchmarks.load, both on the same machine; "
        f"store: {plan.store}; medians of {plan.rounds} interleaved rounds of {plan.seconds:g} s",
    ]


if __name__ == "__main__":
    main()
