"""The evidence about a stream, read from the store for one moment: everything a verdict is computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from model_package import schema
from monitoring.statistics.sums import Sums
from shadow.policy import Policy
from shadow.records import DeploymentKind
from shadow.store import Connection, Store, candidates, deployments
from shadow.store import evidence as stored
from shadow.store.evidence import Delays, exposure
from shadow.store.evidence.span import day_at
from shadow.store.streams import Stream, verdicts
from shadow.verdict import DaySums, Exposure, StreamEvidence, Watermark

SegmentSums = Callable[[int | None, int | None], Mapping[str, Sums]]


@dataclass(frozen=True, slots=True)
class _Sums:
    """The sums of a stream. `segments` takes the day before which and the day from which on."""

    days: DaySums
    segments: SegmentSums
    delays: Delays
    exposure: Exposure


def gather(store: Store, stream: Stream, policy: Policy, drift: int | None, now: datetime) -> StreamEvidence:
    """Gather the evidence from the sums that the cycle keeps up to date; `drift`: the state measured now."""
    with store.reading() as connection:
        sums = _current_sums(connection, stream, now)
        return _evidence(connection, stream, policy, sums, drift, now)


def gather_as_of(
    store: Store, stream: Stream, policy: Policy, drift: int | None, moment: datetime
) -> StreamEvidence:
    """Gather the evidence from the ledger, as it was at a moment; rows stored later do not count."""
    with store.reading() as connection:
        sums = _sums_as_of(connection, stream, moment)
        return _evidence(connection, stream, policy, sums, drift, moment)


def watermark(policy: Policy, stream: Stream, delays: Delays, now: datetime) -> Watermark:
    """Return the newest mature day: all but a few of its outcomes have come.

    The delays are those seen so far, too short while a stream is young (docs/statistics.md, "Late outcomes").
    """
    length, rule = policy.day_seconds, policy.maturity
    enough = delays.count >= rule.min_delays
    seconds = delays.quantile(rule.quantile) if enough else float(rule.default_days * length)
    newest = int((now.timestamp() - seconds) // length) - 1
    first = day_at(stream.started_at, length)
    return Watermark(newest if newest >= first else None, seconds, delays.count)


def _evidence(
    connection: Connection, stream: Stream, policy: Policy, sums: _Sums, drift: int | None, now: datetime
) -> StreamEvidence:
    mark = watermark(policy, stream, sums.delays, now)
    young = day_at(stream.started_at, policy.day_seconds) if mark.day is None else mark.day + 1
    return StreamEvidence(
        candidate=stream.candidate,
        live=stream.terms.live,
        stream_id=stream.id,
        policy=policy,
        alpha=stream.terms.alpha,
        margin=stream.terms.margin,
        schema_digest=stream.terms.schema_digest,
        schema_now=schema.digest(),
        started_at=stream.started_at,
        now=now,
        watermark=mark,
        days=tuple((day, day_sums) for day, day_sums in sums.days if day < young),
        preview=tuple((day, day_sums) for day, day_sums in sums.days if day >= young),
        segments=sums.segments(young, None),
        preview_segments=sums.segments(None, young),
        exposure=sums.exposure,
        drift=drift,
        was_live=_was_live(connection, stream),
        previous=verdicts.state_as_of(connection, stream.id, now),
    )


def _current_sums(connection: Connection, stream: Stream, now: datetime) -> _Sums:
    days = tuple(stored.day_sums(connection, stream))
    candidate = candidates.by_id(connection, stream.terms.candidate_id)
    dropped = exposure.dropped(connection, stream, candidate, now)
    pending = exposure.pending(connection, stream, candidate)
    return _Sums(
        days,
        lambda before, begin: stored.segment_sums(connection, stream, before, begin),
        stored.delays(connection, stream),
        _exposure(days, dropped, pending),
    )


def _sums_as_of(connection: Connection, stream: Stream, moment: datetime) -> _Sums:
    ledger = stored.as_of(connection, stream, moment)
    days = tuple(ledger.day_sums())
    candidate = candidates.by_id(connection, stream.terms.candidate_id)
    dropped = exposure.dropped(connection, stream, candidate, moment)
    pending = exposure.pending_as_of(connection, stream, candidate, moment)
    return _Sums(days, ledger.segment_sums, ledger.delays, _exposure(days, dropped, pending))


def _exposure(days: DaySums, dropped: int, pending: int) -> Exposure:
    scored = sum(sums.pairs + sums.failed for _, sums in days)
    return Exposure(eligible=int(scored) + dropped + pending, dropped=dropped, pending=pending)


def _was_live(connection: Connection, stream: Stream) -> bool:
    """Whether the stream's deployment is a promotion that replaced the candidate."""
    history = deployments.history(connection)
    ids = [deployment.id for deployment in history]
    index = ids.index(stream.terms.deployment_id)
    promoted = history[index].kind is DeploymentKind.PROMOTION
    return promoted and index > 0 and history[index - 1].live == stream.candidate
