"""Making a passkey in a sign-in: as a second step where one is missing, or because it was offered."""

from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, RedirectResponse, Response

from idp import passkeys
from idp.audit import Event
from idp.factors import passkey as rules
from idp.factors.proofs import Proof
from idp.passkeys import Ceremony, Failed, Why
from idp.protocol.params import Params
from idp.signin import interaction as dispatcher
from idp.signin import offering, proving, second
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store import users
from idp.store.db import Transaction
from idp.store.users import Person
from idp.web import user_agents
from idp.web.refusals import refused_answer
from idp.wording import Text

NOT_MADE = "passkey_not_made"  # a fault
_WHERE = (Step.ENROL, Step.OFFER)
_FAULT = {
    "summary": Text("That did not work"),
    "field": "passkey",
    "message": Text("The passkey was not saved. Try again, or go on in another way."),
}


async def options(interaction: Interaction) -> Response:
    """What the script of a page asks the browser to make, anew."""
    step = await interaction.step()
    return JSONResponse(await _creation_options(interaction, step) if step in _WHERE else None)


def fault_of(interaction: Interaction) -> dict[str, Any] | None:
    return _FAULT if interaction.attempt.fault == NOT_MADE else None


async def new_passkey(interaction: Interaction, form: Params) -> Response:
    """A passkey was made, after a password that was right in this very attempt."""
    step = await interaction.step()
    if step not in _WHERE:
        return RedirectResponse(interaction.url, 303)
    services, sent = interaction.services, form.get("credential") or ""
    try:
        ceremony, _ = await _ceremony(interaction, step)
        # What a browser makes by itself after a password was entered, it makes without anybody touching the device.
        data = await passkeys.made(services, ceremony, sent, presence=step is Step.ENROL)
        data["name"] = user_agents.passkey_name(interaction.request, data["aaguid"], services.clock())
        return await (_as_second if step is Step.ENROL else _as_offered)(interaction, ceremony, data)
    except Failed as failed:
        return await _refuse(interaction, failed, is_told=form.get("silent") is None)


async def _as_second(interaction: Interaction, ceremony: Ceremony, data: dict[str, Any]) -> Response:
    services, now = interaction.services, interaction.services.clock()
    interaction = replace(interaction, offers_passkey=False)  # they have just made one
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, ceremony.person)
        if person is None or await second.has_one(transaction, person):
            return RedirectResponse(interaction.url, 303)
        if refused := await proving.must_prove_again(transaction, interaction, person):
            return refused
        await _add(transaction, interaction, ceremony, data)
        await second.confirmed(transaction, interaction, person, rules.NAME, now)
        methods = rules.methods_of(data, user_verified=False)
        found = await second.added(transaction, interaction, person, Proof(rules.NAME, now, methods=methods))
    return proving.answered(found)


async def _as_offered(interaction: Interaction, ceremony: Ceremony, data: dict[str, Any]) -> Response:
    interaction = replace(interaction, offers_passkey=False)
    async with interaction.services.database.transaction() as transaction:
        person: Person | None = await users.locked(transaction, ceremony.person)
        if person is None or not await proving.session_lives(transaction, interaction):
            return RedirectResponse(interaction.url, 303)
        transaction.durable()
        await _add(transaction, interaction, ceremony, data)
        await proving.record(transaction, interaction, Event.FACTOR_ENROLLED, person, factor=rules.NAME)
        attempt = replace(interaction.attempt, fault=None)
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return offering.answered(dispatcher.proceed(interaction, code), interaction)


async def _add(transaction: Transaction, interaction: Interaction, ceremony: Ceremony, data: dict[str, Any]) -> None:
    if not await passkeys.add(transaction, interaction.services, ceremony, data):
        raise Failed(Why.STALE, "somebody has this passkey already, or another one was made at the same moment")


async def _refuse(interaction: Interaction, failed: Failed, *, is_told: bool) -> Response:
    """Not told where the browser made it by itself: nobody has asked for it yet."""
    refused_answer(interaction.request, "passkey_refused", "The passkey was not saved.", failed.reason)
    attempt = replace(interaction.attempt, fault=NOT_MADE if is_told else None)
    async with interaction.services.database.transaction() as transaction:
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return dispatcher.proceed(interaction, code)


async def _ceremony(interaction: Interaction, step: Step) -> tuple[Ceremony, list[dict[str, Any]]]:
    services, session = interaction.services, interaction.session
    person = session.user_id if step is Step.OFFER and session is not None else interaction.proving
    return await passkeys.creation(
        services.database, services, interaction.attempt.id, interaction.browser, person or ""
    )


async def _creation_options(interaction: Interaction, step: Step) -> dict[str, Any]:
    ceremony, known = await _ceremony(interaction, step)
    person = await users.find(interaction.services.database, ceremony.person)
    account = ("", "") if person is None else (person.email, person.name)
    return passkeys.creation_options(interaction.services, ceremony, known, account)
