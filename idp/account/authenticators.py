"""Authenticator apps of a person: adding one, and taking one away."""

from starlette.responses import Response

from idp import enrolment
from idp.account import changes
from idp.account.access import DONE, WRONG, Asking, to
from idp.audit import Event
from idp.factors import recovery, totp
from idp.factors.proofs import DEVICES, asks_for_second
from idp.protocol.params import Params
from idp.settings import REQUIRED
from idp.store import credentials, sessions
from idp.store.db import Transaction
from idp.store.ids import new_secret
from idp.web import own, qr
from idp.web.languages import language_of
from idp.wording import Text

MOST = 10
_WRONG_CODE = Text("The code is not right. Scan the picture again, and enter the digits that your app shows now.")
_FULL = Text("You have as many authenticator apps as there can be: remove one first.")
LAST = Text("This is your only second step, and everybody needs one here: set up another first.")


async def show(asking: Asking) -> Response:
    ticket = asking.request.query_params.get("setup") or new_secret()
    enrolled = await credentials.enrolled(asking.services.database, asking.session.user_id)
    setup = enrolment.setup(asking.services, _name(asking, ticket))
    uri = totp.uri(setup.secret, asking.session.email, asking.services.settings.site_name)
    return asking.shown(
        "account/authenticator.html",
        qr_code=qr.svg(uri),
        uri=uri,
        secret=totp.grouped(setup.secret),
        recovery_codes=[] if recovery.NAME in enrolled else setup.recovery_codes,
        setup=ticket,
        action=own.AUTHENTICATOR,
    )


async def add(asking: Asking, form: Params) -> Response:
    """The first one makes sessions that began with less end; this one goes on, since both factors were given in it."""
    services, user_id, now = asking.services, asking.session.user_id, asking.now
    ticket, code = form.get("setup") or "", form.get("code") or ""
    name = totp.name_of(form.get("name"), str(language_of(asking.request).words(totp.UNNAMED)))
    setup = enrolment.setup(services, _name(asking, ticket))
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(asking.page))
        had = await credentials.enrolled(transaction, user_id)
        if len(await credentials.of_person(transaction, services.sealer, user_id, totp.NAME)) >= MOST:
            return asking.tell(own.SECURITY, WRONG, _FULL)
        if not await enrolment.add_authenticator(transaction, services, user_id, setup.secret, name, code, now):
            return asking.tell(asking.page, WRONG, _WRONG_CODE, setup=ticket)
        if recovery.NAME not in had:
            await enrolment.replace_recovery_codes(transaction, services, user_id, setup.recovery_codes, now)
        if not asks_for_second(had):
            await sessions.end_others(transaction, user_id, asking.session.sid, now)
        await changes.record(transaction, asking, Event.FACTOR_ENROLLED, factor=totp.NAME)
        await changes.proved_too(transaction, asking, totp.NAME)
    overtaken = recovery.NAME in had and form.get("codes") is not None
    return asking.tell(own.SECURITY, DONE, _added(name, overtaken=overtaken))


async def remove(asking: Asking, _: Params) -> Response:
    """With the last second factor the recovery codes go too: they stand in for nothing then."""
    services, user_id = asking.services, asking.session.user_id
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(own.SECURITY))
        if await is_needed(asking, transaction):
            return asking.tell(own.SECURITY, WRONG, LAST)
        credential_id = asking.request.path_params["device"]
        if not await credentials.remove(transaction, user_id, totp.NAME, credential_id):
            return to(own.SECURITY)  # in another tab, or never theirs
        await changes.record(transaction, asking, Event.FACTOR_REMOVED, factor=totp.NAME)
        if (await credentials.enrolled(transaction, user_id)).isdisjoint(DEVICES):
            await credentials.remove(transaction, user_id, recovery.NAME)
        await changes.end_elsewhere(transaction, asking, "authenticator app removed")
    return changes.done(
        asking,
        Text("The authenticator app was removed. Its codes do not count any more, and all your other sessions ended."),
    )


async def is_needed(asking: Asking, transaction: Transaction) -> bool:
    """Whether it is the last one of a person who must have one."""
    if asking.services.settings.second_factor != REQUIRED:
        return False
    of_all = [
        stored
        for factor in DEVICES
        for stored in await credentials.of_person(transaction, asking.services.sealer, asking.session.user_id, factor)
    ]
    return len(of_all) == 1


def _added(name: str, *, overtaken: bool) -> Text:
    if not overtaken:
        return Text("“%(name)s” is set up: from now on you are asked for a code.", {"name": name})
    return Text(
        "“%(name)s” is set up: from now on you are asked for a code. The recovery codes on that page do not count: "
        "you have others, from a page that was finished before it.",
        {"name": name},
    )


def _name(asking: Asking, ticket: str) -> str:
    """Under which the secret is made that is shown until it is confirmed: nobody else's, and in no other session."""
    return f"account:{asking.session.sid}:{ticket}"
