"""Audit rows: a pseudonym in clear, the personal parts sealed under a key that goes with the person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, text

from idp import quick_json
from idp.store.db import Connection, Effect, Row, Runner, Statement, insert_row
from idp.store.ids import new_id
from idp.store.seal import SealBroken, Sealer, seal_under, unseal_under
from idp.store.tables import TOLD, AuditRow, User, table_of
from idp.store.users import AUDIT_KEY_PURPOSE, Subject

PURPOSE = "audit_personal"
_AUDIT = table_of(AuditRow)
_USERS = table_of(User)
_ADD = insert_row(_AUDIT, Effect.AUDIT)
_SUBJECT = Statement(
    Effect.READ,
    select(_USERS.c.id, _USERS.c.pseudonym, _USERS.c.audit_key).where(_USERS.c.id == bindparam("id")),
)
_LAST = Statement(Effect.READ, select(_AUDIT).order_by(_AUDIT.c.id.desc()).limit(bindparam("most")))
_OF_PERSON = Statement(
    Effect.READ,
    select(_AUDIT)
    .where(_AUDIT.c.pseudonym == bindparam("pseudonym"), _AUDIT.c.id < bindparam("before"), text(TOLD))
    .order_by(_AUDIT.c.id.desc())
    .limit(bindparam("most")),
)
_KEY_OF = Statement(
    Effect.READ, select(_USERS.c.id, _USERS.c.audit_key).where(_USERS.c.pseudonym == bindparam("pseudonym"))
)


NEWEST = "g"  # after every id, whose digits are hexadecimal


@dataclass(frozen=True)
class Happened:
    """What a person is told of an event about them."""

    id: str
    at: datetime
    event: str
    reference: str | None
    address: str | None
    client_id: str | None
    session_id: str | None
    details: dict[str, Any]


async def _subject(connection: Connection, user_id: str) -> Subject | None:
    row = await connection.one(_SUBJECT, id=user_id)
    return None if row is None else Subject(*row)


async def add(
    transaction: Runner,
    sealer: Sealer,
    *,
    now: datetime,
    event: str,
    user_id: str | None = None,
    subject: Subject | None = None,
    personal: dict[str, str],
    **columns: Any,  # request_id, client_id, grant_id, session_id, details
) -> None:
    """`subject` where it has been read already; `user_id` has it read here."""
    if subject is None and user_id is not None:
        subject = await _subject(transaction, user_id)
    row_id = new_id(now)
    plain = quick_json.encode(personal) if personal else None
    sealed: bytes | None = None
    if plain is not None and subject is not None:
        key = sealer.unseal(subject.audit_key, AUDIT_KEY_PURPOSE, subject.user_id)
        sealed = seal_under(key, plain, f"{PURPOSE}:{row_id}")
    elif plain is not None:
        sealed = sealer.seal(plain, PURPOSE, row_id)
    pseudonym = None if subject is None else subject.pseudonym
    await transaction.run(_ADD, id=row_id, at=now, event=event, pseudonym=pseudonym, personal=sealed, **columns)


async def last(connection: Connection, sealer: Sealer, most: int) -> list[dict[str, Any]]:
    """The newest rows, newest first; `personal` is None where its person is gone."""
    rows = []
    for row in await connection.all(_LAST, most=most):
        personal = await _opened(connection, sealer, row.id, row.pseudonym, row.personal)
        rows.append(row._asdict() | {"personal": personal})
    return rows


async def of_person(
    connection: Connection, sealer: Sealer, subject: Subject, most: int, before: str = NEWEST
) -> list[Happened]:
    """What happened to one person and nobody else, the newest first, from the row `before` on."""
    key = sealer.unseal(subject.audit_key, AUDIT_KEY_PURPOSE, subject.user_id)
    rows = await connection.all(_OF_PERSON, pseudonym=subject.pseudonym, before=before, most=most)
    return [_happened(key, row) for row in rows]


def _happened(key: bytes, row: Row) -> Happened:
    personal = _personal(key, row)
    address = personal.get("address")
    return Happened(row.id, row.at, row.event, row.request_id, address, row.client_id, row.session_id, row.details)


def _personal(key: bytes, row: Row) -> dict[str, str]:
    """What cannot be opened is not known: the rest is told still."""
    try:
        return dict(quick_json.decode(unseal_under(key, row.personal or b"", f"{PURPOSE}:{row.id}")))
    except SealBroken:
        return {}


async def _opened(
    connection: Connection, sealer: Sealer, row_id: str, pseudonym: str | None, sealed: bytes | None
) -> dict[str, str] | None:
    if sealed is None:
        return None
    try:
        if pseudonym is None:
            return dict(quick_json.decode(sealer.unseal(sealed, PURPOSE, row_id)))
        owner = await connection.one(_KEY_OF, pseudonym=pseudonym)
        if owner is None:
            return None
        key = sealer.unseal(owner.audit_key, AUDIT_KEY_PURPOSE, owner.id)
        return dict(quick_json.decode(unseal_under(key, sealed, f"{PURPOSE}:{row_id}")))
    except SealBroken:
        return None
