"""Accounting: reconcile a chunk of a journal file into captures, outcomes, and losses by reason.

Every row a writer was offered is captured, dropped by it, or in a damaged line; the numbers in the entries
tell which. Outcomes between them are no rows and have no numbers: a damaged line that held outcomes leaves no
gap, and counts as a damaged line alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from shadow.journal.capture_result import CaptureResult
from shadow.journal.entries import Entry
from shadow.journal.file_reader import Chunk
from shadow.records import Capture, Outcome
from shadow.store.sources import JournalFileProgress

DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class ExpectedRows:
    """The rows that the last journal file of a writer should hold.

    `written` rows are in it, as the kernel confirmed; `late` more were answered while their write hung.
    """

    written: int
    late: int = 0


@dataclass(frozen=True, slots=True)
class ReconciledChunk:
    """The captures, outcomes and losses of one chunk of a journal file.

    `lost` counts the rows that can never be scored, by reason, that were not recorded before. `dropped`
    counts all rows that the file's `writer` ever dropped, recorded or not. `payloads` are the entries as they
    stand in the file; `was_acknowledged`: the store acknowledged them before, and has forgotten them.
    """

    captures: list[Capture]
    progress: JournalFileProgress
    lost: Counter[str]
    damaged_lines: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    writer: str | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    payloads: tuple[bytes | None, ...] = ()
    was_acknowledged: bool = False


def reconcile(
    progress: JournalFileProgress,
    chunk: Chunk,
    dropped: Mapping[str, int] | None,
    *,
    last: bool,
    writer: str | None = None,
    expected_rows: ExpectedRows | None = None,
) -> ReconciledChunk:
    """Reconcile a chunk: every row the journal file was offered is captured, dropped or damaged.

    A gap in the numbering that the writer's own drops do not explain was in damaged lines. `dropped` is the
    header's count, None when the header is damaged; it is that of this file alone unless it names a
    `writer`. `last`: nothing will ever follow. Then `expected_rows` count the rows of damaged lines at the
    very end, or of a line that is missing. Without them these lines have the number themselves; a line whose
    own number is damaged too, or of a version before 4, counts one row: it may have held outcomes, but one
    row too many counted as lost is better than one too few. Half a line there was never acknowledged and
    holds no row.
    """
    captures, outcomes = list[Capture](), list[Outcome]()
    expected, seen, tail = progress.expected_first, progress.dropped_seen, progress.damaged_tail
    damaged, lost, damaged_rows = 0, Counter[str](), iter(chunk.damaged_rows)
    for payload in chunk.entries:
        entry = None if payload is None else Entry.parse(payload)
        if entry is None:
            damaged, tail = damaged + 1, tail + (next(damaged_rows, 1) if payload is None else 1)
            continue
        explained = 0 if dropped is None else entry.dropped - seen
        lost[DAMAGED] += max(0, entry.first - expected - explained)
        expected, seen, tail = entry.first + len(entry.captures), entry.dropped, 0
        captures.extend(entry.captures)
        outcomes.extend(entry.outcomes)
    if last:
        lost, tail = lost + _lost_at_the_end(tail, expected, expected_rows), 0
        if expected_rows is not None:
            expected = max(expected, expected_rows.written + expected_rows.late)
        damaged += chunk.torn + (dropped is None)
    if writer is None:
        lost += Counter(dropped or {}) - Counter(progress.dropped)
        recorded = dict(Counter(progress.dropped) + lost)
    else:
        recorded = dict(dropped or {})
    reached = JournalFileProgress(chunk.end, expected, seen, tail, recorded)
    return ReconciledChunk(captures, reached, +lost, damaged, outcomes, writer, dict(dropped or {}))


def _lost_at_the_end(tail: int, expected: int, expected_rows: ExpectedRows | None) -> Counter[str]:
    if expected_rows is None:
        return Counter({DAMAGED: tail})
    missing = max(0, expected_rows.written + expected_rows.late - expected)
    stalled = min(missing, expected_rows.late)
    return Counter({DAMAGED: missing - stalled, CaptureResult.STALLED.value: stalled})
