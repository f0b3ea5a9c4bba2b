"""A code is exchanged for tokens (RFC 6749 section 4.1.3): the code has been taken before it is checked here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.protocol import pkce
from idp.protocol.claims import Authentication, Entitlement
from idp.protocol.clients import AUTHORIZATION_CODE, REFRESH_TOKEN, Client
from idp.protocol.errors import InvalidGrant
from idp.protocol.params import Params
from idp.protocol.scopes import OFFLINE_ACCESS

GRANT_TYPE = AUTHORIZATION_CODE
NOT_VALID = "The authorization code is not valid."


@dataclass(frozen=True)
class Code:
    """What an authorization code stands for. `grant_id` is the grant that it makes when it is redeemed."""

    grant_id: str
    client_id: str
    redirect_uri: str
    scope: tuple[str, ...]
    nonce: str | None
    code_challenge: str | None
    user_id: str
    sid: str
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"auth_time": self.auth_time.isoformat()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Code":
        return cls(
            **{
                **stored,
                "scope": tuple(stored["scope"]),
                "amr": tuple(stored["amr"]),
                "auth_time": datetime.fromisoformat(stored["auth_time"]),
            }
        )


@dataclass(frozen=True)
class Exchange:
    """What a code gives: the tokens' content, and whether a refresh token comes with them and outlives the session."""

    entitlement: Entitlement
    refresh: bool
    offline: bool


def check(code: Code, expires_at: datetime, params: Params, client: Client, now: datetime) -> Exchange:
    """Every binding of the code, each of which the taking has already made final (RFC 9700 section 4.5)."""
    if code.client_id != client.client_id:
        raise InvalidGrant(NOT_VALID, f"the code was given to the client {code.client_id}")
    if now >= expires_at:
        raise InvalidGrant(NOT_VALID, f"the code expired at {expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if params.get("redirect_uri") != code.redirect_uri:
        raise InvalidGrant(
            NOT_VALID,
            "redirect_uri is not the one of the authorization request",
            received=params.get("redirect_uri") or "",
            expected=[code.redirect_uri],
        )
    pkce.check_verifier(code.code_challenge, params.get("code_verifier"))
    refresh = client.may_use(REFRESH_TOKEN)
    lost = () if refresh else (OFFLINE_ACCESS,)
    scope = tuple(scope for scope in code.scope if scope in client.scope and scope not in lost)
    entitlement = Entitlement(
        client_id=client.client_id,
        scope=scope,
        audience=client.audience,
        grant_id=code.grant_id,
        sub=code.user_id,
        authentication=Authentication(code.sid, code.auth_time, code.amr, code.acr),
        nonce=code.nonce,
    )
    return Exchange(entitlement, refresh, OFFLINE_ACCESS in scope)
