"""The tables, declared once; migrations/ brings a database to this shape and a test compares the two.

A *source* is one data directory. Its one ingest numbers its captures 1, 2, 3... in commit order, so a
cursor over (source, seq) can never pass by a capture that commits later: what a database sequence
shared by several writers cannot promise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC, also where the database has no time zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store UTC."""
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read UTC."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


def _identity() -> Column[Any]:
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


json_object = JSON().with_variant(JSONB(), "postgresql")

sources = Table(
    "sources",
    metadata,
    _identity(),
    Column("directory_id", String(36), nullable=False, unique=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

segments = Table(
    "segments",
    metadata,
    Column("source_id", ForeignKey(sources.c.id), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("expected_first", BigInteger, nullable=False),
    Column("dropped_seen", BigInteger, nullable=False),
    Column("damaged_tail", BigInteger, nullable=False),
    Column("dropped", json_object, nullable=False),
)

drops = Table(
    "drops",
    metadata,
    _identity(),
    Column("source_id", ForeignKey(sources.c.id), nullable=False),
    Column("segment", String(64), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("houses", BigInteger, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    Index(None, "recorded_at"),
)

captures = Table(
    "captures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source_id", ForeignKey(sources.c.id), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("captured_at", UtcTime, nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("row_index", Integer, nullable=False),
    Column("live_name", String(63), nullable=False),
    Column("live_version", String(9), nullable=False),
    Column("prediction_dollars", Float(53), nullable=False),
    Column("inputs", JSON, nullable=False),  # text: written once and read whole, a third of the cost of JSONB
    Column("sample_key", Float(53), nullable=False),
    UniqueConstraint("source_id", "seq"),
    Index(None, "captured_at"),
    Index(None, "request_id"),
)

candidates = Table(
    "candidates",
    metadata,
    _identity(),
    Column("name", String(63), nullable=False),
    Column("version", String(9), nullable=False),
    Column("sample", Float(53), nullable=False),
    Column("state", String(16), nullable=False),
    Column("replay_from", UtcTime, nullable=True),
    Column("added_at", UtcTime, nullable=False),
    CheckConstraint("sample > 0 AND sample <= 1", name="sample"),
    Index(
        "uq_candidates_present",
        "name",
        "version",
        unique=True,
        postgresql_where=text("state <> 'removed'"),
        sqlite_where=text("state <> 'removed'"),
    ),
)

cursors = Table(
    "cursors",
    metadata,
    Column("candidate_id", ForeignKey(candidates.c.id), primary_key=True),
    Column("source_id", ForeignKey(sources.c.id), primary_key=True),
    Column("start_seq", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    # The capture first: one index then serves the look-up of a prediction too, and its ids arrive in order.
    Column("capture_id", Uuid, primary_key=True),
    Column("candidate_id", ForeignKey(candidates.c.id), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("prediction_dollars", Float(53), nullable=True),
    Column("reason", String(32), nullable=True),
    Column("detail", Text, nullable=True),
    Column("latency_seconds", Float(53), nullable=True),
    Column("observed_at", UtcTime, nullable=False),
    CheckConstraint(
        "(state = 'scored' AND prediction_dollars IS NOT NULL AND reason IS NULL)"
        " OR (state = 'failed' AND prediction_dollars IS NULL AND reason IS NOT NULL)",
        name="state",
    ),
)

deployments = Table(
    "deployments",
    metadata,
    _identity(),
    Column("live_name", String(63), nullable=False),
    Column("live_version", String(9), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("decided_by", String(128), nullable=False),
    Column("reason", Text, nullable=False),
)
