"""Checking a password, and the session that a right one begins."""

from dataclasses import replace
from datetime import datetime

from starlette.responses import Response

from idp import audit
from idp.audit import Event
from idp.factors import password as password_rules
from idp.hashing import Overloaded
from idp.protocol.claims import ACR_PASSWORD, Authentication
from idp.services import Services
from idp.signin import accounts, ending, remembered
from idp.signin import interaction as dispatcher
from idp.signin.interaction import Interaction
from idp.store import credentials, sessions
from idp.store.attempts import Attempt
from idp.store.credentials import StoredFactor
from idp.store.db import Transaction
from idp.store.ids import new_id, new_secret
from idp.store.sessions import SignedIn
from idp.store.users import Person
from idp.web import sessions as browser_sessions
from idp.web.origin import note, origin_of

WRONG_PASSWORD = "wrong_password"  # noqa: S105  # the name of a fault
OTHER_PERSON = "other_person"  # a fault too: the app waits for another one


async def with_password(interaction: Interaction, username: str, password: str) -> Response:
    """One answer for a wrong password, an unknown person, one without a password and one who is disabled."""
    services = interaction.services
    person, stored = await credentials.find_with_person(
        services.database, services.sealer, username, credentials.PASSWORD
    )
    disabled = person is not None and person.disabled_at is not None
    encoded = None if stored is None or disabled else str(stored.data["hash"])
    right = await services.hashing.verify(encoded, password)
    if not right or person is None or stored is None:
        return await _refuse(interaction, username, person)
    fresh_hash = await _fresh_hash(services, str(encoded), password)
    return await _accept(interaction, username, person, stored, fresh_hash) or await _refuse(
        interaction, username, person
    )


async def _fresh_hash(services: Services, encoded: str, password: str) -> str | None:
    """A hash at today's cost where this one is older. Where too many wait for one, there is another time."""
    if not services.hashing.outdated(encoded):
        return None
    try:
        return await services.hashing.hash(password)
    except Overloaded:
        return None


async def _refuse(interaction: Interaction, username: str, person: Person | None) -> Response:
    services = interaction.services
    attempt = replace(interaction.attempt, username=username, fault=WRONG_PASSWORD)
    async with services.database.transaction() as transaction:
        await audit.record(
            transaction,
            services,
            Event.SIGN_IN_FAILED,
            origin_of(interaction.request),
            subject=person.subject if person else None,
            client_id=interaction.client.client_id,
            factor=credentials.PASSWORD,
        )
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return dispatcher.proceed(interaction, code)


async def _accept(
    interaction: Interaction, username: str, person: Person, stored: StoredFactor, fresh_hash: str | None
) -> Response | None:
    """None where the password was changed, or the person disabled, while it was being checked."""
    services, now = interaction.services, interaction.services.clock()
    secret = new_secret()
    async with services.database.transaction() as transaction:
        if not await credentials.unchanged(transaction, stored):
            return None
        proof = await _begin_session(transaction, interaction, person, secret, now)
        await _rehash(transaction, interaction, person, stored, fresh_hash, now)
        await audit.record(
            transaction,
            services,
            Event.SIGN_IN_SUCCEEDED,
            origin_of(interaction.request),
            subject=person.subject,
            client_id=interaction.client.client_id,
            session_id=proof.sid,
            factor=credentials.PASSWORD,
        )
        session = SignedIn(proof.sid, person.id, person.email, person.name, proof, now, secret)
        attempt = _went_on(interaction, replace(interaction.attempt, username=username, session_id=proof.sid), person)
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt, session=session))
    note(interaction.request, user_id=person.id)
    response = dispatcher.proceed(interaction, code)
    browser_sessions.write(response, services, accounts.first(session, interaction.signed_in))
    remembered.remember(response, services, interaction.browser, person.id)
    return response


def _went_on(interaction: Interaction, attempt: Attempt, person: Person) -> Attempt:
    if interaction.asked.subject in (None, person.id):
        return replace(attempt, fault=None)
    return replace(attempt, fault=OTHER_PERSON, username="")


async def _begin_session(
    transaction: Transaction, interaction: Interaction, person: Person, secret: str, now: datetime
) -> Authentication:
    """A new session, or the person's own one in this browser under a new secret."""
    proof = Authentication(new_id(now), now, (password_rules.AMR,), ACR_PASSWORD)
    until = now + interaction.services.settings.session_absolute_lifetime
    own = next((session for session in interaction.signed_in if session.user_id == person.id), None)
    if own is not None:
        renewed = replace(proof, sid=own.sid)
        if await sessions.renew(transaction, secret, renewed, until):
            return renewed
    elif len(interaction.signed_in) >= browser_sessions.MOST:
        await ending.end(transaction, interaction.services, interaction.request, interaction.signed_in[-1], now)
    await sessions.start(transaction, proof.sid, secret, person.id, proof, until)
    return proof


async def _rehash(
    transaction: Transaction,
    interaction: Interaction,
    person: Person,
    stored: StoredFactor,
    fresh_hash: str | None,
    now: datetime,
) -> None:
    if fresh_hash is None:
        return
    services = interaction.services
    if await credentials.replace(transaction, services.sealer, stored, stored.data | {"hash": fresh_hash}, now):
        await audit.record(
            transaction, services, Event.PASSWORD_REHASHED, origin_of(interaction.request), user_id=person.id
        )
