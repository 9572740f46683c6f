"""Rows a second that one ingest and one scoring process move, beside raw COPY in the same run.

`python -m benchmarks.pipeline` drives the real classes: a journal written by shadow.journal.recorder.Recorder
is moved by shadow.ingest.mover.Ingest.step, and what that stored is scored by shadow.scoring.lane.Lane.step,
with the model process and the gbm artifact as they run in production.
"""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import ground, report, yardstick
from benchmarks.report import ReportColumn, ReportSection
from model_package.reference import ModelRef
from model_package.schema import Row
from monitoring import logs, metrics
from shadow.ingest.mover import Ingest
from shadow.journal.recorder import open_recorder
from shadow.prediction_log import PredictionLog
from shadow.records import Candidate, new_capture_ids
from shadow.scoring.breaker import Breaker
from shadow.scoring.lane import Lane
from shadow.scoring.scorer import Scorer, ScorerPlan
from shadow.settings import Settings, sqlite_url
from shadow.source.identity import directory_id
from shadow.store import Store, candidates, open_store, schema

LIVE, CANDIDATE = ModelRef("linear", "1"), ModelRef("gbm", "1")
TARGET_ROWS_PER_SECOND = 20_000


@dataclass(frozen=True, slots=True)
class StagePace:
    """How fast one stage went in one round: all of its time, and the processor time of this process."""

    rows: int
    seconds: float
    cpu_seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows a second of wall-clock time."""
        return self.rows / self.seconds


@click.command(
    epilog="""\b
Examples:
  python -m benchmarks.pipeline
  python -m benchmarks.pipeline --store sqlite --rounds 3 --profile
  python -m benchmarks.pipeline --markdown >> README.md"""
)
@click.option("--rows", default=40_000, show_default=True, help="Houses per round.")
@click.option("--rounds", default=5, show_default=True, help="Rounds; databases take turns.")
@click.option("--houses-per-request", default=1, show_default=True, help="Houses in one journal entry.")
@click.option(
    "--store",
    "stores",
    multiple=True,
    type=click.Choice(["sqlite", "postgres"]),
    help="Database; both when not given and PostgreSQL is installed.",
)
@click.option("--profile", is_flag=True, help="Also print where the time goes (slows the figures).")
@click.option("--json", "kind", flag_value="json", help="Print JSON.")
@click.option("--markdown", "kind", flag_value="markdown", help="Print a table to paste.")
def main(
    rows: int, rounds: int, houses_per_request: int, stores: Sequence[str], profile: bool, kind: str | None
) -> None:
    """Measure ingest and scoring in rows a second, with raw COPY as the yardstick."""
    chosen = stores or (["sqlite", "postgres"] if ground.postgres_binaries() else ["sqlite"])
    before = ground.load_average()
    profiles: dict[str, cProfile.Profile] | None = {} if profile else None
    with ground.directory() as directory, _servers(directory, chosen) as servers, report.progress() as bar:
        task = bar.add_task("training models", total=rounds * len(chosen))
        bench = PipelineBench(
            directory, ground.models(directory / "models"), rows, houses_per_request, profiles
        )
        paces: dict[tuple[str, str], list[StagePace]] = {}
        for round_ in range(rounds):
            for store in chosen:
                bar.update(task, description=f"round {round_ + 1}: {store}")
                for stage, pace in bench.round(store, servers[store]()):
                    paces.setdefault((store, stage), []).append(pace)
                bar.advance(task)
    section = _section(paces)
    report.publish([section], _conditions(rows, rounds, houses_per_request, before), kind=kind or "table")
    for name, stage_profile in (profiles or {}).items():
        _print_profile(name, stage_profile)


@contextmanager
def _servers(directory: Path, chosen: Sequence[str]) -> Iterator[dict[str, Callable[[], str]]]:
    """By kind of store: what makes the URL of a new, empty one."""
    numbers = iter(range(1_000_000))
    servers: dict[str, Callable[[], str]] = {"sqlite": lambda: sqlite_url(directory / f"{next(numbers)}.db")}
    if "postgres" not in chosen:
        yield servers
        return
    with ground.postgres() as cluster:
        yield servers | {"postgres": cluster.new_database}


class PipelineBench:
    """One round is: write a journal, COPY it raw (Postgres), ingest it, score it."""

    def __init__(
        self,
        directory: Path,
        models: Path,
        rows: int,
        houses_per_request: int,
        profiles: dict[str, cProfile.Profile] | None,
    ) -> None:
        self._directory = directory
        self._models = models
        self._rows = rows
        self._houses_per_request = houses_per_request
        self._profiles = profiles
        self._houses = ground.houses(2000)
        logs.configure("umbra.worker", "INFO", directory / "logs")
        metrics.prepare_directory(directory / "metrics")
        self._measures = metrics.shadowing(directory / "metrics")
        self._rounds = 0

    def round(self, kind: str, url: str) -> Iterator[tuple[str, StagePace]]:
        """Run every stage once over an empty store; gives each stage's pace."""
        self._rounds += 1
        settings = ground.settings(self._directory / f"data-{self._rounds}", self._models, store_url=url)
        yield "journal", self._paced(kind, "journal", lambda: self._write(settings))
        store = open_store(url)
        schema.migrate(store)
        if kind == "postgres":
            with yardstick.rows_ready(url, settings.journal_dir) as copy:
                yield "raw COPY", self._paced(kind, "raw COPY", copy)
        candidate = _add_candidate(store)
        yield "ingest", self._paced(kind, "ingest", lambda: self._ingest(settings, store))
        yield "scoring", self._paced_scoring(kind, settings, store, candidate)
        store.close()

    def _paced(self, kind: str, stage: str, work: Callable[[], int]) -> StagePace:
        profile = None
        if self._profiles is not None:
            profile = self._profiles.setdefault(f"{stage} ({kind})", cProfile.Profile())
        started, cpu = time.perf_counter(), time.process_time()
        rows = profile.runcall(work) if profile else work()
        pace = StagePace(rows, time.perf_counter() - started, time.process_time() - cpu)
        if rows != self._rows:
            raise RuntimeError(f"{stage} moved {rows} rows, expected {self._rows}")
        return pace

    def _write(self, settings: Settings) -> int:
        """As the API does: an entry per request, handed over and awaited."""
        recorder = open_recorder(settings)
        houses = _cycle(self._houses)
        for request in range(self._rows // self._houses_per_request):
            rows = [next(houses) for _ in range(self._houses_per_request)]
            now, chance = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)) >> 6
            names = new_capture_ids(len(rows), now, chance)
            result = recorder.record(
                request_id=f"benchmark-{request}",
                live=LIVE,
                capture_ids=names,
                rows=rows,
                dollars=[180_000.0 + request % 1000] * len(rows),
            )
            if not result.is_kept:
                raise RuntimeError(f"the journal did not keep an entry: {result}")
        recorder.close()
        return self._rows

    def _ingest(self, settings: Settings, store: Store) -> int:
        ingest = Ingest(
            store,
            settings.journal_dir,
            directory_id(settings.data_dir),
            settings.ingest_batch_bytes,
            self._measures,
            _utc_now,
            PredictionLog.of(settings),
        )
        moved = 0
        while step := ingest.step():
            moved += step
        return moved

    def _paced_scoring(self, kind: str, settings: Settings, store: Store, candidate: Candidate) -> StagePace:
        """Start the model process before the clock, for in production it runs already."""
        scorer = Scorer(ScorerPlan.of(settings, candidate), threading.Event())
        scorer.score([], [])
        lane = Lane(
            store,
            candidate,
            scorer,
            Breaker(time.monotonic),
            settings.candidate_batch_rows,
            settings.candidate_latency_share,
            self._measures,
            _utc_now,
            PredictionLog.of(settings),
        )
        try:
            return self._paced(kind, "scoring", lambda: _drain(lane))
        finally:
            scorer.stop()


