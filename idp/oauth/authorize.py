"""The authorization endpoint: judges the request, then hands it to the sign-in (OpenID Connect Core section 3.1.2)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.protocol import params
from idp.protocol.authorize import AnswerTo, AuthorizationRequest, Refused, client_id_of, judge, prompts
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidRequest, OAuthError, UnknownClient, UnregisteredRedirectUri
from idp.protocol.params import Params
from idp.services import Services, services_of
from idp.store import clients, handles
from idp.web import answers, forms, hints, problems, refusals, throttle
from idp.web.origin import note

MAX_STORED = 16 * 1024
STORED_FOR = timedelta(days=1)  # a reload of its page works for as long as one of an attempt

# What takes over once a request is judged: the sign-in. routes.py passes it in, since doors do not know one another.
Begin = Callable[[Request, Client, AuthorizationRequest, AnswerTo], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def authorize(begin: Begin) -> Endpoint:
    """GET judges. POST stores and redirects to a GET of ours, because a cross-site post brings no Lax cookie."""

    async def endpoint(request: Request) -> Response:
        if request.method == "POST":
            return await _store(request)
        return await _judge(request, request.scope["query_string"], begin)

    return endpoint


def stored(begin: Begin) -> Endpoint:
    """GET of a request that came by POST. It carries no authority, so that a reload may read it again."""

    async def endpoint(request: Request) -> Response:
        services = services_of(request)
        found = await handles.find(services.database, handles.STORED_REQUEST, request.path_params["request"])
        if found is None or services.clock() >= found.expires_at:
            refusals.refused_page(request, problems.GONE, str(problems.GONE.title))
            return problems.problem_page(request, problems.GONE)
        return await _judge(request, found.data["body"].encode(), begin)

    return endpoint


async def _store(request: Request) -> Response:
    """Nobody is identified by a cross-site post, so nothing is judged yet but whether there is such an app."""
    services = services_of(request)
    try:
        await _client(services, await forms.read(request))
        body = (await request.body()).decode("ascii")
        if len(body) > MAX_STORED:
            raise InvalidRequest("The request is too long.")
    except OAuthError as error:
        return await _page(request, error)
    await throttle.store_one(request, services)
    now = services.clock()
    async with services.database.transaction() as transaction:
        secret = await handles.issue(transaction, handles.STORED_REQUEST, {"body": body}, now, now + STORED_FOR)
    return RedirectResponse(f"/authorize/{secret}", 303)


async def _judge(request: Request, encoded: bytes, begin: Begin) -> Response:
    services = services_of(request)
    try:
        parameters = params.parse(encoded)
        client = await _client(services, parameters)
        note(request, client_id=client.client_id)
        supported = prompts(sign_up=services.settings.sign_up_is_open)
        judged, answer_to = judge(parameters, client, hints.reader(services), supported)
    except Refused as refused:
        await refusals.refused(request, refused.error)
        return answers.refusal(request, refused.answer_to, refused.error, client.client_name)
    except OAuthError as error:
        return await _page(request, error)
    return await begin(request, client, judged, answer_to)


async def _client(services: Services, parameters: Params) -> Client:
    client = await clients.find(services.database, client_id_of(parameters))
    if client is None:
        raise UnknownClient("The parameter client_id names no client.", "unknown or disabled client")
    return client


async def _page(request: Request, error: OAuthError) -> Response:
    await refusals.refused(request, error)
    problem = problems.BAD_REQUEST
    if isinstance(error, UnknownClient):
        problem = problems.UNKNOWN_CLIENT
    elif isinstance(error, UnregisteredRedirectUri):
        problem = problems.WRONG_REDIRECT
    return problems.problem_page(request, problem)
