"""What evidence costs at scale: rebuilding all of it, refreshing one day, and a verdict from the sums.

`python -m benchmarks.evidence` fills a throwaway Postgres with ten million pairs of 200 days (made by the
database: benchmarks/history.py) and runs the real code of shadow.evidence on it, in a process of its own
whose memory is measured. Everything is told beside one plain scan of the captures in the same run.
"""

from __future__ import annotations

import multiprocessing
import resource
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import delete, select

from benchmarks import ground, report
from benchmarks.history import DIRECTORY, History
from benchmarks.report import Cell, ReportColumn, ReportSection
from model_package.reference import ModelRef
from monitoring.statistics.sums import Sums
from shadow.evidence.judgement import judge
from shadow.evidence.streams import StreamOpener
from shadow.records import Outcome, OutcomeState
from shadow.store import Store, evidence, open_store, outcomes, sources
from shadow.store.database import tables
from shadow.store.evidence.refresh import refresh
from shadow.store.evidence.span import DayRange, IdRange, ids_of
from shadow.store.streams import Stream
from umbra import bootstrap

CANDIDATE = ModelRef("gbm", "1")
VERDICT_SECONDS, MEMORY_MB = 1.0, 500.0
_PLAIN_SCAN = "SELECT count(*), sum(prediction_dollars) FROM captures"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of each step, and the most megabytes the process had: ever, rebuilding, at first."""

    rebuild: float
    days: int
    one_day: Sequence[float]
    verdict: Sequence[float]
    peak_mb: float
    rebuild_mb: float
    early_mb: float
    state: str


@click.command(
    epilog="""\b
Examples:
  python -m benchmarks.evidence
  python -m benchmarks.evidence --pairs 100000 --rounds 3
  python -m benchmarks.evidence --markdown >> README.md"""
)
@click.option("--pairs", default=10_000_000, show_default=True, help="Houses with both answers.")
@click.option("--rounds", default=1, show_default=True, help="Rebuilds; scans go before and after each.")
@click.option("--json", "kind", flag_value="json", help="Print JSON.")
@click.option("--markdown", "kind", flag_value="markdown", help="Print a table to paste.")
def main(pairs: int, rounds: int, kind: str | None) -> None:
    """Measure evidence on a large Postgres store, with one plain scan as the yardstick."""
    before, history = ground.load_average(), History(pairs, datetime.now(UTC))
    with ground.directory() as directory, ground.postgres() as cluster, report.progress() as bar:
        task = bar.add_task("training models", total=history.days + 2 * rounds)
        models = ground.models(directory / "models")
        url = cluster.new_database()
        store = _prepared(directory, models, url, history)
        bar.update(task, description=f"making {pairs:,} pairs")
        history.fill(store, lambda: bar.advance(task))
        sizes = _sizes(store)
        scans, measured = [], []
        for number in range(rounds):
            bar.update(task, description=f"round {number + 1}: plain scans", advance=1)
            scans += _scans(store)
            bar.update(task, description=f"round {number + 1}: evidence", advance=1)
            measured.append(_in_a_process(url, models, history.now))
            scans += _scans(store)
        store.close()
    conditions = [
        f"{ground.machine()}; load average before: {before:.2f}",
        f"{pairs:,} pairs of {history.days} days in weekly partitions; {sizes}; inputs hold only the"
        " fields that the default policy's segments need",
    ]
    report.publish([_section(pairs, scans, measured)], conditions, kind=kind or "table")


def _prepared(directory: Path, models: Path, url: str, history: History) -> Store:
    """Prepare a store whose live model and candidate are unchanged since the history began."""
    store = open_store(url)
    settings = ground.settings(directory / "data", models, store_url=url)
    bootstrap.prepare(settings, store, _untrained, "benchmark", history.start)
    return store


def _untrained(recipe: str) -> Path:
    raise RuntimeError(f"{recipe} should have been trained beforehand")


def _sizes(store: Store) -> str:
    query = (
        "SELECT coalesce(parent.relname, t.relname), sum(pg_total_relation_size(t.oid)) / 1e9 FROM pg_class t"
        " LEFT JOIN pg_inherits ON inhrelid = t.oid LEFT JOIN pg_class parent ON parent.oid = inhparent"
        " WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace"
        " GROUP BY 1 ORDER BY 2 DESC LIMIT 3"
    )
    with store.reading() as connection:
        return ", ".join(f"{name} {size:.1f} GB" for name, size in connection.exec_driver_sql(query))


def _scans(store: Store) -> list[float]:
    def scan() -> None:
        with store.reading() as connection:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = 0; {_PLAIN_SCAN}").one()

    return [_seconds(scan) for _ in range(3)]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _in_a_process(url: str, models: Path, now: datetime) -> Round:
    """In a fresh one: what this process has imported and trained is not evidence's memory."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_round, url, models, now).result()


