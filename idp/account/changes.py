"""What goes with every change of how a person signs in: the lock, the event, and what it makes of the session."""

from starlette.responses import Response

from idp import audit
from idp.account.access import DONE, Asking
from idp.audit import Event
from idp.factors import proofs as evidence
from idp.factors.proofs import MULTIPLE, Proof
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.store import grants, sessions, users
from idp.store.db import Transaction
from idp.web import devices, notices, own
from idp.web.origin import origin_of
from idp.wording import Text


async def locked(transaction: Transaction, asking: Asking) -> bool:
    """Whether the person may change anything still: not disabled, and their session not ended, a moment ago.

    Of several changes at once each waits for the one before it.
    """
    transaction.durable()
    services, session = asking.services, asking.session
    if await users.locked(transaction, session.user_id) is None:
        return False
    return await sessions.is_alive(transaction, session.sid, asking.now, services.settings.session_idle_lifetime)


async def record(transaction: Transaction, asking: Asking, event: Event, factor: str) -> None:
    await audit.record(
        transaction,
        asking.services,
        event,
        origin_of(asking.request),
        user_id=asking.session.user_id,
        session_id=asking.session.sid,
        factor=factor,
    )
    person = await users.find(transaction, asking.session.user_id)
    if person is not None:
        await notices.tell(transaction, asking.services, person, event, factor, request=asking.request)


async def end_elsewhere(transaction: Transaction, asking: Asking, reason: str) -> None:
    """Whoever got in by what counts no more is out, and no other device of the person's is known."""
    user_id, sid, now = asking.session.user_id, asking.session.sid, asking.services.clock()
    await users.disown_devices(transaction, user_id, now)
    await sessions.end_others(transaction, user_id, sid, now)
    await grants.end_elsewhere(transaction, user_id, sid, reason, now)


def done(asking: Asking, text: Text, gone: str = "", page: str = own.SECURITY) -> Response:
    """After the transaction: the page says it, and the device at hand stays a known one.

    `gone` is the user handle of a passkey that was removed, so that the browser hears of it though it was the last one.
    """
    response = asking.tell(page, DONE, text, gone=gone)
    devices.remember(response, asking.request, asking.services, asking.browser, asking.session.user_id)
    return response


async def proved_too(transaction: Transaction, asking: Asking, factor: str) -> None:
    """The session goes on as one in which this factor was given as well."""
    methods = evidence.amr((Proof(factor, asking.now),), asking.session.authentication.amr)
    acr = ACR_TWO_FACTORS if MULTIPLE in methods else asking.session.authentication.acr
    await sessions.strengthen(transaction, asking.session.sid, methods, acr)
