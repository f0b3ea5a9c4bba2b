"""The ways back for who cannot sign in, and the mail that begins the one by mail."""

from dataclasses import replace

from starlette.responses import RedirectResponse, Response

from idp.factors.throttling import in_words
from idp.protocol.params import Params
from idp.signin import interaction as dispatcher
from idp.signin import proving
from idp.signin.every_page import common, step_page
from idp.signin.interaction import MAX_USERNAME, Interaction
from idp.signin.loading import typed_name
from idp.signin.steps import Step
from idp.store import users
from idp.store.db import Transaction
from idp.store.users import Person
from idp.web import mail_limits, recoveries, throttle
from idp.web.throttle import Guess
from idp.wording import Text

ASKED, NO_NAME = "recovery_asked", "no_recovery_name"  # faults
_NO_NAME = {
    "summary": Text("Who are you?"),
    "field": "username",
    "message": Text("Enter the e-mail address you sign in with."),
}
_STEPS = (Step.IDENTIFY, Step.PASSWORD, Step.EMAIL, Step.FACTOR)


async def show(interaction: Interaction) -> Response:
    """What can be done, and how long each way takes."""
    step = await interaction.step()
    if step not in _STEPS:
        return RedirectResponse(interaction.url, 303)
    settings, person = interaction.services.settings, await _proving(interaction) if step is Step.FACTOR else None
    fault, username = interaction.attempt.fault, interaction.attempt.username or interaction.asked.login_hint or ""
    context = common(interaction, step) | {
        "action": f"{interaction.url}/recover",
        "back": interaction.url,
        "lost": step is Step.FACTOR,
        "by_mail": settings.mail_recovers and (person is None or person.email_verified_at is not None),
        "username": person.email if person else username,
        "asked": fault == ASKED,
        "wait": in_words(settings.recovery_wait),
        "starts": person.recovery_from if person else None,
        "support": settings.support,
        "error": _NO_NAME if fault == NO_NAME else None,
    }
    return step_page(interaction, "recover", context)


async def ask(interaction: Interaction, form: Params) -> Response:
    """The same answer, and as much work, whether or not somebody has the address."""
    step = await interaction.step()
    if step not in _STEPS or not interaction.services.settings.mail_recovers:
        return RedirectResponse(interaction.url, 303)
    return await (_ask_of_known(interaction) if step is Step.FACTOR else _ask_by_name(interaction, typed_name(form)))


async def _ask_by_name(interaction: Interaction, name: str | None) -> Response:
    services = interaction.services
    if name is None or len(name) > MAX_USERNAME:
        async with services.database.transaction() as transaction:
            return await _settled(transaction, interaction, username="", fault=NO_NAME)
    found = await users.find_by_email(services.database, name)
    if left := await mail_limits.take(_guess(interaction, throttle.RECOVERY, name, found)):
        return throttle.no_mail(interaction.request, left, f"{interaction.url}/recover")
    async with services.database.transaction() as transaction:
        person = await users.held(transaction, found.id if found else "")
        if person is not None and person.disabled_at is not None and person.disowned_at is None:
            person = None  # it is for who runs the provider to let them in again
        await _ask(transaction, interaction, name, person)
        return await _settled(transaction, interaction, username=name, fault=ASKED)


async def _ask_of_known(interaction: Interaction) -> Response:
    """Of somebody who has proved everything else."""
    services, known = interaction.services, await _proving(interaction)
    if known is None or known.email_verified_at is None:
        return RedirectResponse(interaction.url, 303)
    if left := await mail_limits.take(_guess(interaction, throttle.SECOND_EMAIL, known.email, known)):
        return throttle.no_mail(interaction.request, left, f"{interaction.url}/recover")
    async with services.database.transaction() as transaction:
        person = await users.locked(transaction, known.id)
        if person is None or not await proving.holds(transaction, interaction, person):
            return await proving.begin_again(transaction, interaction)
        await _ask(transaction, interaction, person.email, person, lost=True)
        return await _settled(transaction, interaction, fault=ASKED)


async def _ask(
    transaction: Transaction, interaction: Interaction, name: str, person: Person | None, *, lost: bool = False
) -> None:
    ticket = interaction.attempt.url_part
    await recoveries.ask(transaction, interaction.request, interaction.services, name, person, lost=lost, ticket=ticket)


async def _settled(transaction: Transaction, interaction: Interaction, **changes: object) -> Response:
    attempt = replace(interaction.attempt, **changes)  # type: ignore[arg-type]
    await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return RedirectResponse(f"{interaction.url}/recover", 303)


async def _proving(interaction: Interaction) -> Person | None:
    return await users.find(interaction.services.database, interaction.proving or "")


def _guess(interaction: Interaction, kind: str, name: str, person: Person | None) -> Guess:
    return Guess(interaction.request, interaction.services, interaction.browser, kind, name, person)
