"""An address that was changed, and may be restored for some days; and when an account was recovered.

Revision 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.add_column("users", sa.Column("former_email", sa.String(), nullable=True))
    op.add_column("users", sa.Column("email_changed_at", TIME, nullable=True))
    op.add_column("users", sa.Column("recovered_at", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("users", "recovered_at")
    op.drop_column("users", "email_changed_at")
    op.drop_column("users", "former_email")
