"""Asking for an account in a sign-in: an address, and a mail to it. The answer is the same whoever has the address."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from idp.audit import Event
from idp.protocol.params import Params
from idp.settings import BY_DOMAIN
from idp.signin import proving
from idp.signin.every_page import common, step_page
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store import attempts, users
from idp.store.users import NotAnEmail
from idp.web import mail_limits, sign_ups, throttle
from idp.web.languages import language_of
from idp.web.sign_ups import Joining
from idp.web.throttle import Guess
from idp.wording import Text

SENT = "sign_up_sent"  # a fault
_BEFORE = (Step.SELECT, Step.IDENTIFY, Step.PASSWORD, Step.EMAIL)
_NO_ADDRESS = {
    "summary": Text("Check the address"),
    "field": "username",
    "message": Text(
        "Enter an e-mail address such as name@example.com, in one alphabet and without invisible characters."
    ),
}


def page_of(interaction: Interaction) -> str | None:
    """Where somebody asks for an account in this sign-in; None where no stranger may, or the app named a person."""
    is_open = interaction.services.settings.sign_up_is_open and interaction.asked.subject is None
    return f"{interaction.url}/sign-up" if is_open else None


async def show(interaction: Interaction) -> Response:
    """The page for the address; once a mail was asked for it says where it went, until another address is wanted."""
    step = await interaction.step()
    if page_of(interaction) is None or step not in _BEFORE:
        return RedirectResponse(interaction.url, 303)
    if interaction.attempt.fault == SENT and "again" not in interaction.request.query_params:
        context = common(interaction, step) | {
            "action": page_of(interaction),
            "back": interaction.url,
            "email": interaction.attempt.username,
            "error": None,
        }
        return step_page(interaction, "sign_up_sent", context)
    return _page(interaction, step, interaction.asked.login_hint or "")


async def ask(interaction: Interaction, form: Params) -> Response:
    """Mails a link to whoever has the address, or tells them that they have an account."""
    page, step = page_of(interaction), await interaction.step()
    if page is None or step not in _BEFORE:
        return RedirectResponse(interaction.url, 303)
    typed = form.get("username") or ""
    try:
        address = sign_ups.check_address(typed)
    except NotAnEmail:
        return _page(interaction, step, typed, _NO_ADDRESS)
    services = interaction.services
    guess = Guess(interaction.request, services, interaction.browser, sign_ups.KIND, address, None)
    if left := await mail_limits.take(guess):
        return throttle.no_mail(interaction.request, left, page)
    await _send(interaction, address)
    return RedirectResponse(page, 303)


async def _send(interaction: Interaction, address: str) -> None:
    """The sign-in goes on with this address: whoever comes back to it finds it filled in."""
    services, now = interaction.services, interaction.services.clock()
    person = await users.find_by_email(services.database, address)
    joining, language = Joining(address, {}, ticket=interaction.attempt.url_part), language_of(interaction.request)
    async with services.database.transaction() as transaction:
        await sign_ups.send(transaction, services, joining, now, language, has_account=person is not None)
        await proving.record(transaction, interaction, Event.SIGN_UP_ASKED, person)
        attempt = interaction.attempt.anew(username=address, fault=SENT, session_id=None)
        await attempts.save(transaction, services.sealer, attempt)


def _page(interaction: Interaction, step: Step, typed: str, error: dict[str, Any] | None = None) -> Response:
    settings = interaction.services.settings
    context = common(interaction, step) | {
        "action": page_of(interaction),
        "back": interaction.url,
        "username": typed,
        "domains": settings.sign_up_domains if settings.sign_up == BY_DOMAIN else (),
        "error": error,
    }
    return step_page(interaction, "sign_up", context)