def _drain(lane: Lane) -> int:
    passed = 0
    while step := lane.step():
        passed += step
    return passed


def _add_candidate(store: Store) -> Candidate:
    with store.writing() as connection:
        return candidates.add(connection, CANDIDATE, 1.0, None, _utc_now())


def _cycle(houses: Sequence[Row]) -> Iterator[Row]:
    while True:
        yield from houses


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _section(paces: dict[tuple[str, str], list[StagePace]]) -> ReportSection:
    medians = {
        key: ground.median([pace.rows_per_second for pace in paces_of_stage])
        for key, paces_of_stage in paces.items()
    }
    rows = [
        {
            "store": store,
            "stage": stage,
            "rows_per_second": medians[store, stage],
            "lowest": min(pace.rows_per_second for pace in paces_of_stage),
            "highest": max(pace.rows_per_second for pace in paces_of_stage),
            "cpu_microseconds_per_row": ground.median([1e6 * p.cpu_seconds / p.rows for p in paces_of_stage]),
            "of_raw_copy": medians[store, stage] / medians.get((store, "raw COPY"), float("nan"))
            if (store, "raw COPY") in medians
            else None,
            "target": _verdict(stage, medians[store, stage]),
        }
        for (store, stage), paces_of_stage in paces.items()
    ]
    columns = [
        ReportColumn("store", "store"),
        ReportColumn("stage", "stage"),
        ReportColumn("rows_per_second", "rows/s", ",.0f"),
        ReportColumn("lowest", "lowest", ",.0f"),
        ReportColumn("highest", "highest", ",.0f"),
        ReportColumn("cpu_microseconds_per_row", "CPU us/row", ".1f"),
        ReportColumn("of_raw_copy", "of raw COPY", ".2f"),
        ReportColumn("target", "target"),
    ]
    return ReportSection(
        "Ingest and scoring, one process each",
        columns,
        rows,
        ["CPU is this process alone: the model process (scoring) and the database work beside it."],
    )


def _verdict(stage: str, rows_per_second: float) -> str | None:
    if stage not in ("ingest", "scoring"):
        return None
    reached = "reached" if rows_per_second >= TARGET_ROWS_PER_SECOND else "missed"
    return f">= {TARGET_ROWS_PER_SECOND:,}: {reached}"


def _conditions(rows: int, rounds: int, houses_per_request: int, load_before: float) -> list[str]:
    return [
        f"{ground.machine()}; load average before: {load_before:.2f}",
        f"median of {rounds} interleaved rounds, {rows:,} houses each, {houses_per_request} per request; "
        "synchronous commit and fsync on; a new database each round",
    ]


def _print_profile(name: str, profile: cProfile.Profile) -> None:
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(22)
    click.echo(f"\n{name}\n{text.getvalue()}", err=True)


if __name__ == "__main__":
    main()
