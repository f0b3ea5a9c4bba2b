"""The second factor: a code of an app, of a list or of a mail, or setting one up where there is none."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from starlette.responses import RedirectResponse, Response

from idp import enrolment
from idp.audit import Event
from idp.enrolment import Setup
from idp.factors import message, recovery, totp
from idp.factors.proofs import Proof, asks_for_second
from idp.factors.throttling import NOTHING_HELPS
from idp.protocol.claims import Authentication
from idp.protocol.params import Params
from idp.signin import by_email, proving, working
from idp.signin import interaction as dispatcher
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store import credentials, sessions, users
from idp.store.db import Transaction
from idp.store.users import Person
from idp.web import throttle
from idp.web.languages import language_of
from idp.web.throttle import Guess, Tries

WRONG_CODE = "wrong_code"  # faults
TOO_MANY = "too_many_codes"
MOST_MISSES = 5  # in one sign-in
GUESSABLE = (totp.NAME, message.NAME)  # a recovery code is too long for it, and has to help when all else is locked

# What each method makes of its data and of what was typed: new data where that was right.
_VERIFY: Mapping[str, Callable[[dict[str, Any], str, datetime], dict[str, Any] | None]] = {
    totp.NAME: totp.verify,
    recovery.NAME: lambda data, typed, _: recovery.verify(data, typed),
}


async def factor(interaction: Interaction, form: Params) -> Response:
    """A code of one of the person's own devices, of their recovery codes, or of a mail to them."""
    method, user_id = form.get("method") or "", interaction.proving
    if user_id is None or await interaction.step() is not Step.FACTOR or not await _counts(interaction, method):
        return RedirectResponse(interaction.url, 303)
    services, now = interaction.services, interaction.services.clock()
    guess = await _guess(interaction, user_id, method)
    if left := await throttle.address_left(guess, working.shown(interaction, form)):
        return throttle.refused(interaction.request, left, working.url(interaction, left))
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, user_id)
        if person is None:
            return RedirectResponse(interaction.url, 303)
        if not await proving.holds(transaction, interaction, person):
            return await proving.begin_again(transaction, interaction)
        tried = await throttle.tries(transaction, guess)
        if method in GUESSABLE and (left := tried.left(now)):
            return throttle.refused(interaction.request, left, interaction.url)
        fault = await _fault_of(transaction, interaction, person, method, form.get("code") or "", now)
        if fault is None:
            await throttle.succeeded(transaction, tried)
            return proving.answered(await added(transaction, interaction, person, Proof(method, now)))
        response = await _miss(transaction, interaction, guess, tried, method, fault)
    await throttle.address_failed(guess)
    return response


async def enrol(interaction: Interaction, form: Params) -> Response:
    """The first code of a new device: from here on it counts, and so do the recovery codes that were shown with it."""
    user_id = interaction.proving
    if user_id is None or await interaction.step() is not Step.ENROL:
        return RedirectResponse(interaction.url, 303)
    services, now = interaction.services, interaction.services.clock()
    shown = setup(interaction)
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, user_id)
        if person is None or await has_one(transaction, person):  # meanwhile, perhaps by the person themselves
            return RedirectResponse(interaction.url, 303)
        if refused := await proving.must_prove_again(transaction, interaction, person):
            return refused
        transaction.durable()
        unnamed, typed = language_of(interaction.request).words(totp.UNNAMED), form.get("code") or ""
        name = totp.name_of(form.get("name"), str(unnamed))
        if not await enrolment.add_authenticator(transaction, services, person.id, shown.secret, name, typed, now):
            attempt = replace(interaction.attempt, fault=WRONG_CODE)
            code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
            return dispatcher.proceed(interaction, code)
        await confirmed(transaction, interaction, person, totp.NAME, now)
        found = await added(transaction, interaction, person, Proof(totp.NAME, now))
    return proving.answered(found)


async def later(interaction: Interaction, _: Params) -> Response:
    """Not now: as long as a second factor is only going to be required."""
    user_id = interaction.attempt.person
    if user_id is None or interaction.demand.two_factors or await interaction.step() is not Step.ENROL:
        return RedirectResponse(interaction.url, 303)
    services, now, proofs = interaction.services, interaction.services.clock(), interaction.attempt.proofs
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, user_id)
        if person is None or not await proving.still_stand(transaction, person, proofs):
            return await proving.begin_again(transaction, interaction)
        await proving.record(transaction, interaction, Event.FACTOR_PUT_OFF, person)
        found = await proving.proved(transaction, replace(interaction, put_off=True), person, proofs, now)
    return proving.answered(found)


