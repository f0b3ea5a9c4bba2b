"""What the tables of this suite are about: a client, a moment, parameters."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from idp.protocol.clients import Client
from idp.protocol.errors import InvalidToken
from idp.protocol.id_token_hint import IdTokenHint
from idp.protocol.params import Params, from_pairs

ISSUER = "https://id.example.com"
CALLBACK = "https://app.example.com/cb"
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())

# RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

CONFIDENTIAL = Client(
    client_id="billing",
    client_name="Billing",
    token_endpoint_auth_method="client_secret_basic",
    redirect_uris=(CALLBACK,),
    post_logout_redirect_uris=(),
    grant_types=("authorization_code", "refresh_token"),
    scope=("openid", "profile", "email", "offline_access"),
    audience=(),
    profile="oauth2.1",
)
PUBLIC = replace(CONFIDENTIAL, client_id="phone", token_endpoint_auth_method="none")


def no_hint(token: str) -> IdTokenHint:
    raise InvalidToken("The token is not valid.", "no hint is expected here")


def params(**values: Any) -> Params:
    return from_pairs([(name, str(value)) for name, value in values.items()])
