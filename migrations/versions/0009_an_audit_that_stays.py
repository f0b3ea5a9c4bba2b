"""Audit rows are only added, and sealed in a chain.

Revision 0009, after 0008. What an application sends can take no row away, nor change one; who owns the database can
drop the triggers, and is found out by the chain.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
FIXED = "id, at, event, request_id, pseudonym, client_id, grant_id, session_id, details"
SAYS = "audit rows are only added"


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_seals")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgresql()


def _sqlite() -> None:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
    op.execute(f"CREATE TRIGGER audit_stays BEFORE DELETE ON audit {refuse}")
    op.execute(f"CREATE TRIGGER audit_is_fixed BEFORE UPDATE OF {FIXED} ON audit {refuse}")
    of_person = "WHEN OLD.pseudonym IS NOT NULL"
    op.execute(f"CREATE TRIGGER audit_person_is_fixed BEFORE UPDATE OF personal ON audit {of_person} {refuse}")
    op.execute(f"CREATE TRIGGER audit_seals_stay BEFORE DELETE ON audit_seals {refuse}")


def _postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{SAYS}'; END $$"
    )
    refuse = "EXECUTE FUNCTION audit_is_only_added_to()"
    op.execute(f"CREATE TRIGGER audit_stays BEFORE DELETE OR TRUNCATE ON audit FOR EACH STATEMENT {refuse}")
    op.execute(f"CREATE TRIGGER audit_is_fixed BEFORE UPDATE OF {FIXED} ON audit FOR EACH STATEMENT {refuse}")
    op.execute(
        "CREATE TRIGGER audit_person_is_fixed BEFORE UPDATE OF personal ON audit "
        f"FOR EACH ROW WHEN (OLD.pseudonym IS NOT NULL) {refuse}"
    )
    op.execute(f"CREATE TRIGGER audit_seals_stay BEFORE DELETE OR TRUNCATE ON audit_seals FOR EACH STATEMENT {refuse}")


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in ("audit_stays", "audit_is_fixed", "audit_person_is_fixed"):
        op.execute(f"DROP TRIGGER {name}" if sqlite else f"DROP TRIGGER {name} ON audit")
    op.drop_table("audit_seals")
    if not sqlite:
        op.execute("DROP FUNCTION audit_is_only_added_to()")
