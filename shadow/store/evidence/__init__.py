"""Evidence: sums per day, segment and stream, computed in the database. No house leaves it."""

from shadow.store.evidence.due import due_days, note_changes
from shadow.store.evidence.refresh import refresh_day
from shadow.store.evidence.samples import Pair, mature_sample, prices, sample, worst
from shadow.store.evidence.sums import Delays, Evidence, as_of, day_sums, delays, gaps, segment_sums

__all__ = [
    "Delays",
    "Evidence",
    "Pair",
    "as_of",
    "day_sums",
    "delays",
    "due_days",
    "gaps",
    "mature_sample",
    "note_changes",
    "prices",
    "refresh_day",
    "sample",
    "segment_sums",
    "worst",
]
