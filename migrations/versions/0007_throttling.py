"""Wrong passwords and codes in a row, and the counters of limits.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "failures",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("newest", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failures")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counters",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_counters")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_failures_newest"), "failures", ["newest"])
    op.create_index(op.f("ix_counters_full_at"), "counters", ["full_at"])
    op.add_column("users", sa.Column("devices_valid_from", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("users", "devices_valid_from")
    op.drop_table("counters")
    op.drop_table("failures")
