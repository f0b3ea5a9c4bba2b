"""People: who they are, whether they may sign in, and what userinfo may say of them."""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, delete, exists, func, or_, select, update

from idp.store.db import Connection, Effect, Row, Statement, Transaction
from idp.store.ids import new_id
from idp.store.seal import Sealer
from idp.store.tables import User, table_of

AUDIT_KEY_PURPOSE = "audit_key"
MAX_EMAIL = 254
_EMAIL = re.compile(r"[^\s@\"<>(),:;\\\[\]]{1,64}@[^\s@\"<>(),:;\\\[\]]{1,189}")
_USERS = table_of(User)
_CREATE = Statement(
    Effect.WRITE,
    lambda insert: (
        insert(_USERS)
        .values({column.name: bindparam(column.name) for column in _USERS.columns})
        .on_conflict_do_nothing(index_elements=["email_canonical"])
        .returning(_USERS.c.id)
    ),
)
_BY_ID = Statement(Effect.READ, select(_USERS).where(_USERS.c.id == bindparam("id")))
_LOCK = Statement(
    Effect.READ,
    select(_USERS)
    .where(_USERS.c.id == bindparam("id"), _USERS.c.disabled_at.is_(None))
    .with_for_update(key_share=True),
)
_HOLD = Statement(Effect.READ, select(_USERS).where(_USERS.c.id == bindparam("id")).with_for_update(key_share=True))
_BY_EMAIL = Statement(Effect.READ, select(_USERS).where(_USERS.c.email_canonical == bindparam("email")))
_LIST = Statement(Effect.READ, select(_USERS).order_by(_USERS.c.email_canonical))
_UPDATE = Statement(
    Effect.WRITE,
    update(_USERS)
    .where(_USERS.c.id == bindparam("of"))
    .values(claims=bindparam("new_claims"), updated_at=bindparam("now")),
)
_VERIFY = Statement(
    Effect.WRITE,
    update(_USERS)
    .where(
        _USERS.c.id == bindparam("of"),
        _USERS.c.email_canonical == bindparam("address"),
        _USERS.c.email_verified_at.is_(None),
    )
    .values(email_verified_at=bindparam("now"), updated_at=bindparam("now")),
)
_DISABLE = Statement(
    Effect.REVOKE,
    update(_USERS)
    .where(_USERS.c.id == bindparam("of"), or_(_USERS.c.disabled_at.is_(None), _USERS.c.disowned_at.is_not(None)))
    .values(disabled_at=bindparam("now"), disowned_at=None),
)
_DISOWN = Statement(
    Effect.REVOKE,
    update(_USERS)
    .where(_USERS.c.id == bindparam("of"))
    .values(devices_valid_from=bindparam("now"), links_valid_from=bindparam("now"), recovery_from=None),
)
_CALL_IN = Statement(
    Effect.REVOKE,
    update(_USERS).where(_USERS.c.id == bindparam("of")).values(links_valid_from=bindparam("now"), recovery_from=None),
)
_LOCK_OUT = Statement(
    Effect.REVOKE,
    update(_USERS)
    .where(_USERS.c.id == bindparam("of"))
    .values(
        disabled_at=func.coalesce(_USERS.c.disabled_at, bindparam("now")),
        disowned_at=case((_USERS.c.disabled_at.is_(None), bindparam("since")), else_=_USERS.c.disowned_at),
        links_valid_from=bindparam("now"),
        recovery_from=None,
    ),
)
_START_RECOVERY = Statement(
    Effect.WRITE, update(_USERS).where(_USERS.c.id == bindparam("of")).values(recovery_from=bindparam("starts"))
)
_RECOVERED = Statement(
    Effect.REVOKE,
    update(_USERS)
    .where(_USERS.c.id == bindparam("of"))
    .values(
        disabled_at=case((_USERS.c.disowned_at.is_(None), _USERS.c.disabled_at), else_=None),
        disowned_at=None,
        email_verified_at=func.coalesce(_USERS.c.email_verified_at, bindparam("verified")),
        links_valid_from=bindparam("now"),
        recovered_at=bindparam("now"),
        recovery_from=None,
    ),
)
_OTHER = _USERS.alias("other")
_IS_FREE = ~exists(
    select(_OTHER.c.id).where(_OTHER.c.email_canonical == bindparam("new_canonical"), _OTHER.c.id != bindparam("of"))
)
_CHANGE_EMAIL = Statement(
    Effect.REVOKE,
    update(_USERS)
    .where(_USERS.c.id == bindparam("of"), _IS_FREE)
    .values(
        email=bindparam("new_email"),
        email_canonical=bindparam("new_canonical"),
        email_verified_at=bindparam("verified"),
        former_email=bindparam("former"),
        email_changed_at=bindparam("now"),
        updated_at=bindparam("now"),
        links_valid_from=bindparam("now"),
        recovery_from=None,
    ),
)
_ENABLE = Statement(
    Effect.WRITE,
    update(_USERS)
    .where(_USERS.c.id == bindparam("of"), _USERS.c.disabled_at.is_not(None))
    .values(disabled_at=None, disowned_at=None),
)
_DELETE = Statement(Effect.REVOKE, delete(_USERS).where(_USERS.c.id == bindparam("id")))


