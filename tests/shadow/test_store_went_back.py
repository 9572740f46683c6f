"""A store that goes back in time: what it forgets is brought back from journal files, or counted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, make_url, select
from store_copies import StoreCopy

from model_package.reference import ModelRef
from monitoring import metrics
from shadow import status as whole
from shadow.ingest.mover import Ingest
from shadow.journal import journal_file, stored_files
from shadow.journal.capture_result import CaptureResult
from shadow.journal.stored_files import Retention
from shadow.records import Outcome, OutcomeState
from shadow.settings import Settings
from shadow.source.identity import directory_id
from shadow.store import Store, StoreUnavailable, candidates, ledger, outcomes, sources
from shadow.store.database.tables import captures, drops, segments
from shadow.store.schema import migrate

MakeIngest = Callable[[], Ingest]
MakeSettings = Callable[..., Settings]


def empty(ingest: Ingest) -> int:
    moved = 0
    while step := ingest.step():
        moved += step
    return moved


def stored(store: Store) -> set[str]:
    with store.reading() as connection:
        rows = connection.execute(select(captures.c.id)).scalars().all()
    assert len(set(rows)) == len(rows)
    return {str(name) for name in rows}


def check_numbers(store: Store) -> None:
    """The numbers of the source are dense, so that no cursor passes a capture by."""
    with store.reading() as connection:
        numbers = connection.execute(select(captures.c.seq).order_by(captures.c.seq)).scalars().all()
        balance = ledger.intake(connection).balances
    assert list(numbers) == list(range(1, len(numbers) + 1))
    assert balance


def gather(make: MakeSettings, store: Store) -> whole.Status:
    return whole.gather(make(store_url=store.url), datetime.now(UTC))


def ingest_that_keeps(make: MakeSettings, store: Store, retention: Retention) -> Ingest:
    paths = make()
    measures = metrics.shadowing(None)
    return Ingest(
        store,
        paths.journal_dir,
        directory_id(paths.data_dir),
        1 << 20,
        measures,
        lambda: datetime.now(UTC),
        retention=retention,
    )


@pytest.mark.parametrize("restarted", [False, True], ids=["ingest runs on", "ingest is restarted"])
@pytest.mark.parametrize("closed", [False, True], ids=["file is being written", "file was finished"])
def test_what_a_restored_store_forgot_is_read_again_while_nothing_else_happens(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, *, closed: bool, restarted: bool
) -> None:
    people = asker()
    people.ask(3)
    mover = ingest()
    empty(mover)
    copy = StoreCopy(store.url)
    people.ask(4)
    if closed:
        people.recorder.close()
    empty(mover)
    assert len(stored(store)) == 7
    copy.put_back()
    mover = ingest() if restarted else mover
    assert mover.step() == 4
    assert empty(mover) == 0
    assert stored(store) == people.kept.keys()
    later = asker()
    later.ask(2)
    empty(mover)
    assert stored(store) == people.kept.keys() | later.kept.keys()
    check_numbers(store)
    assert gather(settings, store).journal.missing == 0
    assert gather(settings, store).is_healthy


def test_a_store_that_is_restored_in_the_middle_of_traffic_gets_everything_again(
    asker, ingest: MakeIngest, store: Store
) -> None:
    first, second = asker(), asker()
    mover = ingest()
    first.ask(2)
    empty(mover)
    copy = StoreCopy(store.url)
    second.ask(3)
    second.recorder.close()
    empty(mover)
    copy.put_back()
    first.ask(5)  # waits in the journal when the store is back
    empty(mover)
    assert stored(store) == first.kept.keys() | second.kept.keys()
    check_numbers(store)


def test_a_store_that_is_made_anew_gets_everything_that_is_kept(
    asker, ingest: MakeIngest, store: Store
) -> None:
    blank = StoreCopy(store.url)
    people, mover = asker(), ingest()
    people.ask(3)
    people.recorder.close()
    empty(mover)
    blank.put_back()
    empty(mover)
    assert stored(store) == people.kept.keys()
    check_numbers(store)


def test_outcomes_that_a_restored_store_forgot_are_read_again(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    people, mover = asker(), ingest()
    people.ask(1)
    empty(mover)
    copy = StoreCopy(store.url)
    (name,) = people.kept
    now = datetime.now(UTC)
    sold = Outcome(UUID(name), OutcomeState.SOLD, 1e5, now, "agent", now)
    assert people.recorder.record_outcomes("sale", [sold]).is_kept
    empty(mover)
    copy.put_back()
    empty(mover)
    with store.reading() as connection:
        assert outcomes.in_force(connection, [sold.capture_id])[sold.capture_id].price_dollars == 1e5
    assert gather(settings, store).journal.missing_outcomes == 0


def test_a_candidate_scores_what_came_back_after_its_cursor(asker, ingest: MakeIngest, store: Store) -> None:
    people, mover = asker(), ingest()
    people.ask(2)
    empty(mover)
    with store.writing() as connection:
        candidate = candidates.add(connection, ModelRef("gbm", "1"), 1.0, None, datetime.now(UTC))
    copy = StoreCopy(store.url)
    people.ask(3)
    empty(mover)
    copy.put_back()
    empty(mover)
    with store.reading() as connection:
        account = ledger.account(connection, candidate)
        (cursor,) = candidates.cursors_of(connection, candidate)
    assert (account.pending, account.missing) == (3, 0)
    assert (cursor.seq, cursor.last_seq) == (2, 5)


def test_captures_that_no_file_holds_any_more_are_counted_until_somebody_accepts_their_loss(
    asker, store: Store, settings: MakeSettings, run_umbra
) -> None:
    mover = ingest_that_keeps(settings, store, Retention(seconds=0))
    people = asker()
    people.ask(2)
    people.recorder.close()
    empty(mover)
    copy = StoreCopy(store.url)
    lost = asker()
    lost.ask(5)
    lost.recorder.close()
    empty(mover)
    assert stored_files.paths(settings().journal_dir) == []
    copy.put_back()
    before = gather(settings, store)  # ingest need not have noticed
    assert (before.journal.missing, before.is_healthy) == (5, False)
    empty(mover)
    again = asker()
    again.ask(1)
    empty(mover)
    now = gather(settings, store)
    assert now.journal.missing == 5
    assert not now.is_healthy
    told = run_umbra("status")
    assert told.exit_code == 1
    assert "went back by 5 captures" in " ".join(told.output.split())
    accepted = run_umbra("journal", "accept-loss")
    assert accepted.exit_code == 0
    empty(mover)
    after = gather(settings, store)
    assert (after.journal.missing, after.is_healthy) == (0, True)
    assert after.store is not None
    assert after.store.intake.dropped == {"rolled_back": 5}
    assert stored(store) == people.kept.keys() | again.kept.keys()


def test_a_loss_is_accepted_also_when_ingest_has_not_noticed_it(
    asker, store: Store, settings: MakeSettings, run_umbra
) -> None:
    mover = ingest_that_keeps(settings, store, Retention(seconds=0))
    copy = StoreCopy(store.url)
    people = asker()
    people.ask(4)
    people.recorder.close()
    empty(mover)
    copy.put_back()
    assert run_umbra("journal", "accept-loss").exit_code == 0
    assert gather(settings, store).is_healthy
    empty(mover)
    assert gather(settings, store).is_healthy


@pytest.mark.parametrize("restarted", [False, True], ids=["ingest runs on", "ingest is restarted"])
@pytest.mark.parametrize("ended", [False, True], ids=["writer lives", "writer has ended"])
def test_drops_that_a_restored_store_forgot_are_counted_again(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, *, ended: bool, restarted: bool
) -> None:
    people, mover = asker(), ingest()
    people.ask(3)
    empty(mover)
    copy = StoreCopy(store.url)
    people.recorder._writer.count_dropped(CaptureResult.DISK, 7)
    if ended:
        people.recorder.close()
    empty(mover)
    assert dropped(store) == {"disk": 7}
    copy.put_back()
    mover = ingest() if restarted else mover
    empty(mover)
    assert dropped(store) == {"disk": 7}
    people.recorder.close()
    empty(mover)
    assert dropped(store) == {"disk": 7}
    assert gather(settings, store).is_healthy


def test_a_file_set_aside_stays_in_the_ledger_of_a_restored_store_until_it_is_put_back(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, run_umbra
) -> None:
    people, mover = asker(), ingest()
    people.ask(3)
    people.recorder.close()
    empty(mover)
    copy = StoreCopy(store.url)
    later = asker()
    later.ask(4)
    later.recorder.close()
    (path,) = journal_file.paths(settings().journal_dir)
    as_written = path.read_bytes()
    facts = json.loads(as_written[9 : journal_file.HEADER_BYTES]) | {"version": 9}
    header = journal_file.frame(json.dumps(facts).encode().ljust(journal_file.HEADER_BYTES - 10))
    path.write_bytes(header + as_written[journal_file.HEADER_BYTES :])
    empty(mover)
    copy.put_back()
    empty(mover)
    assert dropped(store) == {"refused": 4}
    path.with_suffix(".refused").write_bytes(as_written)
    assert run_umbra("journal", "put-back").exit_code == 0
    empty(mover)
    assert dropped(store) == {}
    assert stored(store) == people.kept.keys() | later.kept.keys()


def dropped(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return ledger.intake(connection).dropped


@pytest.mark.parametrize("when", ["before it was stored", "while it was kept"])
def test_of_a_file_that_is_read_again_the_damaged_houses_are_counted_once(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings, when: str, run_umbra
) -> None:
    people, mover = asker(), ingest()
    people.ask(2)
    empty(mover)
    copy = StoreCopy(store.url)
    people.ask(7)
    people.ask(3)
    people.recorder.close()
    directory = settings().journal_dir
    if when == "before it was stored":
        damage(next(journal_file.paths(directory)))
    empty(mover)
    mover.step()
    if when == "while it was kept":
        damage(*stored_files.paths(directory))
    copy.put_back()
    empty(mover)
    assert dropped(store) == {"damaged": 3}
    assert len(stored(store)) == 9
    assert gather(settings, store).is_healthy
    assert run_umbra("journal", "accept-loss").exit_code == 0
    assert dropped(store) == {"damaged": 3}


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def test_houses_of_damaged_lines_are_counted_once_however_often_a_file_is_read(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    people, mover = asker(), ingest()
    people.ask(1)
    people.ask(7)
    people.ask(1)
    people.recorder.close()
    (path,) = journal_file.paths(settings().journal_dir)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"request":"request-1"', b'"request":"request-X"'))
    empty(mover)
    with store.writing() as connection:  # as if the file had never been read
        connection.execute(segments.delete())
    empty(mover)
    with store.reading() as connection:
        assert connection.execute(select(func.sum(drops.c.houses))).scalar_one() == 7
    assert len(stored(store)) == 2
    check_numbers(store)


def test_a_request_that_is_in_the_journal_twice_is_stored_once(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    people = asker()
    people.ask(2)
    people.ask_again("another request id")
    people.ask(1)
    assert empty(ingest()) == 5
    assert stored(store) == people.kept.keys()
    check_numbers(store)
    assert list(settings().journal_dir.glob("*.refused")) == []


def test_positions_of_files_that_are_not_there_at_a_start_are_not_forgotten(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    people = asker()
    people.ask(3)
    empty(ingest())
    directory = settings().journal_dir
    away = directory.with_name("unmounted")
    directory.rename(away)
    assert empty(ingest()) == 0
    away.rename(directory)
    people.ask(2)
    assert empty(ingest()) == 2
    people.recorder.close()
    assert empty(ingest()) == 0
    assert stored(store) == people.kept.keys()
    assert list(directory.glob("*.refused")) == []
    check_numbers(store)


def test_kept_files_that_come_back_with_a_late_mount_are_read_if_the_store_lacks_them(
    asker, ingest: MakeIngest, store: Store, settings: MakeSettings
) -> None:
    copy = StoreCopy(store.url)
    people = asker()
    people.ask(3)
    people.recorder.close()
    empty(ingest())
    directory = settings().journal_dir
    away = directory.rename(directory.with_name("unmounted"))
    copy.put_back()
    mover = ingest()
    assert empty(mover) == 0
    away.rename(directory)
    mover._finished_files._clear_at = 0.0  # it looks once a second
    mover.step()
    empty(mover)
    assert stored(store) == people.kept.keys()
    check_numbers(store)


# -- what is kept, and how long


def finished(asker, mover: Ingest, count: int) -> list[Path]:
    """That many journal files, read to their ends."""
    for _ in range(count):
        people = asker()
        people.ask(1)
        people.recorder.close()
    empty(mover)
    return stored_files.paths(mover._directory)


def test_files_are_kept_for_their_time_and_forgotten_after_it(
    asker, store: Store, settings: MakeSettings
) -> None:
    mover = ingest_that_keeps(settings, store, Retention(journal_bytes=0))
    old, young = finished(asker, mover, 2)
    os.utime(old, (0, 0))
    restarted = ingest_that_keeps(settings, store, Retention(journal_bytes=0))
    empty(restarted)
    empty(restarted)
    assert stored_files.paths(settings().journal_dir) == [young]
    with store.reading() as connection:
        assert connection.execute(select(segments.c.name)).scalars().all() == [journal_file.name_of(young)]


def test_kept_files_take_no_more_than_their_bytes_and_the_oldest_go_first(
    asker, store: Store, settings: MakeSettings
) -> None:
    mover = ingest_that_keeps(settings, store, Retention(journal_bytes=0))
    files = finished(asker, mover, 3)
    size = sum(path.stat().st_size for path in files[1:])
    empty(ingest_that_keeps(settings, store, Retention(bytes=size, journal_bytes=0)))
    assert stored_files.paths(settings().journal_dir) == files[1:]


def test_nothing_is_kept_in_space_that_the_journal_itself_may_need(
    asker, store: Store, settings: MakeSettings
) -> None:
    more_than_free = shutil.disk_usage(settings().data_dir.parent).free * 2
    mover = ingest_that_keeps(settings, store, Retention(journal_bytes=0))
    assert len(finished(asker, mover, 1)) == 1
    mover = ingest_that_keeps(settings, store, Retention(journal_bytes=more_than_free))
    assert finished(asker, mover, 1) == []
    assert list(journal_file.paths(settings().journal_dir)) == []


# -- the file of an SQLite store


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_while_the_database_file_is_gone_captures_wait_and_no_empty_one_is_made(
    asker, ingest: MakeIngest, store: Store, tmp_path: Path
) -> None:
    people, mover = asker(), ingest()
    people.ask(3)
    empty(mover)
    file = tmp_path / "umbra.db"
    file.rename(tmp_path / "away")
    people.ask(2)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"umbra\.db"):
            mover.step()
    assert not file.exists()
    (tmp_path / "away").rename(file)
    empty(mover)
    assert stored(store) == people.kept.keys()
    check_numbers(store)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_database_file_that_is_deleted_for_good_is_filled_from_what_is_kept_once_it_is_made_again(
    asker, ingest: MakeIngest, store: Store, tmp_path: Path
) -> None:
    people, mover = asker(), ingest()
    people.ask(3)
    people.recorder.close()
    empty(mover)
    (tmp_path / "umbra.db").unlink()
    with pytest.raises(StoreUnavailable):
        mover.step()
    migrate(store)
    empty(mover)
    assert stored(store) == people.kept.keys()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_an_older_database_file_after_the_other_was_removed_is_not_mixed_with_the_log_of_the_other(
    asker, ingest: MakeIngest, store: Store, tmp_path: Path
) -> None:
    people, mover = asker(), ingest()
    people.ask(3)
    empty(mover)
    copy = StoreCopy(store.url)
    people.ask(300)
    empty(mover)
    (tmp_path / "umbra.db").unlink()
    with pytest.raises(StoreUnavailable):
        mover.step()
    copy.put_back()
    empty(mover)
    assert stored(store) == people.kept.keys()
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    check_numbers(store)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_commit_into_a_file_that_was_replaced_meanwhile_is_refused(store: Store) -> None:
    copy = StoreCopy(store.url)
    with pytest.raises(StoreUnavailable, match="replaced"), store.writing() as connection:
        sources.lock(connection, "here", datetime.now(UTC))
        copy.put_back()
    with store.reading() as connection:
        assert sources.find(connection, "here") is None


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(("given", "used"), [("off", "on"), ("remote_apply", "remote_apply")])
def test_committed_means_on_the_disk_whatever_the_database_says(store: Store, given: str, used: str) -> None:
    database = make_url(store.url).database
    with store.writing() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{database}" SET synchronous_commit = {given}')
    store.close()
    with store.reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == used
