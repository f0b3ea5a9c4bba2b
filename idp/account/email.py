"""Changing one's address: the old one says yes first, then the new one; nothing changes before both did."""

from starlette.responses import Response

from idp.account import changes, email_links
from idp.account.access import DONE, WRONG, Asking, to
from idp.protocol.params import Params
from idp.store import users
from idp.store.users import NotAnEmail, canonical
from idp.web import mail_limits, notices, own, sign_ups, throttle
from idp.web.throttle import Guess
from idp.wording import Text

_NO_ADDRESS = Text("That cannot be an e-mail address: check it.")
_SAME = Text("That is the address that your account has.")
_WAIT = Text(
    "Your address was changed less than seven days ago, and may still be taken back by who had it. Wait until then."
)
_NO_MAIL = Text("This service sends no mail, so that no address can be confirmed. Ask the people who run it.")


async def show(asking: Asking) -> Response:
    sends = bool(asking.services.settings.smtp_url)
    return asking.shown("account/email.html", action=own.EMAIL, sends=sends)


async def change(asking: Asking, form: Params) -> Response:
    """The answer is the same where somebody has the new address: they are told, and nobody else."""
    services, now = asking.services, asking.now
    person, typed = await users.find(services.database, asking.session.user_id), (form.get("email") or "").strip()
    if person is None or not services.settings.smtp_url:
        return asking.tell(own.EMAIL, WRONG, _NO_MAIL)
    try:
        new = sign_ups.check_address(typed)
    except NotAnEmail:
        return asking.tell(own.EMAIL, WRONG, _NO_ADDRESS)
    if canonical(new) == canonical(person.email):
        return asking.tell(own.EMAIL, WRONG, _SAME)
    if notices.former_email(person, now) is not None:
        return asking.tell(own.EMAIL, WRONG, _WAIT)
    guess = Guess(asking.request, services, asking.browser, throttle.RECOVERY, person.email, person)
    if left := await mail_limits.take(guess):
        return throttle.no_mail(asking.request, left, own.EMAIL)
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(own.EMAIL))
        first = await email_links.begin(transaction, asking.request, services, person, new)
    return asking.tell(own.SECURITY, DONE, _sent(first))


def _sent(address: str) -> Text:
    return Text(
        "A mail is on its way to %(address)s. Open its link, and the address is changed once both of them are "
        "confirmed.",
        {"address": address},
    )
