"""What a person's mails may still do, and when an account is given up.

Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
COLUMNS = ("disowned_at", "links_valid_from", "recovery_from", "deletion_at")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("users", sa.Column(column, TIME, nullable=True))
    due = sa.text("deletion_at IS NOT NULL")
    op.create_index(op.f("ix_users_deletion_at"), "users", ["deletion_at"], sqlite_where=due, postgresql_where=due)


def downgrade() -> None:
    op.drop_index(op.f("ix_users_deletion_at"), "users")
    for column in reversed(COLUMNS):
        op.drop_column("users", column)
