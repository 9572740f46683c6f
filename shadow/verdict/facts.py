"""Facts: everything a verdict is made of. Sums only, of whole mature days: what came early cannot count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from model_package.reference import ModelRef
from monitoring.statistics.sums import Sums, total
from shadow.policy import Policy
from shadow.records import VerdictState

Days = tuple[tuple[int, Sums], ...]


class ImmatureDay(ValueError):
    """A day was given as mature that the watermark has not passed."""

    safe_to_log = True


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest mature day (None: none yet), how long days take to mature, and how many delays say so."""

    day: int | None
    maturity_seconds: float
    delays_seen: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """Houses answered since the stream began that the candidate was to see, and those it did not.

    `eligible` counts the dropped and the pending ones too, not those it was sampled out of.
    """

    eligible: int
    dropped: int
    pending: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One candidate in one stream, as of one moment.

    `days` and `segments`: sums of mature days, overall by day (ascending) and by segment over all of them;
    those of segments are made with the policy's margin for segments, the others with `margin`. `preview` and
    `preview_segments`: the same of the days since, whose outcomes have not all come. None: not known.
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
    days: Days
    segments: Mapping[str, Sums] = field(default_factory=dict)
    preview: Days = ()
    preview_segments: Mapping[str, Sums] = field(default_factory=dict)
    exposure: Exposure | None = None
    drift: int | None = None  # 0 none, 1 yellow, 2 red
    schema_now: str | None = None
    was_live: bool = False  # the candidate is the model this deployment replaced: it is watched for regret
    previous: tuple[VerdictState, datetime] | None = None  # the state before, and since when

    def __post_init__(self) -> None:
        """Refuse days that are not mature: outcomes that come early are not like those that come late."""
        newest = self.watermark.day
        if early := [day for day, _ in self.days if newest is None or day > newest]:
            raise ImmatureDay(f"day {early[0]} was given as mature; expected days up to {newest}")

    @property
    def over(self) -> Days:
        """The days of the preview that are over, though not mature."""
        length, now = self.policy.day_seconds, self.now.timestamp()
        return tuple((day, sums) for day, sums in self.preview if (day + 1) * length <= now)


def together(days: Days) -> Sums:
    """The sums of all these days."""
    return total([sums for _, sums in days])
