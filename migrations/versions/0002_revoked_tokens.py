"""Single access tokens that were revoked, and from when on a client's own tokens count.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.String(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_revoked_tokens")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_revoked_tokens_expires_at"), "revoked_tokens", ["expires_at"])
    op.add_column("clients", sa.Column("tokens_valid_from", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("clients", "tokens_valid_from")
    op.drop_table("revoked_tokens")
