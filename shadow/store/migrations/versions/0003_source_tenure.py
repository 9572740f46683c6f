"""What a source had before its store went back in time, and which data directory may write it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a source of before lacks nothing, and belongs to whoever comes first."""
    for column in (
        sa.Column("missing", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("missing_outcomes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("accepted", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("accepted_outcomes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("tenure", sa.String(64), nullable=True),
        sa.Column("tenant", sa.Text(), nullable=True),
    ):
        op.add_column("sources", column)


def downgrade() -> None:
    """Drop the columns."""
    for name in ("tenant", "tenure", "accepted_outcomes", "accepted", "missing_outcomes", "missing"):
        op.drop_column("sources", name)
