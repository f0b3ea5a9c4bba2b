"""The beginning of a sign-in: a judged authorization request comes in from the authorization endpoint."""

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.authorize import AnswerTo, AuthorizationRequest
from idp.protocol.clients import Client
from idp.protocol.errors import ConsentRequired, LoginRequired
from idp.services import services_of
from idp.signin import interaction as dispatcher
from idp.signin import pages
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store.ids import new_secret
from idp.web import answers, cookies, sessions


async def begin(request: Request, client: Client, asked: AuthorizationRequest, answer_to: AnswerTo) -> Response:
    """The app's code at once where nothing is left to ask; otherwise an attempt, and the page of its first step."""
    services, now = services_of(request), services_of(request).clock()
    session = await sessions.current(request, services, now)
    browser = cookies.read(request.headers, services.settings, cookies.BROWSER) or new_secret()
    attempt = dispatcher.new_attempt(asked, browser, now, services.settings.attempt_lifetime)
    interaction = Interaction(request, services, client, asked, answer_to, attempt, browser, session)
    step = await interaction.step()
    if step is Step.DONE:
        return await dispatcher.give_code(interaction)
    if "none" in asked.prompt:
        return _nothing_may_be_asked(interaction, step)
    interaction = await dispatcher.recalled(await dispatcher.named(interaction))
    response = await pages.show(interaction)
    cookies.write(response, services.settings, cookies.BROWSER, browser, cookies.BROWSER_LIFETIME)
    return response


def _nothing_may_be_asked(interaction: Interaction, step: Step) -> Response:
    """prompt=none (OpenID Connect Core section 3.1.2.6)."""
    error = (
        ConsentRequired("The parameter prompt is none, but the person has to be asked for consent.")
        if step is Step.CONSENT
        else LoginRequired("The parameter prompt is none, but the person has to sign in.")
    )
    return answers.refusal(interaction.request, interaction.answer_to, error, interaction.client.client_name)
