"""A demo API that judges access tokens by the provider's published keys alone: they share no secret."""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from idp.dev.headers import SecurityHeaders
from idp.protocol import jwt
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.protocol.errors import InvalidToken
from idp.protocol.jwt import FitKey, PublicKeys
from idp.protocol.key_policy import UnfitKey

Clock = Callable[[], datetime]

KEYS_LIVE_BY_DEFAULT = timedelta(minutes=5)
KEYS_LIVE_AT_MOST = timedelta(days=1)
# Anybody can invent a kid, so an unknown one must not make us ask the provider each time.
BETWEEN_LOOKS = timedelta(seconds=10)
# RFC 6750 section 3: what an error_description may not hold.
NOT_QUOTABLE = re.compile(r"[^ !#-\[\]-~]")
NOT_KEPT = re.compile(r"\bno-(store|cache)\b", re.IGNORECASE)
MAX_AGE = re.compile(r"\bmax-age=([0-9]{1,9})\b", re.IGNORECASE)
# What the ribbon of a page says.
RIBBON = {"development_mode": "Not for real data."}
# What its most sensitive answer wants of the sign-in behind a token: two factors, and within so many seconds.
ENOUGH, SECONDS = ACR_TWO_FACTORS, 300
# RFC 6750 section 2.1
BEARER = re.compile(r"bearer +(?P<token>[A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


class BearerError(Exception):
    """The answer of RFC 6750 section 3.1; without an error code when the request carried no token."""

    def __init__(self, status: int, error: str = "", description: str = "", **attributes: str) -> None:
        super().__init__(description)
        self.status = status
        self.attributes = {"error": error, "error_description": description, **attributes}


class KeysUnavailableError(Exception):
    """The provider did not hand out its keys, which says nothing about the token."""


class ProviderKeys:
    """The provider's signing keys by kid, kept as long as its Cache-Control allows."""

    def __init__(self, issuer: str, transport: httpx2.AsyncBaseTransport | None, clock: Clock) -> None:
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._keys: PublicKeys = {}
        self._fresh_until = self._next_look = datetime.min.replace(tzinfo=UTC)
        self._lock = asyncio.Lock()

    async def get(self, *, again: bool = False) -> PublicKeys:
        """`again`: a token names a key that is not among them."""
        async with self._lock:
            now = self._clock()
            if now >= self._fresh_until or (again and now >= self._next_look):
                await self._fetch(now)
            return self._keys

    async def _fetch(self, now: datetime) -> None:
        try:
            self._keys, lifetime = await self._download()
        except (httpx2.HTTPError, httpx2.InvalidURL, LookupError, TypeError, ValueError) as error:
            raise KeysUnavailableError(str(error)) from error
        self._next_look = now + BETWEEN_LOOKS
        self._fresh_until = now + max(lifetime, BETWEEN_LOOKS)

    async def _download(self) -> tuple[PublicKeys, timedelta]:
        # trust_env: a proxy has no business between two programs on one machine.
        async with httpx2.AsyncClient(transport=self._transport, trust_env=False) as http:
            metadata = await http.get(f"{self._issuer}/.well-known/openid-configuration")
            document = metadata.raise_for_status().json()
            if document["issuer"] != self._issuer:  # OpenID Connect Discovery 1.0 section 4.3
                raise ValueError("the discovery document names another issuer")
            answer = await http.get(document["jwks_uri"])
        jwks = answer.raise_for_status().json()["keys"]
        keys = {jwk["kid"]: key for jwk in jwks if (key := usable_key(jwk))}
        return keys, lifetime_of(answer.headers.get("cache-control", ""))


def usable_key(jwk: Mapping[str, Any]) -> FitKey | None:
    """A key meant for RS256 signatures, or nothing: a set may hold keys for other purposes."""
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256" or not isinstance(jwk.get("kid"), str):
        return None
    try:
        return jwt.public_key(jwk)
    except UnfitKey:
        return None


def lifetime_of(cache_control: str) -> timedelta:
    if NOT_KEPT.search(cache_control):
        return timedelta(0)
    age = MAX_AGE.search(cache_control)
    return min(timedelta(seconds=int(age[1])), KEYS_LIVE_AT_MOST) if age else KEYS_LIVE_BY_DEFAULT


class TokenVerifier:
    """The checks of RFC 9068 section 4, by the same verifier as the provider's own."""

    def __init__(self, issuer: str, audience: str, keys: ProviderKeys, clock: Clock) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._clock = clock

    async def verify(self, token: str) -> dict[str, Any]:
        try:
            claims = await self._verified(token)
        except InvalidToken as error:
            raise BearerError(401, "invalid_token", NOT_QUOTABLE.sub("?", error.reason)) from error
        if not {"client_id", "jti"} <= claims.keys():
            raise BearerError(401, "invalid_token", "client_id or jti is missing")
        return claims

    async def _verified(self, token: str) -> dict[str, Any]:
        now = int(self._clock().timestamp())

        def verified(keys: PublicKeys) -> dict[str, Any]:
            return jwt.verify(
                token, keys, typ=jwt.ACCESS_TOKEN_TYPE, issuer=self._issuer, audience=self._audience, now=now
            )

        try:
            return verified(await self._keys.get())
        except jwt.UnknownKey:
            return verified(await self._keys.get(again=True))


def bearer_token(headers: Headers) -> str:
    fields = headers.getlist("authorization")
    if len(fields) > 1:
        raise BearerError(400, "invalid_request", "The request carries more than one Authorization header")
    if not fields or fields[0].split(" ")[0].lower() != "bearer":
        raise BearerError(401)
    match = BEARER.fullmatch(fields[0])
    if match is None:
        raise BearerError(401, "invalid_token", "The Authorization header holds no well-formed token")
    return match["token"]


def check_sign_in(claims: Mapping[str, Any], now: datetime) -> None:
    """RFC 9470 section 3: says what would be enough, so that the app can ask the provider for it."""
    signed_in_at = claims.get("auth_time")
    if claims.get("acr") == ENOUGH and isinstance(signed_in_at, int) and now.timestamp() - signed_in_at <= SECONDS:
        return
    description = "The person has to prove again who they are, with two factors"
    needed = {"acr_values": ENOUGH, "max_age": str(SECONDS)}
    raise BearerError(401, "insufficient_user_authentication", description, **needed)


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    scope = claims.get("scope")
    return scope.split() if isinstance(scope, str) else []


def refusal(_: Request, error: Exception) -> Response:
    if not isinstance(error, BearerError):
        raise error
    given = {name: value for name, value in error.attributes.items() if value}
    challenge = ", ".join(f'{name}="{value}"' for name, value in {"realm": "demo-api", **given}.items())
    body = given or {"message": "Send an access token: Authorization: Bearer ..."}
    return JSONResponse(body, status_code=error.status, headers={"WWW-Authenticate": f"Bearer {challenge}"})


def not_here(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    body = {**RIBBON, "message": f"{error.detail}. Send GET / to read what is here."}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def keys_unavailable(_: Request, _error: Exception) -> Response:
    body = {"message": "The provider's keys cannot be fetched now, so no token can be judged."}
    return JSONResponse(body, status_code=503, headers={"Retry-After": "5"})


def utc_now() -> datetime:
    return datetime.now(UTC)


def description(issuer: str, audience: str, required_scope: str | None) -> dict[str, str | None]:
    """What the front page says."""
    return {
        **RIBBON,
        "name": "Demo API",
        "what": "A resource server: it checks access tokens with the provider's published keys.",
        "issuer": issuer,
        "audience": audience,
        "required_scope": required_scope,
        "try": "GET /me or /payroll with the header Authorization: Bearer <access token>",
    }


def create_demo_api(
    *,
    issuer: str,
    audience: str,
    required_scope: str | None,
    transport: httpx2.AsyncBaseTransport | None = None,
    clock: Clock = utc_now,
) -> Starlette:
    verifier = TokenVerifier(issuer, audience, ProviderKeys(issuer, transport, clock), clock)

    async def about(_: Request) -> Response:
        return JSONResponse(description(issuer, audience, required_scope))

    async def allowed(request: Request) -> dict[str, Any]:
        claims = await verifier.verify(bearer_token(request.headers))
        if required_scope is not None and required_scope not in scopes_of(claims):
            raise BearerError(403, "insufficient_scope", "The token lacks a scope", scope=required_scope)
        return claims

    async def payroll(request: Request) -> Response:
        claims = await allowed(request)
        check_sign_in(claims, clock())
        return JSONResponse(
            {"sub": claims["sub"], "salary": "not for real", "acr": claims["acr"], "amr": claims["amr"]}
        )

    async def me(request: Request) -> Response:
        claims = await allowed(request)
        return JSONResponse(
            {
                "sub": claims["sub"],
                "client_id": claims["client_id"],
                "scope": " ".join(scopes_of(claims)),
                "message": "The API checked the access token with the provider's published keys.",
            }
        )

    return Starlette(
        routes=[Route("/", about), Route("/me", me), Route("/payroll", payroll)],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={BearerError: refusal, KeysUnavailableError: keys_unavailable, HTTPException: not_here},
        max_body_size=1024,
    )
