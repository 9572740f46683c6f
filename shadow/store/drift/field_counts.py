"""Field counts: how the values of every field and prediction fell into the bins of a model's profile, by day.

Each house is counted once: its counts are added in the transaction that moves the place up to which its
source has been counted.
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
"""The name under which a model's own prices are counted."""
AT_ONCE = 10_000
Windows = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Captures of a source that are to be counted: after < seq <= up_to."""

    source_id: int
    after: int
    up_to: int


class FieldCounts:
    """Counts into the bins of one artifact's profile.

    A live model's counts are of every house and of its own prices; those of a candidate, whose id is given,
    of its prices alone. The statement is made once.
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
        self._fields = {name: said for name, said in fields.items() if name in AGES or name in BY_NAME}
        self._prediction: Description = profile["prediction"]
        self._asked = _answered(model) if candidate_id is None else _observed(candidate_id)
        self._counted: FromClause | None = None

    def go_on(self, connection: Connection, since: datetime, at_once: int = AT_ONCE) -> bool:
        """Count the next houses of each source; says whether there are more.

        A source that has not been counted before begins with the first house asked about since then.
        """
        allow_long_queries(connection)
        more = False
        for source_id in connection.execute(select(sources.c.id).order_by(sources.c.id)).scalars().all():
            place = self._place(connection, source_id, since)
            up_to = min(place.up_to, place.after + at_once)
            if up_to > place.after:
                self._count(connection, _Place(source_id, place.after, up_to))
            more = more or up_to < place.up_to
        return more

    def _place(self, connection: Connection, source_id: int, since: datetime) -> _Place:
        """Where to go on; nobody else counts this source until the transaction ends."""
        here = self._here(source_id)
        mine = self._mine(source_id)
        # Locked before it is looked how far there is to go: what is at or below that is committed.
        found = select(field_cursors.c.capture_seq).where(mine).with_for_update()
        after = connection.execute(found).scalar()
        if after is None:
            start = seq_before(connection, source_id, since)
            insert_if_absent(connection, field_cursors, here | {"capture_seq": start})
            after = connection.execute(found).scalar_one()
        return _Place(source_id, after, connection.execute(self._last(source_id)).scalar() or 0)

    def _last(self, source_id: int) -> Select[Any]:
        if self._candidate_id is None:
            return select(sources.c.last_seq).where(sources.c.id == source_id)
        its = and_(cursors.c.candidate_id == self._candidate_id, cursors.c.source_id == source_id)
        return select(cursors.c.seq).where(its)

    def _count(self, connection: Connection, place: _Place) -> None:
        part = {"source": place.source_id, "after": place.after, "up_to": place.up_to}
        if self._counted is None:
            self._counted = self._statement(connection.dialect.name)
        add_from(connection, field_counts, self._counted, "houses", part)
        moved = update(field_cursors).where(self._mine(place.source_id)).values(capture_seq=place.up_to)
        connection.execute(moved)

    def _statement(self, database: str) -> FromClause:
        values = _values(self._asked, self._fields, self._day_seconds, database)
        described = {**self._fields, PREDICTION: self._prediction}
        return _counted(values, described, self._digest, self._day_seconds)

    def _here(self, source_id: int) -> dict[str, Any]:
        return {"profile": self._digest, "day_seconds": self._day_seconds, "source_id": source_id}

    def _mine(self, source_id: int) -> ColumnElement[bool]:
        return and_(*(field_cursors.c[name] == value for name, value in self._here(source_id).items()))


def windows(connection: Connection, digest: str, day_seconds: int, first_day: int, end_day: int) -> Windows:
    """The counts over the days of [first_day, end_day), by field and bin; empty bins are left out."""
    table = field_counts.c
    query = select(table.field, table.bin, func.sum(table.houses)).where(
        table.profile == digest,
        table.day_seconds == day_seconds,
        table.day >= first_day,
        table.day < end_day,
    )
    found: Windows = {}
    for name, place, houses in connection.execute(query.group_by(table.field, table.bin)):
        found.setdefault(name, {})[place] = int(houses)
    return found


def _answered(model: ModelRef) -> Select[Any]:
    """Every house with the price of `model`, where that was live."""
    its = and_(captures.c.live_name == model.name, captures.c.live_version == model.version)
    dollars = case((its, captures.c.prediction_dollars)).label(PREDICTION)
    return select(captures.c.id, captures.c.inputs, dollars).where(_in_place())


def _observed(candidate_id: int) -> Select[Any]:
    """The prices of a candidate."""
    dollars = observations.c.prediction_dollars.label(PREDICTION)
    return (
        select(captures.c.id, captures.c.inputs, dollars)
        .join(observations, observations.c.capture_id == captures.c.id)
        .where(
            _in_place(),
            observations.c.candidate_id == candidate_id,
            observations.c.state == ObservationState.SCORED.value,
        )
    )


def _in_place() -> ColumnElement[bool]:
    return and_(
        captures.c.source_id == bindparam("source"),
        captures.c.seq > bindparam("after"),
        captures.c.seq <= bindparam("up_to"),
    )


def _values(
    asked: Select[Any], fields: Mapping[str, Description], day_seconds: int, database: str
) -> FromClause:
    """One row per house: its day, the value of every field, and the price."""
    years = {year for name in fields if name in AGES for year in (AGES[name], "year_sold")}
    wanted = {name: _type(name) for name in sorted({*fields, *years}) if name in BY_NAME}
    read = fenced(with_fields(fenced(asked, "asked"), "inputs", wanted, database), "read")
    values = (_value(name, read).label(name) for name in fields)
    day = day_of(read.c.id, day_seconds).label("day")
    return select(day, read.c.prediction, *values).cte("houses")


def _type(name: str) -> FieldType:
    return TEXT if BY_NAME[name].kind == "category" else NUMBER


def _value(name: str, read: FromClause) -> ColumnElement[Any]:
    if name in AGES:
        return read.c.field_year_sold - read.c[f"field_{AGES[name]}"]
    return read.c[f"field_{name}"]


def _counted(
    values: FromClause, described: Mapping[str, Description], digest: str, day_seconds: int
) -> FromClause:
    """A row for each field, day and bin, with its houses."""
    found = union_all(
        *(part for name, said in described.items() for part in _parts(values, name, said))
    ).subquery("found")
    return select(
        literal(digest).label("profile"), literal(day_seconds).label("day_seconds"), *found.c
    ).subquery("counted")


def _parts(values: FromClause, name: str, description: Description) -> Iterator[Select[Any]]:
    value = values.c[name]
    # A model has no price for the houses that another one answered: that is not a missing one.
    there = value.is_not(None) if name == PREDICTION else literal(1) == 1
    place = label(value, description).label("bin")
    placed = select(values.c.day, place).where(there).subquery()
    yield _grouped(placed.c.day, placed.c.bin, name)
    for side, is_outside in outside(value, description).items():
        beyond = select(values.c.day, literal(side).label("bin")).where(there, is_outside).subquery()
        yield _grouped(beyond.c.day, beyond.c.bin, name)


def _grouped(day: ColumnElement[Any], place: ColumnElement[Any], name: str) -> Select[Any]:
    field: ColumnElement[Any] = literal(name).label("field")
    return select(field, day, place, func.count().label("houses")).group_by(day, place)