class NotAnEmail(Exception):
    """Text that cannot be an e-mail address here."""


@dataclass(frozen=True)
class Subject:
    """Whom an event is about: the pseudonym that stays, and the sealed key that goes with the person."""

    user_id: str
    pseudonym: str
    audit_key: bytes


@dataclass(frozen=True)
class Person:
    """A user. `claims` are those of OpenID Connect Core section 5.1 beyond the address."""

    id: str
    pseudonym: str
    email: str
    email_verified_at: datetime | None
    claims: dict[str, Any]
    audit_key: bytes
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None
    devices_valid_from: datetime | None = None
    disowned_at: datetime | None = None
    links_valid_from: datetime | None = None
    recovery_from: datetime | None = None
    former_email: str | None = None
    email_changed_at: datetime | None = None
    recovered_at: datetime | None = None

    @property
    def subject(self) -> Subject:
        return Subject(self.id, self.pseudonym, self.audit_key)

    @property
    def name(self) -> str:
        return str(self.claims.get("name") or self.email)


def canonical(email: str) -> str:
    """The one form under which an address is looked up and unique: NFKC, case-folded, NFKC again."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email.strip()).casefold())


def check_email(email: str) -> str:
    """The address as it is kept. Raises NotAnEmail for what cannot be one, invisible characters included."""
    looked_up = canonical(email)
    if len(email) > MAX_EMAIL or not email.isprintable() or not all(map(_EMAIL.fullmatch, (email, looked_up))):
        message = "it must look like name@example.com"
        raise NotAnEmail(message)
    if any(unicodedata.category(character) in ("Cf", "Mn", "Cc") for character in looked_up):
        message = "it holds invisible or combining characters"
        raise NotAnEmail(message)
    return email


async def create(
    transaction: Transaction,
    sealer: Sealer,
    email: str,
    claims: dict[str, Any],
    now: datetime,
    *,
    verified: bool,
) -> str | None:
    """The new user's id; None where the address is taken."""
    user_id = new_id(now)
    row = await transaction.one(
        _CREATE,
        id=user_id,
        pseudonym=secrets.token_hex(16),
        email=check_email(email),
        email_canonical=canonical(email),
        email_verified_at=now if verified else None,
        claims=claims,
        audit_key=sealer.seal(secrets.token_bytes(32), AUDIT_KEY_PURPOSE, user_id),
        created_at=now,
        updated_at=now,
        disabled_at=None,
        devices_valid_from=None,
        disowned_at=None,
        links_valid_from=None,
        recovery_from=None,
        former_email=None,
        email_changed_at=None,
        recovered_at=None,
    )
    return None if row is None else user_id


