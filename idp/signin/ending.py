"""Ending a session, and what ends with it."""

from collections.abc import Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from idp import audit
from idp.audit import Event
from idp.services import Services, services_of
from idp.signin import remembered
from idp.store import grants
from idp.store import sessions as stored_sessions
from idp.store.db import Transaction
from idp.store.sessions import SignedIn
from idp.web import sessions
from idp.web.origin import origin_of


async def sign_out(
    request: Request,
    response: Response,
    signed_in: Sequence[SignedIn],
    leaving: Sequence[SignedIn],
    client_id: str | None = None,
) -> None:
    """Ends these of the sessions of this browser, and forgets on this device who signed in last.

    Twice is as good as once. `client_id` is the app through which it happens.
    """
    services = services_of(request)
    now = services.clock()
    if leaving:
        async with services.database.transaction() as transaction:
            for session in sorted(leaving, key=lambda each: each.sid):  # so that two tabs never wait for each other
                await end(transaction, services, request, session, now, client_id)
    staying = [session for session in signed_in if session not in leaving]
    if staying:
        sessions.write(response, services, staying)
    else:
        sessions.clear(response, services)
    remembered.forget(response, services)


async def end(
    transaction: Transaction,
    services: Services,
    request: Request,
    session: SignedIn,
    now: datetime,
    client_id: str | None = None,
) -> None:
    if not await stored_sessions.end(transaction, session.sid, now):
        return  # another request was faster
    await grants.end_of_session(transaction, session.sid, now)
    await audit.record(
        transaction,
        services,
        Event.SIGNED_OUT,
        origin_of(request),
        user_id=session.user_id,
        client_id=client_id,
        session_id=session.sid,
    )
