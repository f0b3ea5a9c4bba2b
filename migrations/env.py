"""Alembic's environment: it is given a connection, and never makes one."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import AutoString, SQLModel

from idp.store import tables  # noqa: F401  # for the metadata
from idp.store.columns import Json, UtcTime


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Plain SQLAlchemy types, so that a migration does not change when our code does."""
    if kind != "type":
        return False
    if isinstance(item, UtcTime):
        return 'sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")'
    if isinstance(item, Json):
        return "sa.Text()"
    if isinstance(item, AutoString):
        return "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    render_item=render_item,
    transactional_ddl=True,  # on SQLite too: all of a migration or nothing
)
with context.begin_transaction():
    context.run_migrations()
