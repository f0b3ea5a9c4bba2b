"""Sign-ins on their way: what one began with is sealed in its URL, and a row holds what has happened since.

So a visitor who does nothing leaves nothing here.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, select

from idp import quick_json
from idp.factors.proofs import Proof
from idp.protocol.clients import Client
from idp.store import clients
from idp.store.db import Connection, Effect, Row, Statement, Transaction
from idp.store.seal import SealBroken, Sealer, from_text, to_text
from idp.store.tables import Attempt as AttemptRow
from idp.store.tables import ClientRow, table_of

PURPOSE = "username"
TICKET = "ticket:4"  # the number changes with what is sealed, so that an old one opens no more
_ATTEMPTS = table_of(AttemptRow)
_CLIENTS = table_of(ClientRow)
_MUTABLE = (
    *("username", "fault", "fresh_since", "session_id", "consented_by", "done_at"),
    *("person", "proofs", "misses", "mailed_at"),
)
_FIND = Statement(
    Effect.READ,
    select(*clients.COLUMNS, _ATTEMPTS.c.version, *(_ATTEMPTS.c[name] for name in _MUTABLE))
    .select_from(_CLIENTS.outerjoin(_ATTEMPTS, _ATTEMPTS.c.id == bindparam("id")))
    .where(_CLIENTS.c.client_id == bindparam("client_id"), _CLIENTS.c.disabled_at.is_(None)),
)
_FIND_ALONE = Statement(
    Effect.READ,
    select(_ATTEMPTS.c.version, *(_ATTEMPTS.c[name] for name in _MUTABLE)).where(_ATTEMPTS.c.id == bindparam("id")),
)
_SAVE = Statement(
    Effect.WRITE,
    lambda insert: (
        insert(_ATTEMPTS)
        .values({column.name: bindparam(column.name) for column in _ATTEMPTS.columns})
        .on_conflict_do_update(
            index_elements=["id"],
            set_={name: bindparam(name, type_=_ATTEMPTS.c[name].type) for name in _MUTABLE}
            | {"version": _ATTEMPTS.c.version + 1},
            where=and_(_ATTEMPTS.c.version == bindparam("before"), _ATTEMPTS.c.done_at.is_(None)),
        )
    ),
)


@dataclass(frozen=True)
class Attempt:
    """One sign-in on its way. `request` is the judged authorization request; `url_part` names it in URLs.

    `username` is "" where nobody is to be expected. `session_id` is the session that began or was chosen
    in it. Until then `person` is who has proved `proofs`, with so many `misses` among them. `version` counts what was
    recorded: 0 where there is no row. A code was asked for by mail at `mailed_at`.
    """

    id: str
    browser_hash: str
    client_id: str
    request: dict[str, Any]
    expires_at: datetime
    username: str | None
    fresh_since: datetime | None
    url_part: str = ""
    fault: str | None = None
    session_id: str | None = None
    consented_by: str | None = None
    person: str | None = None
    proofs: tuple[Proof, ...] = ()
    misses: int = 0
    mailed_at: datetime | None = None
    version: int = 0
    done_at: datetime | None = None

    def anew(self, **changes: Any) -> "Attempt":
        """Whatever was proved before, or asked for by mail, was for another try, and perhaps by somebody else."""
        return replace(self, person=None, proofs=(), mailed_at=None, **changes)


def seal(sealer: Sealer, attempt: Attempt) -> str:
    """The attempt as it begins, for a URL."""
    since = attempt.fresh_since
    began = [
        *(attempt.id, attempt.browser_hash, attempt.client_id, attempt.request, attempt.username),
        *(attempt.expires_at.isoformat(), None if since is None else since.isoformat()),
    ]
    return to_text(sealer.seal(quick_json.encode(began), TICKET, ""))


def unseal(sealer: Sealer, ticket: str) -> Attempt | None:
    """The attempt as it began; None where we did not seal it."""
    try:
        began = quick_json.decode(sealer.unseal(from_text(ticket), TICKET, ""))
    except SealBroken:
        return None
    attempt_id, browser_hash, client_id, request, username, expires_at, since = began
    return Attempt(
        id=attempt_id,
        browser_hash=browser_hash,
        client_id=client_id,
        request=request,
        expires_at=datetime.fromisoformat(expires_at),
        username=username,
        fresh_since=None if since is None else datetime.fromisoformat(since),
    )


async def current(connection: Connection, sealer: Sealer, began: Attempt) -> tuple[Client | None, Attempt]:
    """The client, if it is enabled, and the attempt with what has happened since it began."""
    row = await connection.one(_FIND, id=began.id, client_id=began.client_id)
    if row is None:
        return None, began
    return clients.client_of(row), began if row.version is None else _recorded(sealer, began, row)


async def current_alone(connection: Connection, sealer: Sealer, began: Attempt) -> Attempt:
    """The attempt with what has happened since it began, where its client is no registered one."""
    row = await connection.one(_FIND_ALONE, id=began.id)
    return began if row is None else _recorded(sealer, began, row)


def _recorded(sealer: Sealer, began: Attempt, row: Row) -> Attempt:
    username = None if row.username is None else sealer.unseal(row.username, PURPOSE, began.id).decode()
    since = {name: getattr(row, name) for name in _MUTABLE}
    since |= {"username": username, "proofs": _proofs(row.proofs), "version": row.version}
    return replace(began, **since)


async def save(transaction: Transaction, sealer: Sealer, attempt: Attempt) -> bool:
    """Records what may change; False where the attempt is done or somebody else recorded since it was read."""
    username = None if attempt.username is None else sealer.seal(attempt.username.encode(), PURPOSE, attempt.id)
    proofs = [[each.factor, each.at.isoformat(), each.leaked, *each.methods] for each in attempt.proofs] or None
    touched = await transaction.run(
        _SAVE,
        **{name: getattr(attempt, name) for name in _MUTABLE} | {"username": username, "proofs": proofs},
        id=attempt.id,
        version=1,
        expires_at=attempt.expires_at,
        before=attempt.version,
    )
    return touched == 1


def _proofs(stored: list[list[Any]] | None) -> tuple[Proof, ...]:
    return tuple(
        Proof(factor, datetime.fromisoformat(at), *more[:1], methods=tuple(more[1:]))
        for factor, at, *more in stored or ()
    )
