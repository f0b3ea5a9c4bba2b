"""The beginning of a sign-in: a judged authorization request comes in from the authorization endpoint."""

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.authorize import CREATE, NONE, AnswerTo, AuthorizationRequest
from idp.protocol.clients import Client
from idp.protocol.errors import AccountSelectionRequired, ConsentRequired, LoginRequired, OAuthError
from idp.services import services_of
from idp.signin import accounts, pages, sign_up
from idp.signin import interaction as dispatcher
from idp.signin.interaction import Interaction
from idp.signin.steps import Step
from idp.store.ids import new_secret, time_of
from idp.web import answers, cookies, languages


async def begin(request: Request, client: Client, asked: AuthorizationRequest, answer_to: AnswerTo) -> Response:
    """The app's code at once where nothing is left to ask; otherwise an attempt, and the page of its first step."""
    services, now = services_of(request), services_of(request).clock()
    browser = cookies.read(request.headers, services.settings, cookies.BROWSER) or new_secret()
    attempt = dispatcher.new_attempt(asked, client, browser, now, services.settings.attempt_lifetime)
    signed_in, session = await accounts.find(request, services, attempt, asked)
    interaction = Interaction(request, services, client, asked, answer_to, attempt, browser, signed_in, session)
    languages.wish(request, asked.ui_locales, time_of(attempt.id))
    step = await interaction.step()
    if step is Step.DONE:
        return await dispatcher.give_code(interaction)
    if NONE in asked.prompt:
        return _nothing_may_be_asked(interaction, step)
    interaction = await dispatcher.recalled(await dispatcher.named(interaction))
    create = CREATE in asked.prompt and asked.subject is None
    response = await (sign_up.show if create else pages.show)(interaction)
    cookies.write(response, services.settings, cookies.BROWSER, browser, cookies.BROWSER_LIFETIME)
    return response


def _nothing_may_be_asked(interaction: Interaction, step: Step) -> Response:
    """prompt=none (OpenID Connect Core section 3.1.2.6)."""
    return answers.refusal(interaction.request, interaction.answer_to, _question(step), interaction.client.client_name)


def _question(step: Step) -> OAuthError:
    if step is Step.CONSENT:
        return ConsentRequired("The parameter prompt is none, but the person has to be asked for consent.")
    if step is Step.SELECT:
        return AccountSelectionRequired("The parameter prompt is none, but the person has to choose an account.")
    return LoginRequired("The parameter prompt is none, but the person has to sign in.")
