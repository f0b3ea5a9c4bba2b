"""A demo app that signs people in through the provider, as any app would: with Authlib's client."""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.dev.headers import SecurityHeaders
from idp.dev.relying_party import SCOPE, Identity, Provider, ShownError

Render = Callable[[str, Mapping[str, object]], str]

SESSION_SECONDS = 12 * 60 * 60
SESSIONS_KEPT = 1000
TIME_CLAIMS = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})
LONGEST_SHOWN = 4000

EXPLANATIONS = {
    "access_denied": "You said no, or the provider did not allow it. This app has learned nothing about you.",
    "unmet_authentication_requirements": "The provider cannot ask for what the API wants of your sign-in.",
    "login_required": "The provider needs you to sign in first.",
    "consent_required": "The provider needs your permission first.",
    "interaction_required": "The provider needs to ask you something first.",
    "invalid_grant": "The provider no longer accepts what this app has: it was used, expired or revoked.",
    "invalid_client": "The provider does not accept this app's id or secret.",
    "invalid_request": "The provider did not understand this app's request.",
    "invalid_scope": "This app asked for more than it may have.",
    "unauthorized_client": "The provider does not let this app sign people in this way.",
    "unsupported_response_type": "The provider does not let this app sign people in this way.",
    "server_error": "The provider had a problem of its own.",
    "temporarily_unavailable": "The provider is busy. Try again in a moment.",
    "mismatching_state": "This answer does not belong to what this browser started last.",
    "wrong_issuer": "The answer comes from another provider than the one this app asked, so it was not used.",
    "wrong_person": "The provider's answers are about two different people, so they were not used.",
    "unverifiable": "The provider's answer could not be verified, so it was not used.",
    "unreachable": "The provider could not be reached, or did not answer as expected.",
    "not_ours": "This page is out of date, or the request came from another site. Nothing was done.",
    "not_found": "There is no such page here.",
}
STEPPING_UP = "stepping_up"  # in the session, while the provider asks for more
ATTRIBUTE = re.compile(r'([a-z_]{1,40})="([^"]{0,200})"')
UNKNOWN = "The provider answered with an error that this app does not know."


@dataclass(frozen=True)
class SignedIn:
    """What the app knows about one browser."""

    identity: Identity
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    api_answer: Mapping[str, str] | None = None
    refreshed: Mapping[str, object] | None = None


