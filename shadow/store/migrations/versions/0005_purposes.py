"""Whether the store holds a demo or real houses; how many single rows a prune took out of documents."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; which of the two an older store holds, its candidates' policies tell."""
    op.create_table(
        "purposes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.String(8), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_purposes_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purposes")),
    )
    op.add_column("prunings", sa.Column("excerpts", sa.BigInteger(), nullable=False, server_default="0"))
