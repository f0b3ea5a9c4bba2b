"""SQL in the place of every value that a stranger can send, on each kind of database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from idp.services import Services
from idp.store.db import Effect, Statement
from tests.oauth.wire import (
    App,
    Forge,
    attempt_of,
    claims_of,
    forge_of,
    parameters_of,
    post_authorize,
    register,
    send,
    userinfo,
    with_services,
)
from tests.provider import Browser, Provider, forms, running

# By what a value may be closed, each engine's comments and delays, and what a tool such as sqlmap tries first.
SQL = (
    *("'", '"', "\\", "%", "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "') OR ('a'='a", "ana@example.test' --"),
    *("'; DROP TABLE users; --", "1; DELETE FROM sessions", "' UNION SELECT NULL,NULL,NULL,NULL --", "'/**/OR/**/1=1#"),
    "' AND 1=CAST((SELECT email FROM users LIMIT 1) AS INTEGER) --",
    "'; UPDATE clients SET disabled_at = created_at; --",
    "'||(SELECT CASE WHEN 1=1 THEN randomblob(900000000) END)||'",
    "'||(SELECT pg_sleep(20))||'",
    "$$;TRUNCATE grants CASCADE;$$ :id ?1 $1 %(id)s",
)
# What may grow: every request is recorded, begins a sign-in, or is kept to be read again.
GROWING = {"audit", "attempts", "handles", "refusals", "failures", "counters"}
AUTHORIZE = (
    *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age"),
    *("code_challenge", "code_challenge_method", "login_hint", "ui_locales", "id_token_hint", "claims", "resource"),
)
TOKEN = (
    *("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret"),
    *("client_assertion", "resource", "audience"),
)
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
HEADERS = ("Origin", "Referer", "User-Agent", "X-Forwarded-For", "X-Request-Id", "Accept-Language")
Tried = Iterator[tuple[str, httpx2.Response]]


def contents(provider: Provider) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that does not grow, but for when it was last used."""

    async def work(services: Services) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for name, table in SQLModel.metadata.tables.items():
            if name not in GROWING:
                columns = [column for column in table.columns if column.name != "seen_at"]
                every = Statement(Effect.READ, select(*columns).order_by(*table.primary_key.columns))
                found[name] = [tuple(row) for row in await services.database.all(every)]
        return found

    return with_services(provider, work)


def at_authorize(app: App, ana: Browser, payload: str) -> Tried:
    for name in (*AUTHORIZE, payload):
        parameters = parameters_of(app.url()) | {name: payload}
        yield f"authorize {name}", send("GET", f"{app.provider.issuer}/authorize?{urlencode(parameters)}")
        yield f"authorize {name}, signed in", ana.http.get(f"/authorize?{urlencode(parameters)}")
        yield f"post authorize {name}", post_authorize(app.provider, parameters)


def at_token(app: App, tokens: dict[str, Any], payload: str) -> Tried:
    family = tokens["refresh_token"].split(".")[0]
    for grant in GRANTS:
        honest = {"grant_type": grant, "code": "c" * 43, "redirect_uri": app.client["redirect_uris"][0]}
        honest |= {"code_verifier": "v" * 43, "refresh_token": f"{family}.0.{'A' * 43}"}
        for name in TOKEN:
            yield f"token {grant} {name}", app.post(honest | {name: payload})
    url, data = f"{app.provider.issuer}/token", {"grant_type": "client_credentials"}
    for pair in ((payload, app.basic[1]), (app.client_id, payload), (payload, payload)):
        encoded = (quote(pair[0], safe=""), quote(pair[1], safe=""))
        yield "token Basic", send("POST", url, data=data, auth=encoded)
        yield "token body", send("POST", url, data=data | {"client_id": pair[0], "client_secret": pair[1]})
    for origin in (url, f"{app.provider.issuer}/userinfo"):
        yield "preflight", send("OPTIONS", origin, headers={"Origin": payload})


