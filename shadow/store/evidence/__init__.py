"""Evidence: sums per day, segment and stream, computed in the database. No house leaves it."""

from shadow.store.evidence.due import due_days, note_changes
from shadow.store.evidence.pictures import Pair, mature_sample, prices, sample, worst
from shadow.store.evidence.reading import Delays, Evidence, as_of, day_sums, delays, gaps, segment_sums
from shadow.store.evidence.refresh import refresh_day

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
