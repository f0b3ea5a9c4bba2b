"""The client acts for itself (RFC 6749 section 4.4)."""

from idp.protocol import scopes
from idp.protocol.claims import Entitlement
from idp.protocol.clients import CLIENT_CREDENTIALS, Client
from idp.protocol.params import Params

GRANT_TYPE = CLIENT_CREDENTIALS


def check(params: Params, client: Client) -> Entitlement:
    return Entitlement(
        client_id=client.client_id,
        scope=scopes.for_client(params.get("scope"), client.scope),
        audience=client.audience,
        grant_id=None,
        sub=None,
        authentication=None,
        nonce=None,
    )
