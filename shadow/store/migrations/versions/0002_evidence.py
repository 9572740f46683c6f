"""Outcomes, evidence, verdicts and the history of deployments; captures and observations in partitions.

On Postgres what was stored before becomes the oldest partition as it is; on SQLite it is copied.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WEEK_MILLISECONDS = 7 * 86_400_000
_TENS = ("promote", "harm", "regret", "certificate", "worst_case")
MEASURES = (
    *("pairs", "failed", "sold", "withdrawn", "loss_live", "loss_candidate", "d", "d2", "d_min"),
    *(f"{name}_{bet}" for name in _TENS for bet in range(10)),
    *("m", "m2", "m_unsold", "catastrophes_live", "catastrophes_candidate"),
    *("catastrophes_only_live", "catastrophes_only_candidate", "timed", "slow", "g", "g2", "abs_g"),
    *("abs_dollars", "beyond_5", "beyond_10", "beyond_20", "absurd", "out_of_bounds", "g_max"),
    *("x", "y", "x2", "y2", "xy"),
)
"""The sums of a day as monitoring.statistics.sums had them when this was written."""


def number() -> TypeEngine[int]:
    """Make a key that counts up by itself; SQLite does that only for INTEGER."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def time() -> sa.DateTime:
    """Make the type of an aware time."""
    return sa.DateTime(timezone=True)


def real() -> sa.Float[float]:
    """Make a double column."""
    return sa.Float(precision=53)


