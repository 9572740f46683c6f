"""Field counts: count the values of every field and prediction by day and bin of a model's profile.

Each row is counted once: its counts are added in the transaction that moves the cursor of its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    select,
    union_all,
    update,
)

from model_package.profile import AGES
from model_package.reference import ModelRef
from model_package.schema import BY_NAME
from shadow.records import ObservationState
from shadow.store.captures import seq_before
from shadow.store.database.dialects import (
    NUMBER,
    TEXT,
    FieldType,
    add_from,
    allow_long_queries,
    day_of,
    fenced,
    insert_if_absent,
    with_fields,
)
from shadow.store.database.tables import captures, cursors, field_counts, field_cursors, observations, sources
from shadow.store.drift.field_bins import Description, label, outside

PREDICTION = "prediction"
"""The name under which a model's own predictions are counted."""
AT_ONCE = 10_000
BinCounts = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class _Uncounted:
    """Captures of a source that are to be counted: after < seq <= up_to."""

    source_id: int
    after: int
    up_to: int


class FieldCounts:
    """Counts into the bins of one artifact's profile.

    For a live model it counts every row and the model's own predictions; for a candidate, whose id is given,
    its predictions alone. The statement is built once.
    """

    def __init__(
        self,
        digest: str,
        model: ModelRef,
        profile: Mapping[str, Any],
        day_seconds: int,
        candidate_id: int | None = None,
    ) -> None:
        self._digest = digest
        self._day_seconds = day_seconds
        self._candidate_id = candidate_id
        fields: Mapping[str, Description] = {} if candidate_id is not None else profile["fields"]
        self._fields = {
            name: description for name, description in fields.items() if name in AGES or name in BY_NAME
        }
        self._prediction: Description = profile["prediction"]
        self._rows = _answered(model) if candidate_id is None else _observed(candidate_id)
        self._counts: FromClause | None = None

    def count_next(self, connection: Connection, since: datetime, at_once: int = AT_ONCE) -> bool:
        """Count the next rows of each source; returns whether there are more.

        A source that has not been counted before begins with the first capture at or after `since`.
        """
        allow_long_queries(connection)
        more = False
        for source_id in connection.execute(select(sources.c.id).order_by(sources.c.id)).scalars().all():
            uncounted = self._uncounted(connection, source_id, since)
            up_to = min(uncounted.up_to, uncounted.after + at_once)
            if up_to > uncounted.after:
                self._count(connection, _Uncounted(source_id, uncounted.after, up_to))
            more = more or up_to < uncounted.up_to
        return more

    def _uncounted(self, connection: Connection, source_id: int, since: datetime) -> _Uncounted:
        """Find what is to be counted; nobody else counts this source until the transaction ends."""
        # The cursor is locked before the end is read: what is at or below that is committed.
        query = select(field_cursors.c.capture_seq).where(self._is_cursor(source_id)).with_for_update()
        after = connection.execute(query).scalar()
        if after is None:
            start = seq_before(connection, source_id, since)
            insert_if_absent(connection, field_cursors, self._key(source_id) | {"capture_seq": start})
            after = connection.execute(query).scalar_one()
        return _Uncounted(source_id, after, connection.execute(self._last(source_id)).scalar() or 0)

    def _last(self, source_id: int) -> Select[Any]:
        """Select the number of the last capture that can be counted."""
        if self._candidate_id is None:
            return select(sources.c.last_seq).where(sources.c.id == source_id)
        cursor = and_(cursors.c.candidate_id == self._candidate_id, cursors.c.source_id == source_id)
        return select(cursors.c.seq).where(cursor)

    def _count(self, connection: Connection, uncounted: _Uncounted) -> None:
        """Add the counts of these captures and move the cursor behind them."""
        parameters = {"source": uncounted.source_id, "after": uncounted.after, "up_to": uncounted.up_to}
        if self._counts is None:
            self._counts = self._query(connection.dialect.name)
        add_from(connection, field_counts, self._counts, "houses", parameters)
        cursor = self._is_cursor(uncounted.source_id)
        connection.execute(update(field_cursors).where(cursor).values(capture_seq=uncounted.up_to))

    def _query(self, database: str) -> FromClause:
        values = _values(self._rows, self._fields, self._day_seconds, database)
        described = {**self._fields, PREDICTION: self._prediction}
        return _counts(values, described, self._digest, self._day_seconds)

    def _key(self, source_id: int) -> dict[str, Any]:
        return {"profile": self._digest, "day_seconds": self._day_seconds, "source_id": source_id}

    def _is_cursor(self, source_id: int) -> ColumnElement[bool]:
        return and_(*(field_cursors.c[name] == value for name, value in self._key(source_id).items()))


