"""What is measured: each row is one operation of one kind of user."""

import base64
import hashlib
import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.bench.wire import Answer, Connection

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
_ACTION = re.compile(rb'<form[^>]*action="([^"]+)"')
_CSRF = re.compile(rb'name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Target:
    """The installation under load."""

    port: int
    app: dict[str, Any]
    service: dict[str, Any]
    email: str
    password: str

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"


class Flow(ABC):
    """One connection's share of a row. `signatures`: how many the provider makes for one operation."""

    name: str
    signatures: int = 0

    def __init__(self, target: Target) -> None:
        self.target = target
        self.connection = Connection(target.port)

    async def prepare(self) -> None:
        await self.connection.open()

    @abstractmethod
    async def once(self) -> None: ...

    async def send(self, request: bytes, status: int = 200) -> Answer:
        answer = await self.connection.send(request)
        assert answer.status == status, (answer.status, answer.body[:500])
        return answer


def basic(client: dict[str, Any]) -> str:
    return "Basic " + base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()


class ClientCredentials(Flow):
    name = "client_credentials"
    signatures = 1

    async def prepare(self) -> None:
        await super().prepare()
        form = {"grant_type": "client_credentials"}
        self.request = self.connection.post("/token", form, authorization=basic(self.target.service))

    async def once(self) -> None:
        await self.send(self.request)


class CodeFlow(Flow):
    """A person without a session, whose password manager fills the form: code and tokens; consent was given before."""

    name = "code_flow"
    signatures = 2

    async def prepare(self) -> None:
        await super().prepare()
        await self.sign_in({})  # consent is remembered from here on

    async def once(self) -> None:
        await self.tokens(await self.sign_in({}))

    async def sign_in(self, cookies: dict[str, str]) -> str:
        """The code; `cookies` gains what the browser is given."""
        answer = await self.browse(self.authorize_path(), cookies)
        if answer.status == 200:
            answer = await self.fill(answer, cookies)
        location = answer.header("location")
        assert location.startswith(self.target.app["redirect_uris"][0]), location
        return parse_qs(urlsplit(location).query)["code"][0]

    async def fill(self, page: Answer, cookies: dict[str, str]) -> Answer:
        target = self.target
        answer = await self.submit(page, cookies, username=target.email, password=target.password)
        return await self.allow(answer, cookies)

    async def allow(self, answer: Answer, cookies: dict[str, str]) -> Answer:
        if answer.header("location").startswith("/signin/"):
            page = await self.browse(answer.header("location"), cookies)
            answer = await self.submit(page, cookies, "/consent", decision="allow")
        return answer

    async def submit(self, page: Answer, cookies: dict[str, str], form: str = "", **fields: str) -> Answer:
        """Posts the first form of the page whose action ends with `form`."""
        answer = await self.send(self.form(page, cookies, form, fields), 303)
        cookies.update(answer.cookies())
        return answer

    def form(self, page: Answer, cookies: dict[str, str], form: str, fields: dict[str, str]) -> bytes:
        """The request."""
        action = next(found for each in _ACTION.findall(page.body) if (found := each.decode()).endswith(form))
        token = _CSRF.search(page.body)
        assert token is not None
        data = fields | {"csrf": token[1].decode()}
        return self.connection.post(action, data, cookie=_cookie(cookies), origin=self.target.origin)

    async def browse(self, path: str, cookies: dict[str, str]) -> Answer:
        headers = {"cookie": _cookie(cookies)} if cookies else {}
        answer = await self.connection.send(self.connection.get(path, **headers))
        assert answer.status in (200, 303), (answer.status, answer.body[:500])
        cookies.update(answer.cookies())
        return answer

    async def tokens(self, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.target.app["redirect_uris"][0],
            "code_verifier": VERIFIER,
        }
        answer = await self.send(self.connection.post("/token", form, authorization=basic(self.target.app)))
        tokens: dict[str, Any] = json.loads(answer.body)
        return tokens

    def authorize_path(self) -> str:
        return "/authorize?" + urlencode(
            {
                "response_type": "code",
                "client_id": self.target.app["client_id"],
                "redirect_uri": self.target.app["redirect_uris"][0],
                "scope": "openid profile email offline_access",
                "state": "s" * 22,
                "nonce": "n" * 22,
                "code_challenge": CHALLENGE,
                "code_challenge_method": "S256",
            }
        )


class TypedCodeFlow(CodeFlow):
    """The same by hand: the address on one page, the password on the next."""

    name = "code_flow_typed"

    async def fill(self, page: Answer, cookies: dict[str, str]) -> Answer:
        answer = await self.submit(page, cookies, username=self.target.email)
        page = await self.browse(answer.header("location"), cookies)
        answer = await self.submit(page, cookies, password=self.target.password)
        return await self.allow(answer, cookies)


class SsoFlow(CodeFlow):
    """A person whose session is there: code and tokens."""

    name = "sso_flow"

    async def prepare(self) -> None:
        await super().prepare()
        self.cookies: dict[str, str] = {}
        await self.tokens(await self.sign_in(self.cookies))

    async def once(self) -> None:
        await self.tokens(await self.sign_in(self.cookies))


class RefreshToken(CodeFlow):
    name = "refresh_token"

    async def prepare(self) -> None:
        await super().prepare()
        self.token = (await self.tokens(await self.sign_in({})))["refresh_token"]

    async def once(self) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self.token}
        answer = await self.send(self.connection.post("/token", form, authorization=basic(self.target.app)))
        self.token = json.loads(answer.body)["refresh_token"]


class Userinfo(CodeFlow):
    name = "userinfo"
    signatures = 0

    async def prepare(self) -> None:
        await super().prepare()
        tokens = await self.tokens(await self.sign_in({}))
        self.request = self.connection.get("/userinfo", authorization=f"Bearer {tokens['access_token']}")

    async def once(self) -> None:
        await self.send(self.request)


class Introspection(CodeFlow):
    name = "introspection"
    signatures = 0

    async def prepare(self) -> None:
        await super().prepare()
        tokens = await self.tokens(await self.sign_in({}))
        form = {"token": tokens["access_token"]}
        self.request = self.connection.post("/introspect", form, authorization=basic(self.target.app))

    async def once(self) -> None:
        answer = await self.send(self.request)
        assert b'"active":true' in answer.body


class Discovery(Flow):
    name = "discovery"

    async def once(self) -> None:
        await self.send(self.connection.get("/.well-known/openid-configuration"))


class Jwks(Flow):
    name = "jwks"

    async def once(self) -> None:
        await self.send(self.connection.get("/jwks"))


FLOWS: tuple[type[Flow], ...] = (
    ClientCredentials,
    RefreshToken,
    CodeFlow,
    TypedCodeFlow,
    SsoFlow,
    Userinfo,
    Introspection,
    Discovery,
    Jwks,
)


def _cookie(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
