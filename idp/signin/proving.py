"""A person proved a factor: the session begins, or the attempt remembers it until the next one is proved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import RedirectResponse, Response

from idp import audit
from idp.audit import Event
from idp.factors import proofs as evidence
from idp.factors.proofs import MULTIPLE, SECOND, Proof
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS, Authentication
from idp.signin import accounts, ending, offering, remembered
from idp.signin import interaction as dispatcher
from idp.signin.interaction import Interaction
from idp.store import credentials, sessions
from idp.store.attempts import Attempt
from idp.store.db import Transaction
from idp.store.ids import new_id, new_secret
from idp.store.sessions import Origin, SignedIn
from idp.store.users import Person
from idp.web import devices, notices, recoveries, user_agents
from idp.web import sessions as browser_sessions
from idp.web.origin import note, origin_of

OTHER_PERSON = "other_person"  # faults: the app waits for another one
TOOK_LONG = "took_long"  # what was proved is too old to change how its person signs in


@dataclass(frozen=True)
class Proved:
    """What came of it: a session where one began, and the app's code where nothing is left to ask."""

    interaction: Interaction
    session: SignedIn | None
    code: str | None


async def proved(
    transaction: Transaction,
    interaction: Interaction,
    person: Person,
    proofs: tuple[Proof, ...],
    now: datetime,
    basis: Authentication | None = None,
) -> Proved:
    """In the transaction in which the newest of `proofs` was found right.

    `basis` is how the session began to which they are added; without one they stand for themselves.
    """
    proof = _authentication(proofs, basis)
    attempt = replace(_went_on(interaction, person), person=person.id, proofs=proofs, session_id=None)
    enrolled = await credentials.enrolled(transaction, person.id)
    kept = replace(interaction, attempt=attempt, session=None, enrolled=enrolled)
    if await kept.missing(transaction, proof) is not None:
        await record(transaction, interaction, Event.FACTOR_ACCEPTED, person, factor=proofs[-1].factor)
        return await _remember(transaction, kept)
    session = await _begin_session(transaction, interaction, person, proof, now)
    about = {"session_id": session.sid, "factor": proofs[-1].factor, "amr": " ".join(proof.amr)}
    await record(transaction, interaction, Event.SIGN_IN_SUCCEEDED, person, **about)
    await _watch(transaction, interaction, person, proof, now)
    attempt = attempt.anew(session_id=session.sid)
    interaction = replace(kept, attempt=attempt, session=session)
    return Proved(interaction, session, await dispatcher.settle(transaction, interaction))


async def _watch(
    transaction: Transaction, interaction: Interaction, person: Person, proof: Authentication, now: datetime
) -> None:
    """What is new tells the person; both factors call off a recovery that would take one of them away."""
    request, services = interaction.request, interaction.services
    if not devices.known(request, services, interaction.browser, person, now):
        app = interaction.client.client_name
        await notices.send(transaction, services, person, notices.NEW_DEVICE, request=request, app=app)
    if person.recovery_from is not None and proof.acr == ACR_TWO_FACTORS:
        await recoveries.call_off(transaction, request, services, person)


async def session_lives(transaction: Transaction, interaction: Interaction) -> bool:
    """Whether the session that it is about was not ended while the answer was on its way."""
    session, services = interaction.session, interaction.services
    idle = services.settings.session_idle_lifetime
    return session is not None and await sessions.is_alive(transaction, session.sid, services.clock(), idle)


async def holds(transaction: Transaction, interaction: Interaction, person: Person) -> bool:
    """Whether what a second factor is added to counts still: what was proved here, or the session."""
    if interaction.attempt.person is None:
        return await session_lives(transaction, interaction)
    return await still_stand(transaction, person, interaction.attempt.proofs)


async def still_stand(transaction: Transaction, person: Person, proofs: Sequence[Proof]) -> bool:
    """Whether what was proved before is the person's still. Who changes their password waits for us to end."""
    if person.devices_valid_from is not None and any(proof.at < person.devices_valid_from for proof in proofs):
        return False  # whatever it was, access was ended since
    shown = {proof.factor for proof in proofs if proof.factor in SECOND}
    if shown and not shown <= await credentials.enrolled(transaction, person.id):
        return False
    proved_at = next((proof.at for proof in proofs if proof.factor == credentials.PASSWORD), None)
    if proved_at is None:
        return True
    since = await credentials.changed_at(transaction, person.id, credentials.PASSWORD)
    return since is not None and since <= proved_at


