"""The shared first phase of an endpoint that apps call: read the form, authenticate the client."""

from starlette.requests import Request

from idp.factors.throttling import whole_seconds
from idp.protocol import client_auth
from idp.protocol.client_auth import FAILED, ClientCredentials
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidClient, InvalidRequest, TooManyRequests
from idp.protocol.params import Params
from idp.quotas import OverQuota
from idp.services import Services
from idp.store import clients
from idp.web.origin import network_of, note
from idp.web.throttle import key_of


async def authenticate(request: Request, services: Services, parameters: Params) -> Client:
    """The authenticated client, or InvalidClient. A cookie is never looked at."""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise InvalidRequest("The client authenticated in more than one way.")
    credentials = client_auth.read(headers[0] if headers else None, parameters)
    client, secret_hashes = await clients.find_with_secrets(services.database, credentials.client_id, services.clock())
    if client is not None:
        note(request, client_id=client.client_id)
    try:
        authenticated = client_auth.check(credentials, client, secret_hashes)
    except InvalidClient as error:
        if error.reason == client_auth.WRONG_SECRET:
            raise await _ended(services, credentials) or error from None
        raise
    await _count(request, services, authenticated)
    return authenticated


async def _count(request: Request, services: Services, client: Client) -> None:
    """After authentication, so that nobody uses up another one's; a public client is counted for each address."""
    if not services.settings.requests_per_client:
        return
    key = key_of(services, "client", client.client_id, network_of(request) if client.public else "")
    try:
        quota = await services.quotas.take(key, services.clock())
    except OverQuota as over:
        retry = str(whole_seconds(over.quota.reset)).encode()
        request.scope["idp.headers"] = [*over.quota.headers, (b"retry-after", retry)]
        raise TooManyRequests("The client sends too many requests: wait as long as Retry-After says.") from None
    request.scope["idp.headers"] = quota.headers


async def _ended(services: Services, credentials: ClientCredentials) -> InvalidClient | None:
    """What the log says of a secret that was rotated; the answer is the same."""
    hashed = client_auth.hash_secret(credentials.secret or "")
    at = await clients.secret_ended_at(services.database, credentials.client_id, hashed)
    return (
        None
        if at is None
        else InvalidClient(FAILED, f"{client_auth.WRONG_SECRET}: it ended at {at:%Y-%m-%dT%H:%M:%SZ}")
    )
