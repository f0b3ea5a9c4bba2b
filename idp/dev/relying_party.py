"""The demo app's side of the protocol: Authlib's client, and the checks that it leaves to its caller."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped]
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

SCOPE = "openid profile email offline_access demo.read"


class ShownError(Exception):
    """Something that a person gets to read; the description is the provider's and may be empty."""

    def __init__(self, code: str, description: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.status = status


@dataclass(frozen=True)
class Identity:
    """A person as the provider describes them, and the tokens that came with it."""

    token: Mapping[str, Any]
    claims: Mapping[str, Any]
    userinfo: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.userinfo.get("name") or self.userinfo.get("email") or self.claims["sub"])


@asynccontextmanager
async def plain_failures() -> AsyncIterator[None]:
    """What the provider or the network does to us becomes one error, which a page explains."""
    try:
        yield
    except AuthlibBaseError as error:
        raise ShownError(str(error.error), str(error.description or "")) from error
    except httpx2.HTTPError as error:
        raise ShownError("unreachable", str(error), 502) from error
    except (JoseError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ShownError("unverifiable", str(error), 502) from error


class Provider:
    def __init__(
        self, issuer: str, client_id: str, client_secret: str, transport: httpx2.AsyncBaseTransport | None
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        # trust_env: a proxy named in the environment has no business between two programs on one machine.
        # leeway: Authlib would refresh a short-lived token by itself, and drop the rotated refresh token.
        options = {
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "transport": transport,
            "trust_env": False,
            "leeway": 0,
        }
        self._client: Any = OAuth().register(
            "idp",
            client_id=client_id,
            client_secret=client_secret,
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_kwargs=options,
        )

    async def send_to_sign_in(self, request: Request, redirect_uri: str, **asked: str) -> Response:
        """`asked`: more parameters of the authorization request."""
        async with plain_failures():
            await self._metadata()
            response: Response = await self._client.authorize_redirect(request, redirect_uri, **asked)
        return response

    async def finish_sign_in(self, request: Request) -> Identity:
        async with plain_failures():
            await self._check_answer(request)
            token = await self._client.authorize_access_token(
                request, claims_options=self._expected_claims(), leeway=60
            )
            claims = token.pop("userinfo", None)  # Authlib's name for the ID token's claims
            if claims is None:
                raise ShownError("unverifiable", "The provider sent no ID token.", 502)
            userinfo = await self._client.userinfo(token=token)
            if userinfo.get("sub") != claims["sub"]:  # OpenID Connect Core section 5.3.2
                raise ShownError("wrong_person", status=502)
        return Identity(token, claims, userinfo)

    async def refresh(self, identity: Identity) -> Identity:
        old = identity.token
        async with plain_failures():
            new = await self._client.fetch_access_token(
                grant_type="refresh_token",
                refresh_token=old.get("refresh_token"),
                scope=old.get("scope"),  # what was granted: a refresh cannot widen it (RFC 6749 section 6)
            )
            claims = identity.claims
            if "id_token" in new:
                claims = await self._client.parse_id_token(
                    new, nonce=None, claims_options=self._expected_claims(), leeway=60
                )
                if claims["sub"] != identity.claims["sub"]:  # OpenID Connect Core section 12.2
                    raise ShownError("wrong_person", status=502)
        return replace(identity, token={**old, **new}, claims=claims)

    async def send_to_sign_out(self, request: Request, identity: Identity, back_to: str) -> Response:
        """The ID token, though it may have expired, is what saves the person a question there."""
        async with plain_failures():
            await self._metadata()
            response: Response = await self._client.logout_redirect(
                request, back_to, identity.token.get("id_token"), client_id=self._client_id
            )
        return response

    async def finish_sign_out(self, request: Request) -> None:
        async with plain_failures():
            known = await self._client.framework.get_state_data(request.session, request.query_params.get("state", ""))
            if known is None:
                raise ShownError("mismatching_state")
            await self._client.validate_logout_response(request)

    async def _metadata(self) -> Mapping[str, Any]:
        metadata: Mapping[str, Any] = await self._client.load_server_metadata()
        if metadata["issuer"] != self._issuer:  # OpenID Connect Discovery 1.0 section 4.3
            raise ShownError("wrong_issuer", status=502)
        return metadata

    async def _check_answer(self, request: Request) -> None:
        """State and issuer first, also for errors: nobody else's words are shown as the provider's."""
        answer = request.query_params
        known = await self._client.framework.get_state_data(request.session, answer.get("state", ""))
        if known is None:
            raise ShownError("mismatching_state")
        metadata = await self._metadata()
        promised = metadata.get("authorization_response_iss_parameter_supported", False)
        if answer.get("iss", None if promised else self._issuer) != self._issuer:  # RFC 9207 section 2.4
            raise ShownError("wrong_issuer")

    def _expected_claims(self) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client_id},
        }