async def find(connection: Connection, user_id: str) -> Person | None:
    return _person(await connection.one(_BY_ID, id=user_id))


async def locked(transaction: Transaction, user_id: str) -> Person | None:
    """A person who may sign in. Whoever proves, changes or disables something of theirs waits for this transaction."""
    return _person(await transaction.one(_LOCK, id=user_id))


async def held(transaction: Transaction, user_id: str) -> Person | None:
    """Anybody, also who may not sign in, for whom others wait as they do for who is `locked`."""
    return _person(await transaction.one(_HOLD, id=user_id))


async def find_by_email(connection: Connection, email: str) -> Person | None:
    return _person(await connection.one(_BY_EMAIL, email=canonical(email)))


async def listed(connection: Connection) -> list[Person]:
    return [person for row in await connection.all(_LIST) if (person := _person(row))]


async def update_claims(transaction: Transaction, user_id: str, claims: dict[str, Any], now: datetime) -> None:
    await transaction.run(_UPDATE, of=user_id, new_claims=claims, now=now)


async def verify(transaction: Transaction, user_id: str, email: str, now: datetime) -> bool:
    """The address is theirs. False where it is another one by now, or was verified before."""
    return await transaction.run(_VERIFY, of=user_id, address=canonical(email), now=now) == 1


async def disable(transaction: Transaction, user_id: str, now: datetime) -> bool:
    return await transaction.run(_DISABLE, of=user_id, now=now) == 1


async def disown_devices(transaction: Transaction, user_id: str, now: datetime) -> None:
    """Those that the person signed in with so far are known no more, and links are called in."""
    await transaction.run(_DISOWN, of=user_id, now=now)


async def call_in_links(transaction: Transaction, user_id: str, now: datetime) -> None:
    """Those that were mailed so far do nothing any more, but lock the account."""
    await transaction.run(_CALL_IN, of=user_id, now=now)


async def lock_out(transaction: Transaction, user_id: str, since: datetime, now: datetime) -> None:
    """Nobody signs in until the person has recovered the account; what it has got `since` then may not be theirs."""
    await transaction.run(_LOCK_OUT, of=user_id, since=since, now=now)


async def change_email(
    transaction: Transaction, user_id: str, email: str, former: str | None, now: datetime, *, verified: bool = True
) -> bool:
    """False where somebody else has the address. Links that were mailed so far are called in."""
    changed = await transaction.run(
        _CHANGE_EMAIL,
        of=user_id,
        new_email=check_email(email),
        new_canonical=canonical(email),
        former=former,
        verified=now if verified else None,
        now=now,
    )
    return changed == 1


async def start_recovery(transaction: Transaction, user_id: str, starts: datetime | None) -> None:
    """From when on a recovery may take factors away; None calls it off."""
    await transaction.run(_START_RECOVERY, of=user_id, starts=starts)


async def recovered(transaction: Transaction, user_id: str, now: datetime, *, by_mail: bool) -> None:
    """Whoever locked the account out of caution may sign in again, and every link mailed before is called in."""
    await transaction.run(_RECOVERED, of=user_id, now=now, verified=now if by_mail else None)


async def enable(transaction: Transaction, user_id: str) -> bool:
    return await transaction.run(_ENABLE, of=user_id) == 1


async def delete_user(transaction: Transaction, user_id: str) -> bool:
    """The row and all that hangs on it; its audit key is gone with it."""
    return await transaction.run(_DELETE, id=user_id) == 1


def _person(row: Row | None) -> Person | None:
    return None if row is None else person_of(row)


def person_of(row: Row) -> Person:
    """The person of a row that begins with the columns of users."""
    values = row._asdict()
    return Person(**{name: values[name] for name in Person.__dataclass_fields__})
