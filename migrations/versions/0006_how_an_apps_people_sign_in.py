"""How the people of an app have to sign in.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("clients", sa.Column("second_factor", sa.String(), nullable=False, server_default="optional"))
    op.add_column("clients", sa.Column("second_factor_from", TIME, nullable=True))
    op.add_column("clients", sa.Column("max_age", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("clients", "max_age")
    op.drop_column("clients", "second_factor_from")
    op.drop_column("clients", "second_factor")
