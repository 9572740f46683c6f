"""The tables, declared once; migrations/ bring a database to this shape and a test compares the two.

On Postgres captures and observations are partitioned by id, which carries the time (partitions.py). They
have no foreign keys: to attach a partition would then lock tables that every ingest writes.

A *source* is one data directory. Its one ingest numbers its captures 1, 2, 3... in commit order, so a
cursor over (source, seq) can never pass by a capture that commits later, which a database sequence shared by
several writers cannot guarantee.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

from monitoring.statistics.sums import Sums

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


def _number(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _sum(name: str) -> Column[Any]:
    return Column(name, Float(53), nullable=False)


def _sha256(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, String(64), nullable=nullable)


json_object = JSON().with_variant(JSONB(), "postgresql")

sources = Table(
    "sources",
    metadata,
    _identity(),
    Column("directory_id", String(36), nullable=False, unique=True),
    _number("last_seq"),
    Column("last_outcome_seq", BigInteger, nullable=False, server_default="0"),
    Column("pruned", BigInteger, nullable=False, server_default="0"),
    # Captures and outcomes that were acknowledged and are lost since the store was restored.
    Column("missing", BigInteger, nullable=False, server_default="0"),
    Column("missing_outcomes", BigInteger, nullable=False, server_default="0"),
    # How many of these an operator has accepted as lost.
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("accepted_outcomes", BigInteger, nullable=False, server_default="0"),
    # Which data directory writes this source: a name of its own for each start of ingest, and where it runs.
    Column("tenure", String(64), nullable=True),
    Column("tenant", Text, nullable=True),
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
    Column("source_id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("captured_at", UtcTime, nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("row_index", Integer, nullable=False),
    Column("live_name", String(63), nullable=False),
    Column("live_version", String(9), nullable=False),
    Column("prediction_dollars", Float(53), nullable=False),
    Column("inputs", JSON, nullable=False),  # text: written once and read whole, a third of the cost of JSONB
    Column("sample_key", Float(53), nullable=False),
    Column("entity_id", String(64), nullable=True),
    Index(None, "source_id", "seq"),
    Index(None, "captured_at"),
    Index(None, "request_id"),
    Index(None, "entity_id", "id"),
    postgresql_partition_by="RANGE (id)",
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("source_id", ForeignKey(sources.c.id), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("capture_id", Uuid, nullable=False),
    Column("state", String(16), nullable=False),
    Column("price_dollars", Float(53), nullable=True),
    Column("sold_at", UtcTime, nullable=True),
    Column("reported_by", String(64), nullable=True),
    Column("received_at", UtcTime, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    _sum("delay_seconds"),
    CheckConstraint(
        "(state = 'sold' AND price_dollars > 0) OR (state = 'withdrawn' AND price_dollars IS NULL)",
        name="state",
    ),
    Index(None, "capture_id"),
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
    Column("policy", Text, nullable=True),
    _sha256("policy_sha256", nullable=True),
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
    Column("candidate_id", BigInteger, primary_key=True, autoincrement=False),
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
    postgresql_partition_by="RANGE (capture_id)",
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
    Column("kind", String(16), nullable=False, server_default="first"),
    Column("verdict_id", BigInteger, nullable=True),
    Column("verdict_state", String(16), nullable=True),
    Column("overridden", Boolean, nullable=False, server_default=text("false")),
    _sha256("artifact_digest", nullable=True),
    _sha256("policy_sha256", nullable=True),
)

# A single row: whether the store holds a demo or real rows.
purposes = Table(
    "purposes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("purpose", String(8), nullable=False),
    Column("since", UtcTime, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

# One candidate against one deployment under one frozen policy; evidence belongs to a stream.
streams = Table(
    "streams",
    metadata,
    _identity(),
    Column("key", String(64), nullable=False, unique=True),
    Column("deployment_id", ForeignKey(deployments.c.id), nullable=False),
    Column("candidate_id", ForeignKey(candidates.c.id), nullable=False),
    Column("live_name", String(63), nullable=False),
    Column("live_version", String(9), nullable=False),
    _sha256("live_digest"),
    _sha256("candidate_digest"),
    _sha256("schema_digest"),
    Column("policy", Text, nullable=False),
    _sha256("policy_sha256"),
    Column("day_seconds", Integer, nullable=False),
    _sum("margin"),
    _sum("alpha"),
    Column("number", Integer, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=True),
)

# Sums of one day of a stream, by segment ("": all of it); they merge by addition.
evidence = Table(
    "evidence",
    metadata,
    Column("stream_id", ForeignKey(streams.c.id), primary_key=True),
    Column("day", BigInteger, primary_key=True),
    Column("segment", String(64), primary_key=True),
    *map(_sum, Sums.columns()),
)

evidence_due = Table(
    "evidence_due",
    metadata,
    Column("stream_id", ForeignKey(streams.c.id), primary_key=True),
    Column("day", BigInteger, primary_key=True),
)

evidence_cursors = Table(
    "evidence_cursors",
    metadata,
    Column("stream_id", ForeignKey(streams.c.id), primary_key=True),
    Column("source_id", ForeignKey(sources.c.id), primary_key=True),
    _number("capture_seq"),
    _number("outcome_seq"),
)

outcome_delays = Table(
    "outcome_delays",
    metadata,
    Column("stream_id", ForeignKey(streams.c.id), primary_key=True),
    Column("day", BigInteger, primary_key=True),
    Column("bin", Integer, primary_key=True, autoincrement=False),
    _number("houses"),
)

gap_bins = Table(
    "gap_bins",
    metadata,
    Column("stream_id", ForeignKey(streams.c.id), primary_key=True),
    Column("day", BigInteger, primary_key=True),
    Column("segment", String(64), primary_key=True),
    Column("bin", Integer, primary_key=True, autoincrement=False),
    _number("houses"),
)

worst_gaps = Table(
    "worst_gaps",
    metadata,
    Column("stream_id", ForeignKey(streams.c.id), primary_key=True),
    Column("day", BigInteger, primary_key=True),
    Column("capture_id", Uuid, primary_key=True),
    _sum("gap"),
)

# How the values of a field fell into the bins of a model's profile, by day.
field_counts = Table(
    "field_counts",
    metadata,
    Column("profile", String(64), primary_key=True),
    Column("day_seconds", Integer, primary_key=True, autoincrement=False),
    Column("field", String(64), primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("bin", String(96), primary_key=True),
    _number("houses"),
)

field_cursors = Table(
    "field_cursors",
    metadata,
    Column("profile", String(64), primary_key=True),
    Column("day_seconds", Integer, primary_key=True, autoincrement=False),
    Column("source_id", ForeignKey(sources.c.id), primary_key=True),
    _number("capture_seq"),
)

# Captures scored again with the packaged artifact: its predictions must be the stored ones.
replays = Table(
    "replays",
    metadata,
    Column("model_name", String(63), primary_key=True),
    Column("model_version", String(9), primary_key=True),
    Column("day_seconds", Integer, primary_key=True, autoincrement=False),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    _number("houses"),
    _sum("worst_log_ratio"),
    _number("beyond"),
    Column("checked_at", UtcTime, nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    _identity(),
    Column("stream_id", ForeignKey(streams.c.id), nullable=False),
    Column("state", String(16), nullable=False),
    Column("decided_at", UtcTime, nullable=False),
    Column("watermark_day", BigInteger, nullable=True),
    _number("sold"),
    _sha256("policy_sha256"),
    Column("report", JSON, nullable=False),
    Index(None, "stream_id"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("stream_id", ForeignKey(streams.c.id), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("computed_at", UtcTime, nullable=False),
    Column("body", JSON, nullable=False),
)

prunings = Table(
    "prunings",
    metadata,
    _identity(),
    Column("before", UtcTime, nullable=False),
    Column("pruned_at", UtcTime, nullable=False),
    _number("captures"),
    _number("observations"),
    _number("outcomes"),
    Column("excerpts", BigInteger, nullable=False, server_default="0"),
)
