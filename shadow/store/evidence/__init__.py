"""Evidence: sums per day, segment and stream, computed in the database. No single row leaves it for them."""

from shadow.store.evidence.due import due_days, mark_changed_days
from shadow.store.evidence.refresh import refresh_day
from shadow.store.evidence.samples import PredictionPair, largest_gaps, mature_sample, price_arrays, sample
from shadow.store.evidence.sums import Delays, Evidence, as_of, day_sums, delays, gap_bins, segment_sums

__all__ = [
    "Delays",
    "Evidence",
    "PredictionPair",
    "as_of",
    "day_sums",
    "delays",
    "due_days",
    "gap_bins",
    "largest_gaps",
    "mark_changed_days",
    "mature_sample",
    "price_arrays",
    "refresh_day",
    "sample",
    "segment_sums",
]
