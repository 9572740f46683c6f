"""Accounting: what a stretch of journal is worth, and which houses in it are lost.

Every house a segment was offered is captured, dropped by its writer, or in a damaged line; the numbers
that entries carry tell which. Outcomes between them are no houses and take no numbers: a damaged line that
held outcomes leaves no gap, and is told as a damaged line alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from shadow import journal
from shadow.entries import Entry
from shadow.records import Capture, Outcome
from shadow.store.sources import SegmentProgress

DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Move:
    """What one reading of a segment is worth.

    `lost` counts the houses that can never be scored, by reason, that were not recorded before. `payloads`
    are the entries as they were read; `is_again`: the store acknowledged them before, and forgot them.
    """

    captures: list[Capture]
    progress: SegmentProgress
    lost: Counter[str]
    damaged_lines: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    payloads: tuple[bytes | None, ...] = ()
    is_again: bool = False


def plan(
    progress: SegmentProgress, chunk: journal.Chunk, dropped: Mapping[str, int] | None, *, last: bool
) -> Move:
    """Account for a chunk: every house the segment was offered is captured, dropped or damaged.

    A gap in the numbering that the writer's own drops do not explain was in damaged lines. `dropped` is
    the header's count, None when the header is damaged; `last` says that nothing will ever follow, so
    that damaged lines at the very end, whose houses no number tells, count one house each: they may have held
    outcomes, but better a house too many is called lost than one too few. Half a line there was never
    acknowledged and holds no house, unless the file was cut: it is told of, like a damaged header.
    """
    found, reported = list[Capture](), list[Outcome]()
    expected, seen, tail, damaged, lost = (
        progress.expected_first, progress.dropped_seen, progress.damaged_tail, 0, Counter[str]()
    )  # fmt: skip
    for payload in chunk.entries:
        entry = None if payload is None else Entry.parse(payload)
        if entry is None:
            damaged, tail = damaged + 1, tail + 1
            continue
        explained = 0 if dropped is None else entry.dropped - seen
        lost[DAMAGED] += max(0, entry.first - expected - explained)
        expected, seen, tail = entry.first + len(entry.captures), entry.dropped, 0
        found.extend(entry.captures)
        reported.extend(entry.outcomes)
    if last:
        lost[DAMAGED], tail = lost[DAMAGED] + tail, 0
        damaged += chunk.torn + (dropped is None)
    lost += Counter(dropped or {}) - Counter(progress.dropped)
    told = dict(Counter(progress.dropped) + lost)
    return Move(found, SegmentProgress(chunk.end, expected, seen, tail, told), +lost, damaged, reported)