def at_userinfo(app: App, forge: Forge, tokens: dict[str, Any], payload: str) -> Tried:
    url = f"{app.provider.issuer}/userinfo"
    yield "userinfo header", userinfo(app.provider, payload)
    yield "userinfo body", send("POST", url, data={"access_token": payload})
    yield "userinfo kid", userinfo(app.provider, forge.sign(claims_of(tokens["access_token"]), kid=payload))
    for claim in ("grant", "sub", "client_id", "scope"):
        signed = forge.sign(claims_of(tokens["access_token"]) | {claim: payload})
        yield f"userinfo {claim}", userinfo(app.provider, signed)


def in_forms(app: App, ana: Browser, payload: str) -> Tried:
    browser = Browser(app.provider.issuer)
    yield "identify", browser.open(app.url())
    yield "identify csrf", browser.http.post(forms(_text(browser))[0].action, data={"csrf": payload, payload: payload})
    yield "identify username", browser.submit(action="/identify", username=payload)
    yield "password", browser.submit(action="/password", password=payload)
    ana.open(app.url(prompt="consent"))
    form = next(form for form in forms(_text(ana)) if form.action.endswith("/consent"))
    yield "consent decision", ana.http.post(form.action, data=form.fields | {"decision": payload})
    yield "consent csrf", ana.http.post(form.action, data={"csrf": payload, "decision": "allow"})
    yield "sign-out csrf", ana.http.post("/sign-out", data={"csrf": payload})


def in_paths(app: App, ana: Browser, payload: str) -> Tried:
    part = quote(payload, safe="")
    attempt = attempt_of(ana.open(app.url(prompt="consent")))
    token = forms(ana.open("/").text)[0].fields["csrf"]
    for path in ("/", "/authorize/", "/signin/", "/static/", f"{attempt}/"):
        yield path, ana.http.get(f"{path}{part}")
    yield "step", ana.http.get(f"/signin/{part}/step")
    for step in ("identify", "password", "consent", "switch", "send-code", "email"):
        data = {"csrf": token, "username": payload, "password": payload, "decision": "allow"}
        yield step, ana.http.post(f"/signin/{part}/{step}", data=data)
    yield "withdraw", ana.http.post(f"/account/apps/{part}/withdraw", data={"csrf": token})


def in_headers(app: App, payload: str) -> Tried:
    page = Browser(app.provider.issuer).open(app.url())
    for path in ("/", app.url(), attempt_of(page)):
        for purpose in ("session", "browser"):
            cookie = f"idp_{purpose}_{app.provider.port}={payload}"
            yield f"{purpose} cookie at {path}", send("GET", app.provider.issuer + path, headers={"Cookie": cookie})
        yield "headers", send("GET", app.provider.issuer + path, headers=dict.fromkeys(HEADERS, payload))
    yield "headers", send("POST", f"{app.provider.issuer}/token", headers=dict.fromkeys(HEADERS, payload))


def _text(browser: Browser) -> str:
    assert browser.page is not None
    return browser.page.text


@pytest.mark.slow
def test_xi_06_sql_in_any_parameter_changes_nothing(tmp_path: Path, database_url: str) -> None:
    """The attacker sends SQL in each parameter, form field, path, cookie and header, to read, change or stall."""
    with running(tmp_path, database_url) as provider:
        provider.create_user()
        app, ana = register(provider, grant_types=GRANTS), Browser(provider.issuer)
        tokens, forge = app.tokens(ana), forge_of(provider)
        before = contents(provider)
        assert all(before[name] for name in ("users", "credentials", "clients", "sessions", "consents", "grants"))
        for payload in SQL:
            for tried in (
                at_authorize(app, ana, payload),
                at_token(app, tokens, payload),
                at_userinfo(app, forge, tokens, payload),
                in_forms(app, ana, payload),
                in_paths(app, ana, payload),
                in_headers(app, payload),
            ):
                for where, answer in tried:
                    assert 200 <= answer.status_code < 500, (where, payload)
                    assert answer.elapsed.total_seconds() < 10, (where, payload)
                    told = answer.text.lower()
                    assert not [word for word in ("syntax", "sqlite", "asyncpg", "operand") if word in told], where
            assert contents(provider) == before, payload
        assert userinfo(provider, tokens["access_token"]).status_code == 200
        assert app.tokens(Browser(provider.issuer))["scope"] == tokens["scope"]
