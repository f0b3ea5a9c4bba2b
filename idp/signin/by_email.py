"""A code by mail, and the link beside it, where the operator allows them: a second factor, or instead of a password."""

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.audit import Event
from idp.factors import message
from idp.factors.message import LIFETIME, PAUSE, Verdict
from idp.factors.proofs import Proof
from idp.factors.throttling import whole_seconds
from idp.outside.mail import Mail
from idp.protocol.params import Params
from idp.services import services_of
from idp.signin import interaction as dispatcher
from idp.signin import loading, offering, proving, working
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store import email_codes, handles, users
from idp.store.db import Transaction
from idp.store.email_codes import Mailed
from idp.store.ids import hash_of, new_secret
from idp.store.users import Person
from idp.web import cookies, languages, mail_limits, mails, problems, throttle
from idp.web.throttle import Guess, Tries
from idp.wording import Text

# Faults.
WRONG, OLD, SPENT, TOO_SOON = "wrong_email_code", "old_email_code", "spent_email_codes", "mailed_just_now"
_MESSAGES = {
    WRONG: Text("That is not the code of a mail that this sign-in sent. Check it, or ask for another mail."),
    OLD: Text("That code is more than ten minutes old. Ask for another mail."),
    SPENT: Text(
        "There were too many wrong codes or mails in this sign-in. Go on in another way, or start again at the app."
    ),
    TOO_SOON: Text("The last mail is on its way. Wait a moment before you ask for another one."),
}
_KEY = "email_code"


@dataclass(frozen=True)
class _Recipient:
    """Whose address it is, where it is somebody's who may have a code. `kind` is how their wrong ones are counted."""

    address: str
    person: Person | None
    kind: str = throttle.EMAIL


async def send(interaction: Interaction, _: Params) -> Response:
    """A mail with a code and a link, to whoever is signing in; the same answer where there is nobody."""
    recipient = await _recipient(interaction)
    if recipient is None:
        return RedirectResponse(interaction.url, 303)
    services, now = interaction.services, interaction.services.clock()
    before = await email_codes.find(services.database, _row_of(interaction, recipient.address))
    if before is not None and not before.may_send_at(now):  # nothing is used up by asking too soon
        await _not_sent(interaction, before)
        return RedirectResponse(interaction.url, 303)
    if left := await mail_limits.take(_guess(interaction, recipient)):
        return throttle.no_mail(interaction.request, left, interaction.url)
    await _send(interaction, recipient)
    return RedirectResponse(interaction.url, 303)


async def _send(interaction: Interaction, recipient: _Recipient) -> None:
    """Of two at the same moment one is sent."""
    services, now, attempt = interaction.services, interaction.services.clock(), interaction.attempt
    digits, link, until = message.code(secrets.randbelow(message.CODES)), new_secret(), now + LIFETIME
    row_id, person = _row_of(interaction, recipient.address), recipient.person
    new = message.sent(services.sealer.subkey(_KEY), row_id, digits, link, until)
    mail = _written(interaction, recipient, digits, link)
    user_id = person.id if person else None
    async with services.database.transaction() as transaction:
        if not await email_codes.send(transaction, row_id, user_id, new, now, attempt.expires_at):
            return
        await handles.keep(transaction, handles.EMAIL_LINK, link, {"ticket": attempt.url_part}, now, until)
        await mails.put(transaction, services, mail, until, decoy=person is None)
        await proving.record(transaction, interaction, Event.EMAIL_CODE_SENT, person, factor=message.NAME)
        sent = replace(attempt, mailed_at=now, fault=None)
        await dispatcher.settle(transaction, replace(interaction, attempt=sent))


async def _not_sent(interaction: Interaction, before: Mailed) -> None:
    """The codes that were sent before can be entered all the same, as long as there is a try left."""
    fault = TOO_SOON if before.may_send else SPENT
    mailed_at = before.sent_at if before.may_try else None
    async with interaction.services.database.transaction() as transaction:
        attempt = replace(interaction.attempt, fault=fault, mailed_at=mailed_at)
        await dispatcher.settle(transaction, replace(interaction, attempt=attempt))


async def code(interaction: Interaction, form: Params) -> Response:
    """The code, or what the link brought, instead of the password."""
    recipient = await _recipient(interaction)
    if recipient is None or recipient.kind != throttle.EMAIL:
        return RedirectResponse(interaction.url, 303)
    services, guess = interaction.services, _guess(interaction, recipient)
    shown = working.shown(interaction, form)
    if left := await throttle.address_left(guess, shown):
        return throttle.refused(interaction.request, left, working.url(interaction, left))
    # Read before anybody is locked: nobody, whom no lock makes wait, is judged as somebody is.
    async with services.turns.of(guess.turn):
        if left := await throttle.burst_left(guess, shown):
            return throttle.refused(interaction.request, left, working.url(interaction, left))
        tried = await throttle.tries(services.database, guess)
        if left := tried.left(services.clock()):
            return throttle.refused(interaction.request, left, interaction.url)
        return await _judge(offering.begun(interaction, form), recipient, guess, tried, form.get("code") or "")