class Sessions:
    """In memory, tokens too: the cookie holds a random id alone, and a restart signs everybody out."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, SignedIn] = OrderedDict()

    def open(self, signed_in: SignedIn) -> str:
        session_id = secrets.token_urlsafe(32)
        self._by_id[session_id] = signed_in
        if len(self._by_id) > SESSIONS_KEPT:
            self._by_id.popitem(last=False)
        return session_id

    def find(self, session_id: str) -> SignedIn | None:
        return self._by_id.get(session_id)

    def update(self, session_id: str, change: Callable[[SignedIn], SignedIn]) -> None:
        """Changes what is there now: it may be newer than what the caller read, or signed out."""
        if session_id in self._by_id:
            self._by_id[session_id] = change(self._by_id[session_id])

    def close(self, session_id: str) -> None:
        self._by_id.pop(session_id, None)


class Api:
    def __init__(self, url: str, transport: httpx2.AsyncBaseTransport | None) -> None:
        self.url = url
        self._transport = transport

    async def get(self, path: str, access_token: str) -> dict[str, str]:
        """The answer as a person reads it; a refusal is an answer too."""
        headers = {"Authorization": f"Bearer {access_token}"}
        try:
            async with httpx2.AsyncClient(transport=self._transport, trust_env=False) as http:
                answer = await http.get(f"{self.url}{path}", headers=headers)
        except httpx2.HTTPError as error:
            message = f"The API could not be reached: {error}"
            return {"status": "no answer", "challenge": "", "body": message}
        return {
            "status": str(answer.status_code),
            "challenge": answer.headers.get("www-authenticate", ""),
            "body": indented(answer.text)[:LONGEST_SHOWN],
        }


class Pages:
    """The demo app's endpoints. Every post redirects, so that a reload repeats nothing."""

    def __init__(self, provider: Provider, api: Api, issuer: str, app_url: str, render: Render) -> None:
        self._provider = provider
        self._api = api
        self._issuer = issuer
        self._app_url = app_url
        self._render = render
        self._sessions = Sessions()
        # Two refreshes at once would present one refresh token twice, which looks like theft.
        self._refreshing = asyncio.Lock()

    def page(self, name: str, context: Mapping[str, object], status: int = 200) -> Response:
        shared = {
            "site_name": "Demo app",
            "issuer": self._issuer,
            "app_url": self._app_url,
            "api_url": self._api.url,
        }
        return HTMLResponse(self._render(f"dev/{name}.html", {**shared, **context}), status_code=status)

    async def home(self, request: Request) -> Response:
        signed_in = self._sessions.find(request.session.get("id", ""))
        if signed_in is None:
            return self.page("demo_welcome", {"scopes": SCOPE.split()})
        return self.page("demo_home", home_context(signed_in))

    async def sign_in(self, request: Request) -> Response:
        return await self._provider.send_to_sign_in(request, f"{self._app_url}/callback")

    async def callback(self, request: Request) -> Response:
        identity = await self._provider.finish_sign_in(request)
        self._sessions.close(request.session.get("id", ""))
        answer = None
        if request.session.pop(STEPPING_UP, None):
            answer = await self._api.get("/payroll", identity.token["access_token"])
        request.session["id"] = self._sessions.open(SignedIn(identity, api_answer=answer))
        return RedirectResponse("/#api" if answer else "/", status_code=303)

    async def call_api(self, request: Request) -> Response:
        session_id, signed_in = await self._authentic_post(request)
        answer = await self._api.get("/me", signed_in.identity.token["access_token"])
        self._sessions.update(session_id, lambda now: replace(now, api_answer=answer))
        return RedirectResponse("/#api", status_code=303)

    async def read_payroll(self, request: Request) -> Response:
        """Where the API wants more of the sign-in, the provider is asked for that, of the same person (RFC 9470)."""
        session_id, signed_in = await self._authentic_post(request)
        token = signed_in.identity.token
        answer = await self._api.get("/payroll", token["access_token"])
        asked = wanted_by(answer["challenge"])
        if asked:
            request.session[STEPPING_UP] = True
            back_to, hint = f"{self._app_url}/callback", token["id_token"]
            return await self._provider.send_to_sign_in(request, back_to, id_token_hint=hint, **asked)
        self._sessions.update(session_id, lambda now: replace(now, api_answer=answer))
        return RedirectResponse("/#api", status_code=303)

    async def refresh(self, request: Request) -> Response:
        session_id, _ = await self._authentic_post(request)
        async with self._refreshing:
            current = self._sessions.find(session_id)
            if current is not None:
                identity = await self._provider.refresh(current.identity)
                told = what_changed(current.identity.token, identity.token)
                self._sessions.update(session_id, lambda now: replace(now, identity=identity, refreshed=told))
        return RedirectResponse("/#tokens", status_code=303)

    async def sign_out(self, request: Request) -> Response:
        session_id, _ = await self._authentic_post(request)
        self._sessions.close(session_id)
        request.session.clear()
        return RedirectResponse("/signed-out", status_code=303)

    async def sign_out_everywhere(self, request: Request) -> Response:
        session_id, signed_in = await self._authentic_post(request)
        back_to = f"{self._app_url}/signed-out/callback"
        response = await self._provider.send_to_sign_out(request, signed_in.identity, back_to)
        self._sessions.close(session_id)
        return response

    async def back_from_sign_out(self, request: Request) -> Response:
        await self._provider.finish_sign_out(request)
        return RedirectResponse("/signed-out/everywhere", status_code=303)

    async def signed_out(self, _: Request) -> Response:
        return self.page("demo_signed_out", {"everywhere": False})

    async def signed_out_everywhere(self, _: Request) -> Response:
        return self.page("demo_signed_out", {"everywhere": True})

    async def failed(self, _: Request, error: Exception) -> Response:
        if not isinstance(error, ShownError):
            raise error
        context = {
            "code": error.code[:100],
            "explanation": EXPLANATIONS.get(error.code, UNKNOWN),
            "description": error.description[:500],
        }
        return self.page("demo_error", context, error.status)

    async def refused(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code = "not_found" if error.status_code == HTTPStatus.NOT_FOUND else "not_ours"
        return await self.failed(request, ShownError(code, status=error.status_code))

    async def _authentic_post(self, request: Request) -> tuple[str, SignedIn]:
        session_id: str = request.session.get("id", "")
        signed_in = self._sessions.find(session_id)
        sent = parse_qs((await request.body()).decode("utf-8", "replace")).get("csrf", [""])[0]
        if signed_in is None or not hmac.compare_digest(sent.encode(), signed_in.csrf.encode()):
            raise ShownError("not_ours", status=403)
        return session_id, signed_in


def home_context(signed_in: SignedIn) -> dict[str, object]:
    identity, token = signed_in.identity, signed_in.identity.token
    expires_at = token.get("expires_at")
    return {
        "csrf": signed_in.csrf,
        "person": identity.name,
        "id_token_claims": readable(identity.claims),
        "userinfo": readable(identity.userinfo),
        "scope": token.get("scope", ""),
        "expires": moment(expires_at) if isinstance(expires_at, int) else "not said",
        "expired": isinstance(expires_at, int) and expires_at <= datetime.now(UTC).timestamp(),
        "access_token": fingerprint(token["access_token"]),
        "refresh_token": fingerprint(token.get("refresh_token")),
        "api_answer": signed_in.api_answer,
        "refreshed": signed_in.refreshed,
    }


def wanted_by(challenge: str) -> dict[str, str]:
    """What an API wants of the sign-in: acr_values and max_age. Empty where its answer is another one."""
    told = dict(ATTRIBUTE.findall(challenge))
    if told.get("error") != "insufficient_user_authentication":
        return {}
    return {name: told[name] for name in ("acr_values", "max_age") if name in told}


def readable(claims: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, readable_claim(name, value)) for name, value in claims.items()]


