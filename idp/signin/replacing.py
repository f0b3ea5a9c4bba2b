"""A new password in the place of one that others know: nobody gets a session by such a one."""

from dataclasses import replace

from starlette.responses import RedirectResponse, Response

from idp import new_passwords, wording
from idp.audit import Event
from idp.factors.password import UnacceptablePassword
from idp.factors.proofs import asks_for_second
from idp.protocol.params import Params
from idp.signin import interaction as dispatcher
from idp.signin import proving
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store import credentials, grants, sessions, users
from idp.store.credentials import StoredFactor
from idp.store.db import Transaction
from idp.store.users import Person
from idp.web.origin import network_of
from idp.wording import Text

REFUSED = "refused: "  # before what is wrong with a new password, in a fault


async def new_password(interaction: Interaction, form: Params) -> Response:
    """The new one counts from here on; sessions and grants that the old one gave anybody end."""
    services, user_id = interaction.services, interaction.attempt.person
    if user_id is None or await interaction.step() is not Step.NEW_PASSWORD:
        return RedirectResponse(interaction.url, 303)
    person = await users.find(services.database, user_id)
    stored = await credentials.find(services.database, services.sealer, user_id, credentials.PASSWORD)
    if person is None or stored is None:
        return RedirectResponse(interaction.url, 303)
    typed, about = form.get("new_password") or "", new_passwords.about(person.email, person.claims)
    alone, asker = await stands_alone(interaction), network_of(interaction.request)
    try:
        await new_passwords.judge_replacement(services, typed, str(stored.data["hash"]), about, asker, alone=alone)
    except UnacceptablePassword as error:
        return await _refuse(interaction, error.text)
    return await _accept(interaction, user_id, stored, await services.hashing.hash(typed, asker))


async def stands_alone(interaction: Interaction) -> bool:
    """Whether the person proves nothing beside the password."""
    found = await credentials.enrolled(interaction.services.database, interaction.proving or "")
    return not asks_for_second(found)


def refusal_of(interaction: Interaction) -> Text | None:
    """What was wrong with the password that was typed."""
    fault = interaction.attempt.fault or ""
    return wording.loaded(fault.removeprefix(REFUSED)) if fault.startswith(REFUSED) else None


async def _refuse(interaction: Interaction, reason: Text) -> Response:
    attempt = replace(interaction.attempt, fault=f"{REFUSED}{wording.dumped(reason)}")
    async with interaction.services.database.transaction() as transaction:
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return dispatcher.proceed(interaction, code)


async def _accept(interaction: Interaction, user_id: str, stored: StoredFactor, new_hash: str) -> Response:
    services, before = interaction.services, interaction.attempt.proofs
    proofs = tuple(replace(proof, leaked=False) for proof in before)
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, user_id)
        if person is None:
            return await proving.begin_again(transaction, interaction)
        if refused := await proving.must_prove_again(transaction, interaction, person):
            return refused
        data, now = stored.data | {"hash": new_hash}, services.clock()
        if not await credentials.replace(transaction, services.sealer, stored, data, now):
            return await proving.begin_again(transaction, interaction)
        await _end_access(transaction, interaction, person)
        found = await proving.proved(transaction, interaction, person, proofs, now)
    return proving.answered(found)


async def _end_access(transaction: Transaction, interaction: Interaction, person: Person) -> None:
    now = interaction.services.clock()
    transaction.durable()
    await sessions.end_all_of(transaction, person.id, now)
    await grants.end_of_user(transaction, person.id, "password replaced", now)
    await users.disown_devices(transaction, person.id, now)
    await proving.record(transaction, interaction, Event.PASSWORD_REPLACED, person)