async def _judge(interaction: Interaction, recipient: _Recipient, guess: Guess, tried: Tries, typed: str) -> Response:
    services, now = interaction.services, interaction.services.clock()
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, recipient.person.id if recipient.person else "")
        fault = await fault_of(transaction, interaction, recipient.address, person, typed)
        if fault is None and person is not None:
            await throttle.succeeded(transaction, tried)
            alone = replace(interaction, attempt=interaction.attempt.anew())
            proof = Proof(message.NAME, now)
            return proving.answered(await proving.proved(transaction, alone, person, (proof,), now))
        await proving.record(transaction, interaction, Event.SIGN_IN_FAILED, recipient.person, factor=message.NAME)
        await throttle.failed(transaction, guess, tried)
        attempt = replace(interaction.attempt, fault=fault, mailed_at=_unless_spent(interaction, fault))
        await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    await throttle.address_failed(guess)
    return RedirectResponse(interaction.url, 303)


async def fault_of(
    transaction: Transaction, interaction: Interaction, address: str, person: Person | None, typed: str
) -> str | None:
    """What is wrong with a code for this address; None, to one caller, where it is right and the person's."""
    services = interaction.services
    row_id = _row_of(interaction, address)
    tried = await email_codes.take_try(transaction, row_id)
    if tried is None:
        return SPENT
    since = None if person is None else person.links_valid_from
    counts = [each for each in tried.mails if since is None or each.until - LIFETIME >= since]
    verdict = message.check(services.sealer.subkey(_KEY), row_id, counts, typed, services.clock())
    if verdict is Verdict.RIGHT and person is not None and tried.user_id == person.id:
        await email_codes.use_up(transaction, row_id)
        return None
    if tried.is_last:
        return SPENT
    return OLD if verdict is Verdict.OLD else WRONG


async def follow(request: Request) -> Response:
    """The link of a mail: to the page with the button, in the browser where the sign-in began. Nothing is used up."""
    services, link = services_of(request), request.path_params["link"]
    found = await handles.find(services.database, handles.EMAIL_LINK, link)
    if found is None or services.clock() >= found.expires_at:
        return loading.halted(request, problems.LINK_OVER)
    try:
        began = await loading.began(services, found.data["ticket"])
    except loading.Halt:
        return loading.halted(request, problems.LINK_OVER)
    browser = cookies.read(request.headers, services.settings, cookies.BROWSER)
    if browser is None or not hmac.compare_digest(hash_of(browser), began.browser_hash):
        return loading.halted(request, problems.LINK_ELSEWHERE)
    return RedirectResponse(f"/signin/{began.url_part}?link={link}", 303)


def context(interaction: Interaction, address: str) -> dict[str, Any]:
    """What a page with a field for the code is given."""
    mailed_at, now = interaction.attempt.mailed_at, interaction.services.clock()
    left = whole_seconds(mailed_at + PAUSE - now) if mailed_at else 0
    return {
        "address": address,
        "sent": mailed_at is not None,
        "link": interaction.request.query_params.get("link"),
        "digits": message.DIGITS,
        "wait": max(0, min(left, int(PAUSE.total_seconds()))),
        "send_action": f"{interaction.url}/send-code",
    }


def told(interaction: Interaction) -> dict[str, Any] | None:
    """What a page says of a code that was not accepted, or a mail that was not sent."""
    text = _MESSAGES.get(interaction.attempt.fault or "")
    return None if text is None else {"summary": Text("That did not work"), "field": "email-code", "message": text}


async def _recipient(interaction: Interaction) -> _Recipient | None:
    """None where no code is to be had."""
    database, step = interaction.services.database, await interaction.step()
    if step is Step.FACTOR and await interaction.second_by_mail(database):
        person = await users.find(database, interaction.proving or "")
        return None if person is None else _Recipient(person.email, person, throttle.SECOND_EMAIL)
    address = interaction.attempt.username
    if step not in (Step.PASSWORD, Step.EMAIL) or not address or not interaction.services.settings.mail_signs_in:
        return None
    person = await users.find_by_email(database, address)
    usable = person is not None and person.disabled_at is None and person.email_verified_at is not None
    return _Recipient(address, person if usable else None)


def _row_of(interaction: Interaction, address: str) -> str:
    return email_codes.row_of(interaction.services.sealer.subkey(_KEY), interaction.attempt.id, address)


def _guess(interaction: Interaction, recipient: _Recipient) -> Guess:
    services, name = interaction.services, recipient.address
    return Guess(interaction.request, services, interaction.browser, recipient.kind, name, recipient.person)


def _written(interaction: Interaction, recipient: _Recipient, digits: str, link: str) -> Mail:
    services, claims = interaction.services, recipient.person.claims if recipient.person else {}
    to = recipient.person.email if recipient.person else recipient.address
    context = {
        "code": message.grouped(digits),
        "link": f"{services.settings.issuer}/email/{link}",
        "minutes": int(LIFETIME.total_seconds() // 60),
    }
    subject = Text("Signing in to %(site)s", {"site": services.settings.site_name})
    language = languages.of_person(services.settings, claims, languages.language_of(interaction.request))
    return mails.written(services, to, subject, "code", context, language)


def _unless_spent(interaction: Interaction, fault: str | None) -> datetime | None:
    """Where no code will do any more, the page asks for the password."""
    return None if fault == SPENT else interaction.attempt.mailed_at
