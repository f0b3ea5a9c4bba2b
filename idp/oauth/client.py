"""The shared first phase of an endpoint that apps call: read the form, authenticate the client."""

from starlette.requests import Request

from idp.protocol import client_auth
from idp.protocol.client_auth import FAILED, ClientCredentials
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidClient, InvalidRequest
from idp.protocol.params import Params
from idp.services import Services
from idp.store import clients
from idp.web.origin import note


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
        return client_auth.check(credentials, client, secret_hashes)
    except InvalidClient as error:
        if error.reason == client_auth.WRONG_SECRET:
            raise await _ended(services, credentials) or error from None
        raise


async def _ended(services: Services, credentials: ClientCredentials) -> InvalidClient | None:
    """What the log says of a secret that was rotated; the answer is the same."""
    hashed = client_auth.hash_secret(credentials.secret or "")
    at = await clients.secret_ended_at(services.database, credentials.client_id, hashed)
    return (
        None
        if at is None
        else InvalidClient(FAILED, f"{client_auth.WRONG_SECRET}: it ended at {at:%Y-%m-%dT%H:%M:%SZ}")
    )
