"""Measures a real Umbra with 1, 2 and 5 API workers under load, and writes docs/load_tests.md.

`python -m load_tests.report` does all of it.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.progress import Progress, TaskID

from benchmarks import ground
from benchmarks.report import progress
from benchmarks.servers import ServerNotReady
from load_tests import page, samples, workload
from load_tests.ledger import Unbalanced
from load_tests.load import ROOT, Crossed, LoadProfile, MeasuredLoad, measure, send
from load_tests.umbra import UmbraUnderLoad
from load_tests.workload import Budgets
from monitoring import terminal

PAGE = ROOT / "docs" / "load_tests.md"
PLOTS = {
    "load_tests_latency.svg": ("Latency by percentile, for each number of API workers", page.by_percentile),
    "load_tests_seconds.svg": (
        "Requests answered in each second, for each number of API workers",
        page.by_second,
    ),
}
WARM_UP_VISITS, WARM_UP_SECONDS = 5, 60
QUIET_LOAD = 0.25  # processes that want to run, for each processor


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Numbers of API workers, one after the other; the loads that each of them gets; models and store."""

    api_workers: Sequence[int]
    loads: Sequence[LoadProfile]
    models: Path | None
    store_url: str
    ports: Sequence[int] | None


def run(plan: LoadPlan, bar: Progress) -> list[MeasuredLoad]:
    """Measure all loads with all numbers of workers, each on its own Umbra; sort by load."""
    seconds = len(plan.api_workers) * sum(load.seconds for load in plan.loads)
    task = bar.add_task("", total=seconds)
    with TemporaryDirectory(prefix="umbra-load-") as name:
        home = Path(name)
        loads = [load for count in plan.api_workers for load in _with_workers(plan, count, home, bar, task)]
    return sorted(loads, key=lambda measured: plan.loads.index(measured.load))


def _with_workers(
    plan: LoadPlan, count: int, home: Path, bar: Progress, task: TaskID
) -> Iterator[MeasuredLoad]:
    bar.update(task, description=f"{count} API worker(s): starting")
    own, ports = home / f"workers-{count}", plan.ports or [ground.free_port() for _ in range(3)]
    with UmbraUnderLoad(own, plan.models or home / "models", count, ports, plan.store_url) as umbra:
        before = umbra.at_start.houses + _warm_up(umbra, plan.loads[0], own / "warm-up.csv")
        for load in plan.loads:
            bar.update(task, description=f"{count} API worker(s): {load.name} load, then its ledger")
            done = bar.tasks[task].completed

            def tick(gone: float, load: LoadProfile = load, done: float = done) -> None:
                bar.update(task, completed=done + min(gone, load.seconds))

            load_figures = measure(umbra, count, load, own / f"{load.name}.csv", before, tick)
            before += load_figures.houses
            yield load_figures
    shutil.rmtree(own)


def _warm_up(umbra: UmbraUnderLoad, load: LoadProfile, file: Path) -> int:
    """Send a few visits per user without measuring; return the number of houses."""
    budgets = Budgets(0.0, math.inf)
    few = LoadProfile("warm-up", load.users, 0.0, WARM_UP_SECONDS, budgets, visits_per_user=WARM_UP_VISITS)
    send(umbra.url, few, file, lambda _: None)
    return samples.houses(samples.read(file))


def conditions(plan: LoadPlan, command: str, before: float, now: datetime) -> list[str]:
    """Describe the measurement: machine, time and method."""
    steady = plan.loads[0]
    store = "PostgreSQL" if ground.is_postgres(plan.store_url) else "SQLite"
    return [
        f"{now:%Y-%m-%d}, by `{command}`",
        f"{_machine()}; Locust and all of Umbra, API, worker and {store}, share its processors; load "
        f"average before: {before:.2f}{_caution(before)}",
        f"{steady.users} users by Locust {metadata.version('locust')}, {steady.seconds} s each. "
        f"*steady*: {steady.visits_per_second:g} visits a second and user, at times as chance has them. "
        "*full*: every user makes the next visit as soon as the last one is answered",
        "after every load the ledger balanced, and knew of exactly as many houses as were answered",
    ]


