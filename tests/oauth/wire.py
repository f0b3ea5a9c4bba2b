"""What the tests of the protocol's endpoints share: an app, raw HTTP, tokens taken apart, and an operator's hand."""

import asyncio
import base64
import json
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from idp.app import close_services, open_services
from idp.protocol import registration
from idp.protocol.client_auth import hash_secret
from idp.protocol.registration import Registration
from idp.services import Services
from idp.settings import load
from idp.store import clients
from idp.store import keys as stored_keys
from idp.store.ids import new_id, new_secret
from tests.provider import CALLBACK, TLS, Browser, Provider, answer_of, authorize_url, forms, pkce

T = TypeVar("T")
FORM = "application/x-www-form-urlencoded"
# A connection each: no answer of one request can reach another, and none is found closed.
_HTTP = httpx2.Client(timeout=30, limits=httpx2.Limits(max_keepalive_connections=0), verify=TLS)


def send(method: str, url: str, **arguments: Any) -> httpx2.Response:
    """A request without cookies."""
    _HTTP.cookies.clear()
    return _HTTP.request(method, url, **arguments)


def raw(provider: Provider, request: bytes) -> bytes:
    """The answer to bytes that no HTTP library would send."""
    with socket.create_connection(("localhost", provider.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def raw_get(provider: Provider, target: bytes, *headers: bytes, host: bytes | None = None) -> bytes:
    sent = provider.host.encode() if host is None else host
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: " + sent, b"Connection: close", *headers]
    return raw(provider, b"\r\n".join(lines) + b"\r\n\r\n")


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def with_services(provider: Provider, work: Callable[[Services], Awaitable[T]]) -> T:
    """What a command does beside the running server, without the second that starting a process takes."""
    return asyncio.run(_opened(provider, work))


async def _opened(provider: Provider, work: Callable[[Services], Awaitable[T]]) -> T:
    services = await open_services(load(provider.environment))
    try:
        return await work(services)
    finally:
        await close_services(services)


def sql(provider: Provider, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """For SQLite."""
    with closing(sqlite3.connect(provider.folder / "data" / "idp.db", timeout=10)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def events(provider: Provider, event: str, client_id: str) -> int:
    """How often it was recorded of the client."""
    return int(sql(provider, "SELECT count(*) FROM audit WHERE event = ? AND client_id = ?", event, client_id)[0][0])


@dataclass(frozen=True)
class Code:
    """An authorization code and what else its exchange needs."""

    code: str
    verifier: str | None
    redirect_uri: str


@dataclass(frozen=True)
class App:
    """A registered client that behaves, unless told otherwise."""

    provider: Provider
    client: dict[str, Any]

    @property
    def client_id(self) -> str:
        return str(self.client["client_id"])

    @property
    def basic(self) -> tuple[str, str]:
        return self.client_id, str(self.client["client_secret"])

    def url(self, **parameters: str) -> str:
        return authorize_url(self.client, pkce().challenge, **parameters)

    def code(self, browser: Browser | None = None, **parameters: str) -> Code:
        """Signs Ana in, where that is needed, and brings back a code."""
        proof = pkce()
        browser = browser or Browser(self.provider.issuer)
        answer = answer_of(browser.sign_in(authorize_url(self.client, proof.challenge, **parameters)))
        return Code(answer["code"], proof.verifier, parameters.get("redirect_uri") or self.client["redirect_uris"][0])

    def post(self, data: dict[str, str], **arguments: Any) -> httpx2.Response:
        """To the token endpoint, with the client's own authentication. A value given as "" is left out."""
        method = self.client["token_endpoint_auth_method"]
        own: dict[str, str] = {} if method == "client_secret_basic" else {"client_id": self.client_id}
        if method == "client_secret_post":
            own["client_secret"] = self.client["client_secret"]
        sent = {name: value for name, value in (own | data).items() if value != ""}
        auth = self.basic if method == "client_secret_basic" else None
        return send("POST", f"{self.provider.issuer}/token", data=sent, auth=auth, **arguments)

    def redeem(self, code: Code, **changes: str) -> httpx2.Response:
        data = {"grant_type": "authorization_code", "code": code.code, "redirect_uri": code.redirect_uri}
        if code.verifier is not None:
            data["code_verifier"] = code.verifier
        return self.post(data | changes)

    def tokens(self, browser: Browser | None = None, **parameters: str) -> dict[str, Any]:
        return granted(self.redeem(self.code(browser, **parameters)))

    def refresh(self, refresh_token: str, **more: str) -> httpx2.Response:
        return self.post({"grant_type": "refresh_token", "refresh_token": refresh_token} | more)


def register(
    provider: Provider, name: str = "Billing", redirect_uris: tuple[str, ...] = (CALLBACK,), **wanted: Any
) -> App:
    """A new client, as `idp client create` registers one."""

    async def work(services: Services) -> dict[str, Any]:
        now = services.clock()
        made = registration.register(new_id(now), Registration(name, redirect_uris, **wanted))
        secret = new_secret()
        async with services.database.transaction() as transaction:
            await clients.create(transaction, made, now)
            if not made.public:
                await clients.add_secret(transaction, made.client_id, hash_secret(secret), now)
        return vars(made) | ({} if made.public else {"client_secret": secret})

    return App(provider, with_services(provider, work))


def granted(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


def userinfo(provider: Provider, access_token: str) -> httpx2.Response:
    return send("GET", f"{provider.issuer}/userinfo", headers={"Authorization": f"Bearer {access_token}"})


def post_authorize(provider: Provider, parameters: dict[str, str]) -> httpx2.Response:
    body = urlencode({name: value for name, value in parameters.items() if value != ""})
    return send("POST", f"{provider.issuer}/authorize", content=body, headers={"Content-Type": FORM})


def attempt_of(page: httpx2.Response) -> str:
    """The path of the sign-in that a page is of, wherever the page was found."""
    return "/signin/" + next(
        form.action.split("/")[2] for form in forms(page.text) if form.action.startswith("/signin/")
    )


def parameters_of(url: str) -> dict[str, str]:
    return dict(httpx2.QueryParams(urlsplit(url).query))


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(token: str, index: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a JWT, not verified."""
    text = token.split(".")[index]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


def claims_of(token: str) -> dict[str, Any]:
    return part(token, 1)


def verified(provider: Provider, token: str) -> dict[str, Any]:
    """The claims of a token, its signature checked with the published keys by a library that is not the provider's."""
    keys = send("GET", f"{provider.issuer}/jwks").json()["keys"]
    key = next(key for key in keys if key["kid"] == part(token, 0)["kid"])
    jwt.PyJWS().decode(token, jwt.PyJWK(key), algorithms=["RS256"])
    return claims_of(token)


@dataclass(frozen=True)
class Forge:
    """The provider's own signing key, for tokens that are wrong in everything but their signature."""

    kid: str
    private_key: bytes

    def sign(self, payload: dict[str, Any] | bytes, **header: Any) -> str:
        """A header given as None is left out."""
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        wanted = {"typ": "at+jwt", "kid": self.kid, "alg": "RS256"} | header
        encoded = json.dumps({name: value for name, value in wanted.items() if value is not None}).encode()
        signed = f"{unpadded(encoded)}.{unpadded(content)}"
        key = load_pem_private_key(self.private_key, None)
        assert isinstance(key, RSAPrivateKey)
        return f"{signed}.{unpadded(key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def forge_of(provider: Provider) -> Forge:
    async def work(services: Services) -> Forge:
        found = await stored_keys.stored(services.database, services.sealer)
        current = next(key for key in found if key.state == "current")
        return Forge(current.kid, current.private_key)

    return with_services(provider, work)


def refused(response: httpx2.Response, status: int, error: str) -> None:
    """An error answer of the token endpoint, exactly as RFC 6749 section 5.2 has it."""
    assert (response.status_code, response.json().get("error")) == (status, error), response.text
    assert response.json().keys() == {"error", "error_description"}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in response.headers) == (status == 401)
