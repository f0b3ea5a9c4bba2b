"""What a person's mails may still do, and an account that is locked because it was not them.

Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
COLUMNS = ("disowned_at", "links_valid_from", "recovery_from")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("users", sa.Column(column, TIME, nullable=True))


def downgrade() -> None:
    for column in reversed(COLUMNS):
        op.drop_column("users", column)
