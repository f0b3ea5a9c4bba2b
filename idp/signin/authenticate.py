"""Checking a password."""

from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import Response

from idp import audit, new_passwords
from idp.audit import Event
from idp.factors.proofs import Proof
from idp.fair_queue import Overloaded
from idp.protocol.params import Params
from idp.signin import interaction as dispatcher
from idp.signin import proving, working
from idp.signin.interaction import Interaction
from idp.store import credentials
from idp.store.credentials import StoredFactor
from idp.store.db import Transaction
from idp.store.users import Person
from idp.web import throttle
from idp.web.origin import origin_of
from idp.web.throttle import Guess, Tries

WRONG_PASSWORD = "wrong_password"  # noqa: S105  # the name of a fault


@dataclass(frozen=True)
class Checked:
    """What was found out about a password that is right: whether others know it, and its hash at today's cost."""

    leaked: bool
    fresh_hash: str | None


async def with_password(interaction: Interaction, username: str, form: Params) -> Response:
    """One answer for a wrong password, an unknown person, one without a password and one who is disabled."""
    services, request, password = interaction.services, interaction.request, form.get("password") or ""
    person, stored = await credentials.find_with_person(
        services.database, services.sealer, username, credentials.PASSWORD
    )
    guess = Guess(request, services, interaction.browser, throttle.PASSWORD, username, person)
    shown = working.shown(interaction, form)
    if left := await throttle.address_left(guess, shown):
        return throttle.refused(request, left, working.url(interaction, left))
    async with services.turns.of(guess.turn):
        if left := await throttle.burst_left(guess, shown):
            return throttle.refused(request, left, working.url(interaction, left))
        tried = await throttle.tries(services.database, guess)
        if left := tried.left(services.clock()):
            return throttle.refused(request, left, interaction.url)
        return await _check(interaction, guess, tried, stored, password)


async def _check(
    interaction: Interaction, guess: Guess, tried: Tries, stored: StoredFactor | None, password: str
) -> Response:
    services, person = interaction.services, guess.person
    disabled = person is not None and person.disabled_at is not None
    encoded = None if stored is None or disabled else str(stored.data["hash"])
    right = await services.hashing.verify(encoded, password, guess.network)
    interaction = replace(interaction, attempt=interaction.attempt.anew(username=guess.name))
    if not right or person is None or stored is None:
        return await _refuse(interaction, guess, tried)
    checked = Checked(
        leaked=await new_passwords.is_leaked(services, password),
        fresh_hash=await _fresh_hash(guess, str(encoded), password),
    )
    accepted = await _accept(interaction, person, stored, checked, tried)
    return accepted or await _refuse(interaction, guess, tried)


async def _fresh_hash(guess: Guess, encoded: str, password: str) -> str | None:
    """A hash at today's cost where this one is older. Where too many wait for one, there is another time."""
    hashing = guess.services.hashing
    if not hashing.outdated(encoded):
        return None
    try:
        return await hashing.hash(password, guess.network)
    except Overloaded:
        return None


async def _refuse(interaction: Interaction, guess: Guess, tried: Tries) -> Response:
    services, person = interaction.services, guess.person
    attempt = replace(interaction.attempt, fault=WRONG_PASSWORD)
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
        await throttle.failed(transaction, guess, tried)
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    await throttle.address_failed(guess)
    return dispatcher.proceed(interaction, code)


async def _accept(
    interaction: Interaction, person: Person, stored: StoredFactor, checked: Checked, tried: Tries
) -> Response | None:
    """None where the password was changed, or the person disabled, while it was being checked."""
    services, now = interaction.services, interaction.services.clock()
    async with services.database.transaction() as transaction:
        if not await credentials.unchanged(transaction, stored):
            return None
        await throttle.succeeded(transaction, tried)
        services.stuffing.right(now)
        await _rehash(transaction, interaction, person, stored, checked.fresh_hash, now)
        if checked.leaked:
            await _record(transaction, interaction, Event.PASSWORD_LEAKED, person)
        proof = Proof(credentials.PASSWORD, now, checked.leaked)
        found = await proving.proved(transaction, interaction, person, (proof,), now)
    return proving.answered(found)


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
        await _record(transaction, interaction, Event.PASSWORD_REHASHED, person)


async def _record(transaction: Transaction, interaction: Interaction, event: Event, person: Person) -> None:
    origin = origin_of(interaction.request)
    await audit.record(transaction, interaction.services, event, origin, subject=person.subject)
