"""The tables of the first release: sources and their journal, captures, candidates, observations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def number() -> TypeEngine[int]:
    """Make a key that counts up by itself; SQLite does that only for INTEGER."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def time() -> sa.DateTime:
    """Make the type of an aware time."""
    return sa.DateTime(timezone=True)


def json_object() -> sa.JSON:
    """Make the type of a JSON object, binary where the database can."""
    return sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "candidates",
        sa.Column("id", number(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=9), nullable=False),
        sa.Column("sample", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("replay_from", time(), nullable=True),
        sa.Column("added_at", time(), nullable=False),
        sa.CheckConstraint("sample > 0 AND sample <= 1", name=op.f("ck_candidates_sample")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidates")),
    )
    op.create_index(
        "uq_candidates_present",
        "candidates",
        ["name", "version"],
        unique=True,
        postgresql_where=sa.text("state <> 'removed'"),
        sqlite_where=sa.text("state <> 'removed'"),
    )
    op.create_table(
        "deployments",
        sa.Column("id", number(), autoincrement=True, nullable=False),
        sa.Column("live_name", sa.String(length=63), nullable=False),
        sa.Column("live_version", sa.String(length=9), nullable=False),
        sa.Column("since", time(), nullable=False),
        sa.Column("decided_by", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
    )
    op.create_table(
        "sources",
        sa.Column("id", number(), autoincrement=True, nullable=False),
        sa.Column("directory_id", sa.String(length=36), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("directory_id", name=op.f("uq_sources_directory_id")),
    )
    op.create_table(
        "captures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", number(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("captured_at", time(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("row_index", sa.Integer(), nullable=False),
        sa.Column("live_name", sa.String(length=63), nullable=False),
        sa.Column("live_version", sa.String(length=9), nullable=False),
        sa.Column("prediction_dollars", sa.Float(precision=53), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("sample_key", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_captures_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_captures")),
        sa.UniqueConstraint("source_id", "seq", name=op.f("uq_captures_source_id_seq")),
    )
    op.create_index(op.f("ix_captures_captured_at"), "captures", ["captured_at"], unique=False)
    op.create_index(op.f("ix_captures_request_id"), "captures", ["request_id"], unique=False)
    op.create_table(
        "cursors",
        sa.Column("candidate_id", number(), nullable=False),
        sa.Column("source_id", number(), nullable=False),
        sa.Column("start_seq", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name=op.f("fk_cursors_candidate_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_cursors_source_id")),
        sa.PrimaryKeyConstraint("candidate_id", "source_id", name=op.f("pk_cursors")),
    )
    op.create_table(
        "drops",
        sa.Column("id", number(), autoincrement=True, nullable=False),
        sa.Column("source_id", number(), nullable=False),
        sa.Column("segment", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("houses", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", time(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_drops_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drops")),
    )
    op.create_index(op.f("ix_drops_recorded_at"), "drops", ["recorded_at"], unique=False)
    op.create_table(
        "observations",
        sa.Column("capture_id", sa.Uuid(), nullable=False),
        sa.Column("candidate_id", number(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("prediction_dollars", sa.Float(precision=53), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("latency_seconds", sa.Float(precision=53), nullable=True),
        sa.Column("observed_at", time(), nullable=False),
        sa.CheckConstraint(
            "(state = 'scored' AND prediction_dollars IS NOT NULL AND reason IS NULL)"
            " OR (state = 'failed' AND prediction_dollars IS NULL AND reason IS NOT NULL)",
            name=op.f("ck_observations_state"),
        ),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidates.id"], name=op.f("fk_observations_candidate_id")
        ),
        sa.PrimaryKeyConstraint("capture_id", "candidate_id", name=op.f("pk_observations")),
    )
    op.create_table(
        "segments",
        sa.Column("source_id", number(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("expected_first", sa.BigInteger(), nullable=False),
        sa.Column("dropped_seen", sa.BigInteger(), nullable=False),
        sa.Column("damaged_tail", sa.BigInteger(), nullable=False),
        sa.Column("dropped", json_object(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_segments_source_id")),
        sa.PrimaryKeyConstraint("source_id", "name", name=op.f("pk_segments")),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "segments",
        "observations",
        "drops",
        "cursors",
        "captures",
        "sources",
        "deployments",
        "candidates",
    ):
        op.drop_table(table)
