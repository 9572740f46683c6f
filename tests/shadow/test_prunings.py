"""What is old goes, exactly that, and the ledger adds up after each step; nobody else notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, insert, select
from sqlalchemy.engine import Connection, Engine, make_url

from model_package import schema
from model_package.reference import ModelRef
from shadow.records import (
    Candidate,
    CandidateState,
    Capture,
    NewObservation,
    Outcome,
    OutcomeState,
    new_capture_ids,
)
from shadow.store import (
    Store,
    StoreUnavailable,
    candidates,
    captures,
    ledger,
    observations,
    open_store,
    outcomes,
    sources,
)
from shadow.store.database import partitions, tables
from shadow.store.retention import prune, prunings
from shadow.store.retention.prune import PrunedRows, PruneHeldUp, PruneRefused
from umbra.command import main

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=90)
GBM = ModelRef("gbm", "1")
DEADLINE_SECONDS = 30.0
on_postgres = pytest.mark.parametrize("store_url", ["postgres"], indirect=True)


@dataclass
class House:
    """The store of a test with what it needs to fill it."""

    store: Store
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def ask(self, *moments: datetime, where: str = "here") -> list[UUID]:
        """Houses answered at these moments, stored in this order."""
        rows = [self._capture(moment) for moment in moments]
        with self.store.writing() as connection:
            source = sources.lock(connection, where, NOW)
            sources.advance(connection, source, captures.insert(connection, source, rows))
        return [row.id for row in rows]

    def _capture(self, moment: datetime) -> Capture:
        milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        (name,) = new_capture_ids(1, milliseconds, next(self.numbers))
        return Capture(name, moment, "request", 0, ModelRef("linear", "1"), 1e5, schema.EXAMPLE)

    def sell(self, *names: UUID, price: float = 1e5, at: datetime = NOW) -> None:
        """Outcomes, received at one moment."""
        told = [Outcome(name, OutcomeState.SOLD, price, at, None, at) for name in names]
        with self.store.writing() as connection:
            source = sources.lock(connection, "here", NOW)
            last = outcomes.insert(connection, source, told, NOW)
            sources.advance(connection, source, source.last_seq, last)

    def candidate(self, model: ModelRef = GBM, sample: float = 1.0, days: int = 999) -> Candidate:
        """A candidate that has a look at history."""
        with self.store.writing() as connection:
            return candidates.add(connection, model, sample, NOW - timedelta(days=days), NOW)

    def score(self, candidate: Candidate) -> None:
        """The candidate passes everything there is."""
        with self.store.writing() as connection:
            for cursor in candidates.cursors_of(connection, candidate):
                rows = captures.pending(
                    connection, cursor.source_id, cursor.seq, cursor.last_seq, candidate.sample
                )
                answers = [NewObservation(row.id, prediction_dollars=1e5) for row in rows]
                observations.store(connection, candidate, cursor, answers, cursor.last_seq, NOW)

    def prune(self, before: datetime = BEFORE, **more: Any) -> PrunedRows:
        """A prune that does not rest, unless the test says so."""
        return prune.remove_before(self.store, before, NOW, **({"pause": lambda _: None} | more))

    def rows(self, table: Any) -> int:
        """How many rows a table has."""
        with self.store.reading() as connection:
            return len(connection.execute(select(table)).all())

    def latest(self) -> datetime | None:
        with self.store.writing() as connection:
            return prunings.latest(connection)

    def balances(self) -> bool:
        """Whether the ledger adds up, for every candidate."""
        with self.store.reading() as connection:
            accounts = [ledger.account(connection, one) for one in candidates.present(connection)]
            return ledger.intake(connection).balances and all(one.balances for one in accounts)

    def intake(self) -> ledger.Intake:
        with self.store.reading() as connection:
            return ledger.intake(connection)


@pytest.fixture
def house(store: Store) -> House:
    """An empty store."""
    return House(store)


def days_ago(*days: float) -> list[datetime]:
    return [NOW - timedelta(days=ago) for ago in days]


OLD, YOUNG = 40, 30


def a_history(house: House) -> Candidate:
    """A house every twelve hours, OLD of them older than BEFORE, in two sources; all scored, 60 sold."""
    moments = [BEFORE + timedelta(hours=12) * number for number in range(-OLD, YOUNG)]
    names = house.ask(*moments[:50]) + house.ask(*moments[50:], where="elsewhere")
    candidate = house.candidate()
    house.score(candidate)
    house.sell(*names[:60])
    return candidate


def test_what_is_a_millisecond_too_young_stays(house: House) -> None:
    step = timedelta(milliseconds=1)
    old, at, young = house.ask(BEFORE - step, BEFORE, BEFORE + step)
    house.score(house.candidate())
    house.sell(old, at, young)
    house.sell(old, price=2e5, at=NOW + timedelta(hours=1))
    assert house.prune() == PrunedRows(captures=1, observations=1, outcomes=2)
    assert house.store.prediction(old) is None
    for name in (at, young):
        kept = house.store.prediction(name)
        assert kept is not None
        assert len(kept.observations) == len(kept.outcomes) == 1


def test_the_moment_is_utc_whatever_zone_it_is_told_in(house: House) -> None:
    house.ask(BEFORE - timedelta(seconds=1), BEFORE)
    elsewhere = BEFORE.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert house.prune(elsewhere).captures == 1
    assert house.latest() == BEFORE


def test_the_ledger_adds_up_afterwards_and_says_what_was_pruned(house: House) -> None:
    full = a_history(house)
    half = house.candidate(ModelRef("gbm", "2"), sample=0.5)
    house.score(half)
    house.prune(BEFORE + timedelta(days=8))
    assert house.balances()
    assert house.intake() == ledger.Intake(numbered=70, stored=14, dropped={}, pruned=56)
    with house.store.reading() as connection:
        by_source = connection.execute(
            select(tables.sources.c.pruned).order_by(tables.sources.c.id)
        ).scalars()
        assert list(by_source) == [50, 6]
        for candidate in (full, half):
            account = ledger.account(connection, candidate)
            assert account.scored + account.sampled_out == account.eligible == 14


def test_a_capture_lost_besides_the_pruned_ones_shows(house: House) -> None:
    a_history(house)
    house.prune()
    with house.store.writing() as connection:
        connection.execute(tables.captures.delete().where(tables.captures.c.seq == 45))
    assert not house.balances()


def test_counting_only_removes_nothing_and_counts_what_would_go(house: House) -> None:
    a_history(house)
    with house.store.reading() as connection:
        expected = prune.count_before(connection, BEFORE)
    assert expected == PrunedRows(OLD, OLD, OLD)
    assert house.rows(tables.captures) == OLD + YOUNG
    assert house.latest() is None
    assert house.prune() == expected


def test_with_nothing_old_nothing_is_written_down(house: House) -> None:
    house.ask(NOW)
    assert house.prune() == PrunedRows()
    assert house.latest() is None


def test_evidence_verdicts_and_deployments_stay(house: House) -> None:
    a_history(house)
    touched = {tables.captures, tables.observations, tables.outcomes, tables.sources, tables.prunings}
    others = [table for table in tables.metadata.sorted_tables if table not in touched]
    before = {table.name: house.rows(table) for table in others}
    house.prune()
    assert {table.name: house.rows(table) for table in others} == before


def test_weeks_that_are_wholly_old_are_dropped_and_the_one_in_between_stays(house: House) -> None:
    a_history(house)
    house.prune()
    with house.store.reading() as connection:
        left = partitions.existing(connection)
        assert partitions.detached(connection) == []
    if house.store.url.startswith("sqlite"):
        return
    first = partitions.first_id(int(BEFORE.timestamp() * 1000))
    assert left[0].end > first
    assert partitions.week_start(partitions._number(left[0].end) - 1) <= first
    assert {one.table for one in left[:2]} == {"captures", "observations"}


@pytest.mark.parametrize("state", [CandidateState.ACTIVE, CandidateState.PAUSED])
def test_what_a_candidate_has_yet_to_score_is_not_removed(house: House, state: CandidateState) -> None:
    candidate = a_history(house)
    house.ask(*days_ago(95, 94, 1))
    with house.store.writing() as connection:
        candidates.set_state(connection, GBM, state)
    with pytest.raises(PruneRefused, match=rf"gbm@1 \({state}\) has yet to score 2 captures") as caught:
        house.prune()
    assert (caught.value.candidate.model, caught.value.waiting) == (GBM, 2)
    assert house.rows(tables.captures) == OLD + YOUNG + 3
    assert house.latest() is None
    house.score(candidate)
    assert house.prune().captures == OLD + 2


def test_a_removed_candidate_keeps_nothing(house: House) -> None:
    house.ask(*days_ago(95))
    house.candidate()
    with house.store.writing() as connection:
        candidates.set_state(connection, GBM, CandidateState.REMOVED)
    assert house.prune().captures == 1


def open_stream(house: House, candidate: Candidate) -> int:
    """A stream of that candidate that has begun 200 days ago; returns its id."""
    with house.store.writing() as connection:
        deployed = insert(tables.deployments).values(
            live_name="linear", live_version="1", since=NOW, decided_by="a test", reason="a test"
        )
        deployment = connection.execute(deployed.returning(tables.deployments.c.id)).scalar_one()
        begun = insert(tables.streams).values(
            key="k",
            deployment_id=deployment,
            candidate_id=candidate.id,
            live_name="linear",
            live_version="1",
            live_digest="l",
            candidate_digest="c",
            schema_digest="s",
            policy="",
            policy_sha256="p",
            day_seconds=86_400,
            margin=0.003,
            alpha=0.05,
            number=1,
            started_at=NOW - timedelta(days=200),
        )
        return int(connection.execute(begun.returning(tables.streams.c.id)).scalar_one())


def test_captures_that_no_evidence_has_taken_in_are_not_removed(house: House) -> None:
    candidate = a_history(house)
    stream = open_stream(house, candidate)
    with pytest.raises(PruneRefused, match=r"gbm@1 .* has yet to have evidence of 40 captures"):
        house.prune()
    with house.store.writing() as connection:
        noted = insert(tables.evidence_cursors).values(
            stream_id=stream, source_id=1, capture_seq=50, outcome_seq=0
        )
        connection.execute(noted)
    assert house.prune().captures == OLD


def test_days_whose_evidence_is_to_be_computed_are_not_removed(house: House) -> None:
    candidate = a_history(house)
    stream = open_stream(house, candidate)
    day = int(BEFORE.timestamp()) // 86_400
    with house.store.writing() as connection:
        for source in (1, 2):
            noted = insert(tables.evidence_cursors).values(
                stream_id=stream, source_id=source, capture_seq=50, outcome_seq=0
            )
            connection.execute(noted)
        for due in (day + 1, day, day - 3):
            connection.execute(insert(tables.evidence_due).values(stream_id=stream, day=due))
    with pytest.raises(PruneRefused, match=r"gbm@1 .* has yet to have evidence of 2 days"):
        house.prune()
    with house.store.writing() as connection:
        connection.execute(tables.evidence_due.delete().where(tables.evidence_due.c.day <= day))
    assert house.prune().captures == OLD


def test_it_is_written_down_before_anything_goes_and_counted_as_it_goes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "BATCH_ROWS", 3)
    a_history(house)
    steps: list[PrunedRows] = []

    def told(gone: PrunedRows) -> None:
        steps.append(gone)
        assert house.latest() == BEFORE
        assert house.balances()
        with house.store.reading() as connection:
            row = connection.execute(select(tables.prunings)).one()
        assert sum(steps, PrunedRows()) == PrunedRows(row.captures, row.observations, row.outcomes)

    assert house.prune(report=told) == sum(steps, PrunedRows()) == PrunedRows(OLD, OLD, OLD)
    assert len(steps) > 8


class Killed(BaseException):
    """The process ends here."""


def test_wherever_it_is_interrupted_it_can_be_run_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "BATCH_ROWS", 7)
    house = House(store)
    a_history(house)
    gone, interruptions = 0, 0
    while True:
        try:
            gone += house.prune(report=_kill).rows
        except Killed:
            interruptions += 1
            assert house.balances()
        else:
            break
    assert interruptions >= 8
    assert house.intake() == ledger.Intake(numbered=OLD + YOUNG, stored=YOUNG, dropped={}, pruned=OLD)
    assert house.rows(tables.observations) == YOUNG
    assert house.rows(tables.outcomes) == 20


def _kill(_gone: PrunedRows) -> None:
    raise Killed


def test_between_two_batches_others_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "BATCH_ROWS", 7)
    a_history(house)
    rests: list[float] = []

    def pause(seconds: float) -> None:
        rests.append(seconds)
        house.ask(NOW)

    house.prune(pause=pause)
    assert len(rests) > 5
    assert all(rest > 0 for rest in rests)
    assert house.balances()
    assert house.rows(tables.captures) == YOUNG + len(rests)


def test_what_comes_in_late_is_stored_and_goes_with_the_next_prune(house: House) -> None:
    a_history(house)
    house.prune()
    (late,) = house.ask(*days_ago(105))
    assert house.store.prediction(late) is not None
    house.score(candidates_of(house)[0])
    assert house.balances()
    assert house.prune() == PrunedRows(captures=1, observations=1)
    assert house.balances()


def candidates_of(house: House) -> list[Candidate]:
    return house.store.candidates()


def test_a_price_that_comes_after_its_capture_has_gone_is_kept_as_unmatched(house: House) -> None:
    (old,) = house.ask(*days_ago(100))
    house.prune()
    house.sell(old)
    with house.store.reading() as connection:
        assert outcomes.unmatched(connection, 10) == [old]
        assert outcomes.counts(connection).unmatched == 1


def test_a_candidate_added_afterwards_owes_what_is_left_though_numbers_are_missing(house: House) -> None:
    house.ask(*days_ago(80, 100, 79, 101, 78))  # two API processes: the numbers are not in the order of time
    house.prune()
    candidate = house.candidate(days=90)
    with house.store.reading() as connection:
        account = ledger.account(connection, candidate)
    assert (account.eligible, account.pending, account.balances) == (3, 3, True)
    house.score(candidate)
    with house.store.reading() as connection:
        account = ledger.account(connection, candidate)
    assert (account.scored, account.pending, account.balances) == (3, 0, True)


# On Postgres partitions are taken off while others read and write.


@pytest.fixture
def others(house: House) -> Iterator[Engine]:
    """Connections of others to the same Postgres; they give up when they wait for a lock."""
    url = make_url(house.store.url).set(drivername="postgresql+psycopg2")
    engine = create_engine(url, connect_args={"options": "-c lock_timeout=5s"})
    yield engine
    engine.dispose()


@pytest.fixture
def threads(others: Engine) -> Iterator[ThreadPoolExecutor]:
    """Where a prune goes on while the test does."""
    with ThreadPoolExecutor() as pool:
        yield pool
        with others.begin() as connection:  # a test that failed may have left something to wait for
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def reader_of_everything(others: Engine) -> Connection:
    """A transaction that has read captures and goes on."""
    reader = others.connect().execution_options(isolation_level="REPEATABLE READ")
    assert len(reader.execute(select(tables.captures.c.id)).all()) > 0
    return reader


def poll(condition: Callable[[], Any]) -> Any:
    """What the condition gives once that is true."""
    never = threading.Event()
    for _ in range(int(DEADLINE_SECONDS / 0.02)):
        if found := condition():
            return found
        never.wait(0.02)
    raise AssertionError(f"waited {DEADLINE_SECONDS:g} s in vain")


def leaving(house: House) -> list[partitions.DetachedPartition]:
    with house.store.reading() as connection:
        return partitions.detached(connection)


@on_postgres
def test_while_somebody_reads_for_long_a_prune_waits_and_nobody_waits_for_it(
    house: House, others: Engine, threads: ThreadPoolExecutor
) -> None:
    candidate = a_history(house)
    reader = reader_of_everything(others)
    seen = len(reader.execute(select(tables.captures.c.id)).all())
    pruning: Future[PrunedRows] = threads.submit(house.prune, pause=_a_moment)
    poll(lambda: leaving(house))
    busy = House(impatient(house.store.url, others), count(10_000))
    for moment in (NOW, NOW + timedelta(days=8), NOW - timedelta(days=70)):  # new weeks among them
        (name,) = busy.ask(moment)
        assert busy.store.prediction(name) is not None
    busy.score(candidate)
    busy.sell(name)
    assert busy.balances()
    assert not pruning.done()
    assert len(reader.execute(select(tables.captures.c.id)).all()) == seen
    reader.close()
    assert pruning.result(DEADLINE_SECONDS) == PrunedRows(OLD, OLD, OLD)
    assert leaving(house) == []
    assert busy.balances()
    busy.store.close()


def impatient(url: str, others: Engine) -> Store:
    """A store that gives up when it waits for a lock."""
    with others.begin() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {url.rpartition('/')[2]} SET lock_timeout = '5s'")
    return open_store(url)


def _a_moment(_seconds: float) -> None:
    threading.Event().wait(0.01)


@on_postgres
def test_who_holds_a_prune_up_is_told_and_it_goes_on_when_it_is_run_again(
    house: House, others: Engine
) -> None:
    a_history(house)
    reader = reader_of_everything(others)
    pid = reader.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    with pytest.raises(PruneHeldUp, match=rf"captures_week_[0-9]+ was locked by others .*{pid}"):
        house.prune(tries=1)
    assert [one.pending for one in leaving(house)] == [True]
    assert house.balances()
    reader.close()
    house.prune()
    assert leaving(house) == []
    assert house.intake() == ledger.Intake(numbered=OLD + YOUNG, stored=YOUNG, dropped={}, pruned=OLD)
    assert house.rows(tables.observations) == YOUNG


@on_postgres
@pytest.mark.parametrize("table", partitions.TABLES)
def test_what_was_taken_off_and_not_dropped_counts_as_stored_until_the_next_prune_drops_it(
    house: House, others: Engine, table: str
) -> None:
    a_history(house)
    with others.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
        first = next(one for one in partitions.existing(alone) if one.table == table)
        partitions.detach(alone, first.table, first.name)
    assert house.balances()
    assert house.intake().pruned == 0
    house.prune()
    assert leaving(house) == []
    assert house.balances()
    assert house.intake().pruned == OLD


@on_postgres
def test_what_was_taken_off_is_dropped_though_nothing_else_is_old(house: House, others: Engine) -> None:
    house.ask(*days_ago(100, 1))
    with others.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
        for one in partitions.existing(alone)[:2]:
            partitions.detach(alone, one.table, one.name)
    assert len(leaving(house)) == 2
    assert house.prune().captures == 1
    assert leaving(house) == []
    assert house.balances()


@on_postgres
@pytest.mark.parametrize("half", [False, True])
def test_a_late_capture_of_a_week_that_a_killed_prune_took_off_puts_the_week_back(
    house: House, others: Engine, half: bool
) -> None:
    a_history(house)
    if half:
        reader = reader_of_everything(others)
        with pytest.raises(PruneHeldUp):
            house.prune(tries=1)
        reader.close()
    else:
        with others.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
            first = partitions.existing(alone)[0]
            partitions.detach(alone, first.table, first.name)
    (late,) = house.ask(*days_ago(109))
    assert house.store.prediction(late) is not None
    assert leaving(house) == []
    assert house.rows(tables.captures) == OLD + YOUNG + 1
    house.score(candidates_of(house)[0])
    assert house.prune().captures == OLD + 1
    assert house.balances()


@on_postgres
def test_a_late_capture_of_a_week_that_is_leaving_is_to_come_again(
    house: House, others: Engine, threads: ThreadPoolExecutor
) -> None:
    a_history(house)
    reader = reader_of_everything(others)
    pruning: Future[PrunedRows] = threads.submit(house.prune, pause=_a_moment)
    poll(lambda: leaving(house))
    with pytest.raises(StoreUnavailable, match="can be stored after it"):
        house.ask(*days_ago(109))
    reader.close()
    pruning.result(DEADLINE_SECONDS)
    (late,) = house.ask(*days_ago(109))
    assert house.store.prediction(late) is not None
    assert house.intake().pruned == OLD


def _waits_for_a_prune(others: Engine) -> bool:
    with others.connect() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return bool(connection.exec_driver_sql(query).scalar())


@on_postgres
def test_evidence_under_way_is_finished_before_anything_goes(
    house: House, threads: ThreadPoolExecutor, others: Engine
) -> None:
    a_history(house)
    with house.store.writing() as computing:
        assert prunings.latest(computing) is None
        pruning: Future[PrunedRows] = threads.submit(house.prune, pause=_a_moment)
        poll(lambda: _waits_for_a_prune(others))
        assert len(computing.execute(select(tables.captures.c.id)).all()) == OLD + YOUNG
        assert len(computing.execute(select(tables.outcomes.c.seq)).all()) == 60
    assert pruning.result(DEADLINE_SECONDS) == PrunedRows(OLD, OLD, OLD)
    assert house.latest() == BEFORE


@on_postgres
def test_a_prune_that_is_killed_while_it_waits_is_run_again_and_counts_once(
    house: House, others: Engine, tmp_path: Any
) -> None:
    a_history(house)
    reader = reader_of_everything(others)
    environment = {
        **os.environ,
        "UMBRA_DATA_DIR": str(tmp_path / "data"),
        "UMBRA_STORE_URL": house.store.url,
    }
    hours = int((datetime.now(UTC) - BEFORE).total_seconds()) // 3600
    command = [sys.executable, "-m", "umbra", "prune", "--older-than", f"{hours}h"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    poll(lambda: leaving(house))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert house.balances()
    reader.close()
    house.prune()
    assert leaving(house) == []
    assert house.balances()
    assert house.intake().pruned == OLD


def umbra(house: House, *arguments: str) -> Any:
    return CliRunner().invoke(main, arguments, env={"UMBRA_STORE_URL": house.store.url, "COLUMNS": "160"})


def test_the_command_counts_then_removes_and_status_tells(house: House, tmp_path: Any) -> None:
    today = datetime.now(UTC)
    house.ask(*(today - timedelta(days=ago) for ago in (100, 99, 3)))
    told = json.loads(umbra(house, "prune", "--older-than", "90d", "--dry-run", "--json").stdout)
    assert told.pop("before") < (today - timedelta(days=89)).isoformat()
    assert told == {
        "dry_run": True,
        "captures": 2,
        "observations": 0,
        "outcomes": 0,
        "excerpts": 0,
        "journal_files": 0,
    }
    result = umbra(house, "prune", "--older-than", "13w")
    assert (result.exit_code, result.stdout.split(" of before")[0]) == (
        0,
        "removed 2 captures, 0 observations, 0 outcomes, 0 rows that documents quote and 0 journal files",
    )
    assert "Store: 1 capture, 2 pruned" in umbra(house, "status").stdout


def test_the_command_says_in_one_line_why_it_refuses(house: House) -> None:
    house.ask(*days_ago(100))
    house.candidate()
    result = umbra(house, "prune", "--older-than", "24h")
    assert result.exit_code == 1
    assert "gbm@1 (active) has yet to score 1 captures" in result.stderr
    assert "umbra candidates remove gbm@1" in result.stderr
    assert house.rows(tables.captures) == 1


@pytest.mark.parametrize("age", ["90", "d", "0d", "-1d", "1.5d", "90 d", "90m", "9999999w"])
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_an_age_that_is_none_is_refused(house: House, age: str) -> None:
    result = umbra(house, "prune", f"--older-than={age}")
    assert result.exit_code == 2
    assert "such as 90d" in result.stderr
