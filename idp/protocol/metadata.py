"""What the provider says of itself: OpenID Connect Discovery section 3 and RFC 8414 section 2, in one document."""

from collections.abc import Sequence
from typing import Any

from idp.protocol import authorize, claims, jwt, pkce
from idp.protocol.clients import AUTH_METHODS, NONE
from idp.protocol.registration import GRANT_TYPES
from idp.protocol.scopes import STANDARD


def document(issuer: str, languages: Sequence[str], *, sign_up: bool = False) -> dict[str, Any]:
    """The truth about this provider; what is not there is not advertised."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "end_session_endpoint": f"{issuer}/logout",
        "jwks_uri": f"{issuer}/jwks",
        "scopes_supported": list(STANDARD),
        "response_types_supported": list(authorize.RESPONSE_TYPES),
        "response_modes_supported": list(authorize.RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(jwt.ALGORITHMS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": [method for method in AUTH_METHODS if method != NONE],
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "code_challenge_methods_supported": list(pkce.METHODS),
        "prompt_values_supported": list(authorize.prompts(sign_up=sign_up)),
        "acr_values_supported": list(claims.ACR_VALUES),
        "display_values_supported": ["page"],
        "ui_locales_supported": list(languages),
        "claim_types_supported": ["normal"],
        "claims_supported": sorted(
            {*claims.ID_TOKEN_CLAIMS, *(name for names in claims.SCOPE_CLAIMS.values() for name in names)}
        ),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
    }
