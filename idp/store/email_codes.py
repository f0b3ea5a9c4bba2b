"""The codes that a sign-in had mailed to an address: one row for both, whose tries one statement counts."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, select, update

from idp.factors.message import MOST_SENT, MOST_TRIES, PAUSE, Sent
from idp.store.db import Connection, Effect, Statement, Transaction
from idp.store.tables import EmailCodeRow, table_of
from idp.store.users import canonical

_CODES = table_of(EmailCodeRow)
_FIND = Statement(Effect.READ, select(_CODES).where(_CODES.c.id == bindparam("of")))
_SEND = Statement(
    Effect.COUNT,
    lambda insert: (
        insert(_CODES)
        .values({column.name: bindparam(column.name) for column in _CODES.columns})
        .on_conflict_do_update(
            index_elements=["id"],
            set_={
                "sends": _CODES.c.sends + 1,
                "sent_at": bindparam("sent_at", type_=_CODES.c.sent_at.type),
                "user_id": bindparam("user_id", type_=_CODES.c.user_id.type),
            },
            where=and_(
                _CODES.c.sent_at <= bindparam("before", type_=_CODES.c.sent_at.type),
                _CODES.c.sends < MOST_SENT,
                _CODES.c.tries < MOST_TRIES,
            ),
        )
        .returning(_CODES.c.codes)
    ),
)
_KEEP = Statement(
    Effect.COUNT, update(_CODES).where(_CODES.c.id == bindparam("of")).values(codes=bindparam("new_codes"))
)
_TRY = Statement(
    Effect.COUNT,
    update(_CODES)
    .where(_CODES.c.id == bindparam("of"), _CODES.c.tries < MOST_TRIES)
    .values(tries=_CODES.c.tries + 1)
    .returning(_CODES.c.codes, _CODES.c.user_id, _CODES.c.tries),
)


@dataclass(frozen=True)
class Mailed:
    """How many mails and tries there were, and when the last mail."""

    sends: int
    tries: int
    sent_at: datetime

    @property
    def may_try(self) -> bool:
        return self.tries < MOST_TRIES

    @property
    def may_send(self) -> bool:
        """Sooner or later."""
        return self.may_try and self.sends < MOST_SENT

    def may_send_at(self, now: datetime) -> bool:
        return self.may_send and self.sent_at <= now - PAUSE


@dataclass(frozen=True)
class Tried:
    """What a guess is compared with: the mails, whose they are, and whether another guess is left after this one."""

    mails: list[Sent]
    user_id: str | None
    is_last: bool


def row_of(key: bytes, attempt_id: str, email: str) -> str:
    """The sign-in and the address, as one name that tells neither: what was typed as one may be a password."""
    text = f"{attempt_id}:{canonical(email)}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, text, hashlib.sha256).hex()


async def send(
    transaction: Transaction, row_id: str, user_id: str | None, new: Sent, now: datetime, expires_at: datetime
) -> bool:
    """One more mail; False where the last one was a moment ago, or there may be no more."""
    row = await transaction.one(
        _SEND,
        id=row_id,
        user_id=user_id,
        codes=[],
        tries=0,
        sends=1,
        sent_at=now,
        expires_at=expires_at,
        before=now - PAUSE,
    )
    if row is None:
        return False
    await transaction.run(_KEEP, of=row_id, new_codes=[*row.codes, _stored(new)])
    return True


async def find(connection: Connection, row_id: str) -> Mailed | None:
    row = await connection.one(_FIND, of=row_id)
    return None if row is None else Mailed(row.sends, row.tries, row.sent_at)


async def take_try(transaction: Transaction, row_id: str) -> Tried | None:
    """Uses up one try, before anything is compared; None where none is left."""
    row = await transaction.one(_TRY, of=row_id)
    if row is None:
        return None
    mails = [Sent(code_mac, link_mac, datetime.fromisoformat(until)) for code_mac, link_mac, until in row.codes]
    return Tried(mails, row.user_id, row.tries >= MOST_TRIES)


async def use_up(transaction: Transaction, row_id: str) -> None:
    """A code was right: none of them counts any more. The row is ours since its try was taken."""
    await transaction.run(_KEEP, of=row_id, new_codes=[])


def _stored(sent: Sent) -> list[str]:
    return [sent.code_mac, sent.link_mac, sent.until.isoformat()]
