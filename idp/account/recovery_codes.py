"""New recovery codes, in place of the ones that a person has."""

from starlette.responses import Response

from idp import enrolment
from idp.account import changes
from idp.account.access import Asking, to
from idp.audit import Event
from idp.factors import recovery
from idp.factors.proofs import asks_for_second
from idp.protocol.params import Params
from idp.store import credentials
from idp.store.db import Connection
from idp.store.ids import new_secret
from idp.web import own
from idp.wording import Text


async def show(asking: Asking) -> Response:
    """They count once the person says that they have kept them: who only looks loses nothing."""
    enrolled = await credentials.enrolled(asking.services.database, asking.session.user_id)
    if not asks_for_second(enrolled):
        return to(own.SECURITY)
    ticket = f"{await _in_use(asking, asking.services.database)}.{new_secret()}"
    return asking.shown(
        "account/recovery_codes.html",
        recovery_codes=_codes(asking, ticket),
        setup=ticket,
        action=own.RECOVERY_CODES,
    )


async def replace(asking: Asking, form: Params) -> Response:
    """The codes that this very form showed; a form from before the last change shows codes that are over."""
    services, user_id, ticket = asking.services, asking.session.user_id, form.get("setup") or ""
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(asking.page))
        enrolled = await credentials.enrolled(transaction, user_id)
        if not asks_for_second(enrolled) or ticket.partition(".")[0] != await _in_use(asking, transaction):
            return to(asking.page)
        codes = _codes(asking, ticket)
        await enrolment.replace_recovery_codes(transaction, services, user_id, codes, asking.now)
        await changes.record(transaction, asking, Event.FACTOR_ENROLLED, factor=recovery.NAME)
        await changes.end_elsewhere(transaction, asking, "recovery codes replaced")
    return changes.done(
        asking,
        Text("Your new recovery codes count from now on. The old ones do not, and all your other sessions ended."),
    )


async def _in_use(asking: Asking, connection: Connection) -> str:
    """Which codes count now."""
    stored = await credentials.of_person(connection, asking.services.sealer, asking.session.user_id, recovery.NAME)
    return stored[0].id if stored else ""


def _codes(asking: Asking, ticket: str) -> list[str]:
    return enrolment.setup(asking.services, f"recovery:{asking.session.sid}:{ticket}").recovery_codes
