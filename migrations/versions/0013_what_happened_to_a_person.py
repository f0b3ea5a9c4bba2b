"""A person's own events in their order, without those of refreshing: these are many, and nobody reads them.

Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    told = sa.text("pseudonym IS NOT NULL AND event NOT IN ('refresh.rotated', 'refresh.repeated')")
    op.create_index(op.f("ix_audit_of_person"), "audit", ["pseudonym", "id"], sqlite_where=told, postgresql_where=told)


def downgrade() -> None:
    op.drop_index(op.f("ix_audit_of_person"), "audit")
