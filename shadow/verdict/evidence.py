"""The evidence about one candidate: everything a verdict is computed from.

Sums of whole mature days only, so that outcomes that come early cannot count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from model_package.reference import ModelRef
from monitoring.statistics.sums import Sums, total
from shadow.policy import Policy
from shadow.records import VerdictState

DaySums = tuple[tuple[int, Sums], ...]
"""Days of the stream's length, counted from 1970, ascending, each with its sums."""


class ImmatureDay(ValueError):
    """A day beyond the watermark was passed in as mature."""

    safe_to_log = True


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest mature day (None: none yet), the time a day takes to mature, and the delays it rests on."""

    day: int | None
    maturity_seconds: float
    delays_seen: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """Rows answered since the stream began that the candidate was to score, and those it has not scored.

    `eligible` counts the dropped and the pending ones too, not those it was sampled out of.
    """

    eligible: int
    dropped: int
    pending: int


@dataclass(frozen=True, slots=True)
class StreamEvidence:
    """What is known about one candidate in one stream, as of one moment.

    `days` and `segments`: sums of mature days, overall by day (ascending) and by segment over all of them;
    those of segments are made with the policy's margin for segments, the others with `margin`. `preview` and
    `preview_segments`: the same of the days since, whose outcomes have not all come. None: unknown.
    """

    candidate: ModelRef
    live: ModelRef
    stream_id: int
    policy: Policy
    alpha: float
    margin: float
    schema_digest: str
    started_at: datetime
    now: datetime
    watermark: Watermark
    days: DaySums
    segments: Mapping[str, Sums] = field(default_factory=dict)
    preview: DaySums = ()
    preview_segments: Mapping[str, Sums] = field(default_factory=dict)
    exposure: Exposure | None = None
    drift: int | None = None  # 0 none, 1 yellow, 2 red
    schema_now: str | None = None
    was_live: bool = False  # the deployment replaced the candidate: it is watched for regret
    previous: tuple[VerdictState, datetime] | None = None  # the last verdict's state, and since when

    def __post_init__(self) -> None:
        """Refuse immature days: outcomes that come early differ from those that come late."""
        newest = self.watermark.day
        if early := [day for day, _ in self.days if newest is None or day > newest]:
            raise ImmatureDay(f"day {early[0]} was passed in as mature; expected days up to {newest}")

    @property
    def elapsed_preview(self) -> DaySums:
        """The days of the preview that have ended, though they are not mature."""
        length, now = self.policy.day_seconds, self.now.timestamp()
        return tuple((day, sums) for day, sums in self.preview if (day + 1) * length <= now)


def total_of(days: DaySums) -> Sums:
    """Add up the sums of these days."""
    return total([sums for _, sums in days])