def upgrade() -> None:
    """Add what evidence needs."""
    for column in ("last_outcome_seq", "pruned"):
        op.add_column("sources", sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("candidates", sa.Column("policy", sa.Text(), nullable=True))
    op.add_column("candidates", sa.Column("policy_sha256", sa.String(64), nullable=True))
    _deployments()
    _renew_captures()
    _renew_observations()
    _outcomes()
    _streams()
    _evidence()
    _fields()
    _decisions()


def downgrade() -> None:
    """There is no way back: outcomes and verdicts would be lost."""
    raise NotImplementedError("restore the copy of the store that was made before the migration")


def _deployments() -> None:
    for column in (
        sa.Column("kind", sa.String(16), nullable=False, server_default="first"),
        sa.Column("verdict_id", sa.BigInteger(), nullable=True),
        sa.Column("verdict_state", sa.String(16), nullable=True),
        sa.Column("overridden", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("artifact_digest", sa.String(64), nullable=True),
        sa.Column("policy_sha256", sa.String(64), nullable=True),
    ):
        op.add_column("deployments", column)


def _renew_captures() -> None:
    _step_aside("captures", ["captured_at", "request_id"])
    op.create_table(
        "captures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("captured_at", time(), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("row_index", sa.Integer(), nullable=False),
        sa.Column("live_name", sa.String(63), nullable=False),
        sa.Column("live_version", sa.String(9), nullable=False),
        sa.Column("prediction_dollars", real(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("sample_key", real(), nullable=False),
        sa.Column("entity_id", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_captures")),
        postgresql_partition_by="RANGE (id)",
    )
    for name, columns in (
        ("ix_captures_source_id_seq", ["source_id", "seq"]),
        ("ix_captures_captured_at", ["captured_at"]),
        ("ix_captures_request_id", ["request_id"]),
        ("ix_captures_entity_id_id", ["entity_id", "id"]),
    ):
        op.create_index(op.f(name), "captures", columns)
    op.add_column("captures_before", sa.Column("entity_id", sa.String(64), nullable=True))
    _take_over("captures", "id")


def _renew_observations() -> None:
    _step_aside("observations", [])
    op.create_table(
        "observations",
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("candidate_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("prediction_dollars", real(), nullable=True),
        sa.Column("reason", sa.String(32), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("latency_seconds", real(), nullable=True),
        sa.Column("observed_at", time(), nullable=False),
        sa.CheckConstraint(
            "(state = 'scored' AND prediction_dollars IS NOT NULL AND reason IS NULL)"
            " OR (state = 'failed' AND prediction_dollars IS NULL AND reason IS NOT NULL)",
            name=op.f("ck_observations_state"),
        ),
        sa.PrimaryKeyConstraint("capture_id", "candidate_id", name=op.f("pk_observations")),
        postgresql_partition_by="RANGE (capture_id)",
    )
    _take_over("observations", "capture_id")


def _step_aside(table: str, indexes: list[str]) -> None:
    """Free the table's name and the names of its indexes, which a Postgres schema has only once."""
    for column in indexes:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
    op.rename_table(table, f"{table}_before")
    if _is_postgres():
        op.execute(f"ALTER TABLE {table}_before RENAME CONSTRAINT pk_{table} TO pk_{table}_before")


def _take_over(table: str, key: str) -> None:
    before = f"{table}_before"
    if not _is_postgres():
        copied = ", ".join(one["name"] for one in sa.inspect(op.get_bind()).get_columns(before))
        op.execute(f"INSERT INTO {table} ({copied}) SELECT {copied} FROM {before}")  # noqa: S608
    newest = op.get_bind().exec_driver_sql(f"SELECT {key} FROM {before} ORDER BY {key} DESC LIMIT 1").scalar()  # noqa: S608
    if not _is_postgres() or newest is None:
        op.drop_table(before)
        return
    week = (UUID(str(newest)).int >> 80) // WEEK_MILLISECONDS
    end = UUID(int=(week + 1) * WEEK_MILLISECONDS << 80)
    for constraint in sa.inspect(op.get_bind()).get_foreign_keys(before):
        op.drop_constraint(str(constraint["name"]), before, type_="foreignkey")
    op.execute(f"ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ('{end}')")


def _is_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("source_id", number(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("price_dollars", real(), nullable=True),
        sa.Column("sold_at", time(), nullable=True),
        sa.Column("reported_by", sa.String(64), nullable=True),
        sa.Column("received_at", time(), nullable=False),
        sa.Column("recorded_at", time(), nullable=False),
        sa.Column("delay_seconds", real(), nullable=False),
        sa.CheckConstraint(
            "(state = 'sold' AND price_dollars > 0) OR (state = 'withdrawn' AND price_dollars IS NULL)",
            name=op.f("ck_outcomes_state"),
        ),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_outcomes_source_id")),
        sa.PrimaryKeyConstraint("source_id", "seq", name=op.f("pk_outcomes")),
    )
    op.create_index(op.f("ix_outcomes_capture_id"), "outcomes", ["capture_id"])


def _streams() -> None:
    op.create_table(
        "streams",
        sa.Column("id", number(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("deployment_id", number(), nullable=False),
        sa.Column("candidate_id", number(), nullable=False),
        sa.Column("live_name", sa.String(63), nullable=False),
        sa.Column("live_version", sa.String(9), nullable=False),
        sa.Column("live_digest", sa.String(64), nullable=False),
        sa.Column("candidate_digest", sa.String(64), nullable=False),
        sa.Column("schema_digest", sa.String(64), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("policy_sha256", sa.String(64), nullable=False),
        sa.Column("day_seconds", sa.Integer(), nullable=False),
        sa.Column("margin", real(), nullable=False),
        sa.Column("alpha", real(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", time(), nullable=False),
        sa.Column("ended_at", time(), nullable=True),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name=op.f("fk_streams_deployment_id")),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name=op.f("fk_streams_candidate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_streams")),
        sa.UniqueConstraint("key", name=op.f("uq_streams_key")),
    )


def _evidence() -> None:
    _of_stream(
        "evidence", ["day", "segment"], *(sa.Column(name, real(), nullable=False) for name in MEASURES)
    )
    _of_stream("evidence_due", ["day"])
    _of_stream("outcome_delays", ["day", "bin"], sa.Column("houses", sa.BigInteger(), nullable=False))
    _of_stream("gap_bins", ["day", "segment", "bin"], sa.Column("houses", sa.BigInteger(), nullable=False))
    _of_stream("worst_gaps", ["day", "capture_id"], sa.Column("gap", real(), nullable=False))
    op.create_table(
        "evidence_cursors",
        sa.Column("stream_id", number(), nullable=False),
        sa.Column("source_id", number(), nullable=False),
        sa.Column("capture_seq", sa.BigInteger(), nullable=False),
        sa.Column("outcome_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name=op.f("fk_evidence_cursors_stream_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_evidence_cursors_source_id")),
        sa.PrimaryKeyConstraint("stream_id", "source_id", name=op.f("pk_evidence_cursors")),
    )


def _of_stream(table: str, key: list[str], *columns: sa.Column[Any]) -> None:
    kinds: dict[str, TypeEngine[Any]] = {
        "day": sa.BigInteger(),
        "segment": sa.String(64),
        "bin": sa.Integer(),
        "capture_id": sa.Uuid(),
    }
    op.create_table(
        table,
        sa.Column("stream_id", number(), nullable=False),
        *(sa.Column(name, kinds[name], nullable=False, autoincrement=False) for name in key),
        *columns,
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name=op.f(f"fk_{table}_stream_id")),
        sa.PrimaryKeyConstraint("stream_id", *key, name=op.f(f"pk_{table}")),
    )


def _fields() -> None:
    op.create_table(
        "field_counts",
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("day_seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("field", sa.String(64), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bin", sa.String(96), nullable=False),
        sa.Column("houses", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "profile", "day_seconds", "field", "day", "bin", name=op.f("pk_field_counts")
        ),
    )
    op.create_table(
        "field_cursors",
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("day_seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source_id", number(), nullable=False),
        sa.Column("capture_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_field_cursors_source_id")),
        sa.PrimaryKeyConstraint("profile", "day_seconds", "source_id", name=op.f("pk_field_cursors")),
    )
    op.create_table(
        "replays",
        sa.Column("model_name", sa.String(63), nullable=False),
        sa.Column("model_version", sa.String(9), nullable=False),
        sa.Column("day_seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("houses", sa.BigInteger(), nullable=False),
        sa.Column("worst_log_ratio", real(), nullable=False),
        sa.Column("beyond", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", time(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "model_version", "day_seconds", "day", name=op.f("pk_replays")),
    )


def _decisions() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", number(), autoincrement=True, nullable=False),
        sa.Column("stream_id", number(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_at", time(), nullable=False),
        sa.Column("watermark_day", sa.BigInteger(), nullable=True),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("policy_sha256", sa.String(64), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name=op.f("fk_verdicts_stream_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
    )
    op.create_index(op.f("ix_verdicts_stream_id"), "verdicts", ["stream_id"])
    op.create_table(
        "snapshots",
        sa.Column("stream_id", number(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("computed_at", time(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name=op.f("fk_snapshots_stream_id")),
        sa.PrimaryKeyConstraint("stream_id", "kind", name=op.f("pk_snapshots")),
    )
    op.create_table(
        "prunings",
        sa.Column("id", number(), autoincrement=True, nullable=False),
        sa.Column("before", time(), nullable=False),
        sa.Column("pruned_at", time(), nullable=False),
        sa.Column("captures", sa.BigInteger(), nullable=False),
        sa.Column("observations", sa.BigInteger(), nullable=False),
        sa.Column("outcomes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prunings")),
    )
