"""Accounting: what a stretch of journal is worth, and which rows in it are lost.

Every row a writer was offered is captured, dropped by it, or in a damaged line; the numbers
that entries carry tell which. Outcomes between them are no rows and take no numbers: a damaged line that
held outcomes leaves no gap, and counts as a damaged line alone.
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
class Promise:
    """The rows that a writer which was killed has promised to be in its last journal file.

    `rows` had been written; `late` more had been answered while their write still hung.
    """

    rows: int
    late: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """What one reading of a journal file is worth.

    `lost` counts the rows that can never be scored, by reason, that were not recorded before. `dropped`
    counts all that the file's `writer` ever dropped, recorded or not. `payloads` are the entries as they
    were read; `is_again`: the store acknowledged them before, and forgot them.
    """

    captures: list[Capture]
    progress: JournalFileProgress
    lost: Counter[str]
    damaged_lines: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    writer: str | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    payloads: tuple[bytes | None, ...] = ()
    is_again: bool = False


def plan(
    progress: JournalFileProgress,
    chunk: Chunk,
    dropped: Mapping[str, int] | None,
    *,
    last: bool,
    writer: str | None = None,
    promise: Promise | None = None,
) -> Move:
    """Account for a chunk: every row the journal file was offered is captured, dropped or damaged.

    A gap in the numbering that the writer's own drops do not explain was in damaged lines. `dropped` is the
    header's count, None when the header is damaged; it is that of this file alone unless it names a
    `writer`. `last` says that nothing will ever follow: then the `promise` tells what damaged lines at the
    very end held, or a line that is not there at all. Without a promise these lines tell it themselves; one
    whose own number is damaged, too, or which is of a version before 4, counts one row: it may have held
    outcomes, but better a row too many is called lost than one too few. Half a line there was never
    acknowledged and holds no row.
    """
    found, reported = list[Capture](), list[Outcome]()
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
        found.extend(entry.captures)
        reported.extend(entry.outcomes)
    if last:
        lost, tail = lost + _lost_at_the_end(tail, expected, promise), 0
        expected = expected if promise is None else max(expected, promise.rows + promise.late)
        damaged += chunk.torn + (dropped is None)
    if writer is None:
        lost += Counter(dropped or {}) - Counter(progress.dropped)
        told = dict(Counter(progress.dropped) + lost)
    else:
        told = dict(dropped or {})
    at = JournalFileProgress(chunk.end, expected, seen, tail, told)
    return Move(found, at, +lost, damaged, reported, writer, dict(dropped or {}))


def _lost_at_the_end(tail: int, expected: int, promise: Promise | None) -> Counter[str]:
    if promise is None:
        return Counter({DAMAGED: tail})
    missing = max(0, promise.rows + promise.late - expected)
    stalled = min(missing, promise.late)
    return Counter({DAMAGED: missing - stalled, CaptureResult.STALLED.value: stalled})
