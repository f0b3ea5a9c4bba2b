"""What was proved in a sign-in before its session begins.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("person", sa.String(), nullable=True))
    op.add_column("attempts", sa.Column("proofs", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("misses", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("attempts", "misses")
    op.drop_column("attempts", "proofs")
    op.drop_column("attempts", "person")