def _caution(load_average: float) -> str:
    """Return a warning if other work ran on the machine."""
    busy = load_average > QUIET_LOAD * (os.cpu_count() or 1)
    return ". **Others were at work on it: these figures are worse than its own**" if busy else ""


def _machine() -> str:
    """Describe the machine without its kernel, whose name may identify the host."""
    return ", ".join(fact for fact in ground.machine().split(", ") if not fact.startswith("Linux"))


@click.command(
    epilog="""\b
Examples:
  python -m load_tests.report
  python -m load_tests.report --seconds 5 --workers 1 --workers 2
  python -m load_tests.report --store-url postgresql://umbra@127.0.0.1:5432/empty"""
)
@click.option("--seconds", type=click.IntRange(1), default=20, show_default=True, help="Of each load.")
@click.option("--users", type=click.IntRange(1), default=40, show_default=True, help="At the same time.")
@click.option(
    "--visits-per-second",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    help="Of each user, in the steady load.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    multiple=True,
    default=(1, 2, 5),
    show_default=True,
    help="API workers; again for each further number.",
)
@click.option("--max-error-ratio", type=click.FloatRange(0, 1), help="Budget; the workload's by default.")
@click.option(
    "--max-p99-milliseconds",
    type=click.FloatRange(0, min_open=True),
    help="Budget; the workload's by default.",
)
@click.option(
    "--models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Artifacts to serve and to score; trained by default.",
)
@click.option("--store-url", default="", help="An empty Postgres database; SQLite by default.")
@click.option(
    "--page",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PAGE,
    help="Where to write; plots go beside it. docs/load_tests.md by default.",
)
@click.option(
    "--ports", type=int, nargs=3, help="Of the API, its metrics, the worker's; free ones by default."
)
def main(
    seconds: int,
    users: int,
    visits_per_second: float,
    workers: Sequence[int],
    max_error_ratio: float | None,
    max_p99_milliseconds: float | None,
    models: Path | None,
    store_url: str,
    path: Path,
    ports: Sequence[int] | None,
) -> None:
    """Measure Umbra under load.

    Exits with 1, and writes nothing, when a budget is crossed or a ledger does not balance.
    """
    usual = workload.read().budgets
    budgets = Budgets(
        usual.error_ratio if max_error_ratio is None else max_error_ratio,
        usual.p99_milliseconds if max_p99_milliseconds is None else max_p99_milliseconds,
    )
    loads = [
        LoadProfile("steady", users, visits_per_second, seconds, budgets),
        LoadProfile("full", users, 0.0, seconds, budgets),
    ]
    plan, before = LoadPlan(workers, loads, models, store_url, ports), ground.load_average()
    command = _command(seconds, users, visits_per_second, workers, store_url)
    try:
        page.around(path)  # before all the work
        with progress() as bar:
            measured = run(plan, bar)
        _publish(measured, conditions(plan, command, before, datetime.now(UTC)), path)
    except (Crossed, Unbalanced, ServerNotReady, page.NoPlace) as fault:
        raise click.ClickException(str(fault)) from fault
    terminal.say(f"{path}: written")


def _command(
    seconds: int, users: int, visits_per_second: float, workers: Sequence[int], store_url: str
) -> str:
    """Return the command as typed, without paths and the store's URL, which may have a password."""
    counts = " ".join(f"--workers {count}" for count in workers)
    store = " --store-url postgresql://..." if store_url else ""
    pace = f"--users {users} --visits-per-second {visits_per_second:g}"
    return f"python -m load_tests.report --seconds {seconds} {pace} {counts}{store}"


def _publish(loads: Sequence[MeasuredLoad], conditions: Sequence[str], path: Path) -> None:
    page.write(path, page.text(loads, conditions, {name: title for name, (title, _) in PLOTS.items()}))
    for name, (_, draw) in PLOTS.items():
        (path.parent / name).write_text(draw(loads), encoding="utf-8")


if __name__ == "__main__":
    main()
