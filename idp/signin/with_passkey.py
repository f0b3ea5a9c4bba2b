"""Signing in with a passkey: alone where its device verified the person, and as a second factor."""

import json
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, RedirectResponse, Response

from idp import passkeys
from idp.audit import Event
from idp.factors import passkey as rules
from idp.factors.proofs import Proof
from idp.passkeys import Ceremony, Failed, Use, Why
from idp.protocol.params import Params
from idp.signin import interaction as dispatcher
from idp.signin import offering, proving, second
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store import credentials, users
from idp.store.attempts import Attempt
from idp.store.db import Transaction
from idp.store.users import canonical
from idp.web.refusals import refused_answer
from idp.wording import Text

# Faults.
REFUSED, UNKNOWN, UNVERIFIED = "passkey_refused", "passkey_unknown", "passkey_unverified"
OTHER, COPIED, STALE = "passkey_of_another", "passkey_copied", "passkey_stale"
_FAULTS = {
    Why.REFUSED: REFUSED,
    Why.UNKNOWN: UNKNOWN,
    Why.COPIED: COPIED,
    Why.UNVERIFIED: UNVERIFIED,
    Why.OTHER: OTHER,
    Why.STALE: STALE,
}
_MESSAGES = {
    REFUSED: Text("The passkey was not accepted. Try again, or go on in another way."),
    UNKNOWN: Text("This passkey is not known here any more. Take another one, or go on in another way."),
    UNVERIFIED: Text(
        "Your device did not check that it is you. Unlock it with a PIN, a finger or your face, or go on in "
        "another way."
    ),
    OTHER: Text("That passkey is of another account than the one above. Choose “Not you?” to sign in with it."),
    COPIED: Text("This passkey seems to exist twice, so it was refused. Go on in another way, and replace it."),
    STALE: Text("That took too long, or was sent twice. Try again."),
}
_WHERE = (Step.IDENTIFY, Step.PASSWORD, Step.EMAIL, Step.FACTOR)


async def options(interaction: Interaction) -> Response:
    """What the script of a page asks the browser for, anew."""
    step = await interaction.step()
    return JSONResponse(await request_options(interaction, step) if step in _WHERE else None)


async def options_of_none(_: Interaction) -> Response:
    """The attempt is over."""
    return JSONResponse(None)


def options_elsewhere(_: Attempt) -> Response:
    return JSONResponse(None)


async def request_options(interaction: Interaction, step: Step) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON of a step: any passkey, and as a second factor one of the person's own."""
    services, ceremony = interaction.services, _ceremony(interaction, step)
    known = await passkeys.of_person(services.database, services, ceremony.person) if ceremony.person else []
    return passkeys.request_options(services, ceremony, [each.data for each in known])


async def context(interaction: Interaction, step: Step, *, first: bool = False) -> dict[str, Any]:
    """What a page with a button for a passkey is given; `first`: it comes before everything else there."""
    return {
        "options": json.dumps(await request_options(interaction, step), separators=(",", ":")),
        "autofill": step in (Step.IDENTIFY, Step.PASSWORD),
        "unknown": _fault(interaction)[1],
        "first": first,
    }


def fault_of(interaction: Interaction) -> dict[str, Any] | None:
    """What a page says of a passkey that was not accepted."""
    message = _MESSAGES.get(_fault(interaction)[0])
    return None if message is None else {"summary": Text("That did not work"), "field": "passkey", "message": message}


async def passkey(interaction: Interaction, form: Params) -> Response:
    """A passkey was used. Without a name before it, it says itself whose it is."""
    step = await interaction.step()
    if step not in _WHERE:
        return RedirectResponse(interaction.url, 303)
    ceremony = _ceremony(interaction, step)
    try:
        used = await passkeys.used(interaction.services, ceremony, form.get("credential") or "")
        _check(interaction, step, used)
        offered = offering.begun(interaction, form) if used.is_elsewhere else replace(interaction, offers_passkey=False)
        return await _accept(offered, step, used)
    except Failed as failed:
        return await _refuse(interaction, failed)


def _ceremony(interaction: Interaction, step: Step) -> Ceremony:
    person = interaction.proving if step is Step.FACTOR else None
    return passkeys.use(interaction.attempt.id, interaction.browser, person or "")


def _check(interaction: Interaction, step: Step, used: Use) -> None:
    """Raises Failed. Where somebody was named before, their own passkey and no other will do."""
    if step is Step.FACTOR:
        return
    if not used.user_verified:
        raise Failed(Why.UNVERIFIED, "the device did not verify who used it, and nothing else was proved", used.person)
    named = interaction.attempt.username
    if named and canonical(named) != canonical(used.person.email):
        raise Failed(Why.OTHER, "the passkey is of another person than was named", used.person)


async def _accept(interaction: Interaction, step: Step, used: Use) -> Response:
    """Raises Failed where its person was disabled, or it was used or removed, while it was judged."""
    services, now = interaction.services, interaction.services.clock()
    proof = Proof(rules.NAME, now, methods=used.methods)
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, used.person.id)
        if person is None:
            raise Failed(Why.REFUSED, "the person is disabled or gone", used.person)
        if step is Step.FACTOR and not await proving.holds(transaction, interaction, person):
            return await proving.begin_again(transaction, interaction)
        if not await credentials.replace(transaction, services.sealer, used.stored, used.data, now):
            raise Failed(Why.STALE, "the passkey was used or removed at the same moment", person)
        if step is Step.FACTOR:
            found = await second.added(transaction, interaction, person, proof)
        else:
            alone = replace(interaction, attempt=interaction.attempt.anew())
            found = await proving.proved(transaction, alone, person, (proof,), now)
    return proving.answered(found)


async def _refuse(interaction: Interaction, failed: Failed) -> Response:
    """The reason is for who runs the provider: `idp explain` tells it by the reference of this request."""
    refused_answer(interaction.request, "passkey_refused", "The passkey was not accepted.", failed.reason)
    fault = f"{_FAULTS[failed.why]}:{failed.unknown}" if failed.unknown else _FAULTS[failed.why]
    attempt = replace(interaction.attempt, fault=fault)
    async with interaction.services.database.transaction() as transaction:
        await _record(transaction, interaction, failed)
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return dispatcher.proceed(interaction, code)


def _fault(interaction: Interaction) -> tuple[str, str]:
    """The fault, and the id of the passkey that nobody has, which its browser may forget."""
    fault, _, unknown = (interaction.attempt.fault or "").partition(":")
    return fault, unknown if fault == UNKNOWN else ""


async def _record(transaction: Transaction, interaction: Interaction, failed: Failed) -> None:
    events = [Event.SIGN_IN_FAILED, *([Event.PASSKEY_COPIED] if failed.why is Why.COPIED else [])]
    for event in events:
        about = {"factor": rules.NAME, "why": failed.why.value}
        await proving.record(transaction, interaction, event, failed.person, **about)