def setup(interaction: Interaction) -> Setup:
    """What is shown in this sign-in and in no other."""
    return enrolment.setup(interaction.services, f"{interaction.attempt.id}:{interaction.proving}")


async def has_one(transaction: Transaction, person: Person) -> bool:
    """Under the lock on the person: of several who set up a device at once, one does."""
    return asks_for_second(await credentials.enrolled(transaction, person.id))


async def _counts(interaction: Interaction, method: str) -> bool:
    if method == message.NAME:
        return await interaction.second_by_mail(interaction.services.database)
    return method in _VERIFY


async def _fault_of(
    transaction: Transaction, interaction: Interaction, person: Person, method: str, typed: str, now: datetime
) -> str | None:
    """None where the code is right: then it writes back what the right device or code became."""
    if method == message.NAME:
        if not await interaction.second_by_mail(transaction):  # meanwhile there is a better one
            return by_email.WRONG
        return await by_email.fault_of(transaction, interaction, person.email, person, typed)
    sealer = interaction.services.sealer
    for stored in await credentials.of_person(transaction, sealer, person.id, method):
        new = _VERIFY[method](stored.data, typed, now)
        if new is not None:
            return None if await credentials.replace(transaction, sealer, stored, new, now) else WRONG_CODE
    return WRONG_CODE


async def _miss(
    transaction: Transaction, interaction: Interaction, guess: Guess, tried: Tries, method: str, fault: str
) -> Response:
    """After a few of them the first factor is asked for again."""
    person = guess.person
    assert person is not None  # noqa: S101  # whose second factor it is, is known
    await proving.record(transaction, interaction, Event.SIGN_IN_FAILED, person, factor=method)
    if method in GUESSABLE:
        await throttle.failed(transaction, guess, tried)
    attempt = replace(interaction.attempt, misses=interaction.attempt.misses + 1, fault=fault)
    if attempt.misses >= MOST_MISSES:
        since = interaction.services.clock()
        attempt = attempt.anew(misses=0, fault=TOO_MANY, username=person.email, fresh_since=since)
    code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt, session=None))
    return dispatcher.proceed(interaction, code)


async def confirmed(
    transaction: Transaction, interaction: Interaction, person: Person, factor: str, now: datetime
) -> None:
    """With the new factor count the codes that were shown with it.

    Sessions that began without it end, so that nobody is in by less.
    """
    services = interaction.services
    transaction.durable()
    codes = setup(interaction).recovery_codes
    await enrolment.replace_recovery_codes(transaction, services, person.id, codes, now)
    await sessions.end_all_of(transaction, person.id, now)
    await proving.record(transaction, interaction, Event.FACTOR_ENROLLED, person, factor=factor)


async def added(transaction: Transaction, interaction: Interaction, person: Person, proof: Proof) -> proving.Proved:
    """To what was proved before, in this attempt or when the session began."""
    basis: Authentication | None = None
    if interaction.attempt.person is None and interaction.session is not None:
        basis = interaction.session.authentication
    proofs = (*interaction.attempt.proofs, proof)
    return await proving.proved(transaction, interaction, person, proofs, proof.at, basis)


async def codes_are_locked(interaction: Interaction, user_id: str, method: str) -> bool:
    """Whether no code of an app, or of a mail, is looked at any more, for who sits at this browser."""
    services = interaction.services
    tried = await throttle.tries(services.database, await _guess(interaction, user_id, method))
    return tried.left(services.clock()) == NOTHING_HELPS


async def _guess(interaction: Interaction, user_id: str, method: str) -> Guess:
    services, person = interaction.services, await users.find(interaction.services.database, user_id)
    name = "" if person is None else person.email
    kind = throttle.SECOND_EMAIL if method == message.NAME else throttle.CODE
    return Guess(interaction.request, services, interaction.browser, kind, name, person)


async def email_of(interaction: Interaction) -> str:
    person = await users.find(interaction.services.database, interaction.proving or "")
    return "" if person is None else person.email
