"""Judgement: everything a verdict is made of, read from the store for one moment, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from model_package import schema
from model_package.manifest import AlteredArtifact, InvalidArtifact
from model_package.reference import ModelRef
from monitoring.statistics.sums import Sums
from shadow.evidence import drift
from shadow.policy import Policy
from shadow.records import DeploymentKind
from shadow.store import Connection, Store, deployments, evidence, streams
from shadow.store.evidence import Delays, exposure
from shadow.store.evidence.refresh import refresh
from shadow.store.evidence.span import day_at
from shadow.store.streams import NotJudged, Stream, verdicts
from shadow.verdict import Exposure, Facts, Verdict, Watermark, decide

DaySums = list[tuple[int, Sums]]
SegmentSums = Callable[[int | None, int | None], Mapping[str, Sums]]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Where sums come from. Those of segments take the day before which and the day from which on."""

    days: Callable[[], DaySums]
    segments: SegmentSums
    delays: Delays


def judge(
    store: Store, models: Path, model: ModelRef, now: datetime, as_of: datetime | None = None
) -> Verdict:
    """The verdict on a candidate now, what has come since being added up first; raises NotJudged.

    With `as_of` it is computed again from the ledger, as it was at that moment: what was stored later does
    not count.
    """
    with store.reading() as connection:
        stream = _now(connection, model, now) if as_of is None else _then(connection, model, as_of, now)
    if as_of is None:  # sums that nobody has brought up to date must promote nobody
        refresh(store, stream)
    return decide(facts_of(store, models, stream, as_of or now, again=as_of is not None))


def facts_of(store: Store, models: Path, stream: Stream, now: datetime, *, again: bool = False) -> Facts:
    """Read all facts about a stream; `again`: from the ledger, instead of from the sums that are kept."""
    policy = Policy.parse(stream.terms.policy)
    with store.reading() as connection:
        sums = _again(connection, stream, now) if again else _kept(connection, stream)
        mark = watermark(policy, stream, sums.delays, now)
        young = day_at(stream.started_at, policy.day_seconds) if mark.day is None else mark.day + 1
        days = sums.days()
        return Facts(
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
            days=tuple(one for one in days if one[0] < young),
            preview=tuple(one for one in days if one[0] >= young),
            segments=sums.segments(young, None),
            preview_segments=sums.segments(None, young),
            exposure=_exposure(connection, stream, days, now, again=again),
            drift=_drift(connection, models, stream, policy, now, again=again),
            was_live=_was_live(connection, stream),
            previous=verdicts.state_as_of(connection, stream.id, now),
        )


def watermark(policy: Policy, stream: Stream, delays: Delays, now: datetime) -> Watermark:
    """Days up to the watermark are mature: all but a few of their outcomes have come.

    The delays are those seen so far, too short while a stream is young (docs/statistics.md, "Late outcomes").
    """
    length, rule = policy.day_seconds, policy.maturity
    enough = delays.seen >= rule.min_delays
    seconds = delays.quantile(rule.quantile) if enough else float(rule.default_days * length)
    newest = int((now.timestamp() - seconds) // length) - 1
    first = day_at(stream.started_at, length)
    return Watermark(newest if newest >= first else None, seconds, delays.seen)


def _now(connection: Connection, model: ModelRef, now: datetime) -> Stream:
    """The stream a model is judged in. One that nobody has ended yet may be over all the same."""
    found = streams.of_model(connection, model, now)
    if found is None or streams.is_over(connection, found):
        raise NotJudged(
            f"{model}: no evidence about it: it is no candidate, or the worker has not begun to judge it; "
            "see `umbra candidates` and `umbra status`"
        )
    return found


def _then(connection: Connection, model: ModelRef, moment: datetime, now: datetime) -> Stream:
    if moment > now:
        raise NotJudged(f"{model}: what it will be at {moment:%Y-%m-%d %H:%M:%S} UTC nobody can know yet")
    found = streams.of_model(connection, model, moment)
    if found is None:
        raise NotJudged(
            f"{model}: no evidence about it at {moment:%Y-%m-%d %H:%M:%S} UTC: it was no candidate then; "
            "see `umbra candidates` and `umbra deployments`"
        )
    return found


def _kept(connection: Connection, stream: Stream) -> _Sums:
    return _Sums(
        lambda: evidence.day_sums(connection, stream),
        lambda before, begin: evidence.segment_sums(connection, stream, before, begin),
        evidence.delays(connection, stream),
    )


def _again(connection: Connection, stream: Stream, moment: datetime) -> _Sums:
    found = evidence.as_of(connection, stream, moment)
    return _Sums(found.day_sums, found.segment_sums, found.delays)


def _exposure(
    connection: Connection, stream: Stream, days: DaySums, now: datetime, *, again: bool
) -> Exposure:
    seen = sum(sums.pairs + sums.failed for _, sums in days)
    dropped = exposure.dropped(connection, stream, now)
    pending = (
        exposure.pending_as_of(connection, stream, now) if again else exposure.pending(connection, stream)
    )
    return Exposure(eligible=int(seen) + dropped + pending, dropped=dropped, pending=pending)


def _drift(
    connection: Connection, models: Path, stream: Stream, policy: Policy, now: datetime, *, again: bool
) -> int | None:
    try:
        return drift.state(connection, models, stream, policy, now)
    except (AlteredArtifact, InvalidArtifact):
        if again:  # what lies there now need not be what lay there then: not known
            return None
        raise


def _was_live(connection: Connection, stream: Stream) -> bool:
    """Whether the stream's deployment is a promotion that replaced the candidate."""
    history = deployments.history(connection)
    place = next(i for i, one in enumerate(history) if one.id == stream.terms.deployment_id)
    promoted = history[place].kind is DeploymentKind.PROMOTION
    return promoted and place > 0 and history[place - 1].live == stream.candidate
