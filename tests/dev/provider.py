"""A provider of a few lines, served without a network: it signs, publishes keys and approves everybody."""

import base64
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

ISSUER = "http://localhost:9000"
APP = "http://localhost:9001"
API = "http://localhost:9002"


def rsa_key(kid: str, bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass
class LittleProvider:
    keys: list[RSAKey] = field(default_factory=lambda: [rsa_key("first")])
    cache_control: str = "public, max-age=3600"
    metadata: dict[str, Any] = field(default_factory=dict)  # what a test makes different in the discovery document
    access_token_claims: dict[str, Any] = field(default_factory=dict)
    id_token_claims: dict[str, Any] = field(default_factory=dict)
    subject_of_userinfo: str = "ana"
    access_token_seconds: int = 900
    alive: bool = True
    rotates: bool = True
    offline: bool = True
    downloads_of_keys: int = 0
    requests_of_tokens: list[dict[str, str]] = field(default_factory=list)
    logouts: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_token: str = "refresh-0"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/jwks", self.jwks),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.userinfo),
                Route("/logout", self.logout),
            ]
        )

    async def discovery(self, request: Request) -> Response:
        if not self.alive:
            return Response(status_code=503)
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "jwks_uri": f"{ISSUER}/jwks",
            "end_session_endpoint": f"{ISSUER}/logout",
            "id_token_signing_alg_values_supported": ["RS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse({**document, **self.metadata})

    async def jwks(self, request: Request) -> Response:
        self.downloads_of_keys += 1
        published = [key.as_dict(private=False) for key in self.keys]
        return JSONResponse({"keys": published}, headers={"Cache-Control": self.cache_control})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        answer = urlencode({"code": code, "state": asked["state"], "iss": ISSUER})
        return RedirectResponse(f"{asked['redirect_uri']}?{answer}", status_code=303)

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self.requests_of_tokens.append(form)
        if form["grant_type"] == "refresh_token":
            return self.refreshed(form)
        asked = self.codes.pop(form["code"], None)
        if asked is None or asked["code_challenge"] != s256(form["code_verifier"]):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse({**self.tokens(asked), "id_token": self.id_token(asked["client_id"], asked["nonce"])})

    def refreshed(self, form: dict[str, str]) -> Response:
        if form["refresh_token"] != self.refresh_token:
            description = "The refresh token is not valid."
            return JSONResponse({"error": "invalid_grant", "error_description": description}, status_code=400)
        if self.rotates:
            self.refresh_token = f"refresh-{len(self.requests_of_tokens)}"
        return JSONResponse(self.tokens(form))

    def tokens(self, asked: dict[str, str]) -> dict[str, Any]:
        offline = {"refresh_token": self.refresh_token} if self.offline else {}
        return {
            **offline,
            "access_token": self.access_token(scope=asked["scope"]),
            "token_type": "Bearer",
            "expires_in": self.access_token_seconds,
            "scope": asked["scope"],
        }

    async def userinfo(self, request: Request) -> Response:
        return JSONResponse({"sub": self.subject_of_userinfo, "name": "Ana <b>Example</b>", "email": "ana@example.com"})

    async def logout(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.logouts.append(asked)
        state = urlencode({"state": asked["state"]})
        return RedirectResponse(f"{asked['post_logout_redirect_uri']}?{state}", status_code=303)

    def id_token(self, client_id: str, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": "ana", "aud": client_id, "nonce": nonce, "iat": now, "exp": now + 900}
        return sign({**claims, **self.id_token_claims}, self.keys[0], typ="JWT")

    def access_token(self, **different: object) -> str:
        return sign({**access_token_claims(int(time.time())), **self.access_token_claims, **different}, self.keys[0])


def access_token_claims(now: int) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "aud": API,
        "sub": "ana",
        "client_id": "demo",
        "jti": "j1",
        "scope": "openid demo.read",
        "iat": now,
        "exp": now + 900,
    }


def sign(claims: dict[str, Any], key: RSAKey, *, typ: str = "at+jwt", alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "typ": typ, "kid": str(key.kid)}, claims, key, algorithms=[alg])


def s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Hosts:
    """One transport for several servers: the Host header names which."""

    apps: dict[str, ASGIApp] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = dict(scope["headers"])[b"host"].decode()
        await self.apps[f"http://{host}"](scope, receive, send)

    def transport(self) -> httpx2.AsyncBaseTransport:
        return httpx2.ASGITransport(app=self)
