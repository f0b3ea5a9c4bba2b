"""Confirming that the address of an account is its person's: by a link that is mailed to it, and by nothing else."""

from starlette.responses import Response

from idp import audit
from idp.account.access import DONE, WRONG, Asking, to
from idp.audit import Event
from idp.protocol.params import Params
from idp.store import handles, users
from idp.store.users import Person, canonical
from idp.web import languages, links, mail_limits, mails, own, sign_ups, throttle
from idp.web.links import Link
from idp.web.origin import origin_of
from idp.web.throttle import Guess
from idp.wording import Text

_ADDRESS = "address"  # what a link to this address stands for
_SENT = Text("A link is on its way to your address. Open it in a browser in which you are signed in.")
_OVER = Text("That link was used, or is too old. Send yourself a new one.")


async def show(asking: Asking) -> Response:
    """A button that sends a link; once it was opened here, the one that confirms the address."""
    person = await _unconfirmed(asking)
    if person is None:
        return to(own.SECURITY)
    is_opened = await _followed(asking, person) is not None
    action = f"{own.ADDRESS}/confirm" if is_opened else own.ADDRESS
    return asking.shown("account/address.html", opened=is_opened, action=action)


async def send(asking: Asking, _: Params) -> Response:
    person, services, now = await _unconfirmed(asking), asking.services, asking.now
    if person is None or not services.settings.smtp_url:
        return to(own.SECURITY)
    guess = Guess(asking.request, services, asking.browser, sign_ups.KIND, person.email, person)
    if left := await mail_limits.take(guess):
        return throttle.no_mail(asking.request, left, own.ADDRESS)
    until = now + sign_ups.LIFETIME
    async with services.database.transaction() as transaction:
        about = {_ADDRESS: canonical(person.email)}
        secret = await links.issue(transaction, handles.VERIFICATION, person.id, now, until, **about)
        context = {"link": links.url(services, own.ADDRESS, secret)}
        subject = Text("Confirm your address at %(site)s", {"site": services.settings.site_name})
        language = languages.of_person(services.settings, person.claims, languages.language_of(asking.request))
        mail = mails.written(services, person.email, subject, "address", context, language)
        await mails.put(transaction, services, mail, until, decoy=False)
    return asking.tell(own.ADDRESS, DONE, _SENT)


async def confirm(asking: Asking, _: Params) -> Response:
    """By the person who is signed in: a link that somebody else had sent confirms nothing for them."""
    person, services = await _unconfirmed(asking), asking.services
    link = None if person is None else await _followed(asking, person)
    if person is None:
        return to(own.SECURITY)
    async with services.database.transaction() as transaction:
        if link is None or not await links.take(transaction, handles.VERIFICATION, link, asking.now):
            return asking.tell(own.ADDRESS, WRONG, _OVER)
        if not await users.verify(transaction, person.id, link.data[_ADDRESS], asking.now):
            return asking.tell(own.ADDRESS, WRONG, _OVER)
        origin = origin_of(asking.request)
        await audit.record(transaction, services, Event.EMAIL_VERIFIED, origin, subject=person.subject)
    response = asking.tell(own.SECURITY, DONE, Text("Your address is confirmed."))
    links.forget(response, services)
    return response


async def _unconfirmed(asking: Asking) -> Person | None:
    person = await users.find(asking.services.database, asking.session.user_id)
    return None if person is None or person.email_verified_at is not None else person


async def _followed(asking: Asking, person: Person) -> Link | None:
    """The link that was opened in this browser, if it is this person's and of the address that they have."""
    link = await links.followed(asking.request, handles.VERIFICATION)
    owner = None if link is None else await links.person_of(asking.services.database, link)
    if link is None or owner is None or owner.id != person.id:
        return None
    return link if link.data[_ADDRESS] == canonical(person.email) else None