async def must_prove_again(transaction: Transaction, interaction: Interaction, person: Person) -> Response | None:
    """Before a factor or a password is set up: where what was proved does not stand, or no account page would take it.

    It is too old for one where somebody may have walked away from the page. None where the change may be made.
    """
    services, proofs = interaction.services, interaction.attempt.proofs
    if not await still_stand(transaction, person, proofs):
        return await begin_again(transaction, interaction)
    if min(proof.at for proof in proofs) < services.clock() - services.settings.fresh_proof:
        return await begin_again(transaction, interaction, TOOK_LONG)
    return None


async def begin_again(transaction: Transaction, interaction: Interaction, fault: str | None = None) -> Response:
    """What was proved in this attempt counts no more."""
    attempt = interaction.attempt.anew(fault=fault)
    await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return RedirectResponse(interaction.url, 303)


def answered(found: Proved) -> Response:
    """After the transaction: the cookies of a session that began, and the next page or the way back to the app."""
    interaction, session = found.interaction, found.session
    response = dispatcher.proceed(interaction, found.code)
    if session is not None:
        note(interaction.request, user_id=session.user_id)
        browser_sessions.write(response, interaction.services, accounts.first(session, interaction.signed_in))
        remembered.remember(response, interaction.services, interaction.browser, session.user_id)
        remembered.remember_method(response, interaction.services, session.authentication.amr)
        devices.remember(response, interaction.request, interaction.services, interaction.browser, session.user_id)
    if interaction.offers_passkey:
        (offering.put_off if session is None else offering.show)(response, interaction)
    elif session is not None:
        offering.drop(response, interaction)
    return response


def _authentication(proofs: Sequence[Proof], basis: Authentication | None) -> Authentication:
    """As old as the oldest proof that counts, so that a session never looks fresher than it is."""
    amr = evidence.amr(proofs, basis.amr if basis else ())
    times = [each.at for each in proofs] + ([basis.auth_time] if basis else [])
    acr = ACR_TWO_FACTORS if MULTIPLE in amr else ACR_PASSWORD
    return Authentication(new_id(max(times)), min(times), amr, acr)


def _went_on(interaction: Interaction, person: Person) -> Attempt:
    if interaction.asked.subject in (None, person.id):
        return replace(interaction.attempt, username=interaction.attempt.username or person.email, fault=None, misses=0)
    return replace(interaction.attempt, username="", fault=OTHER_PERSON, misses=0)


async def _remember(transaction: Transaction, interaction: Interaction) -> Proved:
    if interaction.attempt.fault is not None:  # the app waits for somebody else
        interaction = replace(interaction, attempt=interaction.attempt.anew())
    return Proved(interaction, None, await dispatcher.settle(transaction, interaction))


async def record(
    transaction: Transaction, interaction: Interaction, event: Event, person: Person | None, **about: str
) -> None:
    """In a sign-in: about this person, or nobody, and for the app that asked."""
    await audit.record(
        transaction,
        interaction.services,
        event,
        origin_of(interaction.request),
        subject=person.subject if person else None,
        client_id=interaction.client.client_id,
        **about,
    )
    if person is not None:
        await notices.tell(
            transaction,
            interaction.services,
            person,
            event,
            about.get("factor"),
            request=interaction.request,
            app=interaction.client.client_name,
        )


async def _begin_session(
    transaction: Transaction, interaction: Interaction, person: Person, proof: Authentication, now: datetime
) -> SignedIn:
    """A new session, or the person's own one in this browser under a new secret."""
    secret, services, request = new_secret(), interaction.services, interaction.request
    where = Origin(user_agents.device(request), origin_of(request).address or "")
    until = now + interaction.services.settings.session_absolute_lifetime
    own = next((session for session in interaction.signed_in if session.user_id == person.id), None)
    renewed = None if own is None else replace(proof, sid=own.sid)
    if renewed is not None and await sessions.renew(
        transaction, secret, renewed, now, until, sessions.sealed(services.sealer, renewed.sid, where)
    ):
        return SignedIn(renewed.sid, person.id, person.email, person.name, renewed, now, secret)
    if own is None and len(interaction.signed_in) >= browser_sessions.MOST:
        await ending.end(transaction, interaction.services, interaction.request, interaction.signed_in[-1], now)
    kept = sessions.sealed(services.sealer, proof.sid, where)
    await sessions.start(transaction, secret, person.id, proof, now, until, kept)
    return SignedIn(proof.sid, person.id, person.email, person.name, proof, now, secret)
