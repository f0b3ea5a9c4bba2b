"""Ending a session, and what ends with it."""

from datetime import datetime

from starlette.requests import Request

from idp import audit
from idp.audit import Event
from idp.services import Services
from idp.store import grants, sessions
from idp.store.db import Transaction
from idp.store.sessions import SignedIn
from idp.web.origin import origin_of


async def end(transaction: Transaction, services: Services, request: Request, session: SignedIn, now: datetime) -> None:
    await sessions.end(transaction, session.sid, now)
    await grants.end_of_session(transaction, session.sid, now)
    await audit.record(
        transaction,
        services,
        Event.SIGNED_OUT,
        origin_of(request),
        user_id=session.user_id,
        session_id=session.sid,
    )
