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
from idp.signin import interaction as dispatcher
from idp.signin import remembered
from idp.signin.interaction import Interaction
from idp.store import credentials, grants, sessions
from idp.store.credentials import StoredFactor
from idp.store.db import Transaction
from idp.store.ids import new_id, new_secret
from idp.store.sessions import SignedIn
from idp.store.users import Person
from idp.web import cookies
from idp.web.origin import note, origin_of

WRONG_PASSWORD = "wrong_password"  # noqa: S105  # the name of a fault


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
    cookie = new_secret()
    async with services.database.transaction() as transaction:
        if not await credentials.unchanged(transaction, stored):
            return None
        proof = await _begin_session(transaction, interaction, person, cookie, now)
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
        session = SignedIn(proof.sid, person.id, person.email, person.name, proof, now)
        attempt = replace(interaction.attempt, username=username, fault=None, session_id=proof.sid)
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt, session=session))
    note(interaction.request, user_id=person.id)
    response = dispatcher.proceed(interaction, code)
    cookies.write(response, services.settings, cookies.SESSION, cookie)
    remembered.remember(response, services, interaction.browser, person.id)
    return response


async def _begin_session(
    transaction: Transaction, interaction: Interaction, person: Person, cookie: str, now: datetime
) -> Authentication:
    """A new session, or the person's own one under a new cookie. Somebody else's session in this browser ends."""
    settings, before = interaction.services.settings, interaction.session
    proof = Authentication(new_id(now), now, (password_rules.AMR,), ACR_PASSWORD)
    until = now + settings.session_absolute_lifetime
    if before is not None and before.user_id == person.id:
        renewed = replace(proof, sid=before.sid)
        if await sessions.renew(transaction, cookie, renewed, until):
            return renewed
    elif before is not None:
        await sessions.end(transaction, before.sid, now)
        await grants.end_of_session(transaction, before.sid, now)
    await sessions.start(transaction, proof.sid, cookie, person.id, proof, until)
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
