"""Passkeys of a person: adding, naming and removing them."""

import json

from starlette.responses import JSONResponse, Response

from idp import passkeys
from idp.account import authenticators, changes
from idp.account.access import DONE, WRONG, Asking, to
from idp.audit import Event
from idp.factors import passkey as rules
from idp.factors import password, recovery
from idp.factors.proofs import DEVICES
from idp.passkeys import Ceremony, Failed
from idp.protocol.params import Params
from idp.store import credentials
from idp.web import own, user_agents
from idp.web.refusals import refused_answer
from idp.wording import Text

MOST = 20
_NOT_MADE = Text("The passkey was not saved. Try again.")
_FULL = Text("You have as many passkeys as there can be: remove one first.")
_ONLY = Text("This is all that you can sign in with: set a password or add another passkey first.")


async def show(asking: Asking) -> Response:
    options = json.dumps(await _options(asking), separators=(",", ":"))
    return asking.shown("account/passkey.html", passkey={"options": options}, action=own.NEW_PASSKEY)


async def options(asking: Asking) -> Response:
    """What the script of the page asks the browser to make, anew."""
    return JSONResponse(await _options(asking))


async def add(asking: Asking, form: Params) -> Response:
    services = asking.services
    try:
        ceremony = (await _ceremony(asking))[0]
        data = await passkeys.made(services, ceremony, form.get("credential") or "")
        data["name"] = user_agents.passkey_name(asking.request, data["aaguid"], asking.now)
    except Failed as failed:
        refused_answer(asking.request, "passkey_refused", "The passkey was not saved.", failed.reason)
        return asking.tell(own.PASSKEY, WRONG, _NOT_MADE)
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(own.PASSKEY))
        if len(await passkeys.of_person(transaction, services, asking.session.user_id)) >= MOST:
            return asking.tell(own.SECURITY, WRONG, _FULL)
        if not await passkeys.add(transaction, services, ceremony, data):
            return asking.tell(own.PASSKEY, WRONG, _NOT_MADE)
        await changes.record(transaction, asking, Event.FACTOR_ENROLLED, rules.NAME)
    return asking.tell(own.SECURITY, DONE, Text("Your new passkey is all that it takes to sign in."))


async def rename(asking: Asking, form: Params) -> Response:
    services = asking.services
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(own.SECURITY))
        for stored in await passkeys.of_person(transaction, services, asking.session.user_id):
            data = rules.renamed(stored.data, form.get("name") or "")
            if stored.id == asking.request.path_params["passkey"] and data is not None:
                await credentials.replace(transaction, services.sealer, stored, data, asking.now)
    return to(own.SECURITY)


async def remove(asking: Asking, _: Params) -> Response:
    """Not the last thing that its person can sign in with; with the last second step the recovery codes go too.

    Sessions elsewhere end: one of them may be of whoever has it now.
    """
    services, user_id = asking.services, asking.session.user_id
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(own.SECURITY))
        if await authenticators.is_needed(asking, transaction):
            return asking.tell(own.SECURITY, WRONG, authenticators.LAST)
        passkey_id = asking.request.path_params["passkey"]
        known = await passkeys.of_person(transaction, services, user_id)
        others = [each.data for each in known if each.id != passkey_id]
        has_password = password.NAME in await credentials.enrolled(transaction, user_id)
        if not has_password and not any(map(rules.stands_alone, others)):
            return asking.tell(own.SECURITY, WRONG, _ONLY)
        if not await credentials.remove(transaction, user_id, rules.NAME, passkey_id):
            return to(own.SECURITY)  # in another tab, or never theirs
        await changes.record(transaction, asking, Event.FACTOR_REMOVED, rules.NAME)
        if (await credentials.enrolled(transaction, user_id)).isdisjoint(DEVICES):
            await credentials.remove(transaction, user_id, recovery.NAME)
        await changes.end_elsewhere(transaction, asking, "passkey removed")
    told = Text("The passkey was removed. It opens nothing any more, and all your other sessions ended.")
    return changes.done(asking, told, gone=known[0].data["user_handle"])


async def _ceremony(asking: Asking) -> tuple[Ceremony, list[dict[str, object]]]:
    services, session = asking.services, asking.session
    return await passkeys.creation(services.database, services, session.sid, asking.browser, session.user_id)


async def _options(asking: Asking) -> dict[str, object]:
    ceremony, known = await _ceremony(asking)
    account = (asking.session.email, asking.session.name)
    return passkeys.creation_options(asking.services, ceremony, known, account)