def _round(url: str, models: Path, now: datetime) -> Round:
    store = open_store(url)
    (stream,) = StreamOpener(store, models).open_missing()
    _forget(store, stream)
    with MemoryWatch() as watch:
        done: list[int] = []
        rebuild = _seconds(lambda: done.append(refresh(store, stream)))
    days = [day for day, _ in _day_sums(store, stream)]
    one_day = [_corrected(store, stream, days[len(days) * eighth // 8], now) for eighth in range(1, 8)]
    verdict = [_seconds(lambda: judge(store, models, CANDIDATE, now)) for _ in range(7)]
    state = judge(store, models, CANDIDATE, now).state
    return Round(
        rebuild, done[0], one_day, verdict, _peak_mb(), max(watch.seen), watch.early_mb(), state.value
    )


class MemoryWatch:
    """Looks at the memory of this process, several times a second."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        page_mb = resource.getpagesize() / (1 << 20)
        while not self._stop.wait(0.2):
            self.seen.append(int(Path("/proc/self/statm").read_text().split()[1]) * page_mb)

    def early_mb(self) -> float:
        """Return the peak of the first tenth of the time."""
        return max(self.seen[: max(1, len(self.seen) // 10)])


def _day_sums(store: Store, stream: Stream) -> list[tuple[int, Sums]]:
    with store.reading() as connection:
        return evidence.day_sums(connection, stream)


def _forget(store: Store, stream: Stream) -> None:
    """As if no evidence had ever been computed."""
    computed = (
        tables.evidence,
        tables.evidence_due,
        tables.evidence_cursors,
        tables.outcome_delays,
        tables.gap_bins,
        tables.worst_gaps,
    )
    with store.writing() as connection:
        for table in computed:
            connection.execute(delete(table).where(table.c.stream_id == stream.id))


def _corrected(store: Store, stream: Stream, day: int, now: datetime) -> float:
    """Correct one price of a day, and take the time of everything that follows from it."""
    _correct(store, ids_of(DayRange(day, day + 1), stream.terms.day_seconds), now)
    days: list[int] = []
    seconds = _seconds(lambda: days.append(refresh(store, stream)))
    if days != [1]:
        raise RuntimeError(f"one corrected price made {days[0]} days due, expected 1")
    return seconds


def _correct(store: Store, ids: IdRange, now: datetime) -> None:
    in_day = (tables.outcomes.c.capture_id >= ids.low) & (tables.outcomes.c.capture_id < ids.high)
    with store.writing() as connection:
        name: UUID = connection.execute(
            select(tables.outcomes.c.capture_id).where(in_day).limit(1)
        ).scalar_one()
        outcomes_in_force = outcomes.in_force(connection, [name])[name]
        price = (outcomes_in_force.price_dollars or 0.0) + 1_000
        correction = Outcome(name, OutcomeState.SOLD, price, outcomes_in_force.sold_at, "correction", now)
        source = sources.lock(connection, DIRECTORY, now)
        last = outcomes.insert(connection, source, [correction], now)
        sources.advance(connection, source, source.last_seq, last)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _section(pairs: int, scans: Sequence[float], rounds: Sequence[Round]) -> ReportSection:
    scan = ground.median(scans)
    one_day = ground.median([seconds for measured in rounds for seconds in measured.one_day])
    verdict = ground.median([seconds for measured in rounds for seconds in measured.verdict])
    memory = max(measured.peak_mb for measured in rounds)
    rebuild = ground.median([measured.rebuild for measured in rounds])
    rows = [
        _row("plain scan of the captures", scan, scan),
        _row(f"rebuild: all {rounds[0].days} days", rebuild, scan),
        _row("one day, after one price was corrected", one_day, scan),
        _row(
            f"verdict from the sums ({rounds[0].state})",
            verdict,
            scan,
            _target(verdict, VERDICT_SECONDS, "s"),
        ),
    ]
    columns = [
        ReportColumn("what", "what"),
        ReportColumn("seconds", "seconds", ",.3f"),
        ReportColumn("of_scan", "of a plain scan", ",.2f"),
        ReportColumn("target", "target"),
    ]
    early = max(measured.early_mb for measured in rounds)
    late = max(measured.rebuild_mb for measured in rounds)
    notes = [
        f"Peak memory of the process: {early:,.0f} MB in the first tenth of the"
        f" rebuild, {late:,.0f} MB in all of it, {memory:,.0f} MB with the"
        f" verdict ({_target(memory, MEMORY_MB, 'MB')}).",
        f"Rebuild: {1e6 * rebuild / pairs:,.1f} us a pair. The scan is `{_PLAIN_SCAN}`.",
    ]
    return ReportSection(f"Evidence of {pairs:,} pairs", columns, rows, notes)


def _row(what: str, seconds: float, scan: float, target: str | None = None) -> dict[str, Cell]:
    return {"what": what, "seconds": seconds, "of_scan": seconds / scan, "target": target}


def _target(value: float, most: float, unit: str) -> str:
    return f"< {most:g} {unit}: {'reached' if value < most else 'missed'}"


if __name__ == "__main__":
    main()
