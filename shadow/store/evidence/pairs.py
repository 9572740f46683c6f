"""Pairs: both models' predictions for a row, and its outcome. All evidence is computed from this relation.

An entity that was captured several times counts once: the earliest capture with a price in force, else the
earliest. Which capture that is does not depend on either prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from shadow.records import ObservationState, OutcomeState
from shadow.store.database.dialects import day_of
from shadow.store.database.tables import captures, observations, outcomes
from shadow.store.evidence.span import DayRange, ids_in, ids_of
from shadow.store.outcomes import is_superseded, report_order
from shadow.store.streams import Stream

Conditions: TypeAlias = tuple[ColumnElement[bool], ...]
_SMALLEST_DOLLARS, _LARGEST_DOLLARS = 1e-6, 1e15
_SOLD = OutcomeState.SOLD.value


@dataclass(frozen=True, slots=True)
class Scope:
    """Captures of a stream, as the store knew them at `moment` (None: as it does now).

    `database`: the dialect of the store, by name. The ids are of [:low, :high), which are parameters of the
    statement: so it is compiled only once.
    """

    stream: Stream
    database: str
    moment: datetime | None = None

    def parameters(self, days: DayRange) -> dict[str, UUID]:
        """Return the parameters that restrict the scope to some days."""
        ids = ids_of(days, self.stream.terms.day_seconds).within(ids_in(self.stream))
        return {"low": ids.low, "high": ids.high}


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The ids of [low, high) in SQL."""

    low: ColumnElement[UUID]
    high: ColumnElement[UUID]

    def hold(self, capture_id: ColumnElement[UUID]) -> ColumnElement[bool]:
        return and_(capture_id >= self.low, capture_id < self.high)


_BOUNDS = _Bounds(bindparam("low", type_=Uuid()), bindparam("high", type_=Uuid()))


def pairs(scope: Scope) -> Select[Any]:
    """Select one row for each entity or single capture that the candidate has observed.

    `live`, `candidate` (null: it failed) and `price` (null: not sold) are in dollars; `withdrawn` is 1 or 0;
    `delay_seconds` is from the answer to the first report of a price.
    """
    outcome = _in_force(scope)
    sold = func.coalesce(outcome.c.state, "") == _SOLD
    answered = and_(observations.c.state == ObservationState.SCORED.value, _is_price(_CANDIDATE_DOLLARS))
    return (
        select(
            captures.c.id,
            captures.c.sample_key,
            captures.c.inputs,
            day_of(captures.c.id, scope.stream.terms.day_seconds).label("day"),
            captures.c.prediction_dollars.label("live"),
            case((answered, _CANDIDATE_DOLLARS)).label("candidate"),
            case((and_(sold, _is_price(outcome.c.price_dollars)), outcome.c.price_dollars)).label("price"),
            case((outcome.c.state == OutcomeState.WITHDRAWN.value, 1), else_=0).label("withdrawn"),
            observations.c.latency_seconds,
            case((sold, outcome.c.delay_seconds)).label("delay_seconds"),
        )
        .join(observations, observations.c.capture_id == captures.c.id)
        .outerjoin(outcome, outcome.c.capture_id == captures.c.id)
        .where(
            *_is_observed(captures, observations, scope, _BOUNDS),
            or_(captures.c.entity_id.is_(None), ~_has_better(scope, sold)),
        )
    )


_CANDIDATE_DOLLARS = observations.c.prediction_dollars


def _is_price(dollars: ColumnElement[float]) -> ColumnElement[bool]:
    # A logarithm or ratio of anything else would stop all evidence; NaN is larger than infinity to Postgres.
    return and_(dollars > _SMALLEST_DOLLARS, dollars < _LARGEST_DOLLARS)


def _is_observed(captured: FromClause, observed: FromClause, scope: Scope, bounds: _Bounds) -> Conditions:
    """Build the conditions: answered by the stream's live model, and observed by its candidate."""
    terms = scope.stream.terms
    return (
        bounds.hold(captured.c.id),
        captured.c.live_name == terms.live.name,
        captured.c.live_version == terms.live.version,
        _is_price(captured.c.prediction_dollars),
        observed.c.candidate_id == terms.candidate_id,
        bounds.hold(observed.c.capture_id),  # follows from the join; repeated, it excludes whole partitions
        *_known(observed.c.observed_at, scope.moment),
    )


def _known(since: ColumnElement[datetime], moment: datetime | None) -> Conditions:
    return () if moment is None else (since <= moment,)


def _in_force(scope: Scope) -> FromClause:
    """Select the outcome in force of each capture that has one, as shadow.store.outcomes defines it."""
    received, *_ = report_order()
    first_price = func.min(case((outcomes.c.state == _SOLD, outcomes.c.delay_seconds)))
    known = (
        select(
            outcomes.c.capture_id,
            outcomes.c.source_id,
            outcomes.c.seq,
            outcomes.c.state,
            outcomes.c.price_dollars,
            received.label("received"),
            first_price.over(partition_by=outcomes.c.capture_id).label("delay_seconds"),
        )
        .where(
            _BOUNDS.hold(outcomes.c.capture_id),
            *_known(outcomes.c.recorded_at, scope.moment),
        )
        .subquery("known")
    )
    newest = known.c.received.desc(), known.c.source_id.desc(), known.c.seq.desc()
    recency = func.row_number().over(partition_by=known.c.capture_id, order_by=newest)
    ranked = select(known, recency.label("recency")).subquery("ranked")
    return select(ranked).where(ranked.c.recency == 1).subquery("in_force")


def _has_better(scope: Scope, sold: ColumnElement[bool]) -> ColumnElement[bool]:
    """Build the condition: another capture of the same entity, anywhere in the stream, counts instead."""
    other, observed = captures.alias("other"), observations.alias("other_observed")
    other_sold = _is_sold(other.c.id, scope.moment)
    earlier = and_(other.c.id < captures.c.id, or_(~sold, other_sold))
    ids = ids_in(scope.stream)
    of_stream = _Bounds(literal(ids.low, Uuid()), literal(ids.high, Uuid()))
    later = and_(other.c.id > captures.c.id, ~sold, other_sold)
    return (
        exists()
        .select_from(other.join(observed, observed.c.capture_id == other.c.id))
        .where(
            other.c.entity_id == captures.c.entity_id,
            *_is_observed(other, observed, scope, of_stream),
            or_(earlier, later),
        )
    )


def _is_sold(capture_id: ColumnElement[Any], moment: datetime | None) -> ColumnElement[bool]:
    """Build the condition: the outcome in force of one capture has a price."""
    report = outcomes.alias("of_other")

    def known(reports: FromClause) -> Conditions:
        return _known(reports.c.recorded_at, moment)

    return exists().where(
        report.c.capture_id == capture_id,
        report.c.state == _SOLD,
        *known(report),
        ~is_superseded(report, known),
    )
