"""Whatever happens to the files of the journal: no wrong row comes out, and what is lost is counted."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from damaged_files import DAMAGES, NOW, TOLD, Damage, Ids, WrittenFile
from how_long import examples
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from model_package.reference import ModelRef
from monitoring import metrics
from shadow.ingest.accounting import ExpectedRows, ReconciledChunk, reconcile
from shadow.ingest.mover import Ingest
from shadow.journal import journal_file
from shadow.journal.file_reader import JournalFileReader
from shadow.records import Capture, Outcome, OutcomeState
from shadow.store import Store
from shadow.store.database.tables import captures, drops, outcomes, sources
from shadow.store.sources import UNREAD

IDS = Ids()


@dataclass(frozen=True, slots=True)
class Disk:
    """A journal directory of its own, and the store that others use too."""

    directory: Path
    store: Store
    name: str = field(default_factory=lambda: str(uuid4()))
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def ingest(self, batch_bytes: int) -> None:
        """ReconciledChunk all that is there, as by a process that is started anew for every batch."""
        measures = metrics.shadowing(None, self.registry)
        for _ in range(1000):
            if not list(journal_file.paths(self.directory)):
                return
            Ingest(self.store, self.directory, self.name, batch_bytes, measures, lambda: NOW).step()
        raise AssertionError("it never comes to an end")

    def damaged(self) -> int:
        """Damaged entries as the metric tells them."""
        return int(self.registry.get_sample_value("umbra_journal_damaged_entries_total") or 0)

    def refused(self) -> set[str]:
        """The files that were set aside."""
        return {path.stem for path in self.directory.glob("*.refused")}

    def captures(self) -> list[Capture]:
        """What is in the store, in the order in which it came there."""
        return [
            Capture(
                row.id,
                row.captured_at,
                row.request_id,
                row.row_index,
                ModelRef(row.live_name, row.live_version),
                row.prediction_dollars,
                row.inputs,
                row.entity_id,
            )
            for row in self._rows(captures, captures.c.seq)
        ]

    def outcomes(self) -> list[Outcome]:
        """The outcomes in the store, likewise."""
        return [
            Outcome(
                row.capture_id,
                OutcomeState(row.state),
                row.price_dollars,
                row.sold_at,
                row.reported_by,
                row.received_at,
            )
            for row in self._rows(outcomes, outcomes.c.seq)
        ]

    def lost(self) -> Counter[str]:
        """The houses that the store calls lost, by reason."""
        told = Counter[str]()
        for row in self._rows(drops, drops.c.id):
            told[row.reason] += row.houses
        return told

    def _rows(self, table: Any, order: Any) -> Sequence[Any]:
        mine = select(sources.c.id).where(sources.c.directory_id == self.name).scalar_subquery()
        with self.store.reading() as connection:
            return connection.execute(select(table).where(table.c.source_id == mine).order_by(order)).all()


def written(
    disk: Disk, told: Sequence[Sequence[tuple[int, int]]], *, are_finished: bool = False
) -> list[WrittenFile]:
    """Journal files as API processes leave them when they are killed, or when they have finished them."""
    return [
        WrittenFile.written(
            journal_file.path_of(disk.directory, f"file-{number}"), lines, IDS, is_finished=are_finished
        )
        for number, lines in enumerate(told)
    ]


def exactly(rows: Sequence[Any]) -> list[bytes]:
    """Rows to the last bit, and to the order of their fields, in whatever order the files took turns."""
    return sorted(repr(row).encode() for row in rows)


BATCHES = st.sampled_from([300, 2000, 1 << 20])
FILES = st.lists(TOLD, min_size=1, max_size=3)


@examples(100)
@given(told=FILES, damages=DAMAGES, batch_bytes=BATCHES, are_finished=st.booleans())
def test_of_damaged_files_every_whole_line_is_stored_once_and_nothing_else(
    store: Store,
    told: list[list[tuple[int, int]]],
    damages: list[Damage],
    batch_bytes: int,
    *,
    are_finished: bool,
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        disk = Disk(Path(directory), store)
        files = written(disk, told, are_finished=are_finished)
        found = [file.content for file in files]
        for damage in damages:
            damage.done(found)
        for file, content in zip(files, found, strict=True):
            file.path.write_bytes(content)
        disk.ingest(batch_bytes)

    pairs = list(zip(files, found, strict=True))
    whole = [line for file, content in pairs for line in file.whole(content)]
    houses = [house for line in whole for house in line.captures]
    stored = disk.captures()
    assert exactly(stored) == exactly(houses)
    assert exactly(disk.outcomes()) == exactly([one for line in whole for one in line.outcomes])
    for file, content in pairs:
        mine = [house for line in file.whole(content) for house in line.captures]
        assert [house for house in stored if house in mine] == mine
    assert disk.lost() == sum((file.lost(content) for file, content in pairs), Counter())
    assert disk.damaged() == sum(file.damaged(content) for file, content in pairs)
    assert disk.refused() == set()


def _header(facts: Any) -> bytes:
    return journal_file.frame(orjson.dumps(facts).ljust(journal_file.HEADER_BYTES - 10))


ODD = st.sampled_from([None, True, 1.0, -1, 0, 4, 99, "3", "", [], {}, [3]])
FACTS = st.fixed_dictionaries(
    {"format": st.just(journal_file.FORMAT) | ODD},
    optional={
        "version": st.sampled_from(journal_file.READABLE) | ODD,
        "dropped": st.dictionaries(st.sampled_from(["full", "disk"]), ODD) | ODD,
    },
)


@examples(40)
@given(told=TOLD, facts=FACTS | ODD, batch_bytes=BATCHES)
def test_a_header_of_another_version_sets_its_file_aside_and_any_other_hides_no_line(
    store: Store, told: list[tuple[int, int]], facts: Any, batch_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        disk = Disk(Path(directory), store)
        odd, other = written(disk, [told, told])
        odd.path.write_bytes(_header(facts) + odd.content[journal_file.HEADER_BYTES :])
        disk.ingest(batch_bytes)
        known = isinstance(facts, dict) and facts.get("format") == journal_file.FORMAT
        foreign = known and facts.get("version") not in journal_file.READABLE
        assert disk.refused() == ({"file-0"} if foreign else set())
    lines = [line for file in ([other] if foreign else [odd, other]) for line in file.lines]
    assert exactly(disk.captures()) == exactly([one for line in lines for one in line.captures])
    assert exactly(disk.outcomes()) == exactly([one for line in lines for one in line.outcomes])


@pytest.fixture(scope="module", params=[False, True], ids=["killed", "finished"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WrittenFile:
    """Captures, an outcome and drops."""
    path = journal_file.path_of(tmp_path_factory.mktemp("journal"), "all")
    return WrittenFile.written(path, [(1, 0), (0, 2), (2, 1)], IDS, is_finished=request.param)


def _read(file: WrittenFile, content: bytes) -> ReconciledChunk:
    file.path.write_bytes(content)
    with JournalFileReader(file.path) as reader:
        header, chunk = reader.header(), reader.read(0, 1 << 20)
    if header is None:
        return reconcile(UNREAD, chunk, None, last=True)
    expected = None if header.rows is None else ExpectedRows(header.rows)
    return reconcile(UNREAD, chunk, header.dropped, last=True, writer=header.writer, expected_rows=expected)


def _is_read_as_it_should_be(file: WrittenFile, content: bytes) -> None:
    move = _read(file, content)
    whole = file.whole(content)
    assert move.captures == [one for line in whole for one in line.captures]
    assert move.outcomes == [one for line in whole for one in line.outcomes]
    assert +(move.lost + Counter(move.dropped)) == file.lost(content)
    assert move.damaged_lines == file.damaged(content)


def test_wherever_a_file_is_cut_all_before_is_read(file: WrittenFile) -> None:
    for size in range(len(file.content) + 1):
        _is_read_as_it_should_be(file, file.content[:size])


def test_whichever_byte_is_changed_only_its_line_is_lost(file: WrittenFile) -> None:
    for at, byte in enumerate(file.content):
        changed = bytes([byte ^ 1 << at % 8])
        _is_read_as_it_should_be(file, file.content[:at] + changed + file.content[at + 1 :])


def test_whichever_bit_of_the_last_line_is_flipped_every_row_is_read_or_counted(file: WrittenFile) -> None:
    last = file.lines[-1]
    for at in range(last.start, last.end):
        for bit in range(8):
            content = bytearray(file.content)
            content[at] ^= 1 << bit
            move = _read(file, bytes(content))
            assert len(move.captures) + move.lost["damaged"] == file.rows, (at - last.start, bit)
