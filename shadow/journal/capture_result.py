"""The result of handing rows or outcomes to the journal."""

from __future__ import annotations

from enum import StrEnum


class CaptureResult(StrEnum):
    """What became of one request's rows; the values stand in logs, metrics and stored counts.

    `KEPT`: the kernel has them. `LATE`: the disk is still at it; the journal gets them later, or counts them
    as dropped. Every other result is the reason why they were dropped.
    """

    KEPT = "written"
    LATE = "late"
    FULL = "full"
    DISK = "disk"
    STALLED = "stalled"
    CLOSED = "closed"

    @property
    def is_kept(self) -> bool:
        """Whether the journal has the rows for certain."""
        return self is KEPT


KEPT, LATE = (
    CaptureResult.KEPT,
    CaptureResult.LATE,
)  # on the live path: a member of an Enum is slow to look up
DROP_REASONS = tuple(result.value for result in CaptureResult if result not in (KEPT, LATE))
