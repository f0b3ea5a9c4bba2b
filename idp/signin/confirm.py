"""The beginning of a sign-in for one of the provider's own pages."""

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.authorize import LOGIN, QUERY, AnswerTo, AuthorizationRequest
from idp.protocol.redirects import return_address
from idp.services import services_of
from idp.signin.begin import begin
from idp.web import own, problems, sessions


async def confirm(request: Request) -> Response:
    """Whoever uses this browser proves who they are, unless they did so a moment ago; then the page is shown.

    A session whose Strict cookie is missing is not enough: another site may have opened this.
    """
    services = services_of(request)
    page = next((page for page in own.PAGES if own.name(page) == request.path_params["page"]), None)
    if page is None:
        return problems.problem_page(request, problems.NOT_FOUND)
    session = await sessions.current(request, services, services.clock())
    here = sessions.is_from_here(request, services)
    max_age = None if page == own.HOME else int(services.settings.fresh_proof.total_seconds())
    asked = AuthorizationRequest(
        client_id=own.CLIENT_ID,
        redirect_uri=services.settings.issuer + page,
        response_mode=QUERY,
        scope=(),
        state=None,
        nonce=None,
        code_challenge=None,
        prompt=(LOGIN,) if max_age is not None and not here else (),
        max_age=max_age,
        login_hint=session.email if session else None,
        subject=None,
    )
    client = own.client(services.settings)
    address = return_address(client, asked.redirect_uri)
    return await begin(request, client, asked, AnswerTo(address, QUERY, None))
