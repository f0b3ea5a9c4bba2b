"""Where a session began, for its person.

Revision 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("origin", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "origin")