def readable_claim(name: str, value: object) -> str:
    if name in TIME_CLAIMS and isinstance(value, int | float):
        return moment(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def fingerprint(token: str | None) -> str:
    """Enough to see that a token changed, and nothing that helps anybody to use it."""
    return hashlib.sha256(token.encode()).hexdigest()[:8] if token else ""


def what_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, object]:
    before, after = fingerprint(old.get("refresh_token")), fingerprint(new.get("refresh_token"))
    return {"before": before, "after": after, "rotated": before != after}


def create_demo_app(
    *,
    issuer: str,
    client_id: str,
    client_secret: str,
    app_url: str,
    api_url: str,
    session_secret: str,
    render: Render,
    static: BaseRoute,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Starlette:
    """The app at `app_url` (no slash at its end), whose registered redirect URI is `{app_url}/callback`.

    Its post-logout redirect URI is `{app_url}/signed-out/callback`.
    """
    provider = Provider(issuer, client_id, client_secret, transport)
    pages = Pages(provider, Api(api_url, transport), issuer, app_url, render)
    sessions = Middleware(
        SessionMiddleware,
        secret_key=session_secret,
        session_cookie=f"demo_app_session_{urlsplit(app_url).port}",  # cookies ignore ports
        max_age=SESSION_SECONDS,
        same_site="lax",
    )
    return Starlette(
        routes=[
            Route("/", pages.home),
            Route("/sign-in", pages.sign_in),
            Route("/callback", pages.callback),
            Route("/call-api", pages.call_api, methods=["POST"]),
            Route("/read-payroll", pages.read_payroll, methods=["POST"]),
            Route("/refresh", pages.refresh, methods=["POST"]),
            Route("/sign-out", pages.sign_out, methods=["POST"]),
            Route("/sign-out-everywhere", pages.sign_out_everywhere, methods=["POST"]),
            Route("/signed-out", pages.signed_out),
            Route("/signed-out/callback", pages.back_from_sign_out),
            Route("/signed-out/everywhere", pages.signed_out_everywhere),
            static,
        ],
        middleware=[Middleware(SecurityHeaders, posts_to=issuer), sessions],
        exception_handlers={ShownError: pages.failed, HTTPException: pages.refused},
        max_body_size=16 * 1024,
    )
