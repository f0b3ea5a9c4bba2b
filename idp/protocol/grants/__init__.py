"""The grant types: one file each, and this list."""

from idp.protocol.clients import Client
from idp.protocol.errors import UnauthorizedClient, UnsupportedGrantType
from idp.protocol.grants import authorization_code, client_credentials, refresh_token
from idp.protocol.params import Params

GRANTS = (authorization_code.GRANT_TYPE, refresh_token.GRANT_TYPE, client_credentials.GRANT_TYPE)


def select(params: Params, client: Client) -> str:
    """The grant type that a token request names, if it exists and the client may use it (RFC 6749 section 5.2)."""
    grant_type = params.require("grant_type")
    if grant_type not in GRANTS:
        raise UnsupportedGrantType(
            "The parameter grant_type names a grant that does not exist here.", received=grant_type, expected=GRANTS
        )
    if not client.may_use(grant_type):
        raise UnauthorizedClient(
            "This client may not use this grant type.",
            f"grant_type {grant_type}",
            received=grant_type,
            expected=client.grant_types,
        )
    return grant_type