def bin_counts(
    connection: Connection, digest: str, day_seconds: int, first_day: int, end_day: int
) -> BinCounts:
    """Return the counts over the days of [first_day, end_day), by field and bin, without empty bins."""
    table = field_counts.c
    query = select(table.field, table.bin, func.sum(table.houses)).where(
        table.profile == digest,
        table.day_seconds == day_seconds,
        table.day >= first_day,
        table.day < end_day,
    )
    counts: BinCounts = {}
    for field, bin_label, count in connection.execute(query.group_by(table.field, table.bin)):
        counts.setdefault(field, {})[bin_label] = int(count)
    return counts


def _answered(model: ModelRef) -> Select[Any]:
    """Select every capture, with the prediction of `model` where that was live."""
    is_live = and_(captures.c.live_name == model.name, captures.c.live_version == model.version)
    dollars = case((is_live, captures.c.prediction_dollars)).label(PREDICTION)
    return select(captures.c.id, captures.c.inputs, dollars).where(_is_uncounted())


def _observed(candidate_id: int) -> Select[Any]:
    """Select the captures that a candidate scored, with its predictions."""
    dollars = observations.c.prediction_dollars.label(PREDICTION)
    return (
        select(captures.c.id, captures.c.inputs, dollars)
        .join(observations, observations.c.capture_id == captures.c.id)
        .where(
            _is_uncounted(),
            observations.c.candidate_id == candidate_id,
            observations.c.state == ObservationState.SCORED.value,
        )
    )


def _is_uncounted() -> ColumnElement[bool]:
    return and_(
        captures.c.source_id == bindparam("source"),
        captures.c.seq > bindparam("after"),
        captures.c.seq <= bindparam("up_to"),
    )


def _values(
    rows: Select[Any], fields: Mapping[str, Description], day_seconds: int, database: str
) -> FromClause:
    """Select for each capture its day, the value of every field, and the prediction."""
    years = {year for name in fields if name in AGES for year in (AGES[name], "year_sold")}
    types = {name: _type(name) for name in sorted({*fields, *years}) if name in BY_NAME}
    read = fenced(with_fields(fenced(rows, "counted"), "inputs", types, database), "read")
    values = (_value(name, read).label(name) for name in fields)
    day = day_of(read.c.id, day_seconds).label("day")
    return select(day, read.c.prediction, *values).cte("houses")


def _type(name: str) -> FieldType:
    return TEXT if BY_NAME[name].kind == "category" else NUMBER


def _value(name: str, read: FromClause) -> ColumnElement[Any]:
    if name in AGES:
        return read.c.field_year_sold - read.c[f"field_{AGES[name]}"]
    return read.c[f"field_{name}"]


def _counts(
    values: FromClause, described: Mapping[str, Description], digest: str, day_seconds: int
) -> FromClause:
    """Select the number of rows for each field, day and bin."""
    counts = union_all(
        *(
            query
            for name, description in described.items()
            for query in _counts_of_field(values, name, description)
        )
    ).subquery("by_bin")
    return select(
        literal(digest).label("profile"), literal(day_seconds).label("day_seconds"), *counts.c
    ).subquery("counted")


def _counts_of_field(values: FromClause, name: str, description: Description) -> Iterator[Select[Any]]:
    """Select the number of rows by day and bin of one field, and those out of its range."""
    value = values.c[name]
    # A model has no prediction for the rows that another one answered: that is not a missing one.
    exists = value.is_not(None) if name == PREDICTION else literal(1) == 1
    binned = select(values.c.day, label(value, description).label("bin")).where(exists).subquery()
    yield _grouped(binned.c.day, binned.c.bin, name)
    for side, is_outside in outside(value, description).items():
        beyond = select(values.c.day, literal(side).label("bin")).where(exists, is_outside).subquery()
        yield _grouped(beyond.c.day, beyond.c.bin, name)


def _grouped(day: ColumnElement[Any], bin_label: ColumnElement[Any], name: str) -> Select[Any]:
    """Select field, day, bin and the number of rows."""
    field: ColumnElement[Any] = literal(name).label("field")
    return select(field, day, bin_label, func.count().label("houses")).group_by(day, bin_label)
