"""How many grants a person has at an app, and from when on what people allowed it counts.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_index("ix_grants_of_person", "grants", ["user_id", "client_id", "ended_at", "id"])
    op.drop_index(op.f("ix_grants_user_id"), table_name="grants")
    op.add_column("clients", sa.Column("consents_valid_from", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("clients", "consents_valid_from")
    op.create_index(op.f("ix_grants_user_id"), "grants", ["user_id"])
    op.drop_index("ix_grants_of_person", table_name="grants")
